//! The manifest of a whole compose file: one of its services is the app, the others run beside it.

use crate::service::{Reader, Service};
use crate::tree::Node;
use crate::words::service_name;
use crate::{ComposeError, MAX_BYTES, Translation, Wishes};
use atek_api::manifest::Manifest;
use atek_api::permission::LanPort;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The service by which umbrel's files say what its proxy shows; no container of the app.
const PROXY: &str = "app_proxy";

/// Translates a file.
///
/// # Errors
///
/// [`ComposeError`]: what is in the way of an app.
pub fn translate(text: &str, wishes: &Wishes) -> Result<Translation, ComposeError> {
    if text.len() > MAX_BYTES {
        return Err(ComposeError::TooLarge(text.len()));
    }
    let root = Node::read(text)?;
    let services = root.get("services").ok_or(ComposeError::NoServices)?;
    let all = services.map("services")?;
    let proxy = all.iter().find(|(name, _)| name == PROXY);
    let proxy = proxy.map(|(_, node)| node);
    let own: Vec<&(String, Node)> = all.iter().filter(|(name, _)| name != PROXY).collect();
    let hosts: Vec<(String, String)> = own
        .iter()
        .flat_map(|(name, node)| names(name, node))
        .collect();

    let mut reader = Reader {
        variables: &wishes.variables,
        hosts: &hosts,
        left_out: Vec::new(),
    };
    let mut read: BTreeMap<String, Service> = BTreeMap::new();
    for (name, node) in &own {
        read.insert(name.clone(), reader.service(name, node)?);
    }
    let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
    let main = main_of(&names, &read, proxy, wishes)?;
    top(&root, &mut reader)?;
    shared_data(&read, &mut reader);
    let manifest = manifest(&root, &names, &read, &main, proxy, &mut reader)?;

    let bytes = manifest.to_string().into_bytes();
    Manifest::parse(&bytes).map_err(|error| ComposeError::Manifest(error.to_string()))?;
    let mut left_out = reader.left_out;
    left_out.sort();
    left_out.dedup();
    Ok(Translation { manifest, left_out })
}

/// What other containers call a service, and what it is called here.
fn names(name: &str, node: &Node) -> Vec<(String, String)> {
    let here = service_name(name);
    let named = node.get("container_name").and_then(|it| it.text("").ok());
    let named = named.filter(|named| *named != here && *named != name);
    let mut all = vec![(name.to_owned(), here.clone())];
    // As a full name it is not taken for a word of a sentence.
    all.extend(
        named
            .filter(|it| it.contains(['_', '.']))
            .map(|named| (named.to_owned(), here)),
    );
    all
}

/// `APP_HOST` and `APP_PORT` of umbrel's proxy.
fn shown(proxy: Option<&Node>, name: &str) -> Option<String> {
    let environment = proxy?.get("environment")?;
    if let Some(value) = environment.get(name) {
        return value.text("").ok().map(str::to_owned);
    }
    let items = environment.list("").ok()?;
    items.iter().find_map(|item| {
        let (key, value) = item.text("").ok()?.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

fn main_of(
    names: &[&str],
    read: &BTreeMap<String, Service>,
    proxy: Option<&Node>,
    wishes: &Wishes,
) -> Result<String, ComposeError> {
    if let Some(wish) = &wishes.main {
        return match read.contains_key(wish) {
            true => Ok(wish.clone()),
            false => Err(ComposeError::NoSuchService(wish.clone())),
        };
    }
    if let Some(host) = shown(proxy, "APP_HOST") {
        let is_host = |name: &&&str| host == ***name || host.ends_with(&format!("_{name}_1"));
        if let Some(name) = names.iter().find(is_host) {
            return Ok((*name).to_owned());
        }
    }
    let with_ports: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| read[*name].page().is_some())
        .collect();
    match (names, &with_ports[..]) {
        ([], _) => Err(ComposeError::NoServices),
        ([only], _) | (_, [only]) => Ok((*only).to_owned()),
        _ => Err(ComposeError::Main(names.join(", "))),
    }
}

/// What stands beside `services`.
fn top(root: &Node, reader: &mut Reader<'_>) -> Result<(), ComposeError> {
    for (key, value) in root.map("")? {
        match key.as_str() {
            "services" | "version" | "name" | "volumes" | "networks" => {}
            other if other.starts_with("x-") => {}
            "include" => reader.leave_out(value.line, key, "other files are not read"),
            "secrets" | "configs" => {
                reader.leave_out(value.line, key, "put values into variables with atek cfg");
            }
            _ => reader.leave_out(value.line, key, "is not known here"),
        }
    }
    Ok(())
}

/// Names data that several services use: here each has its own.
fn shared_data(read: &BTreeMap<String, Service>, reader: &mut Reader<'_>) {
    let mut users: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (name, service) in read {
        for (line, source) in &service.sources {
            users.entry(source).or_default().push((name, *line));
        }
    }
    for (source, users) in users {
        let Some((first, others)) = users.split_first() else {
            continue;
        };
        for (name, line) in others.iter().filter(|(name, _)| *name != first.0) {
            let place = format!("services.{name}.volumes");
            let why = format!(
                "{source} is also {}'s: here each service has its own data",
                first.0
            );
            reader.leave_out(*line, &place, why);
        }
    }
}

fn manifest(
    root: &Node,
    names: &[&str],
    read: &BTreeMap<String, Service>,
    main: &str,
    proxy: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Result<Value, ComposeError> {
    let mut manifest = Map::new();
    if let Some(name) = root.get("name") {
        manifest.insert("name".to_owned(), json!(name.text("name")?));
    }
    let app = &read[main];
    manifest.insert("runtime".to_owned(), runtime(main, app)?);
    let port = shown(proxy, "APP_PORT").and_then(|port| port.parse::<u16>().ok());
    let port = port.or(app.page()).filter(|port| *port > 0);
    if let Some(port) = port {
        manifest.insert("port".to_owned(), json!(port));
    }
    if let Some(check) = app.healthcheck() {
        manifest.insert("healthcheck".to_owned(), check);
    }
    let mut permissions = Map::new();
    if !app.devices.is_empty() {
        permissions.insert("devices".to_owned(), json!(app.devices));
    }
    let place = format!("services.{main}.ports");
    let listen = listen(app, port, names.len() == 1, &place, reader);
    if !listen.is_empty() {
        permissions.insert("listen".to_owned(), json!(listen));
    }
    if app.root.is_some() {
        permissions.insert("root".to_owned(), json!(true));
    }
    if !permissions.is_empty() {
        manifest.insert("permissions".to_owned(), Value::Object(permissions));
    }
    let mut services = Map::new();
    for name in names.iter().filter(|name| **name != main) {
        let service = &read[*name];
        let mut made = Map::new();
        made.insert("runtime".to_owned(), runtime(name, service)?);
        if let Some(port) = service.page() {
            made.insert("port".to_owned(), json!(port));
        }
        for port in &service.ports {
            let place = format!("services.{name}.ports");
            let why = format!("{}: only the processes of the app reach it", port.text);
            reader.leave_out(port.line, &place, why);
        }
        if let Some(check) = service.healthcheck() {
            made.insert("healthcheck".to_owned(), check);
        }
        let after = after(name, service, main, read, reader);
        if !after.is_empty() {
            made.insert("after".to_owned(), json!(after));
        }
        if !service.devices.is_empty() {
            let place = format!("services.{name}.devices");
            reader.leave_out(service.line, &place, "only the app itself can have devices");
        }
        if let Some(line) = service.root {
            let place = format!("services.{name}.user");
            reader.leave_out(
                line,
                &place,
                "only the app itself can be shown that it is root",
            );
        }
        services.insert(service_name(name), Value::Object(made));
    }
    if !services.is_empty() {
        manifest.insert("services".to_owned(), Value::Object(services));
    }
    Ok(Value::Object(manifest))
}

/// The ports of the home's network that an app asks for: all that the file publishes, but that of
/// its pages, which are behind the gateway.
fn listen(
    app: &Service,
    page: Option<u16>,
    alone: bool,
    place: &str,
    reader: &mut Reader<'_>,
) -> Vec<String> {
    let mut all = Vec::new();
    for port in &app.ports {
        if port.transport == "tcp" && Some(port.inside) == page {
            continue;
        }
        if !alone {
            let why = "an app of several processes has no port of the home's network";
            reader.leave_out(port.line, place, format!("{}: {why}", port.text));
            continue;
        }
        let wish = format!("{}/{}", port.transport, port.inside);
        if let Err(error) = wish.parse::<LanPort>() {
            reader.leave_out(port.line, place, format!("{}: {error}", port.text));
            continue;
        }
        if port.outside.is_some_and(|outside| outside != port.inside) {
            let why = "devices at home reach a port under the number that it has inside";
            reader.leave_out(port.line, place, format!("{}: {why}", port.text));
        }
        if !all.contains(&wish) {
            all.push(wish);
        }
    }
    all
}

fn runtime(name: &str, service: &Service) -> Result<Value, ComposeError> {
    let image = service
        .image
        .as_ref()
        .ok_or_else(|| ComposeError::Service {
            line: service.line,
            service: name.to_owned(),
            why: "it names no image of a registry".to_owned(),
        })?;
    Ok(service.runtime(image))
}

/// Those that a service waits for, as they are called here.
fn after(
    name: &str,
    service: &Service,
    main: &str,
    read: &BTreeMap<String, Service>,
    reader: &mut Reader<'_>,
) -> Vec<String> {
    let mut all = Vec::new();
    for (line, other) in &service.after {
        let place = format!("services.{name}.depends_on");
        if other == main {
            let why = format!("{main} is the app, which starts behind its services");
            reader.leave_out(*line, &place, why);
        } else if read.contains_key(other) {
            all.push(service_name(other));
        } else {
            reader.leave_out(*line, &place, format!("there is no service {other}"));
        }
    }
    all
}
