//! Services: what is installed, what should run, what does run.
//!
//! ```text
//!  host_api, gateway --> operations/ (install, update, configure, uninstall, start, wake …)
//!                           |               |
//!                           v               v
//!                     SupervisorHandle      database (records), packages, spawn
//!                           |
//!   systemd events ---> supervisor ---> effects: start unit, stop unit, probe
//!   records (watch) --->    |                    their outcomes come back to it
//!                           '------> DirectoryPublisher
//! ```
//!
//! A service's life is read in three files: the policy in [`state`], which is pure; the task that
//! applies it in [`supervisor`]; what it begins in [`effects`]. systemd owns the processes and
//! restarts them; the supervisor follows. A service is what has a record in the server database
//! (or is a core service of the configuration): whatever else is found of one is a leftover, and
//! swept when the host starts.

mod awake;
mod core_place;
mod core_service;
mod crash_point;
mod definition;
mod describe;
mod effects;
mod error;
mod id_allocation;
mod intents;
mod lan_ports;
mod operations;
mod package_folder;
mod port_allocation;
mod probe;
mod reserved_file;
mod retained_data;
mod source_tokens;
mod state;
mod supervisor;
mod updates;

pub use error::OperationError;
pub use operations::{Install, Operations, OperationsDeps, UpdateRequest, UseData};
pub use retained_data::RetainedData;
