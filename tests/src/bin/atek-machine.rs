//! The helper behind the test machine.

#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use atek_tests::{Machine, paths, rootfs, serve, store::Store, supervisor};
use std::io::Read as _;
use std::process::ExitCode;

const USAGE: &str = "usage: atek-machine prepare | boot NAME | serve PORT [USER] (keep and init are for the harness itself)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // One line for a person; the whole chain, no backtrace.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["keep"] => supervisor::keep(),
        ["init"] => supervisor::init(),
        ["prepare"] => prepare(),
        ["boot", name] => boot(name),
        ["serve", port] => serve_at(port, None),
        ["serve", port, user] => serve_at(port, Some(user)),
        _ => bail!("{USAGE}"),
    }
}

/// Makes the root file system, so that no test pays for it.
fn prepare() -> anyhow::Result<()> {
    let store = Store::open(paths::cache())?;
    let rootfs = rootfs::get(&store, &|step| eprintln!("{step}"))?;
    println!("the machine's root file system: {}", rootfs.path.display());
    Ok(())
}

/// Boots a bare machine, and holds it until standard input ends.
#[tokio::main(flavor = "current_thread")]
async fn boot(name: &str) -> anyhow::Result<()> {
    let machine = Machine::builder(name).internet(true).boot().await?;
    println!(
        "{} {} {}",
        machine.pid()?,
        machine.keeper_pid()?,
        machine.gateway()?
    );
    eprintln!(
        "nsenter --target {} --all   enters it; the end of input ends it",
        machine.pid()?
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// `./image/run`: Atek for a person.
#[tokio::main]
async fn serve_at(port: &str, user: Option<&str>) -> anyhow::Result<()> {
    serve::serve(port.parse().context("the port is not a number")?, user).await
}
