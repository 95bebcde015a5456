//! The program as people run it, against a host that says what the test wants.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod apps;
mod catalogue;
mod claim;
mod db;
mod fake;
mod insight;
mod install;
mod logs;
mod offline;
mod reach;
mod rights;
mod run;
mod sample;
mod status;
mod terminal;
mod update;
mod users;
