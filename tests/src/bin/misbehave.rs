//! Apps that do not do what an app should, one for each way (`apps/NAME/atek.json` gives the way).

#![forbid(unsafe_code)]

use atek_tests::fixture::{Request, serve};
use nix::sys::signal::{SigSet, Signal};
use std::process::Command;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("never-listens") => std::thread::sleep(Duration::MAX),
        Some("crash-loop") => {
            eprintln!("crashing as usual");
            std::process::exit(3);
        }
        Some("slow-start") => {
            std::thread::sleep(Duration::from_secs(3));
            serve(|_| "slow, but here".to_owned())?;
        }
        Some("ignores-sigterm") => {
            let mut deaf = SigSet::empty();
            deaf.add(Signal::SIGTERM);
            deaf.thread_block()?;
            serve(|_| "here for ever".to_owned())?;
        }
        Some("memory-hog") => serve(take_memory)?,
        Some("fork-bomb") => serve(fork)?,
        // What the fork bomb is made of.
        Some("wait") => std::thread::sleep(Duration::MAX),
        way => {
            eprintln!("no such way to misbehave: {way:?}");
            std::process::exit(2);
        }
    }
    Ok(())
}

/// `/hog` takes two gibibytes, more than an app may have, and writes to them, for only then they
/// are really taken. Not more: where nothing limits it, the machine must survive.
fn take_memory(request: &Request) -> String {
    let blocks = if request.path == "/hog" { 128 } else { 0 };
    let taken: Vec<Vec<u8>> = (0..blocks).map(|_| vec![1; 16 << 20]).collect();
    format!("{} MiB", taken.iter().map(Vec::len).sum::<usize>() >> 20)
}

/// `/fork` makes processes until that fails, and answers how many it made.
fn fork(request: &Request) -> String {
    let mut made = 0;
    // More than any limit for apps. They stay: it is for the host to end them.
    while request.path == "/fork" && made < 20_000 {
        let own = std::env::current_exe().map(|own| Command::new(own).arg("wait").spawn());
        match own {
            Ok(Ok(_)) => made += 1,
            _ => break,
        }
    }
    made.to_string()
}
