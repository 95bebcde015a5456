//! Flags of `atek mail`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `atek mail`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a word, shows what is set. The box writes once for each event: a backup is missed or fails, a
disk or card fails. What cannot be sent is tried again, also after a power cut.

Examples:
  atek mail set smtp.example.org --user anna --from anna@example.org
  atek mail set mail.home --tls none --from box@home --to anna@home --to bob@home
  atek mail test
  atek mail off")]
pub(crate) struct MailArgs {
    #[command(subcommand)]
    pub(crate) action: Option<Mail>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Mail {
    /// Set the server, who signs in there, and who is told
    #[command(after_help = "\
The password is asked for, or read from a file or standard input; it is sent only where the certificate
of the server is right. Where the server has one of an authority of your own, add that with
atek authorities --add.")]
    Set(Set),
    /// Send a mail that says that mail works
    Test,
    /// Send no mail any more
    Off,
}

/// `atek mail set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The name of the server
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// Its port; by default the usual one
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// How the connection is encrypted
    #[arg(long, value_enum, default_value_t = Encryption::Starttls)]
    pub(crate) tls: Encryption,
    /// Who signs in there
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Read the password from this file. Without it, the password is asked for
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password: Option<PathBuf>,
    /// The address of the sender
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: String,
    /// Who is told, by default the sender; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Vec<String>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encryption {
    /// After STARTTLS, usually at port 587
    Starttls,
    /// From the first byte on, usually at port 465
    Tls,
    /// Not at all, usually at port 25; no password is sent
    None,
}
