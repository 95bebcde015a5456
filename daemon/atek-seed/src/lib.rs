//! The secret that outlives a card: 24 recovery words, and everything that is derived from them.
//!
//! # The tree
//!
//! ```text
//! 256 bits of the kernel's generator
//!  └ 24 English words (BIP-39)
//!     └ master seed, 64 bytes (BIP-39: PBKDF2-HMAC-SHA512, no passphrase)
//!        ├ HKDF-SHA256, salt "atek.cloud/seed/v1", 32 bytes each:
//!        │   ├ info "backup-password"       the password of backups, as 64 hexadecimal digits
//!        │   ├ info "hypercore"             the primary key of the hypercore service
//!        │   ├ info "local-ca"              the key of the box's certificate authority
//!        │   ├ info "recovery"              the key to which the users' keys are encrypted
//!        │   ├ info "identity-root"         the seed of the users' identity keys (below)
//!        │   └ info "app/" SERVICE "/" NAME a key of an app
//!        └ wallets of others: the words are BIP-39, so they can be entered elsewhere
//!
//! identity-root
//!  └ SLIP-10 ed25519, all hardened: m / 1096041803' / a' / b' / c' / d' / generation'
//! ```
//!
//! `1096041803` is "ATEK" in ASCII. `a` to `d` are the first four big-endian 32-bit words of
//! SHA-256 of the user's key, each without its highest bit, so that a restored user, who has
//! the same key, has the same identity. `generation` is 0 until an identity is replaced. HKDF's
//! `app/` information is free of ambiguity as a service's key has no slash.
//!
//! Labels and order never change. A new kind of secret gets a new label; a new tree a new salt.
//!
//! # At rest
//!
//! [`sealing`] locks a secret with a password. This library keeps nothing, and does no input or
//! output except asking the kernel for random bytes.

mod derive;
pub mod sealing;
pub mod slip10;
mod words;

pub use derive::{MasterSeed, Secret};
pub use words::{NoRandomness, RecoveryWords, WORD_COUNT, WordsError, is_word};
