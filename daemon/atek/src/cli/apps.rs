//! Flags of the commands about services.

use super::rewrite::{parse_key, parse_permission, parse_setting};
use crate::text::size;
use atek_api::ids::ServiceKey;
use atek_api::permission::Permissions;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// A parser of a limit, for which the host takes 0 as "the default again".
fn or_default(
    parse: fn(&str) -> Result<u64, size::InvalidAmount>,
) -> impl Fn(&str) -> Result<u64, size::InvalidAmount> + Clone + Send + Sync + 'static {
    move |text| {
        if text == "default" {
            Ok(0)
        } else {
            parse(text)
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
SOURCE is the name of an app in a catalogue (see atek search), the URL of a git repository whose tags are versions (https://…, http://…,
git+file:///…), or a folder of this machine, which is run in place. A name that is also
that of a folder here means the folder; catalogue:CATALOGUE/NAME means the app.

What an app wants beyond its own data (the network, the host's APIs) is shown and
asked for; nothing is granted by silence.

Examples:
  atek install https://github.com/atek-cloud/hello-world-node
  atek install ./my-app --id notes --user alice
  atek install https://example.org/feeds.git --version ^1.2 --config.INTERVAL 60 --yes
  atek install https://git.example.org/ada/private.git --source-token token.txt")]
pub(crate) struct Install {
    /// The name of an app in a catalogue, a git URL, or a folder
    pub(crate) source: String,
    /// Name and subdomain of the app; by default derived from the source
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// The releases to take, as a semver range such as ^1.2; by default the newest
    #[arg(
        long = "desiredVersion",
        visible_alias = "version",
        alias = "desired-version",
        value_name = "RANGE"
    )]
    pub(crate) desired_version: Option<String>,
    /// The user who will own it; by default it belongs to everybody
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A setting, given to the app in its environment (also: --config.KEY VALUE)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) config: Vec<(String, String)>,
    /// Take over the data of an app that was uninstalled, by its key (see atek kept)
    #[arg(long, value_name = "KEY")]
    pub(crate) adopt_data: Option<ServiceKey>,
    /// Start without the data that an earlier install of the same source left
    #[arg(long, conflicts_with = "adopt_data")]
    pub(crate) fresh: bool,
    /// Read the access token of a private repository from this file (- is standard input):
    /// TOKEN, or NAME:TOKEN where the git server asks for a name. It is kept for updates
    #[arg(long, value_name = "FILE")]
    pub(crate) source_token: Option<PathBuf>,
    /// Grant what the app asks for without asking back
    #[arg(short, long, visible_alias = "grant")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// The service
    pub(crate) id: String,
    /// Keep the app's own files for a later installation
    #[arg(long)]
    pub(crate) keep_data: bool,
    /// Do not ask back
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
An app is uninstalled with its data kept by: atek uninstall ID --keep-data

Examples:
  atek kept
  atek install ./notes --user alice --adopt-data KEY
  atek kept --remove KEY")]
pub(crate) struct Kept {
    /// Delete what is kept under this key
    #[arg(long, value_name = "KEY")]
    pub(crate) remove: Option<ServiceKey>,
    /// Do not ask back
    #[arg(short, long, requires = "remove")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without an id, `atek update` checks all apps and shows what could be updated.

A release that asks for more than its app was granted is installed only after a yes. A
new version is watched for a while; if it does not work, the version and the data before
it are put back, and the release is not tried again by itself.")]
pub(crate) struct Update {
    /// The service
    #[arg(conflicts_with = "all")]
    pub(crate) id: Option<String>,
    /// Update every app that has a new release
    #[arg(long)]
    pub(crate) all: bool,
    /// Only look
    #[arg(long)]
    pub(crate) check: bool,
    /// Exactly this release, also an older one or one that was refused
    #[arg(long, value_name = "VERSION", requires = "id")]
    pub(crate) to: Option<String>,
    /// Accept that the release is signed with another key than the installed one
    #[arg(long, value_name = "FINGERPRINT", requires = "id")]
    pub(crate) signer: Option<String>,
    /// Fetch the release and tell what it is, and change nothing
    #[arg(long, requires = "id", conflicts_with = "check")]
    pub(crate) dry_run: bool,
    /// Grant what a new release asks for without asking back
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// A command about one service.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The service
    pub(crate) id: String,
}

/// A command about one or more services.
#[derive(Debug, Args)]
pub(crate) struct Some {
    /// The services
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 0 if the service runs (or sleeps until it is called), 4 if it does
not, 3 if there is none of that name.")]
pub(crate) struct Status {
    /// The service; without one, the whole box
    pub(crate) id: Option<String>,
    /// How many of its newest log lines to show
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    pub(crate) lines: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without flags, prints what can be changed. A KEY=VALUE takes effect at the next start
(atek restart ID), everything else at once. A limit of `default` is the default again.

Examples:
  atek cfg notes
  atek cfg notes --config.GREETING hello --unset OLD_NAME
  atek cfg notes --memory 256M --cpu 50%")]
pub(crate) struct Cfg {
    /// The service
    #[arg(value_name = "ID")]
    pub(crate) service: String,
    /// A new id
    #[arg(long, value_name = "NEW_ID")]
    pub(crate) id: Option<String>,
    /// A new source, for the next update
    #[arg(
        long = "sourceUrl",
        alias = "source-url",
        alias = "source",
        value_name = "URL"
    )]
    pub(crate) source_url: Option<String>,
    /// Read a new access token of its private repository from this file (- is standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) source_token: Option<PathBuf>,
    /// Forget the access token of its repository
    #[arg(long, conflicts_with = "source_token")]
    pub(crate) no_source_token: bool,
    /// The releases to take, as a semver range; `latest` unpins
    #[arg(
        long = "desiredVersion",
        visible_alias = "version",
        alias = "desired-version",
        value_name = "RANGE"
    )]
    pub(crate) desired_version: Option<String>,
    /// Change a setting (also: --config.KEY VALUE)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) config: Vec<(String, String)>,
    /// Remove a setting
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    pub(crate) unset: Vec<String>,
    /// Memory that it may use, such as 256M
    #[arg(long, value_name = "SIZE", value_parser = or_default(size::parse_bytes))]
    pub(crate) memory: Option<u64>,
    /// How many processes and threads it may have
    #[arg(long, value_name = "COUNT", value_parser = or_default(size::parse_count))]
    pub(crate) tasks: Option<u64>,
    /// How much of one CPU it may use, such as 50%
    #[arg(long, value_name = "PERCENT", value_parser = or_default(size::parse_percent))]
    pub(crate) cpu: Option<u64>,
    /// Its share of a busy CPU, 1 to 10000 (apps have 100)
    #[arg(long, value_name = "WEIGHT", value_parser = or_default(size::parse_count))]
    pub(crate) cpu_weight: Option<u64>,
    /// Grant what the app asks for
    #[arg(long, conflicts_with = "revoke")]
    pub(crate) grant: bool,
    /// Take back what was granted
    #[arg(long)]
    pub(crate) revoke: bool,
    /// Grant something that the app need not ask for: internet, home, a host such as
    /// api.example.org:8443, a device such as /dev/ttyUSB0, a port of the home's network such
    /// as tcp/1883, mdns (finding devices at home, and being found), or the id of a host API
    #[arg(long, value_name = "WHAT", value_parser = parse_permission, conflicts_with_all = ["grant", "revoke"])]
    pub(crate) allow: Vec<Permissions>,
    /// Take one permission back, named as with --allow
    #[arg(long, value_name = "WHAT", value_parser = parse_permission, conflicts_with_all = ["grant", "revoke"])]
    pub(crate) deny: Vec<Permissions>,
    /// Taken for the original's sake; the host gives every app its address
    #[arg(long, hide = true, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
TIME is a length of time back from now (90s, 10min, 2h, 1d), today, yesterday, a date,
\"2026-08-05 14:30\", or RFC 3339.

The journal has more: journalctl -u atek-app-ID")]
pub(crate) struct Logs {
    /// The service
    pub(crate) id: String,
    /// Go on printing as lines come in
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the newest lines to show at most [default: 100; all with --since]
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) lines: Option<u32>,
    /// Only lines since this time
    #[arg(short = 'S', long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only lines at least as important as this
    #[arg(short, long, value_enum, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
}

/// How important a log line is, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    #[value(alias = "0")]
    Emerg,
    #[value(alias = "1")]
    Alert,
    #[value(alias = "2")]
    Crit,
    #[value(alias = "3", alias = "error")]
    Err,
    #[value(alias = "4", alias = "warn")]
    Warning,
    #[value(alias = "5")]
    Notice,
    #[value(alias = "6")]
    Info,
    #[value(alias = "7")]
    Debug,
}

impl Level {
    /// The name that the host knows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Emerg => "emerg",
            Level::Alert => "alert",
            Level::Crit => "crit",
            Level::Err => "err",
            Level::Warning => "warning",
            Level::Notice => "notice",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the manifest of an app that is what the file describes, and on standard error what
of the file it is not, line by line. Needs no host. Put it into a git repository, and
install that: atek import compose.yaml > atek.json")]
pub(crate) struct Import {
    /// The compose file
    pub(crate) file: PathBuf,
    /// The service that people visit, where the file does not show it
    #[arg(long, value_name = "SERVICE")]
    pub(crate) main: Option<String>,
    /// The value of a variable of the file; repeatable
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}
