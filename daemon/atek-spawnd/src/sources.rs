//! The folders that a service or a job is to see, opened and checked.
//!
//! systemd mounts folders by their paths and follows links, so a path can lead elsewhere by then.
//! Each folder is opened part by part here, without a link, and its device and inode go to
//! atek-sandbox, which compares them with what it finds mounted. The folders stay open until the
//! unit has started: no other folder gets the same inode before that.

use crate::credentials::make_accounts;
use crate::error::Error;
use crate::files::{FileError, Folder, Identity};
use crate::layout::Layout;
use crate::origin::Origin;
use atek_api::image::root_folder;
use atek_api::manifest::SidecarName;
use atek_api::permission::{AppFolder, DevicePath, GivenFolder};
use atek_api::spec::{Program, ServiceSpec, paths};
use nix::unistd::{Gid, Uid};
use std::path::{Path, PathBuf};

/// On disk, systemd keeps the state of services under this user and group, and shows it to each as
/// its own. In another service's mount it has this group.
const NOBODY: Gid = Gid::from_raw(65_534);
/// The group of that number (Debian's base-passwd).
const NOBODYS_GROUP: &str = "nogroup";

/// What tells the folders of one service from all others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Where atekd takes the services' listeners.
    pub(crate) attach: Identity,
    /// atekd's listener for this service.
    pub(crate) host: Identity,
    /// Its package.
    pub(crate) package: Identity,
    /// The `node_modules` of a parent folder.
    pub(crate) modules: Option<Identity>,
    /// The groups of its devices that this system has, and of the folders that it was given.
    pub(crate) groups: Vec<&'static str>,
    /// Folders of other services, where they are there.
    pub(crate) folders: Vec<(GivenFolder, Identity)>,
    /// What runs atek-sandbox inside a container image; `package` is then the image's root.
    pub(crate) image: Option<ImageSources>,
    /// Of its further processes, in their order.
    pub(crate) sidecars: Vec<Sources>,
}

/// What of the host atek-sandbox needs where the host's file system is not there.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageSources {
    /// The dynamic linker.
    pub(crate) linker: PathBuf,
    /// The libraries of this system's own programs.
    pub(crate) libraries: Vec<PathBuf>,
}

impl ImageSources {
    /// Those with which this program runs: it is built for the same system.
    fn own() -> Result<Self, Error> {
        let failed = |why: &dyn std::fmt::Display| {
            Error::Failed(format!("cannot tell the libraries of this program: {why}"))
        };
        let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| failed(&error))?;
        Self::of_maps(&maps).ok_or_else(|| failed(&"there is no dynamic linker among them"))
    }

    /// From the text of `/proc/PID/maps`.
    fn of_maps(maps: &str) -> Option<Self> {
        let mut files: Vec<PathBuf> = maps
            .lines()
            .filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])))
            .filter(|path| path.to_string_lossy().contains(".so"))
            .collect();
        files.sort();
        files.dedup();
        let is_linker = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-") || name.starts_with("ld.so")
        };
        let linker = files.iter().find(|path| is_linker(path))?.clone();
        let libraries = files.into_iter().filter(|path| !is_linker(path)).collect();
        Some(Self { linker, libraries })
    }
}

/// Checks everything that a service's unit will be given, and makes its files.
///
/// The folders must live until the unit has started.
pub(crate) fn open(layout: &Layout, spec: &ServiceSpec) -> Result<(Sources, Vec<Folder>), Error> {
    let package = readable(layout, &spec.package.folder)?;
    let modules = spec.package.modules.as_deref();
    let modules = modules.map(|path| readable(layout, path)).transpose()?;
    let attach = Folder::open(&layout.attach)?;
    let host = Folder::open(&layout.host_dirs)?.child(spec.key.as_str().as_ref())?;
    Origin::of(spec, &package)?.require(layout, &spec.key)?;
    make_accounts(layout, spec)?;
    let modules_identity = modules.as_ref().map(Folder::identity).transpose()?;
    let mut sidecars = Vec::new();
    let mut roots = Vec::new();
    for sidecar in &spec.sidecars {
        let (root, image) = root_of(&package, &sidecar.program, Some(&sidecar.name))?;
        let shown = root.as_ref().unwrap_or(&package);
        sidecars.push(Sources {
            package: shown.identity()?,
            modules: modules_identity.filter(|_| image.is_none()),
            image,
            ..Sources::default()
        });
        roots.extend(root);
    }
    let (root, image) = root_of(&package, &spec.program, None)?;
    let shown = root.as_ref().unwrap_or(&package).identity()?;
    let mut groups = groups_of(&spec.devices);
    let mut folders = Vec::new();
    let mut held_folders = Vec::new();
    for given in &spec.folders {
        if let Some(folder) = folder_of(layout, &given.folder)? {
            let owner = Gid::from_raw(folder.own_stat()?.st_gid);
            if owner == NOBODY && !groups.contains(&NOBODYS_GROUP) {
                groups.push(NOBODYS_GROUP);
            }
            if given.write {
                folder.share_with_group(owner)?;
            }
            folders.push((given.clone(), folder.identity()?));
            held_folders.push(folder);
        }
    }
    let sources = Sources {
        image,
        folders,
        attach: attach.identity()?,
        host: host.identity()?,
        package: shown,
        modules: modules_identity,
        groups,
        sidecars,
    };
    let held = [package, attach, host].into_iter().chain(modules);
    let held = held.chain(root).chain(roots);
    Ok((sources, held.chain(held_folders).collect()))
}

/// The root of a container image in the package; none of other programs.
fn root_of(
    package: &Folder,
    program: &Program,
    sidecar: Option<&SidecarName>,
) -> Result<(Option<Folder>, Option<ImageSources>), Error> {
    match program {
        Program::Image { .. } => {
            let root = package.child(root_folder(sidecar).as_ref())?;
            Ok((Some(root), Some(ImageSources::own()?)))
        }
        Program::Node { .. }
        | Program::Native { .. }
        | Program::Wasm { .. }
        | Program::Script { .. } => Ok((None, None)),
    }
}

/// The folder of another service, made if it is missing; none if that service has no data yet, or
/// has put something else in its place.
fn folder_of(layout: &Layout, folder: &AppFolder) -> Result<Option<Folder>, Error> {
    let state = layout.state.join(paths::directory_name(&folder.service));
    let state = match Folder::open(&state) {
        Ok(state) => state,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let name = folder.name.as_str().as_ref();
    match state.child(name) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_a_folder() => Ok(None),
        Err(error) if error.is_missing() => {
            let owner = state.own_stat()?;
            let (uid, gid) = (Uid::from_raw(owner.st_uid), Gid::from_raw(owner.st_gid));
            let made = state.make(name, 0o770)?;
            made.set_owner(uid, gid)?;
            // Whatever this process's own mask is.
            made.set_mode(0o770)?;
            Ok(Some(made))
        }
        Err(error) => Err(error.into()),
    }
}

/// The groups that read and write these devices, as far as this system has them.
fn groups_of(devices: &[DevicePath]) -> Vec<&'static str> {
    let mut groups: Vec<_> = devices.iter().map(DevicePath::group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|name| matches!(nix::unistd::Group::from_name(name), Ok(Some(_))));
    groups
}

/// Opens a folder that the host itself could read: what it cannot read it cannot give away.
pub(crate) fn readable(layout: &Layout, path: &Path) -> Result<Folder, Error> {
    let shown = path.display();
    Folder::open_as(path, &layout.reader).map_err(|error| reason(error, &shown))
}

fn reason(error: FileError, path: &std::path::Display<'_>) -> Error {
    if error.is_missing() {
        Error::NotFound(format!("the folder {path} does not exist"))
    } else if error.is_link() {
        Error::Refused(format!(
            "the folder {path} is reached through a link: give its real path"
        ))
    } else if error.is_denied() {
        Error::Refused(format!(
            "the user atek may not read the folder {path}: give it and the folders above it the permissions r-x and --x for others"
        ))
    } else {
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use crate::properties::tests::spec;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    /// A layout in which a service with a package of its own can start.
    fn ready() -> (tempfile::TempDir, Layout, ServiceSpec) {
        let (folder, layout) = temporary();
        let mut spec = spec();
        spec.package.folder = layout.runtime.join("home/app");
        fs::create_dir_all(&spec.package.folder).unwrap();
        fs::create_dir(layout.host_dirs.join(spec.key.as_str())).unwrap();
        (folder, layout, spec)
    }

    fn refused(layout: &Layout, spec: &ServiceSpec) -> String {
        match open(layout, spec) {
            Ok(_) => panic!("it was accepted"),
            Err(error) => format!("{error:?}"),
        }
    }

    /// Puts a link to `target` in place of a folder, as the owner of its parent can.
    fn exchange(path: &Path, target: &Path) -> PathBuf {
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        symlink(target, path).unwrap();
        aside
    }

    #[test]
    fn a_link_in_place_of_a_folder_showed_the_service_the_whole_machine() {
        let (_folder, layout, spec) = ready();
        let host = layout.host_dirs.join(spec.key.as_str());
        for path in [&spec.package.folder, &layout.attach, &host] {
            open(&layout, &spec).unwrap();
            let aside = exchange(path, Path::new("/"));
            refused(&layout, &spec);
            fs::remove_file(path).unwrap();
            fs::rename(aside, path).unwrap();
        }
        // Also above it.
        let home = layout.runtime.join("home");
        exchange(&home, Path::new("/usr"));
        assert!(refused(&layout, &spec).contains("link"));
    }

    #[test]
    fn what_is_mounted_after_an_exchange_is_told_from_what_was_checked() {
        let (_folder, layout, spec) = ready();
        let (sources, _held) = open(&layout, &spec).unwrap();
        exchange(&spec.package.folder, Path::new("/"));
        // As systemd would find it: it follows links.
        let mounted = Folder::open(&fs::canonicalize(&spec.package.folder).unwrap()).unwrap();
        assert_ne!(mounted.identity().unwrap(), sources.package);
    }

    #[test]
    fn the_linker_and_the_libraries_are_those_of_this_program() {
        let maps = "55-56 r-xp 00000000 08:01 1 /usr/lib/atek/atek-spawnd\n\
                    7f-80 r--p 00000000 08:01 2 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    80-81 r-xp 00001000 08:01 2 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    81-82 rw-p 00000000 00:00 0 [heap]\n\
                    82-83 r-xp 00000000 08:01 3 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n";
        let found = ImageSources::of_maps(maps).unwrap();
        let linker = Path::new("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        assert_eq!(found.linker, linker);
        let libc = PathBuf::from("/usr/lib/x86_64-linux-gnu/libc.so.6");
        assert_eq!(found.libraries, [libc]);
        let own = ImageSources::own().unwrap();
        assert!(own.linker.is_file() && !own.libraries.is_empty());
    }

    #[test]
    fn a_folder_of_another_service_is_its_own_and_no_link_of_its_makers() {
        let (_folder, layout, mut spec) = ready();
        let given = |name: &str| GivenFolder {
            folder: format!("other/{name}").parse().unwrap(),
            write: false,
        };
        spec.folders = vec![given("photos"), given("trap"), given("file")];
        // It has no data yet.
        assert!(open(&layout, &spec).unwrap().0.folders.is_empty());

        let state = layout.state.join("atek-app-other");
        fs::create_dir_all(&state).unwrap();
        symlink("/", state.join("trap")).unwrap();
        fs::write(state.join("file"), "").unwrap();
        let (sources, _held) = open(&layout, &spec).unwrap();
        let [(only, identity)] = &sources.folders[..] else {
            panic!("{:?}", sources.folders)
        };
        assert_eq!(*only, given("photos"));
        let made = Folder::open(&state.join("photos")).unwrap();
        assert_eq!(made.identity().unwrap(), *identity);
        let about = fs::metadata(state.join("photos")).unwrap();
        assert_eq!(about.permissions().mode() & 0o7777, 0o770);
    }

    #[test]
    fn the_services_accounts_are_there_before_systemd_mounts_them() {
        let (_folder, layout, spec) = ready();
        open(&layout, &spec).unwrap();
        for name in ["passwd", "group"] {
            let path = layout.accounts.join(spec.key.as_str()).join(name);
            assert!(path.is_file(), "{}", path.display());
        }
    }
}
