//! `led`: what the box is doing, shown by the light on its board.
//!
//! | the box | the light | trigger of the kernel |
//! |---|---|---|
//! | starts | blinks evenly, once a second | `timer` |
//! | is ready | shines | `none`, at full brightness |
//! | needs a person | flashes twice, then pauses | `heartbeat` |
//!
//! The kernel blinks (Documentation/leds/leds-class.rst): this runs once, when the light appears
//! and whenever the answer may have changed (`atek-led.path`). Without a light it does nothing.

use crate::apply::{DATA_PROBLEM, PROBLEMS};
use crate::fsutil::{self, Root};
use crate::say;
use atek_files::FileError;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where the kernel lists the lights.
const LIGHTS: &str = "/sys/class/leds";
/// The light of the card's activity on a Raspberry Pi: by its label since Linux 6.1, and before.
const NAMES: &[&str] = &["ACT", "led0"];
/// What atekd says of itself: `ready`, or `unusable` on a system on which no service can start.
const HOST_STATE: &str = "/run/atek/host-state";
/// There while atekd knows of a missed or failed backup, or of a disk that fails.
const TROUBLE: &str = "/run/atek/trouble";
/// The code that a person is asked for, while there is one.
const CODE: &str = "/run/atek/claim-code";

/// What a person should know from across the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Starting,
    Ready,
    NeedsPerson,
}

/// What the pattern is decided by.
#[derive(Debug, Clone, Copy)]
struct Facts {
    host: Host,
    /// Whether a claim or reset code waits to be entered.
    code: bool,
    /// Whether settings on the card cannot be used, or the data partition cannot.
    problems: bool,
    /// Whether something is wrong with backups or a disk.
    trouble: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// It has not answered yet.
    Starting,
    Ready,
    /// It answers with what the system lacks.
    Unusable,
}

impl Pattern {
    fn of(facts: Facts) -> Self {
        match facts.host {
            // The pages that say what to do are not there yet.
            Host::Starting => Self::Starting,
            Host::Unusable => Self::NeedsPerson,
            Host::Ready if facts.code || facts.problems || facts.trouble => Self::NeedsPerson,
            Host::Ready => Self::Ready,
        }
    }

    /// The kernel's trigger for it.
    fn trigger(self) -> &'static str {
        match self {
            Self::Starting => "timer",
            Self::Ready => "none",
            Self::NeedsPerson => "heartbeat",
        }
    }
}

/// Shows what is true now.
///
/// # Errors
///
/// When the light is there and cannot be set.
pub fn run(root: &Root, name: Option<&str>) -> Result<(), FileError> {
    let Some(light) = light(root, name) else {
        return Ok(());
    };
    set(&light, Pattern::of(facts(root)))
}

/// The folder of the light, if there is one; `name` is one to use in place of the Pi's.
fn light(root: &Root, name: Option<&str>) -> Option<PathBuf> {
    let is_name = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    name.into_iter()
        .filter(|name| is_name(name))
        .chain(NAMES.iter().copied())
        .map(|name| root.at(LIGHTS).join(name))
        .find(|light| light.join("trigger").exists())
}

fn facts(root: &Root) -> Facts {
    let host = match fsutil::read_word(&root.at(HOST_STATE)).as_deref() {
        Some("ready") => Host::Ready,
        Some("unusable") => Host::Unusable,
        _ => Host::Starting,
    };
    let listed = fsutil::read_word(&root.at(PROBLEMS));
    Facts {
        host,
        // It is atekd's, and this program may not read it.
        code: root.at(CODE).symlink_metadata().is_ok(),
        problems: listed.is_some_and(|list| list != "[]")
            || fsutil::read_word(&root.at(DATA_PROBLEM)).is_some(),
        trouble: root.at(TROUBLE).exists(),
    }
}

fn set(light: &Path, pattern: Pattern) -> Result<(), FileError> {
    let trigger = light.join("trigger");
    // `none timer [heartbeat]`: the one in use is in brackets. Written again, it would begin again.
    let list = fs::read_to_string(&trigger).map_err(FileError::at("read", &trigger))?;
    let wanted = pattern.trigger();
    let is_set = list.split_whitespace().any(|name| {
        name.strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            == Some(wanted)
    });
    if !is_set {
        write(&trigger, wanted)?;
    }
    if pattern == Pattern::Ready {
        let most = light.join("max_brightness");
        let most = fsutil::read_word(&most).unwrap_or_else(|| "1".to_owned());
        write(&light.join("brightness"), &most)?;
    }
    say::note(&format!("the light shows: {pattern:?}"));
    Ok(())
}

/// Writes an attribute of the kernel's, in one piece.
fn write(attribute: &Path, value: &str) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .open(attribute)
        .map_err(FileError::at("open", attribute))?;
    file.write_all(value.as_bytes())
        .map_err(FileError::at("write", attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_blinks_until_the_pages_answer_and_flashes_when_a_person_is_needed() {
        for (host, code, problems, wanted) in [
            (Host::Starting, false, false, Pattern::Starting),
            (Host::Starting, true, true, Pattern::Starting),
            (Host::Ready, false, false, Pattern::Ready),
            (Host::Ready, true, false, Pattern::NeedsPerson),
            (Host::Ready, false, true, Pattern::NeedsPerson),
            (Host::Unusable, false, false, Pattern::NeedsPerson),
        ] {
            let facts = Facts {
                host,
                code,
                problems,
                trouble: false,
            };
            assert_eq!(Pattern::of(facts), wanted, "{facts:?}");
        }
    }

    /// A box whose light has been set to `trigger` by the kernel.
    fn a_box(name: &str, trigger: &str) -> (Root, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let light = root.at(LIGHTS).join(name);
        for path in [
            &light,
            &root.at("/run/atek"),
            &root.at("/run/atek-firstboot"),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(light.join("trigger"), trigger).unwrap();
        fs::write(light.join("brightness"), "0").unwrap();
        fs::write(light.join("max_brightness"), "255\n").unwrap();
        (root, folder)
    }

    #[test]
    fn what_the_files_say_is_what_the_light_shows() {
        let (root, _folder) = a_box("ACT", "none timer [mmc0] heartbeat");
        let read = |name: &str| fs::read_to_string(root.at(LIGHTS).join("ACT").join(name)).unwrap();
        let says = |file: &str, text: &str| fs::write(root.at(file), text).unwrap();
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("timer"));
        says(PROBLEMS, "[]");
        says(HOST_STATE, "ready\n");
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("none"));
        assert_eq!(read("brightness"), "255");
        // A backup is missed, and made.
        says(TROUBLE, "");
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("heartbeat"));
        fs::remove_file(root.at(TROUBLE)).unwrap();
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("none"));
        says(CODE, "ABCD-1234");
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("heartbeat"));
        fs::remove_file(root.at(CODE)).unwrap();
        says(PROBLEMS, r#"[{"file": "user-data", "problem": "x"}]"#);
        run(&root, None).unwrap();
        assert!(read("trigger").starts_with("heartbeat"));
    }

    #[test]
    fn a_pattern_that_is_shown_does_not_begin_anew() {
        let (root, _folder) = a_box("led0", "none [timer] heartbeat");
        run(&root, None).unwrap();
        let trigger = root.at(LIGHTS).join("led0/trigger");
        assert_eq!(
            fs::read_to_string(trigger).unwrap(),
            "none [timer] heartbeat"
        );
    }

    #[test]
    fn a_board_without_a_light_is_left_alone_and_a_name_leads_nowhere_else() {
        let (root, _folder) = a_box("input0::capslock", "none timer");
        for name in [None, Some("ACT"), Some("../ACT"), Some("."), Some("")] {
            assert!(light(&root, name).is_none(), "{name:?}");
            run(&root, name).unwrap();
        }
        assert!(light(&root, Some("input0::capslock")).is_some());
    }
}
