//! Flags of the commands about catalogues.

use atek_api::catalogue::Name;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
All words must be found in an app's name, description or category. Install what was
found by its name: atek install NAME")]
pub(crate) struct Search {
    /// What to look for; without a word, everything
    pub(crate) words: Vec<String>,
}

/// What to do with catalogues.
#[derive(Debug, Subcommand)]
pub(crate) enum Catalogue {
    /// List the catalogues of this box
    Ls,
    /// Add a catalogue, whose index is signed with a key that you know
    Add(Add),
    /// Fetch a catalogue again, now
    Refresh {
        /// The catalogue
        name: Name,
    },
    /// Remove a catalogue; apps installed from it stay
    #[command(alias = "rm")]
    Remove {
        /// The catalogue
        name: Name,
    },
    /// Write index.json of a catalogue's folder (for maintainers; needs no host)
    Index {
        /// The folder
        folder: PathBuf,
    },
    /// Install, use and uninstall each recipe of a folder on this box (for maintainers)
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The git repository
    pub(crate) url: String,
    /// The public key of its maintainer: the second line of minisign.pub
    #[arg(long)]
    pub(crate) key: String,
    /// Its name on this box; by default the last part of the URL
    #[arg(long)]
    pub(crate) name: Option<Name>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each recipe is installed as check-NAME with the permissions that it asks for. It must
build, start, give the answer that recipe.json names, do so again after a restart, and
not try to reach hosts that it has no permission for. Then it is uninstalled.

Run it as root on a box that holds nothing you need. Exit code 1 when a recipe failed.")]
pub(crate) struct Check {
    /// The catalogue's folder
    pub(crate) folder: PathBuf,
    /// Only these recipes
    pub(crate) recipes: Vec<Name>,
    /// Write what was found into recipe.json (`tested`) of the recipes that passed
    #[arg(long)]
    pub(crate) record: bool,
}
