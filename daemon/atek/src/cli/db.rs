//! Flags of `atek db`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to do with databases.
///
/// DB is a database's id, the first digits of it, or its alias; `server` is the host's own.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
DB is a database's id, the first digits of it, or its alias; `server` is the host's own
database. PATH is a record's place, such as settings/theme.

Examples:
  atek db ls
  atek db list notes-db entries --limit 20
  atek db put notes-db settings/theme '{\"dark\": true}'
  atek db export notes-db notes.tar
  atek db import notes.tar --into notes-db")]
pub(crate) enum Db {
    /// List the databases
    Ls(Ls),
    /// Show what is known about a database
    Info(OneDb),
    /// List the records under a path
    List(List),
    /// Print a record's value
    Get(Record),
    /// Write a record
    Put(Put),
    /// Delete a record
    Rm(Record),
    /// Delete a database with everything in it
    Drop(Drop),
    /// Write a database to a file, with its blobs
    Export(Export),
    /// Make a database from such a file, or read it into an existing one
    Import(Import),
    /// Give unused space back to the disk
    Compact,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those of this user (`system` for those of everybody)
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OneDb {
    /// The database
    pub(crate) db: String,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The database
    pub(crate) db: String,
    /// Where to look; everything by default
    #[arg(default_value = "")]
    pub(crate) path: String,
    /// How many records at most
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(crate) limit: Option<u32>,
    /// The last ones first
    #[arg(short, long)]
    pub(crate) reverse: bool,
    /// Only records after this key, relative to PATH
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
    /// Only records before this key, relative to PATH
    #[arg(long, value_name = "KEY")]
    pub(crate) before: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The database
    pub(crate) db: String,
    /// The record
    pub(crate) path: String,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The database
    pub(crate) db: String,
    /// The record
    pub(crate) path: String,
    /// A JSON object; `-`, or nothing, reads it from standard input
    pub(crate) value: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Drop {
    /// The database
    pub(crate) db: String,
    /// Do not ask back
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The database
    pub(crate) db: String,
    /// A file that does not exist yet; `-`, or nothing, writes to standard output
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file that `export` wrote; `-`, or nothing, reads standard input
    pub(crate) file: Option<PathBuf>,
    /// Write its records and blobs into this database, over those of the same path
    #[arg(long, value_name = "DB", conflicts_with_all = ["alias", "access"])]
    pub(crate) into: Option<String>,
    /// The name of the new database
    #[arg(long)]
    pub(crate) alias: Option<String>,
    /// Who may read the new database
    #[arg(long, value_enum)]
    pub(crate) access: Option<Access>,
}

/// Who may read a database besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Access {
    /// Everybody
    Public,
    /// No user but the owner
    Private,
}

impl Access {
    /// The word that the database service knows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Private => "private",
        }
    }
}
