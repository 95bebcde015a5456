//! The move of the box's data to another disk, and back: carried out by a start of the machine,
//! before any app runs.
//!
//! ```text
//! atekd: a file system on the disk, /var/lib/atek/move, synced -> restart
//!   -> `atek-spawnd move`: empties it, copies, reads the copy back and compares,
//!      then the card's partition says where the data are: the deciding step
//!   -> restart -> atek-init mounts the disk as /var
//! ```
//!
//! Until the deciding step the box is the one before, and after it the one on the other disk. A
//! power cut before it has the next start begin again. What fails is told, and the box goes on as
//! before.

mod disks;
mod plan;

use crate::error::chain;
use crate::files::{FileError, Folder, TreeSize, compare, copy_machine, measure, remove_tree};
use anyhow::Context as _;
use atek_api::moving::{
    FOLDER, HERE, Here, MoveRequest, OUTCOME, Outcome, POINTER, PROGRESS, Phase, Progress,
};
use atek_api::spec::paths;
use disks::{OfMachine, Place, Places};
use plan::{GiveUp, Plan, fits, is_not_compared, plan, stays};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of the longest file that is read whole.
const SMALL: u64 = 4096;
/// The file that says that this start has no request to carry out any more.
const LOOKED: &str = "looked";

/// What is known of the machine.
struct Machine<'t> {
    /// `/var`.
    var: PathBuf,
    /// Of this start: progress.
    run: PathBuf,
    places: &'t mut dyn Places,
}

/// Carries a request out, if there is one. A request that cannot be carried out is given up.
///
/// # Errors
///
/// That could not be written down either; the next start tries again.
pub(crate) fn run() -> anyhow::Result<()> {
    let run = Path::new(PROGRESS).parent().unwrap_or(Path::new("/run"));
    let mut machine = Machine {
        var: "/var".into(),
        run: run.to_owned(),
        places: &mut OfMachine::default(),
    };
    if let Some(outcome) = machine.carry_out()? {
        let level = if outcome.done { 5 } else { 4 };
        eprintln!("<{level}>{}", outcome.text);
    }
    Ok(())
}

/// Gives up a request whose process was ended, of which systemd tells by the environment.
///
/// # Errors
///
/// That could not be written down.
pub(crate) fn ended() -> anyhow::Result<()> {
    let result = std::env::var("SERVICE_RESULT").unwrap_or_default();
    if result == "success" {
        return Ok(());
    }
    let machine = Machine {
        var: "/var".into(),
        run: PathBuf::new(),
        places: &mut OfMachine::default(),
    };
    let text = format!("nothing was moved: the program that moves was ended ({result})");
    machine.over(&machine.var, &Outcome { done: false, text })
}

impl Machine<'_> {
    fn in_var(&self, path: &str) -> PathBuf {
        self.var.join(path.trim_start_matches("/var/"))
    }

    fn request(&self) -> PathBuf {
        self.in_var(paths::STATE).join(paths::MOVE_NAME)
    }

    /// Returns how the request ended, if there was one and it was not carried out before.
    fn carry_out(&mut self) -> anyhow::Result<Option<Outcome>> {
        let var = self.var.clone();
        if !self.request().exists() {
            publish(&self.run.join(LOOKED), b"")?;
            return Ok(None);
        }
        let found = self.planned().and_then(|plan| self.follow(plan));
        let outcome = match found {
            Ok(Some(text)) => Outcome { done: true, text },
            Ok(None) => {
                self.over_without_a_word()?;
                self.say(Phase::Restarts, 0, 0);
                return Ok(None);
            }
            Err(error) => {
                // What is mounted would keep the disk from being pulled out.
                let _ = self.places.close();
                Outcome {
                    done: false,
                    text: chain(&error),
                }
            }
        };
        self.over(&var, &outcome)?;
        match outcome.done {
            true => self.say(Phase::Restarts, 0, 0),
            false => publish(&self.run.join(LOOKED), b"")?,
        }
        Ok(Some(outcome))
    }

    fn planned(&self) -> Result<Plan, GiveUp> {
        let request: MoveRequest = read(&self.request()).ok_or(GiveUp::Request)?;
        let is_moved = self.var.join(POINTER).exists();
        let here = read(&self.in_var(FOLDER).join(HERE));
        plan(request, is_moved, here)
    }

    /// Returns what was done, for a person.
    fn follow(&mut self, plan: Plan) -> Result<Option<String>, GiveUp> {
        match plan {
            Plan::Over => Ok(None),
            Plan::ToDisk { id, name } => {
                let here = Here {
                    id,
                    name: name.clone(),
                    old_data: true,
                };
                self.move_to_disk(here)?;
                Ok(Some(format!("the data are on the disk {name}")))
            }
            Plan::ToCard { from } => {
                self.move_to_card(&from)?;
                Ok(Some("the data are back on the card".to_owned()))
            }
            Plan::RemoveOld { mut of } => {
                self.say(Phase::Prepares, 0, 0);
                let card = self.card_of(&of)?;
                empty(&card, &[POINTER])?;
                drop(card);
                self.places.close()?;
                of.old_data = false;
                self.write(&self.in_var(FOLDER), HERE, &of)?;
                Ok(Some("the old data on the card are removed".to_owned()))
            }
        }
    }

    fn move_to_disk(&mut self, here: Here) -> Result<(), GiveUp> {
        let place = Place::Disk {
            id: here.id.clone(),
            name: here.name.clone(),
        };
        self.say(Phase::Prepares, 0, 0);
        let size = measure(&self.opened(&self.var)?)?;
        let at = self.places.open(&place, true)?;
        crash_point();
        let disk = self.opened(&at)?;
        fits(size.bytes, size.entries, disk.total_bytes()?)?;
        empty(&disk, &[])?;
        crash_point();
        self.copy(&disk, size)?;
        let folder = at.join(FOLDER.trim_start_matches("/var/"));
        self.write(&folder, HERE, &here)?;
        let text = format!("the data were moved to the disk {}", here.name);
        self.write(&folder, OUTCOME, &Outcome { done: true, text })?;
        disk.sync_file_system()?;
        drop(disk);
        crash_point();
        self.places.close()?;
        self.compared(&place, size)?;
        crash_point();
        let text = format!("{}\n{}\n", here.id, here.name);
        decide(&self.opened(&self.var)?, text.as_bytes())?;
        crash_point();
        Ok(())
    }

    fn move_to_card(&mut self, from: &Here) -> Result<(), GiveUp> {
        self.say(Phase::Prepares, 0, 0);
        let size = measure(&self.opened(&self.var)?)?;
        let card = self.card_of(from)?;
        crash_point();
        fits(size.bytes, size.entries, card.total_bytes()?)?;
        empty(&card, &[POINTER])?;
        crash_point();
        self.copy(&card, size)?;
        let folder = card.path().join(FOLDER.trim_start_matches("/var/"));
        let text = "the data were moved back to the card".to_owned();
        self.write(&folder, OUTCOME, &Outcome { done: true, text })?;
        card.sync_file_system()?;
        drop(card);
        crash_point();
        self.places.close()?;
        self.compared(&Place::Card, size)?;
        crash_point();
        let card = self.card_of(from)?;
        card.remove_file(OsStr::new(POINTER))?;
        card.sync()?;
        drop(card);
        crash_point();
        self.places.close()
    }

    /// The card's data partition, if it is the one whose data are on that disk.
    fn card_of(&mut self, disk: &Here) -> Result<Folder, GiveUp> {
        let at = self.places.open(&Place::Card, true)?;
        let pointer = fs::read_to_string(at.join(POINTER)).unwrap_or_default();
        match pointer.lines().next() == Some(disk.id.as_str()) {
            true => self.opened(&at),
            false => Err(GiveUp::OtherCard),
        }
    }

    fn opened(&self, path: &Path) -> Result<Folder, GiveUp> {
        Ok(Folder::open(path)?)
    }

    fn copy(&mut self, to: &Folder, size: TreeSize) -> Result<(), GiveUp> {
        let from = self.opened(&self.var)?;
        let mut meter = Meter::new(self, Phase::Copies, size.bytes);
        copy_machine(&from, to, &stays, &mut |bytes| meter.add(bytes))?;
        Ok(())
    }

    /// Compares with what the disk gives back.
    fn compared(&mut self, place: &Place, size: TreeSize) -> Result<(), GiveUp> {
        let at = self.places.open(place, false)?;
        let (from, to) = (self.opened(&self.var)?, self.opened(&at)?);
        let mut meter = Meter::new(self, Phase::Compares, size.bytes);
        compare(&from, &to, &is_not_compared, &mut |bytes| meter.add(bytes))?;
        drop(to);
        self.places.close()
    }

    fn write(&self, folder: &Path, name: &str, what: &impl Serialize) -> Result<(), GiveUp> {
        let text = serde_json::to_vec(what).unwrap_or_default();
        fs::create_dir_all(folder)
            .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o755)))
            .and_then(|()| publish(&folder.join(name), &text))
            .map_err(GiveUp::Say)
    }

    /// Writes down how the request ended, and removes it.
    fn over(&self, var: &Path, outcome: &Outcome) -> anyhow::Result<()> {
        let folder = var.join(FOLDER.trim_start_matches("/var/"));
        self.write(&folder, OUTCOME, outcome)?;
        self.over_without_a_word()
    }

    fn over_without_a_word(&self) -> anyhow::Result<()> {
        let request = self.request();
        match fs::remove_file(&request) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", request.display()));
            }
            _ => {}
        }
        Folder::open(&self.in_var(paths::STATE))?.sync()?;
        Ok(())
    }

    /// Says how far it is. That this cannot be said stops nothing.
    fn say(&self, phase: Phase, done: u64, total: u64) {
        let progress = Progress { phase, done, total };
        let text = serde_json::to_vec(&progress).unwrap_or_default();
        let name = Path::new(PROGRESS).file_name().unwrap_or_default();
        let _ = publish(&self.run.join(name), &text);
    }
}

/// Says how far a step is, at each percent.
struct Meter<'m, 't> {
    machine: &'m Machine<'t>,
    phase: Phase,
    done: u64,
    total: u64,
    told: u64,
}

impl<'m, 't> Meter<'m, 't> {
    fn new(machine: &'m Machine<'t>, phase: Phase, total: u64) -> Self {
        machine.say(phase, 0, total);
        Self {
            machine,
            phase,
            done: 0,
            total,
            told: 0,
        }
    }

    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        let percent = self.done.saturating_mul(100) / self.total.max(1);
        if percent > self.told {
            // Of ten, one is a place where a test cuts the power.
            let tenth = percent / 10 > self.told / 10;
            self.told = percent;
            self.machine
                .say(self.phase, self.done.min(self.total), self.total);
            if tenth {
                crash_point();
            }
        }
    }
}

/// Removes everything in a folder but `kept`.
fn empty(folder: &Folder, kept: &[&str]) -> Result<(), FileError> {
    let names: Vec<_> = folder.names()?.collect::<Result<_, _>>()?;
    for name in names {
        let stays = name == "lost+found" || kept.iter().any(|kept| name == *kept);
        if !stays {
            remove_tree(folder, &name)?;
        }
    }
    folder.sync_file_system()
}

/// The deciding step: from the next start on the data are elsewhere.
fn decide(var: &Folder, text: &[u8]) -> Result<(), FileError> {
    let aside = format!("{POINTER}.partial");
    var.write_private(aside.as_ref(), text)?;
    // A name that leads to no content would decide for nothing.
    var.sync_file_system()?;
    var.rename(aside.as_ref(), var, POINTER.as_ref())?;
    var.sync()
}

/// Replaces a file that everybody may read.
fn publish(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".partial");
    let mut file = fs::File::create(&aside)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let about = fs::symlink_metadata(path).ok()?;
    if !about.is_file() || about.len() > SMALL {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// In a debug build, `ATEK_FAULT=move:N` keeps the process at the Nth place between two steps, so
/// that a test cuts the power there. A release build does not read the variable.
#[cfg(all(debug_assertions, not(test)))]
fn crash_point() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    static AT: LazyLock<Option<u32>> = LazyLock::new(|| {
        let fault = std::env::var("ATEK_FAULT").ok()?;
        fault.strip_prefix("move:")?.parse().ok()
    });
    let reached = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
    if *AT == Some(reached) {
        let _ = fs::write("/run/atek-move/held", "");
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(any(debug_assertions, test)))]
fn crash_point() {}

#[cfg(test)]
use tests::crash_point;

#[cfg(test)]
mod tests;
