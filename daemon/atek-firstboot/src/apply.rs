//! `settings`: what the card asks for becomes so, once for each file; what is wrong is told.
//!
//! Every step can be repeated, and what was applied is written down last: a power cut at any moment
//! means that the next boot does it again.

use crate::card::{self, Problem, Source};
use crate::forget;
use crate::fsutil::{self, Root};
use crate::reset;
use crate::say;
use crate::settings::{Settings, wpa_supplicant_conf};
use atek_files::FileError;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the box keeps of the card's settings: on the data partition, for root alone.
pub const STATE: &str = "/var/lib/atek-firstboot";
/// What atekd shows in the setup page: a JSON array of [`Problem`].
pub const PROBLEMS: &str = "/run/atek-firstboot/problems.json";

/// Where atek-init says, in one line, why the data partition is not in use.
pub const DATA_PROBLEM: &str = "/run/atek-init/data-problem";

/// Digests of the files that were applied, by format.
pub type Applied = BTreeMap<String, String>;

/// Reads the card and applies what is new. Never fails: there is a box to boot.
pub fn run(root: &Root) {
    let sources = card::read(root);
    let mut problems: Vec<Problem> = sources
        .iter()
        .flat_map(|source| source.problems.clone())
        .collect();
    // Also when nothing is new: they stand in the setup page until the file is mended.
    problems.extend(
        sources
            .iter()
            .filter_map(|source| unknown_zone(root, source)),
    );
    let applied = read_applied(root);
    // Of a box that was reset, whose card could not be written yet.
    let applied: Applied = forget::digests(root).into_iter().chain(applied).collect();
    let new: Vec<Source> = sources
        .into_iter()
        .filter(|source| applied.get(source.format) != Some(&source.digest))
        .collect();
    if !new.is_empty() {
        apply_new(root, new, applied, &mut problems);
    }
    problems.extend(reset::hand_over(root));
    if let Err(error) = name_the_kernel(root) {
        say::warn(&format!("cannot give the kernel its name: {error}"));
    }
    // Nothing that is set up now would last: the person must know before anything else.
    problems.splice(0..0, data_problem(root));
    report(root, &problems);
}

fn data_problem(root: &Root) -> Option<Problem> {
    let cause = fsutil::read_word(&root.at(DATA_PROBLEM))?;
    Some(Problem {
        file: "data partition".to_owned(),
        problem: format!(
            "it cannot be used, so nothing is kept: {}",
            say::plain(&cause)
        ),
    })
}

fn apply_new(root: &Root, new: Vec<Source>, mut applied: Applied, problems: &mut Vec<Problem>) {
    let mut wanted = Settings::default();
    for source in new {
        if !source.ignored.is_empty() {
            say::note(&format!(
                "{}: means nothing to Atek: {}",
                source.format,
                source.ignored.join(", ")
            ));
        }
        for words in wanted.fill_from(source.settings) {
            problems.push(Problem {
                file: source.format.to_owned(),
                problem: format!("{words} is another one in a settings file that goes first"),
            });
        }
        applied.insert(source.format.to_owned(), source.digest);
    }
    let result = apply(root, &wanted).and_then(|()| {
        let record = serde_json::to_vec(&applied).unwrap_or_default();
        atek_files::write_atomic(&root.at(STATE).join("applied.json"), &record, 0o600)
    });
    match result {
        Ok(()) => say::note(&format!(
            "settings of the card were applied: {}",
            in_words(&wanted)
        )),
        // Not written down, so the next boot tries again.
        Err(error) => problems.push(Problem {
            file: "settings".to_owned(),
            problem: format!("they cannot be applied now: {}", chain(&error)),
        }),
    }
}

fn apply(root: &Root, wanted: &Settings) -> Result<(), FileError> {
    fsutil::make_folder(&root.at(STATE))?;
    if let Some(name) = &wanted.host_name {
        atek_files::write_atomic(
            &root.at("/etc/hostname"),
            format!("{}\n", name.as_str()).as_bytes(),
            0o644,
        )?;
    }
    if let Some(zone) = wanted
        .time_zone
        .as_ref()
        .filter(|zone| knows_zone(root, zone.as_str()))
    {
        let target = format!("../usr/share/zoneinfo/{}", zone.as_str());
        atek_files::link_atomic(&root.at("/etc/localtime"), &target)?;
    }
    if !wanted.wifi.is_empty() {
        let text = wpa_supplicant_conf(&wanted.wifi, wanted.country.as_ref());
        atek_files::write_atomic(&root.at(STATE).join("wifi.conf"), text.as_bytes(), 0o600)?;
    }
    if !wanted.ssh_keys.is_empty() {
        let mut text = String::new();
        for key in &wanted.ssh_keys {
            let _ = writeln!(text, "{}", key.as_line());
        }
        atek_files::write_atomic(
            &root.at(STATE).join("authorized_keys"),
            text.as_bytes(),
            0o600,
        )?;
    }
    Ok(())
}

fn knows_zone(root: &Root, zone: &str) -> bool {
    root.at("/usr/share/zoneinfo").join(zone).is_file()
}

fn unknown_zone(root: &Root, source: &Source) -> Option<Problem> {
    let zone = source.settings.time_zone.as_ref()?;
    (!knows_zone(root, zone.as_str())).then(|| Problem {
        file: source.format.to_owned(),
        problem: "the time zone is not known; it must be a name such as Europe/London".to_owned(),
    })
}

/// The kernel gets the name of `/etc/hostname`, which systemd read before the settings were
/// applied, and before what persists of `/etc` was there.
fn name_the_kernel(root: &Root) -> Result<(), nix::Error> {
    if !root.is_this_box() {
        return Ok(());
    }
    let Some(name) = fsutil::read_word(&root.at("/etc/hostname")) else {
        return Ok(());
    };
    if nix::unistd::gethostname()?.to_str() == Some(&name) {
        return Ok(());
    }
    nix::unistd::sethostname(&name)
}

fn read_applied(root: &Root) -> Applied {
    let file = root.at(STATE).join("applied.json");
    let content = fsutil::read_small(&file, 64 * 1024).ok().flatten();
    // Unreadable means that everything on the card is applied once more, which does no harm.
    content
        .and_then(|content| serde_json::from_slice(&content).ok())
        .unwrap_or_default()
}

fn report(root: &Root, problems: &[Problem]) {
    let file = root.at(PROBLEMS);
    let text = serde_json::to_vec(problems).unwrap_or_else(|_| b"[]".to_vec());
    let folder = file.parent().unwrap_or(&file);
    if let Err(error) =
        fsutil::make_folder(folder).and_then(|()| atek_files::write_atomic(&file, &text, 0o644))
    {
        say::warn(&chain(&error));
    }
    let mut shown = String::new();
    for problem in problems {
        let line = say::plain(&format!("{}: {}", problem.file, problem.problem));
        say::warn(&line);
        let _ = writeln!(shown, "Atek settings: {line}");
    }
    if !shown.is_empty() {
        say::show(root, &shown);
    }
}

/// What was applied, without secrets.
fn in_words(settings: &Settings) -> String {
    if settings.is_empty() {
        return "nothing".to_owned();
    }
    let mut words = Vec::new();
    if let Some(name) = &settings.host_name {
        words.push(format!("the name {}", name.as_str()));
    }
    if let Some(zone) = &settings.time_zone {
        words.push(format!("the time zone {}", zone.as_str()));
    }
    if !settings.wifi.is_empty() {
        words.push(format!("{} Wi-Fi network(s)", settings.wifi.len()));
    }
    if !settings.ssh_keys.is_empty() {
        words.push(format!("{} ssh key(s), for root", settings.ssh_keys.len()));
    }
    words.join(", ")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
