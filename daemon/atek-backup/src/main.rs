//! `atek-backup`: backs this machine up to a target, and restores it, as atekd asks.
//!
//! One process is one job in a unit of its own. It reads requests from standard input, one JSON
//! line each, and answers on standard output ([`atek_api::backup`]). `--root FOLDER`, for tests,
//! takes all folders of the machine but the target's from below that folder. With `--disk DEVICE
//! DRIVER look|read|write` it mounts the disk of the target first.

mod complaints;
mod contents;
mod disk;
mod engine;
mod error;
mod folder;
mod layout;
mod meter;
mod one_line;
mod proof;
mod server;
mod store;

use anyhow::{Context as _, bail};
use atek_api::backup::{Event, MAX_LINE, Request};
use atek_api::secret::Secret;
use engine::{Engine, Passwords};
use error::Error;
use folder::Use;
use layout::Layout;
use meter::say;
use std::io::{BufRead, Read as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (root, mounted) = match arguments.split_first() {
        None => (PathBuf::from("/"), Ok(None)),
        Some((flag, [root])) if flag == "--root" => (PathBuf::from(root), Ok(None)),
        // Before anything else: from then on it may not mount any more.
        Some((flag, rest)) if flag == "--disk" => {
            let mounted = disk::arguments(rest)
                .and_then(|(device, kind, access)| disk::mount_and_give_up(&device, kind, access));
            (PathBuf::from("/"), mounted.map(Some))
        }
        _ => bail!("usage: atek-backup [--root FOLDER], with requests on standard input"),
    };
    complaints::listen();
    let layout = Layout::below(&root);
    let mut input = std::io::stdin().lock();
    let mut engine = None;
    let disk = match mounted {
        Ok(disk) => disk,
        Err(error) => {
            let failure = Error::from(error).failure();
            return match line(&mut input)? {
                Some(_) => say(&Event::Failed(failure)).context("cannot answer atekd"),
                None => Ok(()),
            };
        }
    };
    while let Some(line) = line(&mut input)? {
        let event = match serde_json::from_slice(&line) {
            Ok(Request::Look) => look(disk.as_deref()),
            Ok(request) => guarded(request, &mut engine, &layout),
            // The line may have the password: serde's message could quote it.
            Err(_) => Err(Error::Request("the request is malformed".into())),
        };
        let event = event.unwrap_or_else(|error| Event::Failed(error.failure()));
        say(&event).context("cannot answer atekd")?;
    }
    Ok(())
}

/// The next line, or none at the end of the input.
fn line(input: &mut impl BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut bounded = input.take(MAX_LINE as u64);
    bounded
        .read_until(b'\n', &mut line)
        .context("cannot read a request")?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => bail!("a request was cut off"),
    }
}

/// Carries out a request. rustic_core panics where what it reads is damaged, which is an answer.
fn guarded(request: Request, engine: &mut Option<Engine>, layout: &Layout) -> Result<Event, Error> {
    let work = AssertUnwindSafe(|| carry_out(request, engine, layout));
    std::panic::catch_unwind(work).unwrap_or_else(|_| {
        // What it was doing is not known; the next request opens the target again.
        *engine = None;
        let what = "it does not fit what is known of it (the journal has more)";
        Err(Error::Damaged(what.into()))
    })
}

/// What is on the disk that was mounted.
fn look(disk: Option<&Path>) -> Result<Event, Error> {
    let at = disk.ok_or_else(|| Error::Request("there is no disk to look at".into()))?;
    let contents = disk::contents(at).map_err(|error| Error::Target(error.to_string()))?;
    Ok(Event::Looked { contents })
}

fn carry_out(
    request: Request,
    engine: &mut Option<Engine>,
    layout: &Layout,
) -> Result<Event, Error> {
    if let Request::Open {
        target,
        password,
        older,
        login,
        create,
        read,
    } = &request
    {
        let what_for = match (read, create) {
            (true, _) => Use::Read,
            (false, false) => Use::Write,
            (false, true) => Use::Begin,
        };
        let layout = layout.clone();
        let passwords = Passwords {
            password: password.expose(),
            older: older.as_ref().map(Secret::expose),
        };
        *engine = None;
        let (opened, created) = Engine::open(target, passwords, login.as_ref(), what_for, layout)?;
        *engine = Some(opened);
        return Ok(Event::Opened { created });
    }
    let Some(engine) = engine else {
        return Err(Error::Request("no target is open".into()));
    };
    match request {
        Request::Open { .. } | Request::Look => unreachable!("it is handled above"),
        Request::Store { run, part, prove } => {
            let stored = engine.store(&run, &part, prove)?;
            Ok(Event::Stored {
                files: stored.files,
                bytes: stored.bytes,
                added: stored.added,
                proven: stored.proven,
            })
        }
        Request::Finish { run, manifest } => {
            engine.finish(&run, &manifest)?;
            Ok(Event::Finished)
        }
        Request::Runs => Ok(Event::Runs {
            runs: engine.runs()?,
        }),
        Request::Manifest { run } => Ok(Event::Manifest {
            manifest: engine.manifest(&run)?,
        }),
        Request::Tidy { retention, now } => Ok(Event::Tidied {
            removed: engine.tidy(retention, &now)?,
        }),
        Request::Check { read } => Ok(Event::Checked {
            problems: engine.check(read)?,
        }),
        Request::Restore {
            run,
            part,
            into,
            path,
        } => {
            let (files, bytes) = engine.restore(&run, &part, into.as_ref(), path.as_ref())?;
            Ok(Event::Restored { files, bytes })
        }
        Request::Files { run, part, path } => {
            let (files, more) = engine.files(&run, &part, &path)?;
            Ok(Event::Files { files, more })
        }
    }
}
