//! The Debian route: a card from the package archive alone.
//!
//! No program of the box's architecture is run, and none of its packages' scripts: packages are
//! unpacked, and what their scripts would have done is done here, by the same tools of the build
//! machine's architecture. So it needs no emulation, takes half a minute, and gives the same bytes
//! for the same packages.

mod cross;
mod initramfs;
mod modules;
mod root;
pub mod toolbox;

pub use cross::Speed;
pub use root::{Made, root, unpack};

/// The release that everything is taken from.
const SUITE: &str = "trixie";

/// The names in a list of `image/`: one a line, `#` begins a remark.
fn names(list: &str) -> anyhow::Result<Vec<String>> {
    use anyhow::Context as _;
    let path = crate::paths::repository().join("image").join(list);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The key of something that is made from `parts`.
fn key(parts: &[&str]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    crate::verity::hex(&hash.finalize()[..8])
}
