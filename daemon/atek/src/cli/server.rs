//! Flags for a server with backups.

use atek_api::backup::HostKey;
use clap::Args;
use std::path::PathBuf;

/// How to sign in to a server, and how it is known.
#[derive(Debug, Default, Args)]
pub(crate) struct Server {
    /// Read the password of the server, or a private key of SSH, from this file. Without it, the
    /// password is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) server_password: Option<PathBuf>,
    /// The key of the SFTP server, as ssh-keygen -l shows it there; otherwise it is shown, and you
    /// are asked
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) host_key: Option<HostKey>,
}
