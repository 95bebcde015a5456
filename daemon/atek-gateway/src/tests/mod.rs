//! The gateway over real sockets, with small services of its own. Nothing is mocked
//! below HTTP: clients and services speak through the kernel.

mod apps;
mod attacks;
mod audit;
mod bench;
mod bench_floor;
mod bind;
mod callers;
mod crowds;
mod foreign;
mod hostile;
mod limits;
mod pages;
mod ports;
mod proxies;
mod remote;
mod revocation;
mod rpc;
mod session_end;
mod setup_gate;
mod standing;
mod support;
mod transport;
mod uploads;
mod waking;
