//! Makes native code of a component.

use crate::engine::{self, Threads};
use crate::guest;
use std::fs;
use std::path::Path;
use std::time::Instant;
use wasmtime::Result;
use wasmtime::error::Context as _;

/// Compiles a component into a folder, and sees that it can run here. None of its code runs.
pub(crate) fn run(component: &Path, folder: &Path) -> Result<()> {
    let started = Instant::now();
    let bytes = engine::read(component)?;
    let engine = engine::engine(Threads::All)?;
    let code = engine
        .precompile_component(&bytes)
        .context("the component cannot be compiled")?;
    let file = folder.join(engine::name_of_code(&engine, &bytes));
    let cannot = || format!("cannot write {}", file.display());
    fs::write(&file, &code).with_context(cannot)?;
    guest::prepare(&engine, &engine::load_code(&engine, &file)?)?;
    println!(
        "compiled {} ({} KiB) to {} KiB in {:.1} s",
        component.display(),
        bytes.len() / 1024,
        code.len() / 1024,
        started.elapsed().as_secs_f32()
    );
    Ok(())
}
