//! `atek audit`: who did what.

use crate::cli::rights::Audit;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size, time};
use atek_api::audit::{AuditKind, AuditOutcome, AuditPage, AuditParams, AuditRow, MANY};
use atek_api::grants::API;

pub(super) async fn run(host: &Host, args: Audit) -> Result<(), Failure> {
    let params = AuditParams {
        app: args.app,
        since: Some(since(host, &args.since)?),
        refused: args.refused,
        search: args.search,
    };
    let answer = host
        .call(API, "audit", (params,), "read the audit log")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let page = read::<AuditPage>("audit", &answer)?;
    if page.rows.is_empty() {
        return host.out.done("nothing of this kind was written down");
    }
    let names = ["LAST", "WHO", "DID", "OUTCOME", ">TIMES", ">BYTES"];
    let mut table = Columns::new(host.out.look(), &names);
    for row in &page.rows {
        let (outcome, tone) = outcome(row.outcome);
        let times = row.count.to_string();
        table.row([
            (&*time::date(&row.last, &host.zone), Tone::Plain),
            (&*clean::line(&row.who), Tone::Strong),
            (&*clean::line(&deed(row)), Tone::Plain),
            (outcome, tone),
            (&times, Tone::Plain),
            (&bytes(row), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())?;
    if page.more {
        host.out
            .note("there is more: ask for less with --app, --since, --refused or a text");
    }
    Ok(())
}

/// The API takes a moment, not a length of time.
fn since(host: &Host, text: &str) -> Result<String, Failure> {
    let problem = |problem: time::InvalidTime| Failure::Usage(format!("--since: {problem}"));
    let since = time::parse_since(text, host.now(), &host.zone).map_err(problem)?;
    let Some(seconds) = since.strip_prefix('-') else {
        return Ok(since);
    };
    let seconds = seconds.parse().map_err(|_| problem(time::InvalidTime))?;
    let at = host.now() - jiff::SignedDuration::from_secs(seconds);
    Ok(at.to_string())
}

fn deed(row: &AuditRow) -> String {
    let about = row.about.as_deref();
    let of = about.map(|about| format!(" of {about}"));
    let of = of.unwrap_or_default();
    let what = match row.what.as_str() {
        MANY => "many others",
        what => what,
    };
    match row.kind {
        AuditKind::Call => {
            let method = row.method.as_deref().unwrap_or_default();
            format!("called {method} at {what}{of}")
        }
        AuditKind::Connection => format!("connected to {what}{of}"),
        AuditKind::Host => format!("reached for {what}"),
        AuditKind::Page => format!("opened{}", about.map_or(String::new(), |a| format!(" {a}"))),
        AuditKind::Permission => {
            let words = row.words.as_deref().unwrap_or(what);
            format!("{}: {words}", about.unwrap_or_default())
        }
        AuditKind::Share => format!("{}: {what}", about.unwrap_or_default()),
        AuditKind::Password => format!(
            "set a new password for {}: {what}",
            about.unwrap_or_default()
        ),
    }
}

fn outcome(outcome: AuditOutcome) -> (&'static str, Tone) {
    match outcome {
        AuditOutcome::Done => ("done", Tone::Plain),
        AuditOutcome::Failed => ("failed", Tone::Warn),
        AuditOutcome::Refused => ("refused", Tone::Bad),
        AuditOutcome::Given => ("given", Tone::Good),
        AuditOutcome::Denied => ("denied", Tone::Warn),
        AuditOutcome::Taken => ("taken back", Tone::Plain),
        AuditOutcome::Ended => ("ended", Tone::Dim),
    }
}

fn bytes(row: &AuditRow) -> String {
    match row.sent + row.received {
        0 => String::new(),
        all => size::bytes(all),
    }
}
