//! `atek authorities`: certificate authorities of one's own.

use crate::cli::Authorities;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use crate::text::table::{Columns, Tone};
use atek_api::system::{API, Authority};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Bytes of the longest file that is read.
const FILE_MAX: u64 = 256 << 10;

pub(super) async fn run(host: &Host, args: &Authorities) -> Result<(), Failure> {
    if let Some(file) = &args.add {
        let pem = read_file(file)?;
        let action = "trust this authority";
        let answer = host.call(API, "addAuthority", (pem,), action).await?;
        if host.out.json {
            return host.out.print_json(&answer);
        }
        for authority in read::<Vec<Authority>>("addAuthority", &answer)? {
            host.out.done(&format!(
                "packages are fetched from servers with certificates of {} now\nits fingerprint: {}",
                clean::line(&authority.name),
                clean::line(&authority.fingerprint)
            ))?;
        }
        return Ok(());
    }
    if let Some(fingerprint) = &args.remove {
        let action = "remove this authority";
        host.call(API, "removeAuthority", (fingerprint,), action)
            .await?;
        return host.out.done("removed");
    }
    let answer = host
        .call(API, "authorities", [(); 0], "list the authorities")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let mut table = Columns::new(host.out.look(), &["NAME", "UNTIL", "FINGERPRINT"]);
    for authority in read::<Vec<Authority>>("authorities", &answer)? {
        table.row([
            (clean::line(&authority.name).as_ref(), Tone::Strong),
            (&clean::line(&authority.until), Tone::Plain),
            (&clean::line(&authority.fingerprint), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}

fn read_file(path: &Path) -> Result<String, Failure> {
    let read = File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    read.map_err(|source| Failure::File {
        action: "read the certificate in",
        path: path.to_owned(),
        source,
    })
}
