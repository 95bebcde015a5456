//! A hostile app: it tries, one by one, what a confined app must not be able to do, and says what
//! came of it.
//!
//! - `escape serve`: as an app; any POST with a JSON object of [`Targets`] (or a JSON-RPC call with
//!   one as its only parameter) runs all attempts and answers with the table.
//! - `escape print TARGETS`: the same from a shell, unconfined. This is the positive control: an
//!   attempt that is impossible here too proves nothing about the sandbox.
//! - `escape attempt NAME TARGETS`: one attempt. Each runs in a process of its own, since some
//!   change the process for good and some end it.
//!
//! The table is a JSON object: attempt → `possible`, an errno's name, or how the process ended. An
//! attempt does no harm where it succeeds: it asks for nothing, or for something that the kernel
//! refuses only after the question of rights.

#![allow(unsafe_code, reason = "system calls that no library makes; see `raw`")]

mod files;
mod kernel;
mod network;
mod processes;
mod raw;

use atek_tests::fixture::{Request, serve};
use nix::errno::Errno;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

/// What there is to reach: the test knows it, a real attacker would guess it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Targets {
    /// A file in another app's state.
    other_state: String,
    /// Another app's socket.
    other_socket: String,
    /// A file that only the host daemon reads.
    host_file: String,
    /// The host daemon's control socket.
    control_socket: String,
    /// A process of another service.
    pid: i32,
    /// `ADDRESS:PORT` of a TCP server that is not the app's host.
    tcp: String,
    /// `ADDRESS:PORT` of a UDP server.
    udp: String,
    /// `ADDRESS:PORT` of a TCP server on the host's loopback.
    loopback: String,
    /// `ADDRESS:PORT` of the box itself on its network.
    the_box: String,
    /// `ADDRESS:PORT` of the box at its end of the links that apps have.
    link: String,
    /// `ADDRESS:PORT` of a device at home, by a private IPv4 address.
    home: String,
    /// The same device by its global IPv6 address.
    home_v6: String,
    /// A file in the host's `/tmp`.
    host_tmp: String,
    /// The name of an abstract socket that listens.
    abstract_socket: String,
    /// A folder of the app's own code.
    code: String,
    /// A folder that the app may write to.
    own: String,
}

type Attempt = fn(&Targets) -> Result<(), Errno>;

fn attempts() -> impl Iterator<Item = &'static (&'static str, Attempt)> {
    [
        files::ATTEMPTS,
        processes::ATTEMPTS,
        kernel::ATTEMPTS,
        network::ATTEMPTS,
    ]
    .into_iter()
    .flatten()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => match serve(answer) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("cannot serve: {error}")),
        },
        ["print", targets] => {
            println!("{:#}", Value::Object(table(targets)));
            ExitCode::SUCCESS
        }
        ["attempt", name, targets] => one(name, targets),
        _ => complain("usage: escape serve | print TARGETS | attempt NAME TARGETS"),
    }
}

fn complain(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(2)
}

fn answer(request: &Request) -> String {
    if request.method != "POST" {
        return "\"escape\"".to_owned();
    }
    let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let Some(targets) = call.pointer("/params/0") else {
        return Value::Object(table(&request.body)).to_string();
    };
    let id = call.get("id").cloned().unwrap_or_default();
    serde_json::json!({"jsonrpc": "2.0", "id": id, "result": table(&targets.to_string())})
        .to_string()
}

/// Runs every attempt.
fn table(targets: &str) -> Map<String, Value> {
    attempts()
        .map(|(name, _)| ((*name).to_owned(), Value::String(run(name, targets))))
        .collect()
}

/// Runs one attempt in a process of its own.
fn run(name: &str, targets: &str) -> String {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return format!("not run: {error}"),
    };
    match Command::new(own).args(["attempt", name, targets]).output() {
        Err(error) => format!("not run: {error}"),
        Ok(output) => match output.status.signal() {
            Some(signal) => format!("killed by signal {signal}"),
            None => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        },
    }
}

fn one(name: &str, targets: &str) -> ExitCode {
    let targets: Targets = match serde_json::from_str(targets) {
        Ok(targets) => targets,
        Err(error) => return complain(&format!("not targets: {error}")),
    };
    let Some((_, attempt)) = attempts().find(|(known, _)| *known == name) else {
        return complain(&format!("no attempt is called {name}"));
    };
    match attempt(&targets) {
        Ok(()) => println!("possible"),
        Err(errno) => println!("{errno:?}"),
    }
    ExitCode::SUCCESS
}
