//! What the box does around the host at a boot: the settings from the card before it, the claim on
//! the screens beside it, the boot that was good after it. Each is a unit of its own that runs this
//! program once.
//!
//! | module | does | I/O |
//! |---|---|---|
//! | [`formats`] | reads the formats of Raspberry Pi Imager | no |
//! | [`settings`] | the values, checked; the Wi-Fi file's text | no |
//! | [`card`] | finds the files | reads |
//! | [`apply`] | `settings`: makes them true, once for each file | yes |
//! | [`claim`] | `claim`: screens and the card's file | yes |
//! | [`reset`] | the file that asks for a new password: request for atekd | yes |
//! | [`forget`] | the settings on the card of a box that was reset: never applied again, and removed | yes |
//! | [`led`] | `led`: the light on the board | yes |
//! | [`disk_health`] | `disk-health`: what disks say of their health | yes |
//! | [`keep_journal`] | `keep-journal`: the journal from memory to the data partition | yes |
//! | [`boot`] | `boot-good`: keeps the slot on trial; `on-trial`: whether it is one | yes |
//!
//! Nothing that lies on the card is ever run, and nothing on it can keep the box from booting.

#![forbid(unsafe_code)]

mod apply;
mod boot;
mod card;
mod claim;
mod disk_health;
mod forget;
mod formats;
mod fsutil;
mod keep_journal;
mod led;
mod reset;
mod say;
mod settings;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use fsutil::Root;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the box does around the host at a boot.
#[derive(Debug, Parser)]
#[command(name = "atek-firstboot", version)]
struct Arguments {
    /// Work on the files below this folder, and on nothing else.
    #[arg(long, default_value = "/", value_name = "DIR")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply the settings that were left on the card.
    Settings,
    /// Show the box's addresses and its claim code.
    Claim,
    /// Show by the board's light whether the box starts, is ready, or needs a person.
    Led {
        /// A light of /sys/class/leds to use in place of a Raspberry Pi's
        #[arg(long, env = "ATEK_LED", value_name = "NAME")]
        name: Option<String>,
    },
    /// Ask the disks about their health, for the host.
    DiskHealth,
    /// Move what the journal has closed in memory to the data partition.
    KeepJournal,
    /// Keep the slot that this boot came from.
    BootGood,
    /// Succeed if this boot came from a slot on trial that was not kept yet.
    OnTrial,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = Root::new(arguments.root);
    let result = match arguments.command {
        Command::Settings => {
            apply::run(&root);
            Ok(true)
        }
        Command::Claim => claim::run(&root)
            .map(|()| true)
            .context("cannot show the address and the claim code"),
        Command::Led { name } => led::run(&root, name.as_deref())
            .map(|()| true)
            .context("cannot set the light"),
        Command::DiskHealth => disk_health::run(&root)
            .map(|()| true)
            .context("cannot write down what the disks say"),
        Command::KeepJournal => keep_journal::run(&root)
            .map(|()| true)
            .context("cannot keep the journal"),
        Command::BootGood => boot::keep(&root)
            .map(|()| true)
            .context("cannot mark this boot as good"),
        Command::OnTrial => {
            boot::is_on_trial(&root).context("cannot tell whether this boot is on trial")
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The journal reads the `<3>` as "this is an error".
            eprintln!("<3>{error:#}");
            ExitCode::FAILURE
        }
    }
}
