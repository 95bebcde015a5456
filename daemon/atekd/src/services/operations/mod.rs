//! What can be done with services: functions of [`Operations`], one file for each.
//!
//! Long operations on one service exclude each other ([`locks`]). What must be finished or undone
//! after a crash is written down first (`services/intents.rs`) and taken up by [`sweep`].

mod agreed_limits;
mod backup;
mod before_backup;
mod bring_back;
mod candidate;
mod components;
mod configure;
mod context;
mod core;
mod databases_back;
mod grants;
mod icon;
mod inspect;
mod install;
mod locks;
mod look;
mod recover;
mod retained;
mod run;
mod snapshots;
mod start_up;
mod sweep;
mod transfer;
mod trial;
mod uninstall;
mod update;

pub use context::{Operations, OperationsDeps};
pub use install::{Install, UseData};
pub use update::UpdateRequest;
