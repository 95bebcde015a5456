//! The unit of a service whose program comes from a container image.
//!
//! The image is the root of the file system, which cannot be written. atek-sandbox runs first
//! inside it, as in every service's unit. The image may have another C library or none, so
//! atek-sandbox is started by the host's dynamic linker with the host's libraries, which are
//! mounted for it in a folder of which no program of the image may execute anything, and which only
//! one that is shown that it is root may read (see atek-sandbox's `rules`).

use super::service::Process;
use super::{Bind, Property, text};
use crate::sources::ImageSources;
use atek_api::image::root_folder;
use atek_api::spec::paths;
use std::path::{Path, PathBuf};
use zbus::Variant;

/// The folder of the host's libraries.
const LIBRARIES: &str = "lib";
/// The name of atek-sandbox.
const PROGRAM: &str = "atek-sandbox";

/// What a service's own unit has in place of the host's file system.
pub(super) fn properties(process: &Process<'_>) -> Vec<Property> {
    let name = process.sidecar.map(|sidecar| &sidecar.name);
    let root = process.spec.package.folder.join(root_folder(name));
    vec![
        ("RootDirectory", text(root.to_string_lossy())),
        // What waits until it is ready runs in the host's root, where atek-sandbox is.
        ("RootDirectoryStartOnly", Variant::from(true)),
        ("MountAPIVFS", Variant::from(true)),
    ]
}

/// What of the host is mounted for it, besides what every service has. Whole folders: systemd goes
/// through all mounts of a unit for each that cannot be written.
pub(super) fn mounts(image: &ImageSources) -> Vec<Bind> {
    let tools = Path::new(paths::IMAGE_TOOLS);
    let folders = folders(image).into_iter().enumerate();
    let libraries = folders.map(|(n, folder)| Bind::new(folder, library_folder(n)));
    [Bind::new(paths::SANDBOX, tools.join(PROGRAM))]
        .into_iter()
        .chain(libraries)
        .collect()
}

/// The folders with the dynamic linker and the libraries, that of the linker first: one, where the
/// system has all in one place.
fn folders(image: &ImageSources) -> Vec<&Path> {
    let mut folders = Vec::new();
    let files = [&image.linker].into_iter().chain(&image.libraries);
    for folder in files.filter_map(|file| file.parent()) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Where one of them is mounted.
fn library_folder(number: usize) -> PathBuf {
    let folder = Path::new(paths::IMAGE_TOOLS).join(LIBRARIES);
    folder.join(number.to_string())
}

/// How atek-sandbox is called inside the image.
pub(super) fn sandbox(image: &ImageSources) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let linker = image.linker.file_name().unwrap_or_default();
    let numbers = 0..folders(image).len();
    let libraries: Vec<String> = numbers.map(|n| text(&library_folder(n))).collect();
    vec![
        text(&library_folder(0).join(linker)),
        // The image's own list of libraries is not read.
        "--inhibit-cache".to_owned(),
        "--library-path".to_owned(),
        libraries.join(":"),
        text(&Path::new(paths::IMAGE_TOOLS).join(PROGRAM)),
    ]
}
