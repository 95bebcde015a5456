//! The helper behind the test machine.

#![forbid(unsafe_code)]

use anyhow::bail;
use atek_tests::{keeper, layer, paths, rootfs, store::Store};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["keep"] => keeper::keep(),
        ["init"] => keeper::init(),
        ["prepare"] => prepare(),
        _ => bail!("usage: atek-machine prepare (keep and init are for the harness itself)"),
    }
}

/// Makes what every machine needs, so that no test pays for it.
fn prepare() -> anyhow::Result<()> {
    let store = Store::open(paths::cache())?;
    let rootfs = rootfs::get(&store, &|step| eprintln!("{step}"))?;
    println!("{}", rootfs.path.display());
    let layer = layer::get(&store, &rootfs)?;
    println!("{}", layer.path.display());
    Ok(())
}
