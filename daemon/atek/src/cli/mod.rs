//! The command line as people type it. Parsing only: nothing here acts.

pub(crate) mod apps;
pub(crate) mod backup;
pub(crate) mod catalogue;
pub(crate) mod db;
pub(crate) mod homes;
pub(crate) mod keys;
pub(crate) mod mail;
pub(crate) mod rewrite;
pub(crate) mod rights;
pub(crate) mod server;
pub(crate) mod updates;
pub(crate) mod users;

use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;

/// The commands by what people want to do; a test checks that none is missing.
const HELP_TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

Apps:
  search       Find apps in the catalogues
  install      Install an app from a catalogue, a git repository or a folder
  uninstall    Remove an app and its data
  update       Check for new releases and install them
  ls           List the apps and services
  status       Show how the box, or one service, is doing
  get          Show everything about one service
  cfg          Show or change a service's settings
  start        Start services
  stop         Stop services, until they are started again
  restart      Stop services and start them again
  logs         Show what a service printed
  top          Show which service uses how much
  kept         List or delete the data of uninstalled apps
  catalogue    List, add, refresh and check catalogues
  import       Translate a compose file into atek.json

Updates:
  outdated     Show which apps have a new release, and what became of updates
  rollback     Go back to the version before the last update
  pin          Take only the releases of a range
  hold         Decide when updates are installed
  snapshot     Copy an app's files, or list the copies
  restore      Put an app's files back as a copy or a backup has them

Backups:
  backup       Make, list and check backups, and set where they are kept

Users:
  users        List the users
  mkuser       Create a user
  moduser      Change a user's name, role or password
  passwd       Change a user's password
  deluser      Delete a user
  groups       List, make and remove groups of users

Permissions:
  permissions  Show and change what apps may do
  audit        Show who did what: calls, hosts, refusals, permissions given and taken
  share        Share apps and databases with other users, and databases with other homes

Other homes and devices:
  follow       Follow a database of another home, or list those that are followed
  unfollow     Stop following a database of another home
  contacts     People of other homes, and what their apps may call
  devices      List, pair and remove devices that reach the box from elsewhere
  connect      Reach a box from this computer, wherever both are

Data:
  keys         List, make and use keys, and answer apps that ask for them
  db           List, read, change, export and import databases

Other:
  system       Show what the box is and what it has left
  mail         Show, set and try by which server the box tells what is wrong
  authorities  List, add and remove certificate authorities for private git servers
  check-system  Check that this machine has what Atek needs
  claim        Show the code with which a new box is claimed
  completions  Print the completions for a shell
  run          Run the host itself in this terminal
  help         Print this message or the help of a command

Options:
{options}{after-help}";

const AFTER_HELP: &str = "\
Examples:
  atek search notes
  atek install tiddlywiki
  atek install https://github.com/atek-cloud/hello-world-node
  atek install ./my-app --id notes --user alice --config.GREETING hello
  atek status notes
  atek logs notes -f --level warning
  atek ls --json

Exit codes:
   0  done
   1  failed; the reason is on standard error
   2  the command line is not understood
   3  no such service
   4  the service is not running
  69  the host cannot be reached

The host itself is a systemd service: systemctl status atekd";

/// Manages an Atek box: its apps, users and databases.
#[derive(Debug, Parser)]
#[command(
    name = "atek",
    version,
    disable_version_flag = true,
    max_term_width = 100,
    help_template = HELP_TEMPLATE,
    after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How to reach the host and how to print; the same for every command.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Print the host's answer as JSON, for programs
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,

    /// Print nothing but results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,

    /// Print without colours (as does the variable NO_COLOR)
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_color: bool,

    /// Reach the host through this control socket [default: /run/atek/control.sock]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "ATEK_CONTROL_SOCKET",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) socket: Option<PathBuf>,

    /// Reach a host by its URL, such as http://atek.local (with --token-file)
    #[arg(
        long,
        global = true,
        value_name = "URL",
        conflicts_with = "config_dir",
        help_heading = "Global options"
    )]
    pub(crate) host: Option<String>,

    /// Read the token for --host from this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Read the port and a system token from DIR/config.json
    #[arg(
        long = "configDir",
        alias = "config-dir",
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub(crate) config_dir: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find apps in the catalogues
    Search(catalogue::Search),
    /// Install an app from a catalogue, a git repository or a folder
    #[command(visible_alias = "add")]
    Install(apps::Install),
    /// Remove an app and its data
    #[command(alias = "rm", alias = "remove")]
    Uninstall(apps::Uninstall),
    /// Check for new releases and install them
    Update(apps::Update),
    /// Show which apps have a new release, and what became of updates
    Outdated(updates::Outdated),
    /// Go back to the version before the last update
    Rollback(updates::Rollback),
    /// Take only the releases of a range
    Pin(updates::Pin),
    /// Decide when updates are installed
    Hold(updates::Hold),
    /// Copy an app's files, or list the copies
    Snapshot(updates::Snapshot),
    /// Put an app's files back as a copy or a backup has them
    Restore(updates::Restore),
    /// Make, list and check backups, and set where they are kept
    #[command(subcommand)]
    Backup(backup::Backup),
    /// List the apps and services
    #[command(alias = "list")]
    Ls,
    /// Show how the box, or one service, is doing
    Status(apps::Status),
    /// Show everything about one service
    Get(apps::One),
    /// Show or change a service's settings
    #[command(alias = "configure")]
    Cfg(apps::Cfg),
    /// Start services
    Start(apps::Some),
    /// Stop services, until they are started again
    Stop(apps::Some),
    /// Stop services and start them again
    Restart(apps::Some),
    /// Show what a service printed
    #[command(alias = "log")]
    Logs(apps::Logs),
    /// Show which service uses how much
    Top,
    /// List or delete the data of uninstalled apps
    Kept(apps::Kept),
    /// List, add, refresh and check catalogues
    #[command(subcommand)]
    Catalogue(catalogue::Catalogue),
    /// Translate a compose file into atek.json
    Import(apps::Import),
    /// List the users
    #[command(visible_alias = "lsuser")]
    Users,
    /// Create a user
    Mkuser(users::Mkuser),
    /// Change a user's name, role or password
    Moduser(users::Moduser),
    /// Change a user's password
    Passwd(users::Passwd),
    /// Delete a user
    Deluser(users::Deluser),
    /// List, make and remove groups of users
    Groups(rights::Groups),
    /// Show and change what apps may do
    Permissions(rights::Permissions),
    /// Show who did what: calls, hosts, refusals, permissions given and taken
    Audit(rights::Audit),
    /// Share apps and databases with other users, and databases with other homes
    #[command(alias = "shares")]
    Share(rights::Share),
    /// Follow a database of another home, or list those that are followed
    Follow(homes::Follow),
    /// Stop following a database of another home
    Unfollow(homes::Unfollow),
    /// People of other homes, and what their apps may call
    #[command(alias = "contact")]
    Contacts(homes::Contacts),
    /// List, pair and remove devices that reach the box from elsewhere
    Devices(homes::Devices),
    /// Reach a box from this computer, wherever both are
    Connect(homes::Connect),
    /// List, make and use keys, and answer apps that ask for them
    Keys(keys::Keys),
    /// List, read, change, export and import databases
    #[command(subcommand)]
    Db(db::Db),
    /// Show what the box is and what it has left
    System(System),
    /// Show, set and try by which server the box tells what is wrong
    Mail(mail::MailArgs),
    /// List, add and remove certificate authorities for private git servers
    Authorities(Authorities),
    /// Check that this machine has what Atek needs
    #[command(after_help = "\
Needs no running host. Names what is missing, what it means, and what to do. The exit
code is 1 when no service could start.")]
    CheckSystem {
        /// Check the system below this folder
        #[arg(long, default_value = "/", value_name = "DIR")]
        root: PathBuf,
    },
    /// Show the code with which a new box is claimed
    #[command(after_help = "\
The person who opens a new box in a browser is asked for this code, and becomes its first
administrator. There is none once the box has an administrator.")]
    Claim,
    /// Print the completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Run the host itself in this terminal
    #[command(after_help = "\
On an installed box systemd runs the host: systemctl status atekd.
Use this for a host of your own, with --configDir for its state.")]
    Run(Run),
}

/// `atek system`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct System {
    /// Show instead how well the apps are confined
    #[arg(long)]
    pub(crate) security: bool,
    #[command(subcommand)]
    pub(crate) action: Option<SystemAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SystemAction {
    /// Make the box a new one: everything of its people is removed
    #[command(after_help = "\
Users, apps with their files, databases, keys, settings, logs, and the passwords of networks go;
the box starts again and shows a new claim code. Backups on other disks and machines stay, and with
the recovery words, or the password of the backups, a new box becomes this one again:
atek restore --box. After a power cut the next start carries on.")]
    Reset {
        /// Keep the password of the wireless network, so that a box without a cable is reached
        #[arg(long)]
        keep_network: bool,
        /// Do not ask for the name of the box
        #[arg(long)]
        yes: bool,
    },
    /// Move the data of the box to a disk, or back
    #[command(after_help = "\
Without a disk, shows where the data are, and which disks there are. With one, such as sda, everything
on it is lost; the box then starts again, copies its data, compares the copy, and uses the disk from then
on. The system itself stays on the card, and so do the old data until --remove-old. A power cut does no
harm at any time; when the disk is missing, the box waits for it and is not a new one.")]
    Move(MoveArgs),
}

/// `atek system move`.
#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// The disk as a whole, such as sda; or card, to move back
    pub(crate) disk: Option<String>,
    /// Remove the data that stayed on the card, once the new disk is trusted
    #[arg(long, conflicts_with = "disk")]
    pub(crate) remove_old: bool,
    /// Do not ask: what is on the disk is lost
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `atek authorities`.
#[derive(Debug, Args)]
#[command(after_help = "\
A git server in the home or at work may have a certificate of an authority that is not
known in the world. Packages are fetched from it once its authority was added here.
Without flags, prints what was added.")]
pub(crate) struct Authorities {
    /// Trust the authority whose certificate (PEM) is in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) add: Option<PathBuf>,
    /// Trust the authority with this fingerprint no more
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "add")]
    pub(crate) remove: Option<String>,
}

/// `atek run`: flags for atekd. `--configDir` is among the global ones.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Listen on this TCP port
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Answer under this host name
    #[arg(long)]
    pub(crate) domain: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_overview_names_every_command_with_its_own_words() {
        for command in Cli::command().get_subcommands() {
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let line = format!("  {:<11}  {about}\n", command.get_name());
            assert!(HELP_TEMPLATE.contains(&line), "missing in the help: {line}");
        }
    }

    #[test]
    fn the_originals_command_lines_are_understood() {
        for line in [
            "atek install https://example.org/app --user alice --id a --desiredVersion ^1 --config.KEY VAL",
            "atek install /srv/app --user alice --version 1.2.3",
            "atek uninstall a",
            "atek update a",
            "atek ls",
            "atek get a",
            "atek cfg a --id b --sourceUrl https://example.org/b --desiredVersion latest --config.PORT 80",
            "atek start a",
            "atek stop a",
            "atek restart a",
            "atek mkuser",
            "atek moduser alice",
            "atek deluser alice",
            "atek ls --configDir /tmp/atek",
            "atek run --port 4000 --domain example.org --configDir /tmp/atek",
            "atek --port 4000 run",
            "atek",
        ] {
            let args = rewrite::rewrite(line.split(' ').map(Into::into));
            let parsed = Cli::try_parse_from(args);
            let expected = line != "atek --port 4000 run";
            assert_eq!(parsed.is_ok(), expected, "{line}: {:?}", parsed.err());
        }
    }

    #[test]
    fn ways_to_reach_the_host_that_contradict_each_other_are_refused() {
        for line in [
            "atek ls --host http://x --configDir /y",
            "atek frobnicate",
            "atek get",
            "atek start",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
