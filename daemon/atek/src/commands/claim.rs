//! `atek claim`: how a new box gets its owner.

use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use crate::text::table::Tone;
use atek_api::setup::{API, Claim};

pub(super) async fn run(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "claim", [(); 0], "show the claim code")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let claim: Claim = read("claim", &answer)?;
    match words(host, &claim) {
        Some(text) => host.out.print(&text),
        None => host
            .out
            .done("the box has an administrator already, there is nothing to claim"),
    }
}

/// The same beside something else; nothing where there is nothing to claim, or the host
/// does not say so.
pub(super) async fn how(host: &Host) -> Option<String> {
    let answer = host
        .call(API, "claim", [(); 0], "show the claim code")
        .await
        .ok()?;
    words(host, &read("claim", &answer).ok()?)
}

fn words(host: &Host, claim: &Claim) -> Option<String> {
    let code = claim.code.as_deref()?;
    Some(format!(
        "This box has no administrator yet. Open {} and enter the code {}\n",
        clean::line(&claim.url),
        host.out.paint(Tone::Strong, &clean::line(code))
    ))
}
