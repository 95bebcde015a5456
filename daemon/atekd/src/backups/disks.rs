//! Disks that are plugged in: what each is, which can keep backups, and the job that mounts one.

use super::job::{self, Job, Meter};
use super::{BackupError, Backups};
use atek_api::backup::{Disk, DiskContents, DiskId, DiskRefusal, Event, Holds, Request, Target};
use atek_api::moving::FileSystemId;
use atek_api::spec::{BackupSpec, BlockName, DiskSpec, paths};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Disks that are listed.
const MOST: usize = 64;
/// Disks that are looked at for one list.
const LOOKED_AT: usize = 12;
/// Characters of a name.
const NAME: usize = 60;

/// What `lsblk --json` prints.
#[derive(Debug, Deserialize)]
pub struct Listed {
    blockdevices: Vec<Device>,
}

/// A disk as a whole.
#[derive(Debug, Clone, Default)]
pub struct WholeDisk {
    pub device: String,
    pub name: String,
    pub size: u64,
    pub read_only: bool,
    /// Whether something on it is mounted or held.
    pub used: bool,
    /// What is on it, for a person.
    pub holds: Vec<String>,
    /// The ids of the file systems on it.
    pub ids: Vec<String>,
}

/// A device, and what is on it as far as the kernel knows: partitions, RAIDs, what was unlocked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Device {
    kname: String,
    #[serde(rename = "type")]
    kind: String,
    size: Option<u64>,
    ro: bool,
    fstype: Option<String>,
    label: Option<String>,
    uuid: Option<String>,
    pttype: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    mountpoints: Vec<Option<String>>,
    children: Vec<Device>,
}

impl Device {
    /// Whether the system runs from it: something on it is mounted where no disk of people is.
    fn is_of_system(&self) -> bool {
        let mounted = self.mountpoints.iter().flatten();
        mounted.clone().any(|at| !super::places::is_of_people(at))
            || self.children.iter().any(Self::is_of_system)
    }

    /// Whether it is a part of an eMMC for the firmware, which is a device of its own.
    fn is_of_card(&self) -> bool {
        self.kname.starts_with("mmcblk") && self.kname.contains("boot")
    }

    fn maker(&self) -> String {
        let text = |text: &Option<String>| text.as_deref().map(readable).unwrap_or_default();
        let maker = format!("{} {}", text(&self.vendor), text(&self.model));
        maker.trim().to_owned()
    }

    /// Adds what is known to be on it, and the ids of that.
    fn tell(&self, disk: &mut WholeDisk) {
        let children = &self.children;
        disk.used |= self.mountpoints.iter().any(Option::is_some)
            || children.iter().any(|child| child.kind != "part");
        if let Some(kind) = self.fstype.as_deref().filter(|kind| !kind.is_empty()) {
            let label = self.label.as_deref().map(readable).unwrap_or_default();
            disk.holds.push(match label.is_empty() {
                true => readable(kind),
                false => format!("{} \"{label}\"", readable(kind)),
            });
        } else if children.is_empty()
            && let Some(kind) = self.pttype.as_deref().filter(|kind| !kind.is_empty())
        {
            disk.holds
                .push(format!("a table of partitions ({})", readable(kind)));
        } else if self.kind == "part" {
            disk.holds
                .push("a partition with something unknown".to_owned());
        }
        disk.ids.extend(self.uuid.iter().map(|id| readable(id)));
        for child in children {
            child.tell(disk);
        }
    }

    fn is_used(&self) -> bool {
        // Partitions are devices of their own; what else is on it holds it.
        let held = self.children.iter().any(|child| child.kind != "part");
        held || self.mountpoints.iter().any(Option::is_some)
    }
}

impl Listed {
    /// The disks as a whole, but for those of the system.
    pub fn whole_disks(&self) -> Vec<WholeDisk> {
        let disks = self.blockdevices.iter().filter(|device| {
            let is_there = device.size.is_some_and(|size| size > 0);
            let is_disk = matches!(device.kind.as_str(), "disk" | "loop");
            is_there && is_disk && !device.is_of_system() && !device.is_of_card()
        });
        let told = disks.take(MOST).map(|device| {
            let mut disk = WholeDisk {
                device: readable(&device.kname),
                name: device.maker(),
                size: device.size.unwrap_or(0),
                read_only: device.ro,
                ..WholeDisk::default()
            };
            device.tell(&mut disk);
            disk.holds.truncate(NAME);
            disk
        });
        told.collect()
    }
}

/// The disks of a list. What is on one is known, what it has is not.
pub(super) fn disks(listed: &Listed) -> Vec<Disk> {
    let mut found = Vec::new();
    for device in &listed.blockdevices {
        // A drive without a disk has no size.
        let is_there = device.size.is_some_and(|size| size > 0);
        if is_there && !device.is_of_system() && !device.is_of_card() {
            collect(device, "", &mut found);
        }
    }
    let mut count: BTreeMap<DiskId, u32> = BTreeMap::new();
    for disk in &found {
        if let Some(id) = disk.id.clone() {
            *count.entry(id).or_default() += 1;
        }
    }
    for disk in &mut found {
        if disk.id.as_ref().is_some_and(|id| count[id] > 1) {
            disk.id = None;
            disk.refused = Some(DiskRefusal::Twin);
        }
    }
    found.truncate(MOST);
    found
}

fn collect(device: &Device, maker: &str, found: &mut Vec<Disk>) {
    let text = |text: &Option<String>| text.as_deref().map(readable).unwrap_or_default();
    let own = device.maker();
    let maker = match own.is_empty() {
        true => maker.to_owned(),
        false => own,
    };
    let partitions: Vec<&Device> = device
        .children
        .iter()
        .filter(|child| child.kind == "part")
        .collect();
    for child in &partitions {
        collect(child, &maker, found);
    }
    if !partitions.is_empty() || found.len() >= MOST {
        return;
    }
    let label = text(&device.label);
    let name = [label, maker].into_iter().find(|name| !name.is_empty());
    let id: Option<DiskId> = device.uuid.as_deref().and_then(|id| id.parse().ok());
    let named = device.kname.parse::<BlockName>().is_ok();
    let refused = match Holds::of(device.fstype.as_deref()) {
        _ if device.is_used() => Some(DiskRefusal::InUse),
        Holds::Refused(reason) => Some(reason),
        Holds::Usable(_) if id.is_none() || !named => Some(DiskRefusal::NoId),
        Holds::Usable(_) => None,
    };
    found.push(Disk {
        device: readable(&device.kname),
        name: name.unwrap_or_default(),
        size: device.size.unwrap_or(0),
        holds: device.fstype.as_deref().map(readable),
        id: id.filter(|_| refused.is_none()),
        refused,
        found: None,
        problem: None,
    });
}

/// A text that a disk says of itself: anyone may have written it.
fn readable(text: &str) -> String {
    let text = text.chars().filter(|c| !c.is_control() && *c != '\u{fffd}');
    let text: String = text.take(NAME).collect();
    text.trim().to_owned()
}

/// Those with backups first, then those that can keep some.
fn rank(disk: &Disk) -> (bool, bool, String) {
    let has_backup = disk.found.is_some_and(|found| found.has_backup);
    (!has_backup, disk.id.is_none(), disk.device.clone())
}

fn spec_of(disk: &Disk, look: bool) -> Option<DiskSpec> {
    let Holds::Usable(kind) = Holds::of(disk.holds.as_deref()) else {
        return None;
    };
    disk.id.as_ref()?;
    Some(DiskSpec {
        device: disk.device.parse().ok()?,
        kind,
        look,
    })
}

/// Where a job finds its target.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) folder: PathBuf,
    pub(super) disk: Option<DiskSpec>,
    pub(super) server: Option<Target>,
}

impl Found {
    pub(super) fn target(&self) -> Target {
        self.server.clone().unwrap_or_else(|| Target::Folder {
            path: self.folder.clone(),
        })
    }
}

impl Backups {
    /// The disks that are plugged in, the usable ones looked at. Nothing on them is changed.
    ///
    /// # Errors
    ///
    /// They cannot be listed.
    pub async fn disks(&self) -> Result<Vec<Disk>, BackupError> {
        let mut disks = self.listed_disks().await?;
        let own = self.disk_set();
        let mut left = LOOKED_AT;
        for disk in &mut disks {
            // The one with the backups of this box is known, and may be in use now.
            let is_own = own.is_some() && disk.id == own;
            let Some(spec) = spec_of(disk, true).filter(|_| !is_own && left > 0) else {
                continue;
            };
            left -= 1;
            match self.look_at(spec).await {
                Ok(contents) => disk.found = Some(contents),
                Err(error) => {
                    let text = crate::error_chain::DisplayChain(&error).to_string();
                    disk.problem = Some(text);
                }
            }
        }
        disks.sort_by_key(rank);
        Ok(disks)
    }

    async fn listed_disks(&self) -> Result<Vec<Disk>, BackupError> {
        Ok(disks(&self.listed().await?))
    }

    /// What is plugged in. Nothing is looked at.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    pub async fn listed(&self) -> Result<Listed, BackupError> {
        let _listing = self.listing.lock().await;
        let text = job::disks(&self.spawn).await?;
        serde_json::from_slice(&text).map_err(|_| BackupError::Malformed)
    }

    /// The disk on which the backups are.
    #[must_use]
    pub fn disk_set(&self) -> Option<DiskId> {
        match self.target_set() {
            Some(Target::Disk { id, .. }) => Some(id),
            _ => None,
        }
    }

    /// Makes a whole disk one for the data of the box: everything on it is lost.
    ///
    /// # Errors
    ///
    /// Something uses it, or it cannot be written.
    pub async fn make_data_disk(
        &self,
        device: &BlockName,
        id: &FileSystemId,
    ) -> Result<(), BackupError> {
        Ok(self.spawn.make_data_disk(device, id).await?)
    }

    async fn look_at(&self, disk: DiskSpec) -> Result<DiskContents, BackupError> {
        let _look = self.look.lock().await;
        let spec = BackupSpec {
            target: paths::DISK.into(),
            disk: Some(disk),
            line: false,
            restore: Vec::new(),
            whole: false,
            read: true,
        };
        let mut job = Job::start(&self.spawn, &spec, Meter::default(), None).await?;
        match job.ask(&Request::Look).await? {
            Event::Looked { contents } => Ok(contents),
            _ => Err(BackupError::Malformed),
        }
    }

    /// Where a target is now.
    pub(super) async fn locate(&self, target: &Target) -> Result<Found, BackupError> {
        let id = match target {
            Target::Folder { path } => {
                return Ok(Found {
                    folder: path.clone(),
                    disk: None,
                    server: None,
                });
            }
            Target::Server { .. } => {
                return Ok(Found {
                    folder: paths::LINE.into(),
                    disk: None,
                    server: Some(target.clone()),
                });
            }
            Target::Disk { id, .. } => id,
        };
        let disks = self.listed_disks().await?;
        let disk = disks.iter().find(|disk| disk.id.as_ref() == Some(id));
        let disk = disk.ok_or_else(|| BackupError::NoDisk(target.to_string()))?;
        Ok(Found {
            folder: Path::new(paths::DISK).to_owned(),
            disk: spec_of(disk, false),
            server: None,
        })
    }

    /// The target with the disk's name, once it may be begun there: a disk with other files only
    /// when a person agreed.
    pub(super) async fn agreed(
        &self,
        target: Target,
        beside_files: bool,
    ) -> Result<Target, BackupError> {
        let Target::Disk { id, .. } = &target else {
            return Ok(target);
        };
        let disks = self.listed_disks().await?;
        let disk = disks.into_iter().find(|disk| disk.id.as_ref() == Some(id));
        let Some((disk, spec)) =
            disk.and_then(|disk| spec_of(&disk, true).map(|spec| (disk, spec)))
        else {
            return Err(BackupError::NoDisk(target.to_string()));
        };
        let is_set = self.target_set().is_some_and(|set| set.is_same(&target));
        if !beside_files && !is_set {
            let found = self.look_at(spec).await?;
            if !found.has_backup && found.others > 0 {
                return Err(BackupError::HasFiles(found.others));
            }
        }
        Ok(Target::Disk {
            id: id.clone(),
            name: disk.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(blockdevices: serde_json::Value) -> Vec<Disk> {
        let listed = json!({ "blockdevices": blockdevices });
        disks(&serde_json::from_value(listed).unwrap())
    }

    fn device(kname: &str, kind: &str, fstype: &str, uuid: &str) -> serde_json::Value {
        json!({ "kname": kname, "type": kind, "size": 1000, "ro": false, "fstype": fstype,
            "label": null, "uuid": uuid, "pttype": null, "vendor": "ACME    ", "model": "Stick ",
            "mountpoints": [null] })
    }

    #[test]
    fn disks_are_told_by_what_is_on_them() {
        let mut card = device("mmcblk0", "disk", "", "");
        let mut root = device("mmcblk0p2", "part", "ext4", "aaaa");
        root["mountpoints"] = json!(["/"]);
        card["children"] = json!([root]);
        let mut stick = device("sda", "disk", "", "");
        let mut part = device("sda1", "part", "vfat", "2A1C-77F0");
        part["label"] = json!("\u{1b}[31mHOLIDAY\n");
        stick["children"] = json!([part, device("sda2", "part", "crypto_LUKS", "bbbb")]);
        let mut member = device("sdb", "disk", "LVM2_member", "cccc");
        member["children"] = json!([device("dm-1", "lvm", "ext4", "dddd")]);
        let mut mounted = device("sdc", "disk", "ext4", "eeee");
        mounted["mountpoints"] = json!(["/mnt/usb"]);
        let mut drive = device("sr0", "rom", "", "");
        drive["size"] = json!(0);
        let found = of(json!([
            card,
            stick,
            member,
            mounted,
            drive,
            device("sdd", "disk", "ext4", "")
        ]));
        let told: Vec<_> = found
            .iter()
            .map(|disk| (disk.device.as_str(), disk.id.is_some(), disk.refused))
            .collect();
        assert_eq!(
            told,
            [
                ("sda1", true, None),
                ("sda2", false, Some(DiskRefusal::Encrypted)),
                ("sdb", false, Some(DiskRefusal::InUse)),
                ("sdc", false, Some(DiskRefusal::InUse)),
                ("sdd", false, Some(DiskRefusal::NoId)),
            ]
        );
        assert_eq!(found[0].name, "[31mHOLIDAY");
        assert_eq!(found[1].name, "ACME Stick");
        let spec = spec_of(&found[0], true).unwrap();
        assert_eq!((spec.device.as_str(), spec.look), ("sda1", true));
        assert!(spec_of(&found[1], true).is_none());
    }

    #[test]
    fn a_copy_of_a_disk_is_not_taken_for_it() {
        let twins = json!([
            device("sda", "disk", "ext4", "aaaa"),
            device("sdb", "disk", "ext4", "aaaa")
        ]);
        let found = of(twins);
        let is_twin = |disk: &Disk| disk.refused == Some(DiskRefusal::Twin) && disk.id.is_none();
        assert!(found.len() == 2 && found.iter().all(is_twin), "{found:?}");
    }

    #[test]
    fn hostile_lists_are_bounded() {
        let many: Vec<_> = (0..500)
            .map(|nth| device(&format!("sd{nth}"), "disk", "ext4", &format!("id-{nth}")))
            .collect();
        assert_eq!(of(json!(many)).len(), MOST);
        let odd = device("../../mem", "disk", "ext4", "aaaa");
        assert_eq!(of(json!([odd]))[0].refused, Some(DiskRefusal::NoId));
        let long = device("sda", "disk", &"x".repeat(10_000), "aaaa");
        assert_eq!(of(json!([long]))[0].holds.as_ref().unwrap().len(), NAME);
    }
}
