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
    /// The start script is more than one plain command.
    #[error(
        "the \"start\" script of package.json, {0:?}, cannot be run without a shell: name the script that it starts as \"entry\" in atek.json, and its arguments as \"args\""
    )]
    StartScript(String),
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
/// `main` of package.json, `index.js`, the file that `scripts.start` runs, `server.js`,
/// `exports`, the only `bin`.
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
        Runtime::Native { entry, args } => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File => Err(EntryError::NotExecutable(entry.clone())),
            Found::Executable => Ok(Program::Native {
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
            let (entry, mut all) = node_entry(&package, &look)?;
            all.extend(args.iter().cloned());
            Ok(Program::Node { entry, args: all })
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

fn node_entry(
    package: &PackageJson,
    look: &impl Fn(&RelativePath) -> Found,
) -> Result<(RelativePath, Vec<String>), EntryError> {
    let file = |text: &str| script(text, look).map(|entry| (entry, Vec::new()));
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
    let start = package
        .get("scripts")
        .and_then(|scripts| scripts.get("start"));
    if let Some(start) = start.and_then(Value::as_str) {
        // A script that was written to be run says best how the package is run.
        return start_command(start, look).ok_or_else(|| {
            EntryError::StartScript(
                start
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(120)
                    .collect(),
            )
        });
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

/// `node FILE ARGUMENT…`, or the program of a dependency with its arguments; none for what
/// needs a shell.
fn start_command(
    line: &str,
    look: &impl Fn(&RelativePath) -> Found,
) -> Option<(RelativePath, Vec<String>)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-./:=@,+%".contains(c);
    if !line.chars().all(plain) {
        return None;
    }
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let entry = match first {
        "node" => script(words.next().filter(|word| !word.starts_with('-'))?, look)?,
        // A variable that is set for one command.
        variable if variable.contains('=') => return None,
        name if !name.contains('/') => {
            let path = format!("node_modules/.bin/{name}").parse().ok()?;
            Some(path).filter(|path| look(path) != Found::Nothing)?
        }
        _ => return None,
    };
    Some((entry, words.map(str::to_owned).collect()))
}
