//! The backups of a target: begin them, add to them, read, check and thin them out.
//!
//! Each part of a run is a snapshot of restic's format with the tags `run:RUN` and `part:PART`;
//! the one of the part `manifest` is the last of a run. Debian's `restic` reads them all.

use crate::complaints;
use crate::contents::Contents;
use crate::error::Error;
use crate::folder::{FolderError, FolderStore, LEAVE_FREE, Use};
use crate::layout::{Layout, Source};
use crate::meter::Meter;
use crate::one_line::one_line;
use crate::proof;
use crate::server::ServerStore;
use crate::store::Store;
use atek_api::backup::schedule;
use atek_api::backup::{
    Entry, MAX_FILES, Part, Retention, Run, RunId, ServerLogin, TARGET_FOLDER, Target,
};
use atek_api::ids::ServiceKey;
use atek_api::spec::RelativePath;
use rustic_core::repofile::{MasterKey, Node, SnapshotFile};
use rustic_core::{
    BackupOptions, CheckOptions, ConfigOptions, Credentials, Excludes, IndexedFull, KeyOptions,
    LimitOption, LocalDestination, LsOptions, OpenStatus, ParentOptions, PathList, PruneOptions,
    Repository, RepositoryBackends, RepositoryOptions, RestoreOptions, RusticResult,
    SnapshotOptions,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who a backup is of, for `restic snapshots`.
const HOST: &str = "atek";
const MANIFEST_FILE: &str = "manifest.json";
/// Bytes of the longest manifest.
const MANIFEST_MAX: u64 = 16 << 20;
/// Problems that a check tells.
const PROBLEMS_MAX: usize = 20;
/// In the words of rustic_core: a pack that a run which was cut off has left. No run needs it, and
/// the next one that tidies up removes it.
const LEFTOVER: &str = "not referenced in index";

/// An open target.
#[derive(Debug)]
pub(crate) struct Engine {
    store: Arc<dyn Store>,
    key: MasterKey,
    layout: Layout,
    meter: Meter,
}

/// What opens a target.
pub(crate) struct Passwords<'a> {
    pub(crate) password: &'a str,
    /// What it may have been begun with.
    pub(crate) older: Option<&'a str>,
}

/// What a part took.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) added: u64,
    pub(crate) proven: u32,
}

impl Engine {
    /// Opens the backups on a target, or begins there.
    pub(crate) fn open(
        target: &Target,
        passwords: Passwords<'_>,
        login: Option<&ServerLogin>,
        what_for: Use,
        layout: Layout,
    ) -> Result<(Self, bool), Error> {
        let meter = Meter::default();
        let store: Arc<dyn Store> = match target {
            Target::Folder { path } => Arc::new(FolderStore::open(path, TARGET_FOLDER, what_for)?),
            Target::Server { url, host_key } => {
                let login = login.ok_or_else(|| Error::Request("there is no login".into()))?;
                let (key, line) = (host_key.as_ref(), &layout.line);
                Arc::new(ServerStore::open(url, key, login, line, what_for)?)
            }
            Target::Disk { .. } => {
                let text = "a disk is opened as the folder where it is";
                return Err(Error::Request(text.into()));
            }
        };
        let repository = repository(&store, &meter)?;
        let of = |error| Error::of(&*store, error);
        let credentials = Credentials::password(passwords.password);
        let created = !store.has_config();
        let keys = KeyOptions::default().hostname(HOST.to_owned());
        let opened = if created {
            repository.init(&credentials, &keys, &ConfigOptions::default())
        } else {
            repository.open(&credentials)
        };
        let opened = match (opened, passwords.older) {
            (Err(error), Some(older)) if error.is_incorrect_password() => {
                let older = Credentials::password(older);
                let begun = self::repository(&store, &meter)?.open(&older).map_err(of)?;
                if what_for != Use::Read {
                    begun.add_key(passwords.password, &keys).map_err(of)?;
                }
                begun
            }
            (opened, _) => opened.map_err(of)?,
        };
        let key = opened.key();
        let engine = Self {
            store,
            key,
            layout,
            meter,
        };
        Ok((engine, created))
    }

    /// The repository without an index. The derivation of the key was done when it was opened.
    fn repository(&self) -> Result<Repository<OpenStatus>, Error> {
        let credentials = Credentials::Masterkey(self.key.clone());
        let opened = repository(&self.store, &self.meter)?.open(&credentials);
        opened.map_err(|error| Error::of(&*self.store, error))
    }

    fn indexed(&self) -> Result<Repository<impl IndexedFull + use<>>, Error> {
        let indexed = self.repository()?.to_indexed();
        indexed.map_err(|error| Error::of(&*self.store, error))
    }

    /// Stores a part of a run.
    pub(crate) fn store(&self, run: &RunId, part: &Part, prove: u32) -> Result<Stored, Error> {
        let source = self.layout.source(part)?;
        self.store_folder(run, part, &source, prove)
    }

    fn store_folder(
        &self,
        run: &RunId,
        part: &Part,
        source: &Source,
        prove: u32,
    ) -> Result<Stored, Error> {
        if self.store.free().is_some_and(|free| free < LEAVE_FREE) {
            return Err(Error::NoRoom);
        }
        let of = |error| Error::of(&*self.store, error);
        let before = self.store.written();
        let repository = self.repository()?.to_indexed_ids().map_err(of)?;
        let _ = complaints::take();
        let mut excludes = Excludes::default();
        excludes.globs = source
            .left_out
            .iter()
            .map(|name| format!("!/{name}"))
            .collect();
        let parent = ParentOptions::default().force(source.is_copy);
        let options = BackupOptions::default()
            .as_path(Path::new("/").to_owned())
            .parent_opts(parent)
            .excludes(excludes);
        let paths = PathList::from_iter([source.path.clone()]);
        let saved = repository
            .backup(&options, &paths, snapshot(run, part)?)
            .map_err(of)?;
        let missing = complaints::take();
        if !missing.is_empty() {
            repository.delete_snapshots(&[saved.id]).map_err(of)?;
            return Err(Error::Source(missing.join("; ")));
        }
        drop(repository);
        let summary = saved.summary.clone().unwrap_or_default();
        let proven = match prove {
            0 => 0,
            _ => proof::compare(&self.indexed()?, &saved, source, prove, |error| {
                Error::of(&*self.store, error)
            })?,
        };
        Ok(Stored {
            files: summary.total_files_processed,
            bytes: summary.total_bytes_processed,
            added: self.store.written() - before,
            proven,
        })
    }

    /// Makes a run whole.
    pub(crate) fn finish(&self, run: &RunId, manifest: &Value) -> Result<(), Error> {
        let failed = Error::local("write the manifest of the backup");
        let folder = tempfile::tempdir().map_err(failed)?;
        let failed = Error::local("write the manifest of the backup");
        fs::write(folder.path().join(MANIFEST_FILE), manifest.to_string()).map_err(failed)?;
        let source = Source {
            path: folder.path().to_owned(),
            left_out: &[],
            is_copy: true,
        };
        self.store_folder(run, &Part::Manifest, &source, 1)?;
        Ok(())
    }

    fn snapshots(&self) -> Result<Vec<(RunId, Part, SnapshotFile)>, Error> {
        let snapshots = self.repository()?.get_all_snapshots();
        let snapshots = snapshots.map_err(|error| Error::of(&*self.store, error))?;
        Ok(snapshots.into_iter().filter_map(tagged).collect())
    }

    /// The runs, the newest first.
    pub(crate) fn runs(&self) -> Result<Vec<Run>, Error> {
        let mut runs: BTreeMap<RunId, Run> = BTreeMap::new();
        for (id, part, snapshot) in self.snapshots()? {
            let run = runs.entry(id.clone()).or_insert_with(|| Run {
                run: id,
                parts: Vec::new(),
                bytes: 0,
                whole: false,
            });
            run.bytes += snapshot
                .summary
                .map_or(0, |summary| summary.total_bytes_processed);
            match part {
                Part::Manifest => run.whole = true,
                part if !run.parts.contains(&part) => run.parts.push(part),
                _ => {}
            }
        }
        let mut runs: Vec<Run> = runs.into_values().rev().collect();
        for run in &mut runs {
            run.parts.sort();
        }
        Ok(runs)
    }

    fn snapshot_of(&self, run: &RunId, part: &Part) -> Result<SnapshotFile, Error> {
        let found = self
            .snapshots()?
            .into_iter()
            .find(|(id, of, _)| id == run && of == part);
        let missing = || Error::Missing(format!("{part} in the backup {run}"));
        found.map(|(.., snapshot)| snapshot).ok_or_else(missing)
    }

    /// What describes a run.
    pub(crate) fn manifest(&self, run: &RunId) -> Result<Value, Error> {
        let snapshot = self.snapshot_of(run, &Part::Manifest)?;
        let of = |error| Error::of(&*self.store, error);
        let repository = self.indexed()?;
        let node = repository
            .node_from_snapshot_and_path(&snapshot, MANIFEST_FILE)
            .map_err(of)?;
        if node.meta.size > MANIFEST_MAX {
            return Err(Error::Damaged("its manifest is too long".into()));
        }
        let mut text = Vec::new();
        repository.dump(&node, &mut text).map_err(of)?;
        serde_json::from_slice(&text)
            .map_err(|_| Error::Damaged("its manifest is malformed".into()))
    }

    /// Removes the whole runs that no rule wants, those that never became whole before the last
    /// that did, and what only they held.
    pub(crate) fn tidy(&self, retention: Retention, now: &RunId) -> Result<Vec<RunId>, Error> {
        let runs = self.runs()?;
        let (whole, begun): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.whole);
        let last = whole.first().map(|run| run.run.clone());
        let whole: Vec<RunId> = whole.into_iter().map(|run| run.run).collect();
        let mut removed = schedule::surplus(&whole, retention, now);
        let given_up = begun.into_iter().map(|run| run.run);
        removed.extend(given_up.filter(|run| last.as_ref().is_some_and(|last| run < last)));
        let of = |error| Error::of(&*self.store, error);
        let repository = self.repository()?;
        let alone = self.store.alone().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => FolderError::Busy(self.store.location().into()).into(),
            _ => Error::Target(error.to_string()),
        })?;
        // The manifest of a run goes first: a run that is cut into is not whole.
        let mut ids = Vec::new();
        for (run, part, snapshot) in self.snapshots()? {
            if removed.contains(&run) {
                match part {
                    Part::Manifest => repository.delete_snapshots(&[snapshot.id]).map_err(of)?,
                    _ => ids.push(snapshot.id),
                }
            }
        }
        repository.delete_snapshots(&ids).map_err(of)?;
        let mut options = PruneOptions::default();
        options.instant_delete = alone.is_some();
        if self.store.free().is_some_and(|free| free < 4 * LEAVE_FREE) {
            options.max_repack = LimitOption::Percentage(0);
        }
        let plan = repository.prune_plan(&options).map_err(of)?;
        repository.prune(&options, plan).map_err(of)?;
        Ok(removed)
    }

    /// What is wrong with the target.
    pub(crate) fn check(&self, read: bool) -> Result<Vec<String>, Error> {
        let mut options = CheckOptions::default();
        options.read_data = read;
        let _ = complaints::take();
        let results = self.repository()?.check(options);
        let results = results.map_err(|error| Error::of(&*self.store, error))?;
        let bad = results.is_ok().is_err();
        let mut problems: Vec<String> = complaints::take();
        problems.retain(|text| !text.contains(LEFTOVER));
        if bad {
            let texts = results.0.iter().map(|(_, error)| error.to_string());
            problems = texts.filter(|text| !text.contains(LEFTOVER)).collect();
        }
        problems.truncate(PROBLEMS_MAX);
        Ok(problems.iter().map(|text| one_line(text)).collect())
    }

    /// Restores a part, or one path of it, to where restored parts are put, whole or not at all.
    pub(crate) fn restore(
        &self,
        run: &RunId,
        part: &Part,
        into: Option<&ServiceKey>,
        only: Option<&RelativePath>,
    ) -> Result<(u64, u64), Error> {
        let snapshot = self.snapshot_of(run, part)?;
        let place = self.layout.destination(part, into)?;
        // Versions of packages have dots of their own.
        let new = PathBuf::from(format!("{}.new", place.display()));
        clear(&new)?;
        fs::create_dir_all(&new).map_err(Error::local("make the folder of the restore"))?;
        let repository = self.indexed()?;
        let of = |error| Error::of(&*self.store, error);
        let node = repository
            .node_from_snapshot_and_path(&snapshot, "")
            .map_err(of)?;
        let nodes = repository.ls(&node, &LsOptions::default()).map_err(of)?;
        let nodes = nodes.filter(|found| match found {
            Ok((path, _)) => is_wanted(path, only),
            Err(_) => true,
        });
        let summary = snapshot.summary.clone().unwrap_or_default();
        let (bytes, least) = match only {
            Some(path) => {
                let bytes = size_of(nodes.clone(), path).map_err(of)?;
                let missing = || Error::Missing(format!("{path} in the backup {run}"));
                let bytes = bytes.ok_or_else(missing)?;
                (bytes, bytes)
            }
            None => (summary.total_bytes_processed, summary.data_added),
        };
        // Holes are restored as holes; what is counted is what the files say.
        if free_bytes(&new)? < bytes.min(least) + LEAVE_FREE {
            return Err(Error::NoRoomHere);
        }
        let destination = LocalDestination::new(&format!("{}/", new.display()), true, false);
        let destination = destination.map_err(of)?;
        let options = restore_options()?;
        let _ = complaints::take();
        let contents = Contents {
            repository: &repository,
            folder: &new,
            meter: &self.meter,
        };
        let files = contents.write(nodes.clone(), bytes, of)?;
        let plan = repository
            .prepare_restore(&options, nodes.clone(), &destination, false)
            .map_err(of)?;
        repository
            .restore(plan, &options, nodes, &destination)
            .map_err(of)?;
        let wrong = complaints::take();
        if !wrong.is_empty() {
            clear(&new)?;
            return Err(Error::Destination(wrong.join("; ")));
        }
        let failed = || Error::local("put the restored files in place");
        if let Some(owners) = self.layout.owner_of(part) {
            let owner = fs::metadata(owners).map_err(failed())?;
            give(&new, owner.uid(), owner.gid()).map_err(failed())?;
        }
        let folder = File::open(&new).map_err(failed())?;
        nix::unistd::syncfs(folder.as_fd()).map_err(|error| failed()(error.into()))?;
        clear(&place)?;
        fs::rename(&new, &place).map_err(failed())?;
        Ok((files, bytes))
    }

    /// The entries of a folder of a part.
    pub(crate) fn files(
        &self,
        run: &RunId,
        part: &Part,
        path: &str,
    ) -> Result<(Vec<Entry>, bool), Error> {
        let snapshot = self.snapshot_of(run, part)?;
        let of = |error| Error::of(&*self.store, error);
        let repository = self.indexed()?;
        let missing = |_| Error::Missing(path.chars().take(100).collect());
        let node = repository
            .node_from_snapshot_and_path(&snapshot, path)
            .map_err(missing)?;
        let mut options = LsOptions::default();
        options.recursive = false;
        let mut files = Vec::new();
        for found in repository.ls(&node, &options).map_err(of)? {
            let (path, node) = found.map_err(of)?;
            if files.len() == MAX_FILES {
                return Ok((files, true));
            }
            let name = path.file_name().unwrap_or_default();
            files.push(Entry {
                name: name.to_string_lossy().into_owned(),
                folder: node.is_dir(),
                size: node.meta.size,
                modified: node.meta.mtime.map(|time| time.as_second()),
            });
        }
        Ok((files, false))
    }
}

/// Whether a path of a part is restored where only one path is wanted: it is that, in it, or leads
/// there.
fn is_wanted(path: &Path, only: Option<&RelativePath>) -> bool {
    let path = path.strip_prefix("/").unwrap_or(path);
    only.is_none_or(|only| {
        let only = Path::new(only.as_str());
        path.starts_with(only) || only.starts_with(path)
    })
}

/// Bytes of what is at a path; none where nothing is.
fn size_of(
    nodes: impl Iterator<Item = RusticResult<(PathBuf, Node)>>,
    only: &RelativePath,
) -> RusticResult<Option<u64>> {
    let mut bytes = None;
    for found in nodes {
        let (path, node) = found?;
        let path = path.strip_prefix("/").unwrap_or(&path);
        if path.starts_with(only.as_str()) {
            *bytes.get_or_insert(0) += node.meta.size;
        }
    }
    Ok(bytes)
}

fn repository(store: &Arc<dyn Store>, meter: &Meter) -> Result<Repository<()>, Error> {
    let options = RepositoryOptions::default().no_cache(true);
    let backends = RepositoryBackends::new(store.clone(), None);
    Repository::new_with_progress(&options, &backends, meter.clone())
        .map_err(|error| Error::of(&**store, error))
}

fn snapshot(run: &RunId, part: &Part) -> Result<SnapshotFile, Error> {
    let mut options = SnapshotOptions::default()
        .host(HOST.to_owned())
        .label(part.to_string())
        .add_tags(&format!("run:{run},part:{part}"))
        .map_err(Error::engine)?;
    let time = rustic_core::jiff::Timestamp::from_second(run.unix_seconds());
    options.time = time
        .ok()
        .map(|time| time.to_zoned(rustic_core::jiff::tz::TimeZone::UTC));
    options.to_snapshot().map_err(Error::engine)
}

/// A snapshot of ours, by its tags.
fn tagged(snapshot: SnapshotFile) -> Option<(RunId, Part, SnapshotFile)> {
    let value = |name: &str| {
        let mut tags = snapshot.tags.iter();
        tags.find_map(|tag| tag.strip_prefix(name).map(str::to_owned))
    };
    let (run, part) = (value("run:")?.parse().ok()?, value("part:")?.parse().ok()?);
    Some((run, part, snapshot))
}

/// Owners by number, holes where there are zeros. What was written is known by its size and time.
/// rustic_core does not export the type of holes.
fn restore_options() -> Result<RestoreOptions, Error> {
    let mut options = RestoreOptions::default();
    options.numeric_id = true;
    options.sparse = serde_json::from_value(json!("ByContent"))
        .map_err(|error| Error::Request(error.to_string()))?;
    Ok(options)
}

/// Gives a folder that only this process can have filled to a user.
fn give(folder: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => give(&entry.path(), uid, gid)?,
            false => std::os::unix::fs::lchown(entry.path(), Some(uid), Some(gid))?,
        }
    }
    std::os::unix::fs::chown(folder, Some(uid), Some(gid))
}

fn clear(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::local("clear the folder of the restore")(error))
        }
        _ => Ok(()),
    }
}

fn free_bytes(folder: &Path) -> Result<u64, Error> {
    let stat = nix::sys::statvfs::statvfs(folder)
        .map_err(|error| Error::local("look for room")(error.into()))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}
