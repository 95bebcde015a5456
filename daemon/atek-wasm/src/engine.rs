//! How components are compiled, and how their native code is found again.

use sha2::{Digest as _, Sha256};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use wasmtime::component::Component;
use wasmtime::error::Context as _;
use wasmtime::{Config, Engine, Result, bail};

/// Bytes of the largest component.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How many processors compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// All of them: in a package job.
    All,
    /// One, which needs the least memory: in the unit of an app.
    One,
}

/// The settings in force for the code of every component. One that is changed here changes the
/// name of the code.
pub(crate) fn engine(threads: Threads) -> Result<Engine> {
    let mut config = Config::new();
    config
        // By which a request that computes for too long is ended, and the others get their turn.
        .epoch_interruption(true)
        .parallel_compilation(threads == Threads::All);
    Engine::new(&config)
}

/// Reads a component.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read the component {}", path.display());
    let about = path.metadata().with_context(cannot)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        bail!(
            "{} is not a file of at most {} MiB",
            path.display(),
            MAX_BYTES / 1024 / 1024
        );
    }
    let bytes = std::fs::read(path).with_context(cannot)?;
    check_kind(&bytes)?;
    Ok(bytes)
}

/// Tells a component from what is not one.
fn check_kind(bytes: &[u8]) -> Result<()> {
    match bytes {
        // The version, and the layer: 1 is that of components.
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => bail!(
            "the file is a core module of WebAssembly, not a component: make one of it with \
             `wasm-tools component new`"
        ),
        _ => bail!("the file is not WebAssembly"),
    }
}

/// The name of a component's native code. It stands for the component's content, the version of
/// wasmtime, the settings of [`engine`] and the processor.
pub(crate) fn name_of_code(engine: &Engine, component: &[u8]) -> String {
    let mut compatible = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatible);
    format!(
        "{}-{:016x}.cwasm",
        hex::encode(Sha256::digest(component)),
        compatible.finish()
    )
}

/// The component of a file that [`crate::compile`] wrote.
pub(crate) fn load_code(engine: &Engine, file: &Path) -> Result<Component> {
    // SAFETY: what is loaded is native code, so it must be what this program compiled. The folder
    // is given by atek-spawnd, or by atekd to a job, for packages that Atek installed alone: a
    // package job emptied it and ran this program's `compile` into it when nothing of the package
    // ran any more, then it was given to root. The app sees it read-only, and the mapping is
    // private.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize_file(engine, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_told_from_what_is_not_one() {
        let says = |bytes: &[u8]| check_kind(bytes).unwrap_err().to_string();
        check_kind(b"\0asm\x0d\0\x01\0").unwrap();
        assert!(says(b"\0asm\x01\0\0\0").contains("core module"));
        for wrong in [&b""[..], b"\0as", b"\x7fELF\x02\x01\x01\0"] {
            assert!(says(wrong).contains("not WebAssembly"));
        }
    }

    #[test]
    fn the_name_of_code_is_the_contents_and_the_settings() {
        let (all, one) = (engine(Threads::All).unwrap(), engine(Threads::One).unwrap());
        let name = name_of_code(&all, b"a");
        assert_eq!(name, name_of_code(&one, b"a"));
        assert_ne!(name, name_of_code(&all, b"b"));
        let other = Engine::new(Config::new().epoch_interruption(false)).unwrap();
        assert_ne!(name, name_of_code(&other, b"a"));
    }
}
