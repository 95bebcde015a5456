//! From JSON to a manifest.

use super::before_backup;
use super::cursor::{Cursor, Found};
use super::error::{ManifestError, Problem};
use super::json::{self, Value, shorten};
use super::read_sidecars::sidecars;
use super::{Export, Healthcheck, MAX_BYTES, MAX_EXPORTS, Manifest, Runtime, Transport};
use crate::image::{
    ImageRuntime, MAX_VARIABLES, MAX_VOLUMES, is_image_folder, is_user_name, is_volume,
};
use crate::permission::{FolderName, Network, Permissions};
use crate::spec::arguments::is_argument;
use crate::spec::{AppPort, Limits, RelativePath, Workdir, is_config_name};
use std::collections::BTreeMap;

const MAX_METADATA: usize = 16;
const MAX_HOSTS: usize = 64;
const MAX_HOST_APIS: usize = 32;
const MAX_DEVICES: usize = 16;
const MAX_PORTS: usize = 16;
const MAX_FOLDERS: usize = 16;

pub(super) fn manifest(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let whole = |problem| ManifestError {
        place: json::place("", 0, String::new()),
        problem,
    };
    if bytes.len() > MAX_BYTES {
        return Err(whole(Problem::TooLarge {
            bytes: bytes.len(),
            max: MAX_BYTES,
        }));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ManifestError {
        place: json::place(
            &String::from_utf8_lossy(&bytes[..error.valid_up_to()]),
            usize::MAX,
            String::new(),
        ),
        problem: Problem::NotUtf8,
    })?;
    let root = json::parse(text)?;
    let cursor = Cursor::new(text, &root);
    read_manifest(&cursor)
}

fn read_manifest(root: &Cursor<'_>) -> Found<Manifest> {
    let mut manifest = Manifest::default();
    let mut title = None;
    let (mut runtime, mut services) = (RuntimeParts::default(), None);
    for (key, value) in root.members()? {
        match key {
            "name" => manifest.name = value.title(80)?,
            "title" => title = value.title(80)?,
            "description" => manifest.description = value.title(1_000)?,
            "author" => manifest.author = value.title(200)?,
            "license" => manifest.license = value.title(200)?,
            "frame" => manifest.frame = Some(value.boolean()?),
            "icon" => manifest.icon = Some(value.parsed(|_| Problem::Icon)?),
            "exports" => manifest.exports = read_exports(&value)?,
            "folders" => manifest.folders = read_folders(&value)?,
            "runtime" => runtime.runtime = Some(value),
            "entry" => runtime.entry = Some(value),
            "args" => runtime.args = Some(value),
            "services" => services = Some(value),
            "port" => manifest.port = Some(read_port(&value)?),
            "workdir" => manifest.workdir = read_workdir(&value)?,
            "healthcheck" => manifest.healthcheck = Some(read_healthcheck(&value)?),
            "beforeBackup" => manifest.before_backup = Some(before_backup::read(&value)?),
            "permissions" => manifest.permissions = read_permissions(&value)?,
            "limits" => manifest.limits = read_limits(&value)?,
            "sleep" => manifest.sleep = value.boolean()?,
            _ => {}
        }
    }
    manifest.name = manifest.name.or(title);
    manifest.runtime = runtime.read()?;
    if let Some(services) = services {
        manifest.services = sidecars(&services, manifest.port)?;
    }
    Ok(manifest)
}

fn read_exports(list: &Cursor<'_>) -> Found<Vec<Export>> {
    let mut exports: Vec<Export> = Vec::new();
    for item in list.items(MAX_EXPORTS)? {
        let export = read_export(&item)?;
        let same = |other: &Export| {
            other.api == export.api
                && other.transport() == export.transport()
                && other.metadata == export.metadata
        };
        if let Some(first) = exports.iter().position(same) {
            return Err(item.problem(Problem::DuplicateExport(first)));
        }
        exports.push(export);
    }
    Ok(exports)
}

fn read_folders(list: &Cursor<'_>) -> Found<Vec<FolderName>> {
    let mut folders = Vec::new();
    for item in list.items(MAX_FOLDERS)? {
        let folder = item.parsed(Problem::Folder)?;
        if folders.contains(&folder) {
            return Err(item.problem(Problem::FolderTwice));
        }
        folders.push(folder);
    }
    Ok(folders)
}

fn read_export(item: &Cursor<'_>) -> Found<Export> {
    let (mut api, mut path, mut transport, mut metadata) = (None, None, None, BTreeMap::new());
    for (key, value) in item.members()? {
        match key {
            "api" => api = Some(value.parsed(Problem::Api)?),
            "path" => path = Some(read_path(&value)?),
            "transport" => transport = Some(read_transport(&value)?),
            "metadata" => metadata = read_metadata(&value)?,
            _ => {}
        }
    }
    let api = api.ok_or_else(|| item.problem(Problem::Missing("api")))?;
    Ok(Export {
        api,
        path,
        transport,
        metadata,
    })
}

/// A path of an HTTP endpoint.
fn read_path(value: &Cursor<'_>) -> Found<String> {
    let path = value.string()?;
    let printable = |b: u8| b.is_ascii_graphic() && !b"?#\\\"<>".contains(&b);
    let lower = path.to_ascii_lowercase();
    // What a URL parser would take for a step up, also in its encoded forms.
    let steps = |part: &str| matches!(part.replace("%2e", ".").as_str(), "." | "..");
    let fits = path.starts_with('/')
        && path.len() <= 500
        && path.bytes().all(printable)
        && !path.contains("//")
        && !lower.contains("%2f")
        && !lower.contains("%5c")
        && !lower.split('/').any(steps);
    if fits {
        Ok(path.to_owned())
    } else {
        Err(value.problem(Problem::ExportPath))
    }
}

pub(super) fn read_healthcheck(value: &Cursor<'_>) -> Found<Healthcheck> {
    if !matches!(value.node.value, Value::Object(_)) {
        return read_path(value).map(Healthcheck::Path);
    }
    let mut parts = RuntimeParts::default();
    for (key, value) in value.members()? {
        match key {
            "command" => parts.args = Some(value),
            other => {
                return Err(value.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: "command",
                }));
            }
        }
    }
    let command = parts.args()?;
    match (&parts.args, command.first()) {
        (None, _) => Err(value.problem(Problem::Missing("command"))),
        (Some(_), Some(program)) if !program.is_empty() => Ok(Healthcheck::Command { command }),
        (Some(list), _) => Err(list.problem(Problem::HealthCommand)),
    }
}

fn read_transport(value: &Cursor<'_>) -> Found<Transport> {
    match value.string()? {
        "rpc" => Ok(Transport::Rpc),
        "proxy" => Ok(Transport::Proxy),
        other => Err(value.problem(Problem::Word {
            expected: "\"rpc\" or \"proxy\"",
            found: shorten(other),
        })),
    }
}

fn read_port(value: &Cursor<'_>) -> Found<AppPort> {
    let port = match &value.node.value {
        Value::Text(word) if word == "auto" => Some(AppPort::Auto),
        Value::Number(digits) => digits.parse().ok().and_then(AppPort::fixed),
        _ => None,
    };
    port.ok_or_else(|| value.problem(Problem::Port))
}

fn read_workdir(value: &Cursor<'_>) -> Found<Workdir> {
    match value.string()? {
        "package" => Ok(Workdir::Package),
        "state" => Ok(Workdir::State),
        other => Err(value.problem(Problem::Word {
            expected: "\"package\" or \"state\"",
            found: shorten(other),
        })),
    }
}

fn read_metadata(value: &Cursor<'_>) -> Found<BTreeMap<String, String>> {
    let mut metadata = BTreeMap::new();
    for (name, text) in value.members()? {
        let fits = (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && !matches!(name, "api" | "path" | "service" | "transport");
        if !fits {
            return Err(text.problem(Problem::MetadataName));
        }
        metadata.insert(name.to_owned(), text.text(200)?);
    }
    if metadata.len() > MAX_METADATA {
        return Err(value.problem(Problem::TooMany {
            max: MAX_METADATA,
            found: metadata.len(),
        }));
    }
    Ok(metadata)
}

/// The three keys that say what runs the app; in the file they may come in any order.
#[derive(Default)]
pub(super) struct RuntimeParts<'n> {
    pub(super) runtime: Option<Cursor<'n>>,
    pub(super) entry: Option<Cursor<'n>>,
    pub(super) args: Option<Cursor<'n>>,
}

impl RuntimeParts<'_> {
    pub(super) fn read(mut self) -> Found<Runtime> {
        let Some(runtime) = self.runtime.take() else {
            return self.node();
        };
        let kind = match &runtime.node.value {
            Value::Object(_) => {
                if self.entry.is_some() || self.args.is_some() {
                    return Err(runtime.problem(Problem::RuntimeTwice));
                }
                let mut kind = None;
                for (key, value) in runtime.members()? {
                    match key {
                        "kind" if value.string()? == "oci" => {
                            return Ok(Runtime::Image {
                                runtime: read_image(&runtime)?,
                            });
                        }
                        "kind" => kind = Some(value),
                        "entry" => self.entry = Some(value),
                        "args" => self.args = Some(value),
                        other => {
                            return Err(value.problem(Problem::UnknownKey {
                                found: shorten(other),
                                known: "kind, entry and args",
                            }));
                        }
                    }
                }
                kind.ok_or_else(|| runtime.problem(Problem::Missing("kind")))?
            }
            _ => runtime,
        };
        match kind.string()? {
            "node" => self.node(),
            "native" => {
                let (entry, args) = self.file(|| kind.problem(Problem::NativeEntry))?;
                Ok(Runtime::Native { entry, args })
            }
            "wasm" => {
                let (entry, args) = self.file(|| kind.problem(Problem::WasmEntry))?;
                Ok(Runtime::Wasm { entry, args })
            }
            other => Err(kind.problem(Problem::Word {
                expected: "\"node\", \"native\", \"wasm\", or an object with the kind \"oci\"",
                found: shorten(other),
            })),
        }
    }

    fn node(self) -> Found<Runtime> {
        let entry = self
            .entry
            .as_ref()
            .map(|entry| entry.parsed(|_| Problem::Entry))
            .transpose()?;
        let args = self.args()?;
        Ok(Runtime::Node { entry, args })
    }

    /// The file that a runtime needs, and its arguments.
    fn file(self, missing: impl FnOnce() -> ManifestError) -> Found<(RelativePath, Vec<String>)> {
        let entry = self.entry.as_ref().ok_or_else(missing)?;
        Ok((entry.parsed(|_| Problem::Entry)?, self.args()?))
    }

    pub(super) fn args(&self) -> Found<Vec<String>> {
        let mut args = Vec::new();
        if let Some(list) = &self.args {
            for item in list.items(64)? {
                let arg = item.string()?;
                if !is_argument(arg) {
                    return Err(item.problem(Problem::Arguments));
                }
                args.push(arg.to_owned());
            }
            if args.iter().map(String::len).sum::<usize>() > 8 * 1024 {
                return Err(list.problem(Problem::Arguments));
            }
        }
        Ok(args)
    }
}

/// The object of an image. Its `kind` has been read.
fn read_image(value: &Cursor<'_>) -> Found<ImageRuntime> {
    let (mut image, mut args, mut command) = (None, None, None);
    let (mut env, mut workdir, mut volumes) = (BTreeMap::new(), None, Vec::new());
    let (mut user, mut stop_signal) = (None, None);
    for (key, value) in value.members()? {
        match key {
            "kind" => {}
            "image" => image = Some(value.parsed(Problem::Image)?),
            "args" => args = Some(value),
            "command" => command = Some(value),
            "env" => env = read_variables(&value)?,
            "workdir" => workdir = Some(read_folder(&value, is_image_folder)?),
            "user" => {
                let name = value.string()?;
                if !is_user_name(name) {
                    return Err(value.problem(Problem::ImageUser));
                }
                user = Some(name.to_owned());
            }
            "stopSignal" => stop_signal = Some(value.parsed(Problem::StopSignal)?),
            "volumes" => {
                for item in value.items(MAX_VOLUMES)? {
                    let folder = read_folder(&item, is_volume)?;
                    if !volumes.contains(&folder) {
                        volumes.push(folder);
                    }
                }
            }
            other => {
                return Err(value.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: "kind, image, args, command, env, workdir, volumes, user and stopSignal",
                }));
            }
        }
    }
    if let (Some(_), Some(command)) = (&args, &command) {
        return Err(command.problem(Problem::ArgsAndCommand));
    }
    let words = |args| {
        let parts = RuntimeParts {
            args,
            ..RuntimeParts::default()
        };
        parts.args()
    };
    Ok(ImageRuntime {
        image: image.ok_or_else(|| value.problem(Problem::Missing("image")))?,
        args: words(args)?,
        command: words(command)?,
        env,
        workdir,
        volumes,
        user,
        stop_signal,
    })
}

fn read_folder(value: &Cursor<'_>, fits: fn(&str) -> bool) -> Found<String> {
    let folder = value.string()?;
    if fits(folder) {
        Ok(folder.to_owned())
    } else {
        Err(value.problem(Problem::ImageFolder))
    }
}

fn read_variables(value: &Cursor<'_>) -> Found<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (name, text) in value.members()? {
        let content = text.string()?;
        if !is_config_name(name) || content.contains('\0') {
            return Err(text.problem(Problem::Variable));
        }
        variables.insert(name.to_owned(), content.to_owned());
    }
    if variables.len() > MAX_VARIABLES {
        return Err(value.problem(Problem::TooMany {
            max: MAX_VARIABLES,
            found: variables.len(),
        }));
    }
    Ok(variables)
}

fn read_permissions(value: &Cursor<'_>) -> Found<Permissions> {
    let mut permissions = Permissions::default();
    for (key, value) in value.members()? {
        match key {
            "network" => permissions.network = Some(read_network(&value)?),
            "hostApis" => {
                for item in value.items(MAX_HOST_APIS)? {
                    let api = item.parsed(Problem::Api)?;
                    if !permissions.host_apis.contains(&api) {
                        permissions.host_apis.push(api);
                    }
                }
            }
            "devices" => {
                for item in value.items(MAX_DEVICES)? {
                    let device = item.parsed(Problem::Device)?;
                    if !permissions.devices.contains(&device) {
                        permissions.devices.push(device);
                    }
                }
            }
            "listen" => {
                for item in value.items(MAX_PORTS)? {
                    let port = item.parsed(Problem::LanPort)?;
                    if !permissions.listen.contains(&port) {
                        permissions.listen.push(port);
                    }
                }
            }
            "mdns" => permissions.mdns = value.boolean()?,
            "root" => permissions.root = value.boolean()?,
            other => {
                return Err(value.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: "network, hostApis, devices, listen, mdns and root",
                }));
            }
        }
    }
    Ok(permissions)
}

fn read_network(value: &Cursor<'_>) -> Found<Network> {
    const EXPECTED: &str = "\"direct\", {\"direct\": {\"lan\": true}} or {\"hosts\": […]}";
    match &value.node.value {
        Value::Text(word) if word == "direct" => return Ok(Network::Direct { lan: false }),
        Value::Text(word) => {
            return Err(value.problem(Problem::Word {
                expected: EXPECTED,
                found: shorten(word),
            }));
        }
        Value::Object(members) if members.len() == 1 => {}
        _ => return Err(value.wrong_type(EXPECTED)),
    }
    let Some((key, inner)) = value.members()?.next() else {
        return Err(value.wrong_type(EXPECTED));
    };
    match key {
        "direct" => {
            let mut lan = false;
            for (key, flag) in inner.members()? {
                if key != "lan" {
                    return Err(flag.problem(Problem::UnknownKey {
                        found: shorten(key),
                        known: "lan",
                    }));
                }
                lan = flag.boolean()?;
            }
            Ok(Network::Direct { lan })
        }
        "hosts" => {
            let hosts = inner
                .items(MAX_HOSTS)?
                .map(|item| item.parsed(Problem::Host))
                .collect::<Found<Vec<_>>>()?;
            if hosts.is_empty() {
                Err(inner.problem(Problem::NoHosts))
            } else {
                Ok(Network::Hosts(hosts))
            }
        }
        other => Err(inner.problem(Problem::UnknownKey {
            found: shorten(other),
            known: "direct and hosts",
        })),
    }
}

fn read_limits(value: &Cursor<'_>) -> Found<Limits> {
    let mut limits = Limits::default();
    for (key, number) in value.members()? {
        let slot = match key {
            "memoryMax" => &mut limits.memory_max,
            "tasksMax" => &mut limits.tasks_max,
            "cpuQuota" => &mut limits.cpu_quota,
            "cpuWeight" => &mut limits.cpu_weight,
            other => {
                return Err(number.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: "memoryMax, tasksMax, cpuQuota and cpuWeight",
                }));
            }
        };
        *slot = Some(number.whole_number()?);
        limits
            .validate()
            .map_err(|error| number.problem(Problem::Limits(error)))?;
    }
    Ok(limits)
}
