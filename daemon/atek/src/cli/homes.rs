//! Flags of the commands about other homes, their people, and devices.

use clap::{Args, Subcommand};

/// Whose databases, contacts and devices.
#[derive(Debug, Args)]
pub(crate) struct ActingUser {
    /// For this user; may be left out when the box has one user
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A copy of the database is kept on this box, up to date while the other home can be reached, and
readable at any time.

Examples:
  atek follow atek://db/…
  atek follow")]
pub(crate) struct Follow {
    /// The link from the other home; without one, what is followed is listed
    pub(crate) link: Option<String>,
    /// What to call it
    #[arg(long, value_name = "TEXT", requires = "link")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) whose: ActingUser,
}

#[derive(Debug, Args)]
pub(crate) struct Unfollow {
    /// The id that `atek follow` shows, or the id of the copy
    pub(crate) id: String,
    /// Keep the copy as a database of one's own
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) whose: ActingUser,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A device that is paired opens the pages of the box from any network; its user signs in there.

Examples:
  atek devices
  atek devices pair --label Laptop
  atek devices remove ID")]
pub(crate) struct Devices {
    #[command(flatten)]
    pub(crate) whose: ActingUser,
    #[command(subcommand)]
    pub(crate) action: Option<DeviceAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceAction {
    /// List the devices
    List,
    /// Pair a device: prints its link, which is shown this one time
    Pair {
        /// What to call it
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
    },
    /// Remove a device: it is cut off at once
    Remove {
        /// The id that `list` shows
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
A contact is a person of another home. Both people confirm it, and see the same number then. Apps
of a contact call apps of yours only where you allow it.

Examples:
  atek contacts invite --label Bob
  atek contacts add atek://person/…
  atek contacts confirm Bob
  atek contacts allow Bob example.com/feed-api")]
pub(crate) struct Contacts {
    #[command(flatten)]
    pub(crate) whose: ActingUser,
    #[command(subcommand)]
    pub(crate) action: Option<ContactAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContactAction {
    /// List the contacts, and what they may call
    List,
    /// Invite a person of another home: prints a link, which is shown this one time
    Invite {
        /// What to call the person
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// The name that the person is shown
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Take up an invitation
    Add {
        /// The link that the person sent
        link: String,
        /// What to call the person
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// The name that the person is shown
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Confirm a person who opened an invitation of yours
    Confirm {
        /// The id or the name that `list` shows
        contact: String,
    },
    /// Remove a contact: it is cut off at once
    Remove {
        /// The id or the name that `list` shows
        contact: String,
    },
    /// Let apps of a contact call an API of your apps
    Allow {
        /// The id or the name that `list` shows
        contact: String,
        /// The id of the API, such as example.com/feed-api
        api: String,
    },
    /// Take that back: calls that are under way end
    Deny {
        /// The id or the name that `list` shows
        contact: String,
        /// The id of the API
        api: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs the program atek-connect, an npm package for any computer. The link can be in the variable
ATEK_CONNECT_LINK instead, where other users of this computer do not see it.

Examples:
  atek connect hs://s000…
  atek connect --port 9000")]
pub(crate) struct Connect {
    /// The link of the device: atek devices pair, on the box
    pub(crate) link: Option<String>,
    /// Where the box is opened on this computer
    #[arg(long, default_value_t = 8989)]
    pub(crate) port: u16,
}
