//! Flags of `atek keys`. A password or private key is never an argument: arguments are visible to
//! every process of the machine.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Keys are locked after a start of the box until their user signs in with the password, in a
browser or with: atek keys unlock

Examples:
  atek keys --user alice
  atek keys --user alice create signing ed25519
  atek keys --user alice sign KEY \"a text\"
  atek keys --user alice requests
  atek keys --user alice answer REQUEST once")]
pub(crate) struct Keys {
    /// Whose keys; may be left out when the box has one user
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) user: Option<String>,
    #[command(subcommand)]
    pub(crate) action: Option<KeyAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// List the keys
    List,
    /// Open the keys with the password, read from the first line of standard input or asked for
    Unlock,
    /// Make a key
    Create {
        /// What to call it
        name: String,
        /// ed25519 and secp256k1 sign, x25519 decrypts
        kind: KeyKind,
    },
    /// Add the identity key, which comes back with the recovery words; asks for the password
    Derive {
        /// What to call it
        name: String,
    },
    /// Sign a text; prints the signature in hexadecimal
    Sign {
        /// The key's id
        key: String,
        /// The text
        text: String,
    },
    /// Add a private key; asks for the password, and then for the key in hexadecimal
    Import {
        /// What to call it
        name: String,
        /// What it is
        kind: KeyKind,
    },
    /// Print a private key in hexadecimal; asks for the password
    Export {
        /// The key's id
        key: String,
    },
    /// Remove a key for good; asks for the password
    Remove {
        /// The key's id
        key: String,
    },
    /// List what apps ask to sign or decrypt
    Requests,
    /// Answer a request
    Answer {
        /// The request's id
        request: String,
        /// For how long the answer stands
        answer: KeyAnswer,
    },
    /// List what apps may use without asking
    Grants,
    /// Take back what `grants` shows under this id
    Revoke {
        /// The permission's id
        id: String,
    },
    /// List the latest uses of the keys
    Uses,
    /// Open the keys for a password that was set without the old one; asks for the password, and
    /// then for the old one
    Reseal {
        /// Ask for the recovery words in place of the old password
        #[arg(long)]
        words: bool,
    },
    /// Let the password open the recovery secret of the box too, so that this administrator can
    /// help others; asks for the password, and then for the recovery words
    Hold,
    /// Show the box's recovery words until they are confirmed; asks for the password
    Words,
    /// Confirm the recovery words by two of them, such as 3=ocean 17=table; asks for the password
    Confirm {
        /// PLACE=WORD, at least twice
        #[arg(required = true, num_args = 2..)]
        words: Vec<String>,
    },
}

/// A kind of key.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKind {
    /// Signs
    Ed25519,
    /// Signs for Ethereum, Bitcoin and Nostr
    Secp256k1,
    /// Decrypts
    X25519,
}

/// An answer to an app.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyAnswer {
    /// This one
    Once,
    /// This one and others like it for an hour
    Hour,
    /// This one and others like it until it is taken back
    Always,
    /// No
    Deny,
}

impl KeyKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyKind::Ed25519 => "ed25519",
            KeyKind::Secp256k1 => "secp256k1",
            KeyKind::X25519 => "x25519",
        }
    }
}

impl KeyAnswer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyAnswer::Once => "once",
            KeyAnswer::Hour => "hour",
            KeyAnswer::Always => "always",
            KeyAnswer::Deny => "deny",
        }
    }
}
