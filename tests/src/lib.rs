//! The harness of Atek's tests: a machine with systemd as PID 1, made of plain namespaces.
//!
//! A test boots a [`Machine`], talks to it as a neighbour on the network or as its administrator,
//! and drops it. What a module is for:
//!
//! - [`machine`]: what a test holds: boot, execute, read, write, reach by network, cut the power.
//! - [`supervisor`]: the process behind each machine (`atek-machine keep`). It makes the
//!   namespaces, and takes everything down when the test is gone, however it went. Nothing but the
//!   `atek-machine` program uses it.
//! - [`rootfs`], [`layer`], [`store`](mod@store): the root file system and Atek's files on top of
//!   it, made once and cached.
//! - [`apps`], [`git_remote`]: the fixture apps as packages, and servers of git repositories, good
//!   and hostile.
//! - [`fixture`]: what the native fixture apps share.
//! - [`browser`]: stories of people with a browser (`web/scenarios/`), told before a booted host.
//! - [`registry`], [`counting_registry`], [`debian_images`]: a registry of container images, one
//!   that counts and stops, images of Debian packages.
//! - [`serve`]: Atek for a person (`./image/run`).
//! - [`neighbourhood`]: homes behind routers, and an internet with a DHT between them.
//! - [`npm`]: lockfiles of programs of the registry, made once.
//! - [`components`]: a WebAssembly component, made by the tools of others.
//! - [`small_disk`]: a disk that can be filled.
//! - [`wear`]: what an idle box writes to its card.
//! - [`update_cut`]: cuts of its power in the middle of an update.
//! - [`install`]: the list of what an installation of Atek consists of, shared with the image.
//! - [`http`], [`wait`], [`skip()`]: a small HTTP client, the one way to wait, and to say that a
//!   test cannot run here.
//!
//! The harness knows nothing of Atek's inside: it installs files and speaks HTTP.

#![forbid(unsafe_code)]

pub mod apps;
pub mod browser;
pub mod components;
pub mod counting_registry;
pub mod debian_images;
pub mod emulated;
pub mod fixture;
pub mod git_remote;
pub mod host;
pub mod http;
pub mod layer;
pub mod machine;
pub mod minisign;
pub mod neighbourhood;
pub mod npm;
pub mod paths;
pub mod phone;
pub mod plugged;
#[allow(clippy::unwrap_used, reason = "only tests use it")]
pub mod registry;
pub mod rootfs;
pub mod serve;
pub mod small_disk;
pub mod supervisor;
pub mod update_cut;
pub mod wait;
pub mod wear;

mod skip;

use atek_image::command;

pub use atek_image::{install, store};
pub use git_remote::{GitRemote, HostileRemote, Hostility, PrivateRemote};
pub use machine::{Builder, Machine};
pub use phone::LanClient;
pub use skip::skip;
pub use small_disk::SmallDisk;
pub use wait::{Seen, wait_for};
