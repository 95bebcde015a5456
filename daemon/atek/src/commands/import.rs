//! `atek import`: a compose file as the manifest of an app. Needs no host.

use crate::cli::apps::Import;
use crate::error::Failure;
use crate::out::Out;
use crate::text::clean;
use atek_compose::{MAX_BYTES, Wishes, translate};
use std::fs::File;
use std::io::Read as _;

pub(super) fn run(args: &Import, out: &Out) -> Result<(), Failure> {
    let failed = |source| Failure::File {
        action: "read",
        path: args.file.clone(),
        source,
    };
    let mut text = String::new();
    // One byte more than is read, so that a longer file is refused and not cut.
    File::open(&args.file)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(failed)?;
    let wishes = Wishes {
        main: args.main.clone(),
        variables: args.variables.iter().cloned().collect(),
    };
    let file = args.file.display();
    let made = translate(&text, &wishes)
        .map_err(|error| Failure::Usage(clean::line(&format!("{file}: {error}")).into_owned()))?;
    for left_out in &made.left_out {
        out.note(&clean::line(&format!("{file}:{left_out}")));
    }
    let mut manifest = serde_json::to_string_pretty(&made.manifest).unwrap_or_default();
    manifest.push('\n');
    out.print(&manifest)
}
