//! Flags of the commands about permissions, shares and groups.

use crate::text::span;
use atek_api::grants::{Answer, Level};
use atek_api::ids::DbId;
use atek_api::permission::Permission;
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
A permission is host:NAME, direct, lan, api:API, provider:API=KEY or database:ID:read|write.

Examples:
  atek permissions
  atek permissions list notes
  atek permissions allow notes host:api.example.org --for 1h
  atek permissions deny notes host:tracker.example.org
  atek permissions requests
  atek permissions answer REQUEST always")]
pub(crate) struct Permissions {
    #[command(subcommand)]
    pub(crate) action: Option<PermissionAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermissionAction {
    /// List what apps may do, since when and by whose word
    List {
        /// Only this app
        id: Option<String>,
    },
    /// Allow an app something, in force at once
    Allow {
        /// The app
        id: String,
        /// What it may do
        permission: Permission,
        /// Only for so long, such as 90m, 1h or 7d
        #[arg(long = "for", value_name = "TIME", value_parser = span::parse)]
        time: Option<Duration>,
    },
    /// Deny an app something; a host that is denied is blocked
    Deny {
        /// The app
        id: String,
        /// What it may not do
        permission: Permission,
        /// Only for so long, such as 90m, 1h or 7d
        #[arg(long = "for", value_name = "TIME", value_parser = span::parse)]
        time: Option<Duration>,
    },
    /// Take back what `list` shows under this id
    Revoke {
        /// The id of the permission
        id: String,
    },
    /// List what apps ask for
    Requests,
    /// Answer a request
    Answer {
        /// The id of the request
        id: String,
        /// How
        #[arg(value_enum)]
        answer: AnswerWord,
        /// The app or database that is meant, where the request leaves it open
        #[arg(long)]
        pick: Option<Permission>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Counts are kept by the hour. An app with the internet of its own (\"direct\") reaches hosts that the
box does not see.

Examples:
  atek audit
  atek audit --app notes --since 7d
  atek audit --refused
  atek audit api.example.org --json")]
pub(crate) struct Audit {
    /// Only rows with this text in a name of who, what or whose
    pub(crate) search: Option<String>,
    /// Only what this app did, and what was done with it
    #[arg(long, value_name = "ID")]
    pub(crate) app: Option<String>,
    /// Since then, such as 1h, 7d, today or 2026-08-05
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(crate) since: String,
    /// Only what was refused
    #[arg(long)]
    pub(crate) refused: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AnswerWord {
    /// For five minutes
    Once,
    /// For an hour
    Hour,
    /// Until it is taken back
    Always,
    /// No, and the app does not ask again for a week
    Deny,
}

impl AnswerWord {
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Once => Answer::Once,
            Self::Hour => Answer::Hour,
            Self::Always => Answer::Always,
            Self::Deny => Answer::Deny,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Levels: view (open it without changing anything), use, manage.

Examples:
  atek share
  atek share app album --user bob --level view
  atek share db DATABASE --group family
  atek share end SHARE

With people of other homes, who follow the link (atek follow LINK):
  atek share link DATABASE --label \"for Bob\"
  atek share links
  atek share unlink LINK-ID")]
pub(crate) struct Share {
    #[command(subcommand)]
    pub(crate) action: Option<ShareAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ShareAction {
    /// List what is shared with whom
    List,
    /// Share an app
    App {
        /// The app
        id: String,
        #[command(flatten)]
        with: ShareWith,
    },
    /// Share a database
    Db {
        /// The database
        id: DbId,
        #[command(flatten)]
        with: ShareWith,
    },
    /// End the share that `list` shows under this id
    End {
        /// The id of the share
        id: String,
    },
    /// Share a database with other homes: prints a link, which who has it can follow
    Link {
        /// The id of the database, its beginning, or its alias
        db: String,
        /// For whom the link is, so that you know it later
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// Let everybody read it who knows its key; the database must be public
        #[arg(long)]
        public: bool,
    },
    /// List the links of databases, with what went over them
    Links {
        /// Of this user; may be left out when the box has one user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End a link: nothing more is sent to those who follow it
    Unlink {
        /// The id that `links` shows
        id: String,
        /// Of this user; may be left out when the box has one user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ShareWith {
    /// With this user
    #[arg(long, conflicts_with = "group", required_unless_present = "group")]
    pub(crate) user: Option<String>,
    /// With the members of this group
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// How far they may go
    #[arg(long, value_enum, default_value = "use")]
    pub(crate) level: LevelWord,
    /// Only for so long, such as 90m, 1h or 7d
    #[arg(long = "for", value_name = "TIME", value_parser = span::parse)]
    pub(crate) time: Option<Duration>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LevelWord {
    /// Open it without changing anything
    View,
    /// Use it
    Use,
    /// Use it, and look after it
    Manage,
}

impl LevelWord {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::View => Level::View,
            Self::Use => Level::Use,
            Self::Manage => Level::Manage,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  atek groups
  atek groups set family alice bob
  atek groups remove family")]
pub(crate) struct Groups {
    #[command(subcommand)]
    pub(crate) action: Option<GroupAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupAction {
    /// List the groups and their members
    List,
    /// Make a group, or replace its members
    Set {
        /// Its name
        name: String,
        /// User names of all members
        members: Vec<String>,
    },
    /// Remove a group, and what was shared with it
    Remove {
        /// Its name
        name: String,
    },
}
