//! The unit of a service whose program comes from a container image.
//!
//! The image is the root of the file system, which cannot be written. atek-sandbox runs first
//! inside it, as in every service's unit. The image may have another C library or none, so
//! atek-sandbox is started by the host's dynamic linker with the host's libraries, which are
//! mounted for it in a folder that no program of the image may read (see atek-sandbox's `rules`).

use super::service::Process;
use super::{Bind, Property, text};
use crate::sources::ImageSources;
use atek_api::image::root_folder;
use atek_api::spec::paths;
use std::path::{Path, PathBuf};
use zbus::Variant;

/// The name under which the dynamic linker is mounted.
const LINKER: &str = "ld.so";
/// The folder of the libraries.
const LIBRARIES: &str = "lib";
/// The name of atek-sandbox.
const PROGRAM: &str = "atek-sandbox";

/// What a service's own unit has in place of the host's file system.
pub(super) fn properties(process: &Process<'_>) -> Vec<Property> {
    let name = process.sidecar.map(|sidecar| &sidecar.name);
    let root = process.spec.package.folder.join(root_folder(name));
    vec![
        ("RootDirectory", text(root.to_string_lossy())),
        // What root runs before it runs in the host's root, as for every service.
        ("RootDirectoryStartOnly", Variant::from(true)),
        ("MountAPIVFS", Variant::from(true)),
    ]
}

/// What of the host is mounted for it, besides what every service has.
pub(super) fn mounts(image: &ImageSources) -> Vec<Bind> {
    let tools = Path::new(paths::IMAGE_TOOLS);
    let libraries = image.libraries.iter().filter_map(|library| {
        let inside = tools.join(LIBRARIES).join(library.file_name()?);
        Some(Bind::new(library, inside))
    });
    [
        Bind::new(&image.linker, tools.join(LINKER)),
        Bind::new(paths::SANDBOX, tools.join(PROGRAM)),
    ]
    .into_iter()
    .chain(libraries)
    .collect()
}

/// How atek-sandbox is called inside the image.
pub(super) fn sandbox() -> Vec<String> {
    let inside = |name: &str| -> String {
        let path: PathBuf = Path::new(paths::IMAGE_TOOLS).join(name);
        path.to_string_lossy().into_owned()
    };
    vec![
        inside(LINKER),
        // The image's own list of libraries is not read.
        "--inhibit-cache".to_owned(),
        "--library-path".to_owned(),
        inside(LIBRARIES),
        inside(PROGRAM),
    ]
}
