//! Reads an app's icon: a small picture in its package.
//!
//! The package is hostile input: its path is walked part by part without following a link,
//! so that it ends inside the package or nowhere. (`openat2` would do it in one call, but a
//! unit with `RestrictSUIDSGID=` does not have it.) The media type is read from the content,
//! since a name can be anything.

use super::context::Operations;
use crate::services::definition;
use atek_api::ids::ServiceKey;
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::source::Source;
use atek_api::spec::{RelativePath, paths};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Bytes of the largest icon.
const MAX: u64 = 256 * 1024;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// The file.
    pub content: Vec<u8>,
    /// Its media type.
    pub kind: &'static str,
}

impl Operations {
    /// The service's icon, if it has one that can be shown.
    pub async fn icon(&self, key: &ServiceKey) -> Option<Icon> {
        let snapshot = self.supervisor.snapshot(key).await.ok()?;
        let definition = &snapshot.definition;
        let path = definition.settings.manifest.as_ref()?.icon.clone()?;
        let folder = match &definition.core {
            Some(core) => core.package.clone().ok()?,
            None => package_folder(key, &definition.settings)?,
        };
        let read = tokio::task::spawn_blocking(move || read(&folder, &path));
        read.await.ok().flatten()
    }
}

/// Where the installed version of a package lies.
fn package_folder(key: &ServiceKey, settings: &ServiceSettings) -> Option<PathBuf> {
    match settings.package.source_type {
        SourceType::Git => {
            let version = definition::installed_version(settings)?;
            Some(paths::package_version(key, &version))
        }
        SourceType::File => match settings.source_url.parse() {
            Ok(Source::Folder(path)) => Some(path),
            _ => None,
        },
    }
}

fn read(package: &Path, icon: &RelativePath) -> Option<Icon> {
    let folder = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    // A pipe of this name would keep the opener waiting.
    let file = OFlag::O_NONBLOCK | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let (folders, name) = match icon.as_str().rsplit_once('/') {
        Some((folders, name)) => (folders, name),
        None => ("", icon.as_str()),
    };
    let mut at: OwnedFd = open(package, folder, Mode::empty()).ok()?;
    for part in folders.split('/').filter(|part| !part.is_empty()) {
        at = openat(&at, part, folder | OFlag::O_NOFOLLOW, Mode::empty()).ok()?;
    }
    let file = openat(&at, name, file | OFlag::O_NOFOLLOW, Mode::empty()).ok()?;
    let file = File::from(file);
    let about = file.metadata().ok()?;
    if !about.is_file() || about.len() > MAX {
        return None;
    }
    let mut content = Vec::new();
    // It may grow while it is read.
    file.take(MAX + 1).read_to_end(&mut content).ok()?;
    if content.len() as u64 > MAX {
        return None;
    }
    let kind = kind(&content)?;
    Some(Icon { content, kind })
}

/// The media type of a picture that browsers show; `None` for anything else. Pure.
fn kind(content: &[u8]) -> Option<&'static str> {
    match content {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => is_svg(content).then_some("image/svg+xml"),
    }
}

/// Whether the first element of an XML text is `svg`.
fn is_svg(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else {
        return false;
    };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // What may stand before it: a declaration, comments, a document type.
    loop {
        let end = match rest {
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!") => ">",
            _ => break,
        };
        match rest.split_once(end) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.strip_prefix("<svg")
        .is_some_and(|after| after.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg'/>";

    fn read_in(package: &Path, icon: &str) -> Option<Icon> {
        read(package, &icon.parse().unwrap())
    }

    #[test]
    fn a_picture_is_what_its_content_says() {
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVE", None),
            (SVG.as_bytes(), Some("image/svg+xml")),
            (
                b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg>\n<svg\n/>",
                Some("image/svg+xml"),
            ),
            (b"<svgx/>", None),
            (b"<!-- <svg/>", None),
            (b"<html><svg/></html>", None),
            (b"GIF89a", None),
            (b"root:x:0:0:root", None),
            (b"", None),
        ] {
            assert_eq!(kind(content), expected, "{}", content.escape_ascii());
        }
    }

    #[test]
    fn an_icon_is_a_small_file_inside_the_package() {
        let home = tempfile::tempdir().unwrap();
        let package = home.path().join("package");
        fs::create_dir_all(package.join("assets")).unwrap();
        fs::write(home.path().join("secret.svg"), SVG).unwrap();
        fs::write(package.join("assets/icon.svg"), SVG).unwrap();
        fs::write(package.join("plain.txt"), "text").unwrap();
        let mut huge = SVG.as_bytes().to_vec();
        huge.resize(256 * 1024 + 1, b' ');
        fs::write(package.join("huge.svg"), &huge).unwrap();
        fs::write(package.join("most.svg"), &huge[..256 * 1024]).unwrap();
        symlink("../secret.svg", package.join("link.svg")).unwrap();
        symlink("assets/icon.svg", package.join("inner.svg")).unwrap();
        symlink("..", package.join("up")).unwrap();
        let pipe = package.join("pipe.svg");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();

        let icon = read_in(&package, "./assets/icon.svg").unwrap();
        assert_eq!((icon.kind, icon.content), ("image/svg+xml", SVG.into()));
        assert!(read_in(&package, "most.svg").is_some());
        for nothing in [
            "link.svg",
            "inner.svg",
            "up/secret.svg",
            "huge.svg",
            "pipe.svg",
            "plain.txt",
            "assets",
            "missing.svg",
        ] {
            assert_eq!(read_in(&package, nothing), None, "{nothing}");
        }
    }
}
