//! One service of a compose file.

use crate::tree::{Node, Value};
use crate::words::{image, interpolate, rename_hosts, split};
use crate::{ComposeError, LeftOut};
use atek_api::image::{ImageName, is_image_folder, is_user_name, is_volume};
use atek_api::spec::{AppPort, is_config_name};
use serde_json::json;
use std::collections::BTreeMap;

/// What has no meaning where there is no engine, or is so for every app.
const SILENT: [&str; 12] = [
    "container_name",
    "restart",
    "init",
    "logging",
    "pull_policy",
    "expose",
    "hostname",
    "stdin_open",
    "tty",
    "read_only",
    "networks",
    "links",
];

/// What stands for most things that a file may ask for, and why an app does not get it.
const REFUSED: [(&str, &str); 22] = [
    (
        "privileged",
        "no app has the rights of the machine; most programs do not need them",
    ),
    ("cap_add", "no app has a capability; its ports need none"),
    ("cap_drop", "every app has none"),
    ("security_opt", "every app is confined in the same way"),
    (
        "network_mode",
        "every app has a network of its own; hosts that it may reach are \"permissions\"",
    ),
    ("pid", "every app sees only its own processes"),
    (
        "ipc",
        "the processes of an app share one IPC namespace anyway",
    ),
    ("sysctls", "settings of the kernel are the machine's"),
    (
        "env_file",
        "a file beside this one is not read: put its variables into \"environment\"",
    ),
    (
        "extra_hosts",
        "the processes of an app find each other by name; other hosts by DNS",
    ),
    ("dns", "names are looked up as the box does"),
    ("secrets", "put the value into a variable with atek cfg"),
    (
        "configs",
        "put the file into the image, or its content into a variable",
    ),
    (
        "ulimits",
        "limits are \"limits\" of atek.json, for all processes together",
    ),
    (
        "mem_limit",
        "limits are \"limits\" of atek.json, for all processes together",
    ),
    (
        "cpus",
        "limits are \"limits\" of atek.json, for all processes together",
    ),
    (
        "deploy",
        "limits are \"limits\" of atek.json, for all processes together",
    ),
    ("shm_size", "shared memory counts as memory"),
    ("stop_grace_period", "every program has ten seconds to end"),
    ("profiles", "all services of the file are part of the app"),
    ("platform", "the image for this machine is taken"),
    ("labels", "they say something to other programs"),
];

/// A service as far as it can be one of an app.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) line: usize,
    pub(crate) image: Option<ImageName>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    env: BTreeMap<String, String>,
    workdir: Option<String>,
    volumes: Vec<String>,
    user: Option<String>,
    stop_signal: Option<String>,
    /// The line that says that it is root.
    pub(crate) root: Option<usize>,
    healthcheck: Vec<String>,
    /// The published ports, in their order.
    pub(crate) ports: Vec<Published>,
    pub(crate) after: Vec<(usize, String)>,
    pub(crate) devices: Vec<String>,
    /// Where the data of a volume comes from, to see which is shared.
    pub(crate) sources: Vec<(usize, String)>,
}

/// A port of a container that the file publishes.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) line: usize,
    /// As the file says it.
    pub(crate) text: String,
    /// What the program listens on, such as `udp/53`.
    pub(crate) transport: &'static str,
    pub(crate) inside: u16,
    /// The port of the machine, if the file names one.
    pub(crate) outside: Option<u16>,
}

impl Service {
    /// The first TCP port.
    pub(crate) fn page(&self) -> Option<u16> {
        let tcp = self.ports.iter().find(|port| port.transport == "tcp")?;
        Some(tcp.inside)
    }
}

/// Reads one service, and collects what cannot be translated.
pub(crate) struct Reader<'r> {
    pub(crate) variables: &'r BTreeMap<String, String>,
    /// What containers are called, and what the process is called here.
    pub(crate) hosts: &'r [(String, String)],
    pub(crate) left_out: Vec<LeftOut>,
}

impl Reader<'_> {
    pub(crate) fn leave_out(&mut self, line: usize, place: &str, why: impl Into<String>) {
        self.left_out.push(LeftOut {
            line,
            place: place.to_owned(),
            why: why.into(),
        });
    }

    /// A text with its variables.
    fn text(&mut self, node: &Node, place: &str) -> Result<String, ComposeError> {
        let (text, missing) = interpolate(node.text(place)?, self.variables);
        for name in missing {
            let why = format!("the variable {name} has no value: give one with --set {name}=…");
            self.leave_out(node.line, place, why);
        }
        Ok(text)
    }

    fn texts(&mut self, node: &Node, place: &str) -> Result<Vec<String>, ComposeError> {
        let items = node.list(place)?;
        items.iter().map(|item| self.text(item, place)).collect()
    }

    /// A list of words, or a text of them.
    fn words(&mut self, node: &Node, place: &str) -> Result<Vec<String>, ComposeError> {
        if let Value::List(_) = node.value {
            return self.texts(node, place);
        }
        let text = self.text(node, place)?;
        split(&text).ok_or_else(|| ComposeError::Kind {
            line: node.line,
            place: place.to_owned(),
            expected: "a command whose quotes are closed",
        })
    }

    pub(crate) fn service(&mut self, name: &str, node: &Node) -> Result<Service, ComposeError> {
        let mut service = Service {
            line: node.line,
            ..Service::default()
        };
        let base = format!("services.{name}");
        for (key, value) in node.map(&base)? {
            let place = format!("{base}.{key}");
            match key.as_str() {
                "image" => service.image = Some(self.image(name, value, &place)?),
                "build" => self.leave_out(
                    value.line,
                    &place,
                    "images are not built: name one of a registry as \"image\"",
                ),
                "entrypoint" => service.entrypoint = self.words(value, &place)?,
                "command" => service.command = self.words(value, &place)?,
                "environment" => service.env = self.environment(value, &place)?,
                "working_dir" => {
                    let folder = self.text(value, &place)?;
                    service.workdir = Some(folder).filter(|it| is_image_folder(it));
                }
                "volumes" => self.volumes(value, &place, &mut service)?,
                "tmpfs" => self.scratch(value, &place)?,
                "ports" => service.ports = self.ports(value, &place)?,
                "user" => self.user(value, &place, &mut service)?,
                "stop_signal" => service.stop_signal = Some(self.text(value, &place)?),
                "healthcheck" => service.healthcheck = self.health(value, &place)?,
                "depends_on" => service.after = self.after(value, &place)?,
                "devices" => service.devices = self.devices(value, &place)?,
                other => self.other(other, value, &place),
            }
        }
        Ok(service)
    }

    fn other(&mut self, key: &str, value: &Node, place: &str) {
        if SILENT.contains(&key) || key.starts_with("x-") {
            return;
        }
        let why = REFUSED.iter().find(|(name, _)| *name == key);
        let why = why.map_or("is not known here", |(_, why)| why);
        self.leave_out(value.line, place, why);
    }

    fn image(&mut self, name: &str, node: &Node, place: &str) -> Result<ImageName, ComposeError> {
        let text = image(&self.text(node, place)?);
        text.parse().map_err(|error| ComposeError::Service {
            line: node.line,
            service: name.to_owned(),
            why: format!("{text}: {error}"),
        })
    }

    fn environment(
        &mut self,
        node: &Node,
        place: &str,
    ) -> Result<BTreeMap<String, String>, ComposeError> {
        let mut pairs: Vec<(usize, String, String)> = Vec::new();
        match &node.value {
            Value::Map(members) => {
                for (name, value) in members {
                    let text = self.text(value, &format!("{place}.{name}"))?;
                    pairs.push((value.line, name.clone(), text));
                }
            }
            _ => {
                for item in node.list(place)? {
                    let text = self.text(item, place)?;
                    match text.split_once('=') {
                        Some((name, value)) => {
                            pairs.push((item.line, name.to_owned(), value.to_owned()));
                        }
                        None => self.leave_out(
                            item.line,
                            place,
                            format!("{text} has no value here: give one with atek cfg"),
                        ),
                    }
                }
            }
        }
        let mut env = BTreeMap::new();
        for (line, name, value) in pairs {
            if is_config_name(&name) {
                env.insert(name, rename_hosts(&value, self.hosts));
            } else {
                let why = "the names of variables have A-Z, 0-9 and _, and do not start with ATEK_";
                self.leave_out(line, &format!("{place}.{name}"), why);
            }
        }
        Ok(env)
    }

    fn volumes(
        &mut self,
        node: &Node,
        place: &str,
        service: &mut Service,
    ) -> Result<(), ComposeError> {
        for item in node.list(place)? {
            let (source, target, mode) = match &item.value {
                Value::Map(_) => {
                    let part = |name: &str| {
                        let found = item.get(name).map(|node| node.text(place));
                        found.transpose().map(Option::unwrap_or_default)
                    };
                    let kind = part("type")?.to_owned();
                    let (source, target) = (part("source")?.to_owned(), part("target")?.to_owned());
                    if kind == "tmpfs" {
                        self.scratch_at(item.line, place, &target);
                        continue;
                    }
                    (source, target, String::new())
                }
                _ => {
                    let text = self.volume_text(item, place)?;
                    let mut parts = text.rsplitn(3, ':').collect::<Vec<_>>();
                    parts.reverse();
                    match parts[..] {
                        [target] => (String::new(), target.to_owned(), String::new()),
                        [source, target] => (source.into(), target.into(), String::new()),
                        [source, target, mode, ..] => (source.into(), target.into(), mode.into()),
                        [] => continue,
                    }
                }
            };
            self.volume(item.line, place, (&source, &target, &mode), service);
        }
        Ok(())
    }

    /// A variable of a source, such as umbrel's `APP_DATA_DIR`, needs no value: the data is the
    /// app's.
    fn volume_text(&mut self, item: &Node, place: &str) -> Result<String, ComposeError> {
        let text = item.text(place)?;
        let (text, missing) = interpolate(text, self.variables);
        match missing.is_empty() {
            true => Ok(text),
            false => {
                let mut all = self.variables.clone();
                all.extend(missing.into_iter().map(|name| (name, "$".to_owned())));
                Ok(interpolate(item.text(place)?, &all).0)
            }
        }
    }

    fn volume(
        &mut self,
        line: usize,
        place: &str,
        (source, target, mode): (&str, &str, &str),
        service: &mut Service,
    ) {
        let target = target.trim_end_matches('/');
        let is_file = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let ending = name.rsplit_once('.').map(|(_, ending)| ending);
            ending.is_some_and(|ending| {
                let plain = ending.chars().all(|c| c.is_ascii_alphanumeric());
                (1..=5).contains(&ending.len()) && plain
            })
        };
        let why = if source.ends_with("docker.sock") {
            Some("there is no container engine to ask".to_owned())
        } else if source.starts_with("/etc/") || source.starts_with("/dev") || source == "/" {
            Some(format!("{source} is the machine's"))
        } else if is_file(target) {
            Some(format!(
                "single files are not mounted: put {target} into the image, or let the program make it"
            ))
        } else if !is_volume(target) {
            Some(format!("{target} is none that an image may keep data in"))
        } else if mode.split(',').any(|word| word == "ro") {
            Some(format!(
                "{target} begins empty, and with what the image has: nothing of the machine is shown"
            ))
        } else {
            None
        };
        if let Some(why) = why {
            return self.leave_out(line, place, why);
        }
        if !source.is_empty() {
            service.sources.push((line, source.to_owned()));
        }
        if !service.volumes.iter().any(|other| other == target) {
            service.volumes.push(target.to_owned());
        }
    }

    fn scratch(&mut self, node: &Node, place: &str) -> Result<(), ComposeError> {
        for item in node.list(place)? {
            let target = self.text(item, place)?;
            let target = target.split(':').next().unwrap_or_default().to_owned();
            self.scratch_at(item.line, place, &target);
        }
        Ok(())
    }

    fn scratch_at(&mut self, line: usize, place: &str, target: &str) {
        if !["/tmp", "/var/tmp"].contains(&target) {
            let why = format!("only /tmp and /var/tmp are in memory; {target} cannot be written");
            self.leave_out(line, place, why);
        }
    }

    fn ports(&mut self, node: &Node, place: &str) -> Result<Vec<Published>, ComposeError> {
        let mut ports = Vec::new();
        for item in node.list(place)? {
            let text = self.port_text(item, place)?;
            match published(item.line, &text) {
                Some(port) => ports.push(port),
                None => self.leave_out(item.line, place, format!("{text} is no single port")),
            }
        }
        Ok(ports)
    }

    /// A published port in the short form. The port outside may be a variable without a value.
    fn port_text(&mut self, item: &Node, place: &str) -> Result<String, ComposeError> {
        let Some(target) = item.get("target") else {
            let (text, _) = interpolate(item.text(place)?, self.variables);
            return Ok(text);
        };
        let part = |name: &str| item.get(name).map(|it| it.text(place)).transpose();
        let (outside, protocol) = (part("published")?, part("protocol")?);
        let target = self.text(target, place)?;
        let (outside, _) = interpolate(outside.unwrap_or_default(), self.variables);
        Ok(format!("{outside}:{target}/{}", protocol.unwrap_or("tcp")))
    }

    fn user(
        &mut self,
        node: &Node,
        place: &str,
        service: &mut Service,
    ) -> Result<(), ComposeError> {
        let text = self.text(node, place)?;
        let name = text.split(':').next().unwrap_or_default();
        if matches!(name, "root" | "0") {
            service.root = Some(node.line);
        } else if is_user_name(name) {
            service.user = Some(name.to_owned());
        }
        // A number is the box's.
        Ok(())
    }

    fn health(&mut self, node: &Node, place: &str) -> Result<Vec<String>, ComposeError> {
        let Some(test) = node.get("test") else {
            return Ok(Vec::new());
        };
        if node
            .get("disable")
            .is_some_and(|it| it.text(place).is_ok_and(|it| it == "true"))
        {
            return Ok(Vec::new());
        }
        let shell = |text: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), text];
        let Value::List(_) = test.value else {
            return Ok(shell(self.text(test, place)?));
        };
        let mut words = self.texts(test, place)?;
        let kind = if words.is_empty() {
            String::new()
        } else {
            words.remove(0)
        };
        Ok(match kind.as_str() {
            "CMD" => words,
            "CMD-SHELL" => shell(words.join(" ")),
            _ => Vec::new(),
        })
    }

    fn after(&mut self, node: &Node, place: &str) -> Result<Vec<(usize, String)>, ComposeError> {
        if let Value::Map(members) = &node.value {
            return Ok(members
                .iter()
                .map(|(name, value)| (value.line, name.clone()))
                .collect());
        }
        let items = node.list(place)?;
        items
            .iter()
            .map(|item| Ok((item.line, item.text(place)?.to_owned())))
            .collect()
    }

    fn devices(&mut self, node: &Node, place: &str) -> Result<Vec<String>, ComposeError> {
        let mut devices = Vec::new();
        for item in node.list(place)? {
            let text = self.text(item, place)?;
            let path = text.split(':').next().unwrap_or_default();
            match path.parse::<atek_api::permission::DevicePath>() {
                Ok(device) => devices.push(device.to_string()),
                Err(error) => self.leave_out(item.line, place, format!("{path}: {error}")),
            }
        }
        Ok(devices)
    }
}

impl Service {
    /// `runtime` of atek.json.
    pub(crate) fn runtime(&self, image: &ImageName) -> serde_json::Value {
        let mut runtime = json!({ "kind": "oci", "image": image.to_string() });
        let mut set = |key: &str, value: serde_json::Value, is_empty: bool| {
            if !is_empty {
                runtime[key] = value;
            }
        };
        if self.entrypoint.is_empty() {
            set("command", json!(self.command), self.command.is_empty());
        } else {
            let args = [self.entrypoint.as_slice(), &self.command].concat();
            set("args", json!(args), false);
        }
        set("env", json!(self.env), self.env.is_empty());
        set("workdir", json!(self.workdir), self.workdir.is_none());
        set("volumes", json!(self.volumes), self.volumes.is_empty());
        set("user", json!(self.user), self.user.is_none());
        set(
            "stopSignal",
            json!(self.stop_signal),
            self.stop_signal.is_none(),
        );
        runtime
    }

    /// `healthcheck` of atek.json.
    pub(crate) fn healthcheck(&self) -> Option<serde_json::Value> {
        (!self.healthcheck.is_empty()).then(|| json!({ "command": self.healthcheck }))
    }
}

/// `[[ADDRESS:]OUTSIDE:]INSIDE[/PROTOCOL]`.
fn published(line: usize, text: &str) -> Option<Published> {
    let mut parts = text.rsplit(':');
    let inside = parts.next()?;
    let (inside, protocol) = inside.split_once('/').unwrap_or((inside, "tcp"));
    let transport = match protocol {
        "tcp" => "tcp",
        "udp" => "udp",
        _ => return None,
    };
    let inside = inside.parse().ok()?;
    AppPort::fixed(inside)?;
    Some(Published {
        line,
        text: text.to_owned(),
        transport,
        inside,
        outside: parts.next().and_then(|it| it.parse().ok()),
    })
}
