//! Flags of the commands about updates and copies of data.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Without --look, tells what the last look found; the box looks once a day.

Examples:
  atek outdated --look
  atek outdated notes")]
pub(crate) struct Outdated {
    /// The service: its history and what was refused, too
    pub(crate) id: Option<String>,
    /// Ask the sources first
    #[arg(long)]
    pub(crate) look: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The files are those of the time of the update, unless --keep-data; what was entered since
is lost then. Databases stay as they are. The present version is not offered again.")]
pub(crate) struct Rollback {
    /// The service
    pub(crate) id: String,
    /// Keep the present files
    #[arg(long)]
    pub(crate) keep_data: bool,
    /// Do not ask back
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  atek pin notes ^1.2
  atek pin notes 1.2.3
  atek pin notes latest")]
pub(crate) struct Pin {
    /// The service
    pub(crate) id: String,
    /// The releases to take, as a semver range; `latest` takes all
    pub(crate) range: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without an id, decides for all apps of the caller that have no decision of their own.

Examples:
  atek hold notes --until 2026-12-24T18:00:00Z
  atek hold notes --end
  atek hold notes --mode automatic --delay-hours 48")]
pub(crate) struct Hold {
    /// The service
    pub(crate) id: Option<String>,
    /// Install nothing by itself before this time (RFC 3339)
    #[arg(long, value_name = "DATE", conflicts_with = "end")]
    pub(crate) until: Option<String>,
    /// End the hold
    #[arg(long)]
    pub(crate) end: bool,
    /// What happens when there is a new release
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Hours after a release appeared before it is installed by itself
    #[arg(long, value_name = "HOURS")]
    pub(crate) delay_hours: Option<u32>,
}

/// What happens when there is a new release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// It is shown, and installed after a yes
    Ask,
    /// It is installed by itself, unless it asks for more or has another major version
    Automatic,
    /// Nothing is looked for
    Never,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The app is stopped for as long as the copy takes, and calls wait. Databases are not part
of it: atek db export copies those.")]
pub(crate) struct Snapshot {
    /// The service
    pub(crate) id: String,
    /// List the copies
    #[arg(long)]
    pub(crate) list: bool,
    /// Delete a copy
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub(crate) remove: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without a copy, the last backup is taken, with the databases of the app. Its version stays.
atek backup list shows what there is: backups, apps in one, files of an app.

Examples:
  atek restore notes
  atek restore notes --backup 20261128T213000Z
  atek restore notes --file data/todo.md --beside
  atek restore notes --copy notes-old     # as another app, beside the one that is here
  atek restore notes --copy notes         # an app that is not installed any more
  atek restore --user carol               # who was deleted, with keys, apps and databases
  atek restore --box /mnt/usb        # a new box becomes the one of the backups there
  atek restore --box sftp://anna@nas.local/backups")]
pub(crate) struct Restore {
    /// The service
    #[arg(required_unless_present_any = ["whole", "database", "user"])]
    pub(crate) id: Option<String>,
    /// Make this new box the one of the last backup on this disk or server, or in this folder, with
    /// all its users, apps and data. The recovery words are asked for, or read from standard input
    #[arg(long = "box", value_name = "DISK|FOLDER|SERVER", conflicts_with_all = ["id", "snapshot"])]
    pub(crate) whole: Option<String>,
    /// Make a database what the backup has of it; with --beside a new one
    #[arg(long, value_name = "DATABASE", conflicts_with_all = ["id", "snapshot", "whole"])]
    pub(crate) database: Option<String>,
    #[command(flatten)]
    pub(crate) server: super::server::Server,
    /// Bring a user back, with databases and apps that are gone
    #[arg(long, value_name = "NAME", conflicts_with_all = ["id", "snapshot", "whole", "database"])]
    pub(crate) user: Option<String>,
    /// The copy, as `atek snapshot ID --list` names it
    pub(crate) snapshot: Option<String>,
    /// The backup, as `atek backup list` names it
    #[arg(long, value_name = "BACKUP", conflicts_with = "snapshot")]
    pub(crate) backup: Option<String>,
    /// Only this file or folder of the app
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "snapshot",
        requires = "id"
    )]
    pub(crate) file: Option<String>,
    /// Put a file or database beside the present one
    #[arg(long)]
    pub(crate) beside: bool,
    /// Make an app of its own from the backup, with its version, settings and files of that time
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["snapshot", "file"],
        requires = "id"
    )]
    pub(crate) copy: Option<String>,
    /// Do not ask back
    #[arg(short, long)]
    pub(crate) yes: bool,
}
