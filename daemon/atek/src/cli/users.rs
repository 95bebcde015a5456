//! Flags of the commands about users. A password is never an argument: arguments
//! are visible to every process of the machine.

use clap::{Args, ValueEnum};

/// Where a new password comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PasswordFrom {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Asks twice for the password, which must have at least 8 characters.

Examples:
  atek mkuser alice --admin
  atek mkuser bob --password-stdin < password-file")]
pub(crate) struct Mkuser {
    /// The user's name, at least 3 characters; asked for when missing
    pub(crate) name: Option<String>,
    /// Make an administrator
    #[arg(long)]
    pub(crate) admin: bool,
    #[command(flatten)]
    pub(crate) password: PasswordFrom,
}

#[derive(Debug, Args)]
#[command(after_help = "Without flags, asks for a new password.")]
pub(crate) struct Moduser {
    /// The user
    pub(crate) name: String,
    /// Ask for a new password
    #[arg(long, conflicts_with = "password_stdin")]
    pub(crate) password: bool,
    #[command(flatten)]
    pub(crate) from: PasswordFrom,
    /// A new role
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleName>,
    /// A new name
    #[arg(long, value_name = "NEW_NAME")]
    pub(crate) rename: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A password that another person sets locks the user's keys: the old password or the recovery
words open them (atek keys reseal). An administrator who holds the recovery secret of the box
opens them for the new password, with --helper and their own password.

Examples:
  atek passwd bob
  atek passwd bob --helper alice")]
pub(crate) struct Passwd {
    /// The user
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) from: PasswordFrom,
    /// The administrator who opens the user's keys for the new password; asks for their password,
    /// or reads it from the second line of standard input
    #[arg(long, value_name = "NAME")]
    pub(crate) helper: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A user who has apps is deleted only with a word about them.

Examples:
  atek deluser bob
  atek deluser bob --apps uninstall
  atek deluser bob --apps give --to alice")]
pub(crate) struct Deluser {
    /// The user
    pub(crate) name: String,
    /// What becomes of the user's apps and data
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) apps: Option<AppsFate>,
    /// Who gets the apps and data
    #[arg(
        long,
        value_name = "NAME",
        required_if_eq("apps", "give"),
        requires = "apps"
    )]
    pub(crate) to: Option<String>,
    /// Do not ask back
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What becomes of a user's apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AppsFate {
    /// They are removed, with their data
    Uninstall,
    /// Another user gets them, with their data
    Give,
}

/// A role, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Their own apps and data
    User,
    /// Everything
    Admin,
}
