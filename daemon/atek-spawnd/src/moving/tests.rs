//! A move between folders, ended after each of its steps.

use super::*;
use atek_api::moving::FileSystemId;
use std::cell::Cell;
use std::os::unix::fs::symlink;

thread_local! {
    /// Steps until one panics.
    static STEPS: Cell<Option<u32>> = const { Cell::new(None) };
}

pub(super) fn crash_point() {
    let left = STEPS.get();
    STEPS.set(left.map(|left| left.saturating_sub(1)));
    assert!(left != Some(1), "ended at this step");
}

/// Folders in place of a card and a disk.
struct Home {
    folder: tempfile::TempDir,
}

impl Places for &Home {
    fn open(&mut self, place: &Place, _: bool) -> Result<PathBuf, GiveUp> {
        let at = match place {
            Place::Card => self.at("card"),
            Place::Disk { .. } => self.at("disk"),
        };
        match (at.exists(), place) {
            (true, _) => Ok(at),
            (false, Place::Card) => Err(GiveUp::NoCard),
            (false, Place::Disk { name, .. }) => Err(GiveUp::NoDisk(name.clone())),
        }
    }

    fn close(&mut self) -> Result<(), GiveUp> {
        Ok(())
    }
}

fn id() -> FileSystemId {
    FileSystemId::of([5; 16])
}

impl Home {
    fn new() -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in [
            "card/lib/atek",
            "card/lib/private/atek-app-k1",
            "card/log",
            "disk/lost+found",
            "run",
        ] {
            fs::create_dir_all(home.at(folder)).unwrap();
        }
        fs::write(home.at("card/lib/private/atek-app-k1/note"), "precious").unwrap();
        fs::write(home.at("card/lib/atek/config.json"), "{}").unwrap();
        fs::write(home.at("card/log/journal"), "lines").unwrap();
        let big = fs::File::create(home.at("card/lib/private/atek-app-k1/big")).unwrap();
        big.set_len(1 << 20).unwrap();
        fs::write(
            home.at("card/lib/private/atek-app-k1/bytes"),
            vec![7; 3 << 20],
        )
        .unwrap();
        symlink("private/atek-app-k1", home.at("card/lib/atek-app-k1")).unwrap();
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// The one of card and disk that atek-init would mount.
    fn var(&self) -> &'static str {
        match self.at("card").join(POINTER).exists() {
            true => "disk",
            false => "card",
        }
    }

    fn ask(&self, request: &MoveRequest) {
        let text = serde_json::to_vec(request).unwrap();
        fs::write(self.at(self.var()).join("lib/atek/move"), text).unwrap();
    }

    /// A start of the machine.
    fn start(&self) -> Option<Outcome> {
        let mut machine = Machine {
            var: self.at(self.var()),
            run: self.at("run"),
            places: &mut &*self,
        };
        machine.carry_out().unwrap()
    }

    fn has_all(&self, on: &str) {
        let on = self.at(on);
        let note = fs::read_to_string(on.join("lib/private/atek-app-k1/note")).unwrap();
        assert_eq!(note, "precious");
        let bytes = fs::read(on.join("lib/private/atek-app-k1/bytes")).unwrap();
        assert!(bytes.len() == 3 << 20 && bytes.iter().all(|byte| *byte == 7));
        assert!(on.join("lib/atek/config.json").exists() && on.join("log/journal").exists());
        let link = fs::read_link(on.join("lib/atek-app-k1")).unwrap();
        assert_eq!(link, Path::new("private/atek-app-k1"));
    }
}

fn to_disk() -> MoveRequest {
    MoveRequest::Disk {
        id: id(),
        name: "ACME".to_owned(),
    }
}

#[test]
fn data_move_to_the_disk_and_stay_on_the_card_until_they_are_removed() {
    let home = Home::new();
    home.ask(&to_disk());
    assert!(home.start().unwrap().done);
    assert_eq!(home.var(), "disk");
    home.has_all("disk");
    home.has_all("card");
    assert!(!home.at("card/lib/atek/move").exists() && !home.at("disk/lib/atek/move").exists());
    let here: Here = read(&home.at("disk/lib/atek-move/here.json")).unwrap();
    assert!(here.old_data && here.id == id());
    // Nothing is asked for.
    assert_eq!(home.start(), None);

    home.ask(&MoveRequest::Nowhere);
    assert!(home.start().unwrap().done);
    let left: Vec<_> = fs::read_dir(home.at("card"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [POINTER]);
    home.has_all("disk");
    let here: Here = read(&home.at("disk/lib/atek-move/here.json")).unwrap();
    assert!(!here.old_data);

    fs::write(home.at("disk/lib/atek/later"), "later").unwrap();
    home.ask(&MoveRequest::Card);
    assert!(home.start().unwrap().done);
    assert_eq!(home.var(), "card");
    home.has_all("card");
    assert_eq!(
        fs::read_to_string(home.at("card/lib/atek/later")).unwrap(),
        "later"
    );
    assert!(!home.at("card/lib/atek-move/here.json").exists());
}

#[test]
fn ended_after_any_step_it_is_carried_out_by_the_next_start() {
    for (request, from, to) in [
        (to_disk(), "card", "disk"),
        (MoveRequest::Card, "disk", "card"),
    ] {
        for step in 1.. {
            let home = Home::new();
            if from == "disk" {
                home.ask(&to_disk());
                home.start();
                fs::write(home.at("card/lib/private/atek-app-k1/note"), "of then").unwrap();
            }
            home.ask(&request);
            STEPS.set(Some(step));
            let run_through =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| home.start()));
            STEPS.set(None);
            if run_through.is_ok() {
                assert!(step > 6, "{step} steps are too few");
                break;
            }
            // Whichever the next start uses has everything.
            home.has_all(home.var());
            home.start();
            assert_eq!(home.var(), to, "step {step}");
            home.has_all(to);
            assert!(!home.at(to).join("lib/atek/move").exists(), "step {step}");
        }
    }
}

#[test]
fn what_cannot_be_moved_is_told_and_the_box_goes_on() {
    let home = Home::new();
    let told = |text: &str| {
        let outcome = home.start().unwrap();
        assert!(!outcome.done && outcome.text.contains(text), "{outcome:?}");
        let written: Outcome =
            read(&home.at(home.var()).join("lib/atek-move/outcome.json")).unwrap();
        assert_eq!(written, outcome);
        assert!(!home.at(home.var()).join("lib/atek/move").exists());
        home.has_all(home.var());
    };
    home.ask(&MoveRequest::Card);
    told("on the card already");
    fs::write(home.at("card/lib/atek/move"), "what?").unwrap();
    told("cannot be read");
    fs::rename(home.at("disk"), home.at("pulled out")).unwrap();
    home.ask(&to_disk());
    told("the disk ACME is not plugged in");
    fs::rename(home.at("pulled out"), home.at("disk")).unwrap();
    home.ask(&to_disk());
    assert!(home.start().unwrap().done);
    // Another card in its place.
    fs::write(
        home.at("card").join(POINTER),
        format!("{}\nACME\n", FileSystemId::of([6; 16])),
    )
    .unwrap();
    for request in [MoveRequest::Card, MoveRequest::Nowhere] {
        home.ask(&request);
        told("is not the one from which the data were moved");
    }
    home.has_all("card");
}
