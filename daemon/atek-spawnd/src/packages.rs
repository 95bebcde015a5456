//! Staging folders and installed packages.
//!
//! ```text
//! staging/JOB/                made by `stage`, the job's only writable folder
//! staging/JOB/package/        what the job leaves
//! staging/layers/             what jobs that fetch leave to each other; gone when it is empty
//!        | commit: seal, sync, move
//!        v
//! packages/KEY/versions/V/    root's, never edited but for the native code of a component
//! packages/KEY/current        link to versions/V, replaced at once
//! ```

use crate::files::{
    FileError, Folder, Ownership, SealError, is_folder, remove_tree, seal_tree, share_files,
};
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::image::ROOT_FOLDER;
use atek_api::spec::paths::{COMPILED, STAGED_PACKAGE};
use atek_api::spec::{JobId, PackageVersion};
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The folder of `paths::LAYERS`.
const LAYERS: &str = "layers";
/// How long layers are kept that no job came to use.
const LAYERS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const VERSIONS: &str = "versions";
const CURRENT: &str = "current";

/// Why a package operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    #[error("a job {0} exists already")]
    JobExists(JobId),
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("the job {0} left no package")]
    NoPackage(JobId),
    #[error("version {version} of service {key} is installed already")]
    VersionExists {
        key: ServiceKey,
        version: PackageVersion,
    },
    #[error("version {version} of service {key} is not installed")]
    NoVersion {
        key: ServiceKey,
        version: PackageVersion,
    },
    #[error("the folder {0} does not belong to root")]
    NotOurs(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Makes the staging folder of a job that fetches, and the folder of layers, for the build user
/// alone.
pub(crate) fn stage(layout: &Layout, job: &JobId) -> Result<(), PackageError> {
    let staging = ours(layout, &layout.staging)?;
    let folder = match staging.make(job.as_str().as_ref(), 0o700) {
        Err(error) if error.is_present() => return Err(PackageError::JobExists(job.clone())),
        made => made?,
    };
    folder.set_owner(layout.build.uid, layout.build.gid)?;
    keep_layers(layout, &staging)
}

/// Makes the folder of layers. One that was not used for long is emptied.
fn keep_layers(layout: &Layout, staging: &Folder) -> Result<(), PackageError> {
    let name = OsStr::new(LAYERS);
    if staging.has(name)? {
        let changed = u64::try_from(staging.stat(name)?.st_mtime).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
        // A clock that was set back makes nothing old.
        let age = changed.elapsed().unwrap_or_default();
        if age > LAYERS_KEPT {
            remove_tree(staging, name)?;
        }
    }
    let folder = staging.child_or_new(name, 0o700)?;
    folder.set_owner(layout.build.uid, layout.build.gid)?;
    Ok(())
}

/// Checks that a job has a staging folder with a package in it.
pub(crate) fn require_staged(layout: &Layout, job: &JobId) -> Result<(), PackageError> {
    let staging = ours(layout, &layout.staging)?;
    let folder = match staging.child(job.as_str().as_ref()) {
        Err(error) if error.is_missing() => return Err(PackageError::NoJob(job.clone())),
        opened => opened?,
    };
    match folder.child(STAGED_PACKAGE.as_ref()) {
        Err(error) if error.is_missing() || error.is_not_a_folder() => {
            Err(PackageError::NoPackage(job.clone()))
        }
        opened => Ok(opened.map(drop)?),
    }
}

/// Moves what a job left to the installed packages, durably. The job's processes must be gone.
///
/// What is left of the staging folder stays, for [`unstage`].
pub(crate) fn commit(
    layout: &Layout,
    job: &JobId,
    key: &ServiceKey,
    version: &PackageVersion,
) -> Result<(), PackageError> {
    let (job_folder, package) = taken_over(layout, job)?;
    // One call instead of one for each of ten thousand files.
    package.sync_file_system()?;

    let packages = ours(layout, &layout.packages)?;
    let service = packages.child_or_new(key.as_str().as_ref(), 0o755)?;
    let versions = service.child_or_new(VERSIONS.as_ref(), 0o755)?;
    match job_folder.move_to(
        STAGED_PACKAGE.as_ref(),
        &versions,
        version.as_str().as_ref(),
    ) {
        Err(error) if error.is_present() => {
            let (key, version) = (key.clone(), version.clone());
            return Err(PackageError::VersionExists { key, version });
        }
        moved => moved?,
    }
    for folder in [&versions, &service, &packages, &job_folder] {
        folder.sync()?;
    }
    // The package is installed, with files of its own or shared ones.
    if let Err(error) = share_images(&packages, &service, version) {
        tracing::warn!("cannot share the files of images: {error}");
    }
    Ok(())
}

/// Makes files of the images of a new version one with those of images that were there: the ones of
/// this service first, then of all others.
fn share_images(
    packages: &Folder,
    service: &Folder,
    version: &PackageVersion,
) -> Result<(), FileError> {
    let versions = service.child(VERSIONS.as_ref())?;
    let new = versions.child(version.as_str().as_ref())?;
    let roots = roots_of_images(&new)?;
    if roots.is_empty() {
        return Ok(());
    }
    let own = service.own_stat()?.st_ino;
    let mut others = Vec::new();
    for key in packages.names()? {
        let other = packages.child(&key?)?;
        if other.own_stat()?.st_ino != own {
            others.push(other);
        }
    }
    for of in std::iter::once(service).chain(&others) {
        let Ok(versions) = of.child(VERSIONS.as_ref()) else {
            continue;
        };
        for name in versions.names()? {
            let package = versions.child(&name?)?;
            if package.own_stat()?.st_ino == new.own_stat()?.st_ino {
                continue;
            }
            for like in roots_of_images(&package)? {
                for root in &roots {
                    share_files(root, &like, service)?;
                }
            }
        }
    }
    Ok(())
}

/// The folders of a package in which the files of images are.
fn roots_of_images(package: &Folder) -> Result<Vec<Folder>, FileError> {
    let mut roots = Vec::new();
    for name in package.names()? {
        let name = name?;
        let text = name.to_string_lossy();
        let is_root = text.strip_prefix(ROOT_FOLDER);
        if is_root.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            && is_folder(&package.stat(&name)?)
        {
            roots.push(package.child(&name)?);
        }
    }
    Ok(roots)
}

/// Puts the native code that a job left in the place of what an installed component had, durably.
/// The job's processes must be gone. Cut short, the component has none.
pub(crate) fn commit_code(
    layout: &Layout,
    job: &JobId,
    key: &ServiceKey,
    version: &PackageVersion,
) -> Result<(), PackageError> {
    let missing = |error: FileError| match error.is_missing() {
        true => PackageError::NoVersion {
            key: key.clone(),
            version: version.clone(),
        },
        false => error.into(),
    };
    let installed = ours(layout, &layout.packages)?
        .child(key.as_str().as_ref())
        .and_then(|service| service.child(VERSIONS.as_ref()))
        .and_then(|versions| versions.child(version.as_str().as_ref()))
        .map_err(missing)?;
    let (job_folder, code) = taken_over(layout, job)?;
    code.sync_file_system()?;
    remove_tree(&installed, COMPILED.as_ref())?;
    job_folder.move_to(STAGED_PACKAGE.as_ref(), &installed, COMPILED.as_ref())?;
    installed.sync()?;
    Ok(job_folder.sync()?)
}

/// The staging folder of a job whose processes are gone, and what the job left in it, which from
/// now on is root's.
fn taken_over(layout: &Layout, job: &JobId) -> Result<(Folder, Folder), PackageError> {
    let staging = ours(layout, &layout.staging)?;
    let job_folder = match staging.child(job.as_str().as_ref()) {
        Err(error) if error.is_missing() => return Err(PackageError::NoJob(job.clone())),
        opened => opened?,
    };
    // From here on the job's user could not even exchange the package's folder.
    job_folder.set_owner(layout.root.uid, layout.root.gid)?;
    let package = match job_folder.child(STAGED_PACKAGE.as_ref()) {
        Err(error) if error.is_missing() || error.is_not_a_folder() => {
            return Err(PackageError::NoPackage(job.clone()));
        }
        opened => opened?,
    };
    let ownership = Ownership {
        maker: owner_of(layout, &package)?,
        uid: layout.root.uid,
        gid: layout.root.gid,
    };
    seal_tree(&package, ownership)?;
    Ok((job_folder, package))
}

/// Removes a job's staging folder, and the folder of layers if nothing is in it. Missing is fine.
pub(crate) fn unstage(layout: &Layout, job: &JobId) -> Result<(), PackageError> {
    let staging = ours(layout, &layout.staging)?;
    remove_tree(&staging, job.as_str().as_ref())?;
    match staging.remove_folder(LAYERS.as_ref()) {
        Err(error) if !error.is_missing() && !error.is_not_empty() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Makes an installed version the one that `current` names, at once and durably.
pub(crate) fn set_current(
    layout: &Layout,
    key: &ServiceKey,
    version: &PackageVersion,
) -> Result<(), PackageError> {
    let missing = || PackageError::NoVersion {
        key: key.clone(),
        version: version.clone(),
    };
    let packages = ours(layout, &layout.packages)?;
    let service = match packages.child(key.as_str().as_ref()) {
        Err(error) if error.is_missing() => return Err(missing()),
        opened => opened?,
    };
    let found = service
        .child(VERSIONS.as_ref())
        .and_then(|v| v.child(version.as_str().as_ref()));
    match found {
        Err(error) if error.is_missing() => return Err(missing()),
        opened => opened?,
    };
    let new = OsStr::new("current.new");
    match service.remove_file(new) {
        Err(error) if !error.is_missing() => return Err(error.into()),
        _ => {}
    }
    service.make_link(new, &Path::new(VERSIONS).join(version.as_str()))?;
    service.rename(new, &service, CURRENT.as_ref())?;
    service.sync()?;
    Ok(())
}

/// Removes one installed version. Missing is fine.
pub(crate) fn remove_version(
    layout: &Layout,
    key: &ServiceKey,
    version: &PackageVersion,
) -> Result<(), PackageError> {
    let packages = ours(layout, &layout.packages)?;
    let versions = packages
        .child(key.as_str().as_ref())
        .and_then(|service| service.child(VERSIONS.as_ref()));
    match versions {
        Err(error) if error.is_missing() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(versions) => Ok(remove_tree(&versions, version.as_str().as_ref())?),
    }
}

/// Removes everything installed for a service. Missing is fine.
pub(crate) fn remove(layout: &Layout, key: &ServiceKey) -> Result<(), PackageError> {
    let packages = ours(layout, &layout.packages)?;
    remove_tree(&packages, key.as_str().as_ref())?;
    packages.sync()?;
    Ok(())
}

/// Opens a folder that only root can have filled. Its parent is atekd's to write, and
/// atekd is not trusted with choosing what root changes.
pub(crate) fn ours(layout: &Layout, path: &Path) -> Result<Folder, PackageError> {
    let folder = Folder::open(path)?;
    if folder.own_stat()?.st_uid == layout.root.uid.as_raw() {
        Ok(folder)
    } else {
        Err(PackageError::NotOurs(path.display().to_string()))
    }
}

/// The build user; or root where an earlier commit was cut short after it took the tree over.
fn owner_of(layout: &Layout, package: &Folder) -> Result<nix::unistd::Uid, FileError> {
    let is_root = package.own_stat()?.st_uid == layout.root.uid.as_raw();
    Ok(if is_root {
        layout.root.uid
    } else {
        layout.build.uid
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use std::fs;

    fn names() -> (JobId, ServiceKey, PackageVersion) {
        (
            "job1".parse().unwrap(),
            "k1".parse().unwrap(),
            "v1.0.0".parse().unwrap(),
        )
    }

    fn staged(layout: &Layout) -> std::path::PathBuf {
        stage(layout, &names().0).unwrap();
        let package = layout.staging.join("job1/package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("index.js"), "1").unwrap();
        package
    }

    #[test]
    fn a_committed_package_is_installed_and_its_staging_folder_goes() {
        let (_folder, layout) = temporary();
        let (job, key, version) = names();
        let package = staged(&layout);
        commit(&layout, &job, &key, &version).unwrap();
        assert!(!package.exists());
        set_current(&layout, &key, &version).unwrap();
        assert_eq!(
            fs::read(layout.packages.join("k1/current/index.js")).unwrap(),
            b"1"
        );
        unstage(&layout, &job).unwrap();
        assert_eq!(fs::read_dir(&layout.staging).unwrap().count(), 0);

        let next = "v1.0.1".parse().unwrap();
        staged(&layout);
        commit(&layout, &job, &key, &next).unwrap();
        set_current(&layout, &key, &next).unwrap();
        let target = fs::read_link(layout.packages.join("k1/current")).unwrap();
        assert_eq!(target, Path::new("versions/v1.0.1"));
        remove_version(&layout, &key, &version).unwrap();
        assert!(!layout.packages.join("k1/versions/v1.0.0").exists());
        remove(&layout, &key).unwrap();
        remove(&layout, &key).unwrap();
        assert_eq!(fs::read_dir(&layout.packages).unwrap().count(), 0);
    }

    #[test]
    fn images_that_are_the_same_have_their_files_once() {
        use std::os::unix::fs::MetadataExt as _;
        let (_folder, layout) = temporary();
        let job = names().0;
        let install = |key: &str, version: &str, root: &str| {
            let package = staged(&layout);
            fs::create_dir_all(package.join(root).join("usr")).unwrap();
            fs::write(package.join(root).join("usr/library"), [7; 100_000]).unwrap();
            let (key, version) = (key.parse().unwrap(), version.parse().unwrap());
            commit(&layout, &job, &key, &version).unwrap();
            unstage(&layout, &job).unwrap();
        };
        install("k1", "v1.0.0", "rootfs");
        install("k1", "v1.1.0", "rootfs");
        install("k2", "v1.0.0", "rootfs.db");
        // No image: its files are its own.
        install("k3", "v1.0.0", "node_modules");
        let about = |path: &str| fs::metadata(layout.packages.join(path)).unwrap();
        let first = about("k1/versions/v1.0.0/rootfs/usr/library");
        assert_eq!(first.nlink(), 3);
        let last = about("k2/versions/v1.0.0/rootfs.db/usr/library");
        assert_eq!(last.ino(), first.ino());
        let own = about("k3/versions/v1.0.0/node_modules/usr/library");
        assert_eq!(own.nlink(), 1);
        // What is removed takes nothing from the others.
        remove(&layout, &"k1".parse().unwrap()).unwrap();
        let path = layout
            .packages
            .join("k2/versions/v1.0.0/rootfs.db/usr/library");
        assert_eq!(fs::read(path).unwrap(), [7; 100_000]);
    }

    #[test]
    fn native_code_of_an_installed_component_is_replaced_and_nothing_else_is() {
        let (_folder, layout) = temporary();
        let (job, key, version) = names();
        let folder = layout.packages.join("k1/versions/v1.0.0");
        let package = staged(&layout);
        fs::create_dir(package.join(COMPILED)).unwrap();
        fs::write(package.join(COMPILED).join("old.cwasm"), "1").unwrap();
        commit(&layout, &job, &key, &version).unwrap();
        unstage(&layout, &job).unwrap();
        for name in ["new.cwasm", "newer.cwasm"] {
            let made = staged(&layout);
            fs::rename(made.join("index.js"), made.join(name)).unwrap();
            commit_code(&layout, &job, &key, &version).unwrap();
            unstage(&layout, &job).unwrap();
            let code = fs::read_dir(folder.join(COMPILED)).unwrap();
            let names: Vec<_> = code.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, [name]);
            assert!(folder.join("index.js").exists());
        }
        // An app that was uninstalled in the meantime does not come back.
        remove(&layout, &key).unwrap();
        staged(&layout);
        assert!(matches!(
            commit_code(&layout, &job, &key, &version),
            Err(PackageError::NoVersion { .. })
        ));
        assert!(!layout.packages.join("k1").exists());
    }

    #[test]
    fn layers_outlive_their_job_for_a_day() {
        let (_folder, layout) = temporary();
        let (job, ..) = names();
        let layers = layout.staging.join("layers");
        stage(&layout, &job).unwrap();
        fs::write(layers.join("one"), "x").unwrap();
        unstage(&layout, &job).unwrap();
        stage(&layout, &job).unwrap();
        assert!(layers.join("one").exists());
        unstage(&layout, &job).unwrap();
        let old = SystemTime::now() - LAYERS_KEPT - Duration::from_secs(60);
        fs::File::open(&layers).unwrap().set_modified(old).unwrap();
        stage(&layout, &job).unwrap();
        assert_eq!(fs::read_dir(&layers).unwrap().count(), 0);
        unstage(&layout, &job).unwrap();
        assert!(!layers.exists());
    }

    #[test]
    fn what_is_there_or_missing_is_said_and_nothing_is_replaced() {
        let (_folder, layout) = temporary();
        let (job, key, version) = names();
        assert!(matches!(
            commit(&layout, &job, &key, &version),
            Err(PackageError::NoJob(_))
        ));
        assert!(matches!(
            set_current(&layout, &key, &version),
            Err(PackageError::NoVersion { .. })
        ));
        stage(&layout, &job).unwrap();
        assert!(matches!(
            stage(&layout, &job),
            Err(PackageError::JobExists(_))
        ));
        assert!(matches!(
            commit(&layout, &job, &key, &version),
            Err(PackageError::NoPackage(_))
        ));
        unstage(&layout, &job).unwrap();

        staged(&layout);
        commit(&layout, &job, &key, &version).unwrap();
        unstage(&layout, &job).unwrap();
        fs::write(staged(&layout).join("index.js"), "2").unwrap();
        let again = commit(&layout, &job, &key, &version);
        assert!(matches!(again, Err(PackageError::VersionExists { .. })));
        assert_eq!(
            fs::read(layout.packages.join("k1/versions/v1.0.0/index.js")).unwrap(),
            b"1"
        );
    }

    #[test]
    fn a_link_in_place_of_a_folder_leads_nowhere() {
        let (_folder, layout) = temporary();
        let (job, key, version) = names();
        let outside = layout.runtime.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "x").unwrap();
        stage(&layout, &job).unwrap();
        let package = layout.staging.join("job1/package");
        std::os::unix::fs::symlink(&outside, &package).unwrap();
        let refused = commit(&layout, &job, &key, &version);
        assert!(matches!(refused, Err(PackageError::NoPackage(_))));
        unstage(&layout, &job).unwrap();
        std::os::unix::fs::symlink(&outside, layout.packages.join("k1")).unwrap();
        staged(&layout);
        assert!(matches!(
            commit(&layout, &job, &key, &version),
            Err(PackageError::File(_))
        ));
        remove(&layout, &key).unwrap();
        assert!(outside.join("file").exists());
    }
}
