//! The SD card, from sources to a machine that boots it.
//!
//! ```text
//! debian::build: toolbox -> programs (cross) -> root -> assemble -> pack
//! Buildroot:                                    root -> assemble -> pack
//! ```
//!
//! - [`layout`]: the card's partitions. [`verity`]: the hash tree of a root.
//! - [`assemble`]: a root, a kernel and boot files become a card; [`pack`], [`bmap`], [`manifest`]:
//!   what is published of it.
//! - [`debian`]: the route that needs nothing but the package archive.
//! - [`card`], [`firmware`]: reading a card as the Pi's firmware does. [`emulator`]: a card booted
//!   in QEMU.
//! - [`check`]: whether a finished card is what it should be.
//! - [`npm`]: added to a root, as it is no Debian package here.
//! - [`sbom`], [`licenses`], [`notes`]: the bill of materials beside a card, the licence texts, the
//!   notes of a release.
//! - [`install`]: the list of what an installation of Atek consists of, shared with the test
//!   machine and Buildroot.
//! - [`store`]: folders made once and kept. [`command`]: running tools. [`steps`]: progress for a
//!   person.
//!
//! Deliberately absent: anything of Atek's inside. The card carries files; what they do is their
//! own matter.

#![forbid(unsafe_code)]

pub mod assemble;
pub mod bmap;
pub mod card;
pub mod check;
pub mod command;
pub mod debian;
pub mod emulator;
pub mod firmware;
pub mod install;
pub mod layout;
pub mod licenses;
pub mod manifest;
pub mod notes;
pub mod npm;
pub mod pack;
pub mod paths;
pub mod sbom;
pub mod steps;
pub mod store;
pub mod verity;
