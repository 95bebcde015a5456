//! The gateway over real sockets, with small services of its own. Nothing is mocked
//! below HTTP: clients and services speak through the kernel.

mod apps;
mod bench;
mod bind;
mod callers;
mod cut;
mod foreign;
mod hostile;
mod limits;
mod pages;
mod ports;
mod rpc;
mod support;
mod transport;
mod unclaimed;
mod waking;
