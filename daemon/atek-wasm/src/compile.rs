//! Makes native code of a component.

use crate::engine::{self, Threads};
use crate::guest;
use std::fs;
use std::path::Path;
use std::time::Instant;
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result};

/// Compiles a component into a folder, and sees that it can run here. None of its code runs.
/// Nothing is made where the folder `unless` has code of it that can be used here.
pub(crate) fn run(component: &Path, folder: &Path, unless: Option<&Path>) -> Result<()> {
    let started = Instant::now();
    let bytes = engine::read(component)?;
    let engine = engine::engine(Threads::All)?;
    let name = engine::name_of_code(&engine, &bytes);
    if let Some(had) = unless.map(|folder| folder.join(&name))
        && is_good(&engine, &had)
    {
        println!("{} has been compiled for this system", component.display());
        return Ok(());
    }
    let code = engine
        .precompile_component(&bytes)
        .context("the component cannot be compiled")?;
    let file = folder.join(name);
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

/// Whether a file is there, and what this program would make: wasmtime refuses code of another
/// version of itself, and of other settings.
fn is_good(engine: &Engine, file: &Path) -> bool {
    file.is_file() && engine::load_code(engine, file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Config, ModuleVersionStrategy};

    /// The smallest component: it answers no requests, but it can be compiled.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn code_of_another_version_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let ours = engine::engine(Threads::All).unwrap();
        let file = folder.path().join(engine::name_of_code(&ours, EMPTY));
        assert!(!is_good(&ours, &file));
        let mut config = Config::new();
        let version = ModuleVersionStrategy::Custom("1".to_owned());
        config
            .epoch_interruption(true)
            .module_version(version)
            .unwrap();
        let theirs = Engine::new(&config).unwrap();
        for (engine, good) in [(&theirs, false), (&ours, true)] {
            fs::write(&file, engine.precompile_component(EMPTY).unwrap()).unwrap();
            assert_eq!(is_good(&ours, &file), good);
        }
        // Each version has its own place, so that both can be there.
        assert_ne!(
            engine::name_of_code(&ours, EMPTY),
            engine::name_of_code(&theirs, EMPTY)
        );
        fs::write(&file, "\x7fELF").unwrap();
        assert!(!is_good(&ours, &file));
    }

    #[test]
    fn nothing_is_made_where_there_is_good_code() {
        let folder = tempfile::tempdir().unwrap();
        let [component, had, made] =
            ["app.wasm", "had", "made"].map(|name| folder.path().join(name));
        fs::create_dir(&had).unwrap();
        fs::create_dir(&made).unwrap();
        fs::write(&component, EMPTY).unwrap();
        let engine = engine::engine(Threads::All).unwrap();
        // It is compiled, and only then found to answer no requests.
        let code = made.join(engine::name_of_code(&engine, EMPTY));
        assert!(run(&component, &made, Some(&had)).is_err());
        fs::rename(&code, had.join(code.file_name().unwrap())).unwrap();
        run(&component, &made, Some(&had)).unwrap();
        assert!(!code.exists());
    }
}
