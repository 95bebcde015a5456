//! Flags of `atek backup`.

use super::server::Server;
use crate::text::size;
use atek_api::backup::GuestName;
use clap::{Args, Subcommand, ValueEnum};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Show when the last backup was made and proven, and what is wrong
    Status,
    /// Make a backup now
    Now,
    /// List the backups on the target, the apps in one, or an app's files in one
    #[command(alias = "ls")]
    List(List),
    /// List the disks that are plugged in, and which of them can keep backups
    Disks,
    /// Set where backups are kept, how often they are made and how many are kept
    Target(Target),
    /// List other homes that keep their backups here, let one in, or let one in no more
    Guests(Guests),
    /// Show what the backups are encrypted with, to write it down
    #[command(after_help = "\
Without it, or the recovery words from which it follows, nothing can be restored on another
machine. There, Debian's restic takes it:
  restic --repo FOLDER/atek-backup snapshots")]
    Password {
        /// Compute it from the recovery words, which are asked for or read from standard input.
        /// Works on any machine, without a box
        #[arg(long)]
        from_words: bool,
    },
    /// Check that everything on the target can be restored
    Verify {
        /// Only look at what lists the data, without reading all of it
        #[arg(long)]
        quick: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
A guest is another home that keeps its backups on this box. They are encrypted with keys that
only it has. It sets its target to this box and types the password, which is shown once:
  atek backup target https://anna@BOX/_atek/backups/anna

With --pair it needs no address: a device is paired for it, by which it comes from any network.
  atek backup target home://anna@BOX
atek devices lists and removes it.

Letting a guest in again gives it another password and another bound. What it kept stays.")]
pub(crate) struct Guests {
    /// Let another home in under this name: 1 to 32 of a-z, 0-9 and -
    #[arg(long, value_name = "NAME", requires = "quota")]
    pub(crate) invite: Option<GuestName>,
    /// How much it may keep, such as 50G
    #[arg(long, value_name = "SIZE", value_parser = size::parse_bytes, requires = "invite")]
    pub(crate) quota: Option<u64>,
    /// Pair a device for it, so that it comes from any network without an address
    #[arg(long, requires = "invite")]
    pub(crate) pair: bool,
    /// Whose device that is; may be left out where the box has one user
    #[arg(long, value_name = "USER", requires = "pair")]
    pub(crate) user: Option<String>,
    /// Let this one in no more, and remove what it kept
    #[arg(long, value_name = "NAME", conflicts_with = "invite")]
    pub(crate) remove: Option<GuestName>,
    /// Remove it without asking
    #[arg(long, requires = "remove")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The app whose files are listed
    pub(crate) id: Option<String>,
    /// The folder among its files
    #[arg(long, value_name = "PATH", requires = "id", default_value = "")]
    pub(crate) path: String,
    /// The backup; by default the last one. Without an app, its apps are listed
    #[arg(long, value_name = "BACKUP")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Backups are kept in the folder atek-backup, which Atek makes there; nothing beside it is
touched. They are encrypted, and Debian's restic opens them.

A disk is mounted while a backup runs, and may be unplugged at any other time. It is never
formatted.

A server is one with SFTP, one that speaks the REST protocol of restic, or one that speaks S3.
Its password is asked for, of S3 the secret key, and the key of an SFTP server is shown, to be
compared. Over http:// the password of a REST server can be read in the network; the backups
cannot. Another home is a server, too: there atek backup guests --invite shows what to type.

Examples:
  atek backup target 2A1C-77F0    # as atek backup disks names it
  atek backup target /mnt/usb     # a disk that is mounted there
  atek backup target sftp://anna@nas.local/backups
  atek backup target https://anna@nas.local:8000/anna
  atek backup target home://anna@berta
  atek backup target s3+https://ACCESSKEY@s3.example.org/BUCKET/FOLDER
  atek backup target --every hourly --keep 24,14,26")]
pub(crate) struct Target {
    /// The disk, the folder where one is mounted, or the address of a server
    #[arg(value_name = "DISK|FOLDER|SERVER")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) server: Server,
    /// Keep backups beside other files of the disk without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// How often a backup is made
    #[arg(long, value_enum)]
    pub(crate) every: Option<Every>,
    /// For how many hours, days and weeks the last backup of each is kept
    #[arg(
        long,
        value_name = "HOURS,DAYS,WEEKS",
        value_delimiter = ',',
        num_args = 1
    )]
    pub(crate) keep: Option<Vec<u32>>,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Every {
    /// Only when asked
    Never,
    /// Every hour
    Hourly,
    /// Every day
    Daily,
    /// Every week
    Weekly,
}
