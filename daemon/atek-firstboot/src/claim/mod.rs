//! `claim`: how to reach the box, and until it has an owner the code for becoming it: on the
//! screens and in a file on the card.

mod addresses;
mod qr;
mod text;

use crate::apply::PROBLEMS;
use crate::forget;
use crate::fsutil::{self, Root};
use crate::reset;
use crate::say;
use atek_files::FileError;
use std::path::PathBuf;
use std::time::Duration;
use text::{ClaimCode, Purpose, Shown};

/// What agetty shows above the prompt.
const ISSUE: &str = "/run/issue.d/50-atek.issue";
/// What was shown last, so that a screen is not filled with the same again and again.
const SHOWN: &str = "/run/atek-firstboot/shown";
/// The code: as atekd mirrors it, and as it keeps it (before it runs).
const CODES: &[&str] = &["/run/atek/claim-code", "/var/lib/atek/claim-code"];
/// The file on the card, and where the card may be.
const CARD_FILE: &str = "atek-claim.txt";
const CARDS: &[&str] = &["/boot/firmware", "/boot"];
/// Times that the state is read again after it was shown, and the pause before each while the code
/// is shown: the box gets its name and, a moment later, its owner.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Shows what is true now.
///
/// # Errors
///
/// When a file cannot be written; the screens are written to all the same.
pub fn run(root: &Root) -> Result<(), FileError> {
    show_after(forget::take_away(root).and(reset::take_away(root)), root)
}

/// Shows what is true now, also after a failure to write to the card, which is returned.
fn show_after(written: Result<(), FileError>, root: &Root) -> Result<(), FileError> {
    show_until_settled(root)?;
    written
}

fn show_until_settled(root: &Root) -> Result<(), FileError> {
    // Once: it starts a program, and what a system lacks does not change while this runs.
    let missing = missing(root);
    let mut shown = look(root, &missing);
    show(root, &shown)?;
    for _ in 0..LOOKS {
        // systemd watches no path while this runs, nor a moment after: a change during that time
        // must be seen here.
        if shown.code.is_some() {
            std::thread::sleep(PAUSE);
        }
        let now = look(root, &missing);
        if now != shown {
            show(root, &now)?;
            shown = now;
        } else if shown.code.is_none() {
            break;
        }
    }
    Ok(())
}

fn look(root: &Root, missing: &[String]) -> Shown {
    let code = CODES
        .iter()
        .find_map(|path| fsutil::read_word(&root.at(path)));
    let name = fsutil::read_word(&root.at("/etc/hostname")).filter(|name| name.len() < 64);
    Shown {
        name: name.map_or_else(|| "atek".to_owned(), |name| say::plain(&name)),
        addresses: if root.is_this_box() {
            addresses::list()
        } else {
            Vec::new()
        },
        purpose: if reset::is_pending(root) {
            Purpose::NewPassword
        } else {
            Purpose::Claim
        },
        code: code.and_then(|code| ClaimCode::parse(&code)),
        problems: problems(root),
        missing: missing.to_vec(),
    }
}

/// What the system lacks, with what to do about it. Nothing for a folder that only stands for a
/// box.
fn missing(root: &Root) -> Vec<String> {
    if !root.is_this_box() {
        return Vec::new();
    }
    let report = atek_system_check::check(&root.at("/"));
    let lines = report.missing.iter();
    lines
        .map(|miss| say::plain(&format!("{}. {}", miss.problem, miss.advice)))
        .collect()
}

fn problems(root: &Root) -> Vec<String> {
    let content = fsutil::read_small(&root.at(PROBLEMS), 64 * 1024)
        .ok()
        .flatten();
    let listed: Vec<serde_json::Value> = content
        .and_then(|content| serde_json::from_slice(&content).ok())
        .unwrap_or_default();
    let line = |problem: &serde_json::Value| {
        let field = |name: &str| Some(problem.get(name)?.as_str()?.to_owned());
        Some(say::plain(&format!(
            "{}: {}",
            field("file")?,
            field("problem")?
        )))
    };
    listed.iter().filter_map(line).take(5).collect()
}

fn show(root: &Root, shown: &Shown) -> Result<(), FileError> {
    let screen = shown.screen();
    let seen = root.at(SHOWN);
    let again = fsutil::read_small(&seen, 64 * 1024)
        .ok()
        .flatten()
        .as_deref()
        == Some(screen.as_bytes());
    if !again {
        say::show(root, &screen);
        shown.missing.iter().for_each(|line| say::warn(line));
    }
    let issue = root.at(ISSUE);
    for file in [&issue, &seen] {
        if let Some(folder) = file.parent() {
            fsutil::make_folder(folder)?;
        }
    }
    atek_files::write_atomic(&issue, screen.as_bytes(), 0o644)?;
    // The code is in it.
    atek_files::write_atomic(&seen, screen.as_bytes(), 0o600)?;
    write_card_file(root, shown)
}

fn write_card_file(root: &Root, shown: &Shown) -> Result<(), FileError> {
    let Some(card) = card(root) else {
        return Ok(());
    };
    let file = card.join(CARD_FILE);
    let there = fsutil::read_small(&file, 64 * 1024).ok().flatten();
    match shown.card_file() {
        Some(text) if there.as_deref() != Some(text.as_bytes()) => {
            fsutil::while_writable(&card, || {
                atek_files::write_atomic(&file, text.as_bytes(), 0o600)
            })
        }
        None if there.is_some() => fsutil::while_writable(&card, || atek_files::remove(&file)),
        _ => Ok(()),
    }
}

fn card(root: &Root) -> Option<PathBuf> {
    CARDS
        .iter()
        .map(|card| root.at(card))
        .find(|card| card.is_dir())
}

#[cfg(test)]
mod tests;
