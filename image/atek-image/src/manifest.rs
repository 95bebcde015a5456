//! The entry by which Raspberry Pi Imager offers the card (`os_list`, the schema in its own
//! repository).

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// A list of systems: what `atek-rpi.rpi-imager-manifest` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The systems on offer.
    pub os_list: Vec<Entry>,
}

/// One system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// As it is listed.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// A picture; may be within the entry.
    pub icon: String,
    /// Where the compressed card is, relative to the manifest or absolute.
    pub url: String,
    /// Bytes of the card.
    pub extract_size: u64,
    /// Its hash. Imager refuses a card that has another.
    pub extract_sha256: String,
    /// Bytes of the compressed card.
    pub image_download_size: u64,
    /// The hash of the compressed card.
    pub image_download_sha256: String,
    /// `YYYY-MM-DD`.
    pub release_date: String,
    /// The boards, as Imager calls them.
    pub devices: Vec<String>,
    /// How Imager leaves a person's settings. atek-firstboot reads every form; this one has the
    /// most of them.
    pub init_format: String,
    /// For whom it is compiled.
    pub architecture: String,
}

/// A square in Atek's colour: Imager wants a picture, and a picture from elsewhere may be gone.
const ICON: &str = "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'><rect width='40' height='40' rx='8' fill='%230f6e56'/><path d='M10 30 20 9l10 21h-5l-5-11-5 11z' fill='white'/></svg>";

/// What is known of a packed card.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The compressed card's file name.
    pub file: String,
    /// Bytes of the card.
    pub size: u64,
    /// Its hash.
    pub sha256: String,
    /// Bytes of the compressed card.
    pub packed_size: u64,
    /// Its hash.
    pub packed_sha256: String,
    /// The boards that it boots, as Imager calls them.
    pub devices: Vec<String>,
}

/// The list with the one card.
#[must_use]
pub fn of(version: &str, facts: &Facts, epoch: u64) -> Manifest {
    Manifest {
        os_list: vec![Entry {
            name: format!("Atek {version}"),
            description: "A home server for apps of your own".into(),
            icon: ICON.into(),
            url: facts.file.clone(),
            extract_size: facts.size,
            extract_sha256: facts.sha256.clone(),
            image_download_size: facts.packed_size,
            image_download_sha256: facts.packed_sha256.clone(),
            release_date: date(epoch),
            devices: facts.devices.clone(),
            init_format: "cloudinit-rpi".into(),
            architecture: "armv8".into(),
        }],
    }
}

/// Whether `manifest` has what Imager documents, and speaks of the card that `facts` describe.
///
/// # Errors
///
/// Says what is wrong.
pub fn check(manifest: &Manifest, facts: &Facts) -> anyhow::Result<()> {
    let [entry] = manifest.os_list.as_slice() else {
        anyhow::bail!("the manifest lists {} systems", manifest.os_list.len());
    };
    for (name, value) in [
        ("name", &entry.name),
        ("description", &entry.description),
        ("icon", &entry.icon),
    ] {
        ensure!(!value.trim().is_empty(), "the manifest's {name} is empty");
    }
    ensure!(
        entry.url.ends_with(&facts.file),
        "the manifest is of {}, not of {}",
        entry.url,
        facts.file
    );
    ensure!(
        entry.extract_size == facts.size,
        "the manifest has the size {}",
        entry.extract_size
    );
    ensure!(
        entry.extract_sha256 == facts.sha256,
        "the manifest has another hash of the card"
    );
    ensure!(
        entry.image_download_size == facts.packed_size,
        "the manifest has another size of the download"
    );
    ensure!(
        entry.image_download_sha256 == facts.packed_sha256,
        "the manifest has another hash of the download"
    );
    let formats = [
        "none",
        "systemd",
        "cloudinit",
        "cloudinit-rpi",
        "rpi-preseed",
    ];
    ensure!(
        formats.contains(&entry.init_format.as_str()),
        "Imager knows no init_format {}",
        entry.init_format
    );
    ensure!(
        entry.devices == facts.devices,
        "the card boots {:?}, the manifest says {:?}",
        facts.devices,
        entry.devices
    );
    let known = ["pi3-64bit", "pi4-64bit", "pi5-64bit"];
    ensure!(
        entry
            .devices
            .iter()
            .all(|device| known.contains(&device.as_str())),
        "Imager does not know all of {:?}",
        entry.devices
    );
    let digits: Vec<&str> = entry.release_date.split('-').collect();
    let lengths: Vec<usize> = digits.iter().map(|part| part.len()).collect();
    ensure!(
        lengths == [4, 2, 2],
        "{} is no YYYY-MM-DD",
        entry.release_date
    );
    digits
        .iter()
        .try_for_each(|part| part.parse::<u16>().map(drop))
        .with_context(|| format!("{} is no YYYY-MM-DD", entry.release_date))
}

/// The day of a time, in the calendar of the whole world.
fn date(epoch: u64) -> String {
    // Days since 1970 to a civil date: years that begin in March have their leap day last.
    let days = epoch / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            file: "atek.img.xz".into(),
            size: 5,
            sha256: "ab".into(),
            packed_size: 2,
            packed_sha256: "cd".into(),
            devices: vec!["pi4-64bit".into()],
        }
    }

    #[test]
    fn the_entry_has_every_field_that_imager_requires() {
        let manifest = of("1.2.3", &facts(), 1_700_000_000);
        check(&manifest, &facts()).unwrap();
        let json = serde_json::to_value(&manifest).unwrap();
        // The schema's `required`, and `devices`, which its notes require as well.
        for field in [
            "name",
            "description",
            "icon",
            "url",
            "extract_size",
            "extract_sha256",
            "image_download_size",
            "release_date",
            "devices",
        ] {
            assert!(!json["os_list"][0][field].is_null(), "{field}");
        }
        assert_eq!(
            json.as_object().unwrap().len(),
            1,
            "the schema allows nothing beside os_list and imager"
        );
    }

    #[test]
    fn an_entry_of_another_card_is_refused() {
        let manifest = of("1.2.3", &facts(), 0);
        assert!(
            check(
                &manifest,
                &Facts {
                    sha256: "00".into(),
                    ..facts()
                }
            )
            .is_err()
        );
        assert!(check(&manifest, &Facts { size: 6, ..facts() }).is_err());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (epoch, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
        ] {
            assert_eq!(date(epoch), day);
        }
    }
}
