//! Disks of strangers that are plugged into a box.

use atek_tests::host::{Host, SOON, refusal};
use atek_tests::plugged::{DiskImage, Plugged};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BACKUPS: &str = "atek.cloud/backups-api";

/// What the box is to say of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// This reason, for the disk and all its partitions.
    Refused(&'static str),
    /// It can keep backups beside what is on it.
    Usable,
    /// The file system is one that Atek uses; a damaged or unknown one is told after a look.
    Looked,
    /// Whatever: the tools that made it do not agree themselves.
    Anything,
}
use Said::{Anything, Looked, Refused, Usable};

/// A kind of disk: what it has, KiB, its description, and the script that makes it.
pub type Kind = (&'static str, u64, Said, &'static str);

const MIB: u64 = 1024;

const UNKNOWN: Said = Refused("unknown");
const ENCRYPTED: Said = Refused("encrypted");
const MANY: Said = Refused("partOfMany");
const READ_ONLY: Said = Refused("readOnlyKind");
const OTHER: Said = Refused("otherKind");
const SWAP: Said = Refused("swap");

/// File systems of people.
const FILE_SYSTEMS: &[Kind] = &[
    ("ext2", 16 * MIB, Usable, "mke2fs -q -t ext2 -d $D $F"),
    ("ext3", 16 * MIB, Usable, "mke2fs -q -t ext3 -d $D $F"),
    ("ext4", 16 * MIB, Usable, "mke2fs -q -t ext4 -d $D $F"),
    (
        "ext4 and an odd label",
        16 * MIB,
        Usable,
        "mke2fs -q -t ext4 -L \"$(printf '\\033[31m\\n\\\"<b>')\" -d $D $F",
    ),
    (
        "ext4 whose journal has to be played back",
        16 * MIB,
        Looked,
        "mke2fs -q -t ext4 -d $D $F; printf 'jo\\njw -b 900 /dev/zero\\njc\\n' >jobs; debugfs -w -f jobs $F; dumpe2fs -h $F 2>/dev/null | grep -q needs_recovery",
    ),
    (
        "ext4 with noted errors",
        16 * MIB,
        Looked,
        "mke2fs -q -t ext4 -d $D $F; debugfs -w -R 'ssv state 2' $F",
    ),
    (
        "ext4 with a feature of the future",
        16 * MIB,
        Anything,
        "mke2fs -q -t ext4 $F; debugfs -w -R 'ssv feature_incompat 0x80000242' $F",
    ),
    (
        "ext4 without an id",
        16 * MIB,
        Anything,
        "mke2fs -q -t ext4 -O ^metadata_csum $F; tune2fs -U clear $F",
    ),
    (
        "ext4 with a full first folder",
        32 * MIB,
        Usable,
        "mkdir -p many; i=0; while [ $i -lt 1500 ]; do : >many/$i; i=$((i+1)); done; mke2fs -q -t ext4 -N 4000 -d many $F",
    ),
    (
        "ext4 with names of 255 letters",
        16 * MIB,
        Usable,
        "touch $D/$(printf 'x%.0s' $(seq 255)); mke2fs -q -t ext4 -d $D $F",
    ),
    (
        "ext4 with a damaged super block",
        16 * MIB,
        UNKNOWN,
        "mke2fs -q -t ext4 $F; dd if=/dev/zero of=$F bs=1024 seek=1 count=1 conv=notrunc status=none",
    ),
    (
        "ext4 with damaged group descriptors",
        16 * MIB,
        Looked,
        "mke2fs -q -t ext4 $F; dd if=/dev/urandom of=$F bs=1024 seek=2 count=8 conv=notrunc status=none",
    ),
    (
        "ext4 cut short",
        16 * MIB,
        Looked,
        "mke2fs -q -t ext4 $F; truncate -s 4M $F",
    ),
    (
        "a journal of ext4 without its file system",
        16 * MIB,
        OTHER,
        "mke2fs -q -O journal_dev $F",
    ),
    (
        "a link in the place of the backups",
        16 * MIB,
        Usable,
        "ln -s photos $D/atek-backup; mke2fs -q -t ext4 -d $D $F",
    ),
    ("FAT12", 2 * MIB, Looked, "mkfs.vfat -F 12 $F >&2"),
    ("FAT16", 16 * MIB, Looked, "mkfs.vfat -F 16 -n STICK $F >&2"),
    (
        "FAT32",
        64 * MIB,
        Looked,
        "mkfs.vfat -F 32 -n 'MY STICK' $F >&2",
    ),
    (
        "FAT32 with damaged tables",
        64 * MIB,
        Anything,
        "mkfs.vfat -F 32 $F >&2; dd if=/dev/urandom of=$F bs=512 seek=32 count=64 conv=notrunc status=none",
    ),
    ("exFAT", 16 * MIB, Looked, "mkfs.exfat -L camera $F >&2"),
    ("NTFS", 16 * MIB, Looked, "mkntfs -q -F -L windows $F >&2"),
    (
        "NTFS with a damaged table",
        16 * MIB,
        Anything,
        "mkntfs -q -F $F >&2; dd if=/dev/urandom of=$F bs=4096 seek=4 count=4 conv=notrunc status=none",
    ),
    ("Btrfs", 128 * MIB, Usable, "mkfs.btrfs -q --rootdir $D $F"),
    (
        "Btrfs with a damaged super block",
        128 * MIB,
        Anything,
        "mkfs.btrfs -q $F; dd if=/dev/urandom of=$F bs=1 seek=65800 count=200 conv=notrunc status=none",
    ),
    ("XFS", 320 * MIB, Usable, "mkfs.xfs -q $F"),
    (
        "XFS with a damaged super block",
        320 * MIB,
        Anything,
        "mkfs.xfs -q $F; dd if=/dev/urandom of=$F bs=1 seek=200 count=100 conv=notrunc status=none",
    ),
    ("F2FS", 64 * MIB, OTHER, "mkfs.f2fs -q $F"),
    ("NILFS2", 160 * MIB, OTHER, "mkfs.nilfs2 -q $F"),
    ("JFS", 32 * MIB, OTHER, "mkfs.jfs -q $F >&2"),
    ("ReiserFS", 64 * MIB, OTHER, "mkfs.reiserfs -q -f $F >&2"),
    ("Minix", 4 * MIB, OTHER, "mkfs.minix $F >&2"),
    ("HFS+", 32 * MIB, OTHER, "mkfs.hfsplus $F >&2"),
];

/// What is no file system, or none that is written to.
const OTHERS: &[Kind] = &[
    ("nothing", 8 * MIB, UNKNOWN, ":"),
    ("noise", 8 * MIB, Anything, "head -c 8M /dev/urandom >$F"),
    ("one sector", 1, UNKNOWN, "truncate -s 512 $F"),
    ("a text", MIB, UNKNOWN, "seq 100000 >$F; truncate -s 1M $F"),
    (
        "an archive",
        MIB,
        UNKNOWN,
        "tar -C $D -cf $F .; truncate -s 1M $F",
    ),
    ("swap space", 8 * MIB, SWAP, "mkswap -q $F"),
    (
        "a sleeping computer",
        8 * MIB,
        SWAP,
        "mkswap -q $F; printf S1SUSPEND | dd of=$F bs=1 seek=4086 conv=notrunc status=none",
    ),
    (
        "LUKS 1",
        16 * MIB,
        ENCRYPTED,
        "printf secret >key; cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --key-file key $F",
    ),
    (
        "LUKS 2",
        32 * MIB,
        ENCRYPTED,
        "printf secret >key; cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file key $F",
    ),
    (
        "LUKS 2 with a damaged header",
        32 * MIB,
        Anything,
        "printf secret >key; cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file key $F; dd if=/dev/urandom of=$F bs=4096 seek=1 count=2 conv=notrunc status=none",
    ),
    (
        "BitLocker",
        8 * MIB,
        Anything,
        "printf '\\353X\\220-FVE-FS-' | dd of=$F conv=notrunc status=none",
    ),
    (
        "a member of a RAID (1.2)",
        8 * MIB,
        Anything,
        "printf '\\374N+\\251\\001\\000\\000\\000' | dd of=$F bs=1 seek=4096 conv=notrunc status=none",
    ),
    (
        "a member of a RAID (0.90)",
        8 * MIB,
        Anything,
        "printf '\\374N+\\251\\000\\000\\000\\000\\132\\000\\000\\000' | dd of=$F bs=65536 seek=127 conv=notrunc status=none",
    ),
    (
        "a member of an LVM",
        16 * MIB,
        MANY,
        "L=$(losetup -f --show $F); trap 'losetup -d $L' EXIT; pvcreate -qq --config 'devices{use_devicesfile=0 obtain_device_list_from_udev=0} activation{udev_sync=0 udev_rules=0}' $L",
    ),
    ("bcache", 16 * MIB, Anything, "make-bcache -B $F >&2"),
    (
        "ZFS",
        64 * MIB,
        Anything,
        "i=0; while [ $i -lt 16 ]; do printf '\\014\\261\\272\\000\\000\\000\\000\\000' | dd of=$F bs=1 seek=$((131072 + i * 1024)) conv=notrunc status=none; i=$((i+1)); done",
    ),
    (
        "APFS",
        8 * MIB,
        Anything,
        "printf 'NXSB\\000\\020\\000\\000' | dd of=$F bs=1 seek=32 conv=notrunc status=none",
    ),
    (
        "Ceph",
        8 * MIB,
        Anything,
        "printf 'bluestore block device\\n' | dd of=$F conv=notrunc status=none",
    ),
    (
        "a CD",
        8 * MIB,
        READ_ONLY,
        "xorriso -as mkisofs -quiet -V HOLIDAY -o cd $D && cat cd >$F",
    ),
    (
        "UDF",
        16 * MIB,
        READ_ONLY,
        "mkudffs -q $F 2>&1 || mkudffs $F >&2",
    ),
    (
        "SquashFS",
        MIB,
        READ_ONLY,
        "mksquashfs $D packed -quiet -no-progress >&2; cat packed >$F",
    ),
    (
        "EROFS",
        MIB,
        READ_ONLY,
        "mkfs.erofs --quiet packed $D >&2 || mkfs.erofs packed $D >&2; cat packed >$F",
    ),
    (
        "Cramfs",
        MIB,
        READ_ONLY,
        "mkfs.cramfs $D packed >&2; cat packed >$F",
    ),
];

/// Disks with tables of partitions.
const TABLES: &[Kind] = &[
    (
        "an empty GPT",
        8 * MIB,
        UNKNOWN,
        "echo 'label: gpt' | sfdisk -q $F",
    ),
    (
        "an empty DOS table",
        8 * MIB,
        UNKNOWN,
        "echo 'label: dos' | sfdisk -q $F",
    ),
    (
        "a table of Suns",
        8 * MIB,
        Anything,
        "echo 'label: sun' | sfdisk -q $F",
    ),
    (
        "a table of SGIs",
        8 * MIB,
        Anything,
        "echo 'label: sgi' | sfdisk -q $F",
    ),
    (
        "a GPT with one empty partition",
        8 * MIB,
        UNKNOWN,
        "printf 'label: gpt\\n,4M\\n' | sfdisk -q $F",
    ),
    (
        "a GPT with ext4",
        32 * MIB,
        Usable,
        "printf 'label: gpt\\nstart=2048,size=24M\\n' | sfdisk -q $F; truncate -s 24M part; mke2fs -q -t ext4 -d $D part; dd if=part of=$F bs=1M seek=1 conv=notrunc status=none",
    ),
    (
        "a DOS table with FAT",
        32 * MIB,
        Looked,
        "printf 'label: dos\\nstart=2048,type=c\\n' | sfdisk -q $F; truncate -s 31M part; mkfs.vfat part >&2; dd if=part of=$F bs=1M seek=1 conv=notrunc status=none",
    ),
    (
        "a DOS table with logical partitions",
        32 * MIB,
        Anything,
        "printf 'label: dos\\nsize=4M\\nsize=20M,type=5\\n' | sfdisk -q $F",
    ),
    (
        "a GPT with twelve partitions",
        32 * MIB,
        Anything,
        "(echo 'label: gpt'; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo ,1M; done) | sfdisk -q $F",
    ),
    (
        "a GPT whose first copy is damaged",
        8 * MIB,
        Anything,
        "printf 'label: gpt\\n,4M\\n' | sfdisk -q $F; dd if=/dev/urandom of=$F bs=512 seek=1 count=1 conv=notrunc status=none",
    ),
    (
        "a GPT whose second copy is cut off",
        16 * MIB,
        Anything,
        "printf 'label: gpt\\n,4M\\n' | sfdisk -q $F; truncate -s 8M $F",
    ),
    (
        "a DOS table with a partition behind the end",
        16 * MIB,
        Anything,
        "printf 'label: dos\\nstart=2048,size=12M\\n' | sfdisk -q $F; truncate -s 4M $F",
    ),
    (
        "ext4 below a left-over table",
        16 * MIB,
        Anything,
        "mke2fs -q -t ext4 -d $D $F; echo 'label: dos' | sfdisk -q --wipe never $F",
    ),
];

/// All kinds: more than sixty.
pub fn all() -> Vec<Kind> {
    [FILE_SYSTEMS, OTHERS, TABLES].concat()
}

#[allow(dead_code, reason = "the soak suite takes all")]
/// A few kinds whose tools each Debian has.
pub fn few() -> Vec<Kind> {
    let chosen = [
        "ext4",
        "ext4 and an odd label",
        "ext4 whose journal has to be played back",
        "ext4 with a damaged super block",
        "a link in the place of the backups",
        "nothing",
        "swap space",
        "a GPT with ext4",
        "an empty GPT",
    ];
    all()
        .into_iter()
        .filter(|kind| chosen.contains(&kind.0))
        .collect()
}

/// What the box says of the disks that are plugged in, by device.
async fn listed(host: &Host) -> anyhow::Result<BTreeMap<String, Value>> {
    let told = host.system()?.call(BACKUPS, "places", json!([])).await?;
    let disks = told["disks"].as_array().cloned().unwrap_or_default();
    let device = |disk: &Value| disk["device"].as_str().unwrap_or_default().to_owned();
    Ok(disks
        .iter()
        .map(|disk| (device(disk), disk.clone()))
        .collect())
}

fn judge(name: &str, said: Said, nodes: &[&Value]) {
    for disk in nodes {
        match said {
            Refused(reason) => assert_eq!(disk["refused"], reason, "{name}: {disk}"),
            Usable => {
                assert!(disk["id"].is_string(), "{name}: {disk}");
                assert!(disk["found"]["others"].is_u64(), "{name}: {disk}");
                assert_eq!(disk["found"]["hasBackup"], false, "{name}: {disk}");
            }
            Looked => assert!(disk["id"].is_string(), "{name}: {disk}"),
            Anything => {}
        }
        let plain = disk["name"].as_str().unwrap_or_default();
        assert!(!plain.contains(char::is_control), "{name}: {disk}");
    }
}

/// Plugs a disk of each kind in, has it looked at, and tries to have it used: it is refused, and no
/// bit of it has changed.
pub async fn stay_as_they_are(machine: &str, kinds: Vec<Kind>) -> anyhow::Result<()> {
    let host = Host::boot(machine).await?;
    let system = host.system()?;
    let mut made = 0;
    for (name, kib, said, script) in kinds {
        let Some(image) = DiskImage::make(name, kib << 10, script)? else {
            continue;
        };
        let before = image.digest()?;
        // Each third disk has a switch that protects it.
        let Some(disk) = image.plug(&host.machine, made % 3 == 2).await? else {
            return Ok(());
        };
        let seen = listed(&host).await?;
        let nodes: Vec<&Value> = disk
            .nodes()
            .iter()
            .filter_map(|node| seen.get(node))
            .collect();
        assert!(!nodes.is_empty(), "{name}: {seen:?}");
        judge(name, said, &nodes);
        for node in &nodes {
            // Also one that may be used is not, without a yes: it has files of others.
            let id = node["id"].as_str().unwrap_or("0000-0000");
            if node["found"]["others"] == 0 && node["problem"].is_null() {
                continue;
            }
            let wanted = json!([{ "target": { "kind": "disk", "id": id } }]);
            let refused = refusal(system.call(BACKUPS, "configure", wanted).await);
            assert!(!refused.message.is_empty(), "{name}: {refused:?}");
        }
        let listed = host.machine.shell("atek backup disks").await?;
        assert!(!listed.contains('\u{1b}'), "{name}: {listed:?}");
        assert_eq!(unplugged(&host, disk, &image).await?, before, "{name}");
        made += 1;
        eprintln!("{name}: {} as it was", nodes.len());
    }
    println!("{made} kinds of disks were looked at and are as they were");
    Ok(())
}

/// Pulls a disk out once no job uses it, and reads all of it.
async fn unplugged(host: &Host, disk: Plugged, image: &DiskImage) -> anyhow::Result<String> {
    wait_for("no job uses the disk", SOON, async || {
        let running = host
            .machine
            .shell("systemctl list-units --no-legend 'atek-backup*' atek-disks.service | wc -l")
            .await?;
        Ok(Seen::if_so(running, |running| running.trim() == "0"))
    })
    .await?;
    disk.pull(&host.machine).await?;
    image.digest()
}
