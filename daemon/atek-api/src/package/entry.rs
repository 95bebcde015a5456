//! Which file of a package is executed, and with which arguments.

use crate::manifest::{Manifest, Runtime};
use crate::spec::{Program, RelativePath};
use serde_json::Value;

/// Why nothing can be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The original's sentence, and what helps.
    #[error(
        "Package issue: neither package.json \"main\" nor /index.js could be found. Name the script as \"entry\" in atek.json."
    )]
    NoNodeEntry,
    /// The start script cannot be passed to a shell.
    #[error(
        "the \"start\" script of package.json must be one line of at most {MAX_SCRIPT} bytes: put what it does into a file, and let it start that"
    )]
    StartScript,
    /// Several programs, none of which is the one.
    #[error(
        "package.json names several programs in \"bin\" ({0}): name one of their files as \"entry\" in atek.json"
    )]
    SeveralPrograms(String),
    /// The manifest names a file that is not there.
    #[error("the package has no file {0}, which its atek.json names as \"entry\"")]
    Missing(RelativePath),
    /// The file of a native app is not executable.
    #[error(
        "the file {0} of the package is not executable: set its mode to 755 in git (git update-index --chmod=+x {0})"
    )]
    NotExecutable(RelativePath),
    /// The kernel takes the carriage return for a part of the interpreter's name.
    #[error(
        "the first line of {0} ends with CR LF, so its interpreter would not be found: store the file with LF (in .gitattributes: {0} text eol=lf)"
    )]
    CarriageReturn(RelativePath),
    /// package.json is not a JSON object, or its `main` not a text.
    #[error("package.json: {0}")]
    PackageJson(String),
}

/// Bytes of the longest start script.
pub const MAX_SCRIPT: usize = 4096;

/// What the caller found at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No regular file.
    Nothing,
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
}

/// The program of a package. `look` tells what is at a path of the package.
///
/// The entry of the manifest; or else, of a Node package, the first of these that is there:
/// `main` of package.json, `index.js`, `scripts.start`, `server.js`, `exports`, the only `bin`.
///
/// # Errors
///
/// [`EntryError`]; a `main` that names no file is passed over, as the original does.
pub fn program(
    manifest: Option<&Manifest>,
    package_json: Option<&[u8]>,
    look: impl Fn(&RelativePath) -> Found,
) -> Result<Program, EntryError> {
    let default = Runtime::default();
    let runtime = manifest.map_or(&default, |manifest| &manifest.runtime);
    match runtime {
        Runtime::Image { runtime } => Ok(Program::Image {
            argv: runtime.args.clone(),
            workdir: runtime.workdir.clone().unwrap_or_else(|| "/".to_owned()),
            volumes: runtime.volumes.clone(),
            user: runtime.user.clone(),
            stop_signal: runtime.stop_signal,
        }),
        Runtime::Native { entry, args } => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File => Err(EntryError::NotExecutable(entry.clone())),
            Found::Executable => Ok(Program::Native {
                path: entry.clone(),
                args: args.clone(),
            }),
        },
        Runtime::Wasm { entry, args } => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File | Found::Executable => Ok(Program::Wasm {
                path: entry.clone(),
                args: args.clone(),
            }),
        },
        Runtime::Node {
            entry: Some(entry),
            args,
        } => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File | Found::Executable => Ok(Program::Node {
                entry: entry.clone(),
                args: args.clone(),
            }),
        },
        Runtime::Node { entry: None, args } => {
            let package = package_json.map(read).transpose()?.unwrap_or_default();
            let mut program = node_program(&package, &look)?;
            match &mut program {
                Program::Node { args: own, .. }
                | Program::Image { argv: own, .. }
                | Program::Native { args: own, .. }
                | Program::Wasm { args: own, .. }
                | Program::Script { args: own, .. } => own.extend(args.iter().cloned()),
            }
            Ok(program)
        }
    }
}

/// Whether a file that starts like this is a script whose interpreter would not be found,
/// because the first line ends with CR LF.
#[must_use]
pub fn has_unusable_interpreter(start: &[u8]) -> bool {
    start.starts_with(b"#!")
        && start
            .split(|byte| *byte == b'\n')
            .next()
            .is_some_and(|line| line.len() < start.len() && line.ends_with(b"\r"))
}

type PackageJson = serde_json::Map<String, Value>;

fn read(package_json: &[u8]) -> Result<PackageJson, EntryError> {
    let text = package_json
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(package_json);
    serde_json::from_slice(text).map_err(|error| EntryError::PackageJson(error.to_string()))
}

fn node_program(
    package: &PackageJson,
    look: &impl Fn(&RelativePath) -> Found,
) -> Result<Program, EntryError> {
    let file = |text: &str| {
        script(text, look).map(|entry| Program::Node {
            entry,
            args: Vec::new(),
        })
    };
    let main = match package.get("main") {
        None | Some(Value::Null) => None,
        Some(Value::String(main)) => file(main),
        Some(_) => {
            let message = "\"main\" must be a text".to_owned();
            return Err(EntryError::PackageJson(message));
        }
    };
    if let Some(found) = main.or_else(|| file("index.js")) {
        return Ok(found);
    }
    // A script that was written to be run says best how the package is run.
    if let Some(found) = start_script(package, look)? {
        return Ok(found);
    }
    // What `npm start` runs where there is no script.
    let exported = || exported(package.get("exports")?).and_then(file);
    if let Some(found) = file("server.js").or_else(exported) {
        return Ok(found);
    }
    match package.get("bin") {
        Some(Value::String(bin)) => file(bin).ok_or(EntryError::NoNodeEntry),
        Some(Value::Object(bins)) if bins.len() == 1 => bins
            .values()
            .find_map(|bin| file(bin.as_str()?))
            .ok_or(EntryError::NoNodeEntry),
        Some(Value::Object(bins)) if bins.len() > 1 => {
            let names: Vec<_> = bins.keys().take(8).map(String::as_str).collect();
            let names = names.join(", ").replace(char::is_control, "");
            Err(EntryError::SeveralPrograms(names))
        }
        _ => Err(EntryError::NoNodeEntry),
    }
}

/// The file that Node finds for a script, which may be given without its ending.
fn script(text: &str, look: &impl Fn(&RelativePath) -> Found) -> Option<RelativePath> {
    [
        text.to_owned(),
        format!("{text}.js"),
        format!("{text}/index.js"),
    ]
    .iter()
    .filter_map(|path| path.parse().ok())
    .find(|path| look(path) != Found::Nothing)
}

/// The entry of `exports` (Node's package entry points): a path, or nested conditions.
fn exported(exports: &Value) -> Option<&str> {
    match exports {
        Value::String(path) => Some(path),
        Value::Object(map) => match map.get(".") {
            Some(inner) => exported(inner),
            None => ["node", "import", "require", "module", "default"]
                .iter()
                .find_map(|condition| exported(map.get(*condition)?)),
        },
        _ => None,
    }
}

/// What the script `start` runs; with `prestart` before it, as npm does.
fn start_script(
    package: &PackageJson,
    look: &impl Fn(&RelativePath) -> Found,
) -> Result<Option<Program>, EntryError> {
    let text = |name: &str| package.get(name).and_then(Value::as_str);
    let of = |name: &str| {
        let scripts = package.get("scripts")?;
        let script = scripts.get(name)?.as_str()?.trim();
        (!script.is_empty()).then_some(script)
    };
    let Some(start) = of("start") else {
        return Ok(None);
    };
    let before = of("prestart");
    if before.is_none()
        && let Some(program) = plain_node(start, look)
    {
        return Ok(Some(program));
    }
    let line = match before {
        Some(before) => format!("{before} && {start}"),
        None => start.to_owned(),
    };
    if line.len() > MAX_SCRIPT || line.contains(char::is_control) {
        return Err(EntryError::StartScript);
    }
    let short = |name: &str| {
        let text = text(name).unwrap_or_default();
        let fits = text.len() <= 256 && !text.contains(char::is_control);
        if fits { text.to_owned() } else { String::new() }
    };
    Ok(Some(Program::Script {
        line,
        name: short("name"),
        version: short("version"),
        args: Vec::new(),
    }))
}

/// `node FILE ARGUMENT…`, which needs no shell.
fn plain_node(line: &str, look: &impl Fn(&RelativePath) -> Found) -> Option<Program> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-./:=@,+%".contains(c);
    if !line.chars().all(plain) {
        return None;
    }
    let mut words = line.split_whitespace();
    if words.next() != Some("node") {
        return None;
    }
    let entry = script(words.next().filter(|word| !word.starts_with('-'))?, look)?;
    Some(Program::Node {
        entry,
        args: words.map(str::to_owned).collect(),
    })
}
