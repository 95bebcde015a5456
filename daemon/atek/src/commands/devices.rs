//! Devices that reach the box from elsewhere: `atek devices` on the box, `atek connect` on them.

use super::homes::Home;
use crate::cli::homes::{Connect, DeviceAction, Devices};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size, time};
use serde::Deserialize;
use serde_json::json;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// The program at a device's end, and the variable in which it takes a link.
const PROGRAM: &str = "atek-connect";
const LINK: &str = "ATEK_CONNECT_LINK";

/// A device, as the service tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    id: String,
    #[serde(default)]
    label: String,
    last_seen: Option<String>,
    #[serde(default)]
    in_bytes: u64,
    #[serde(default)]
    out_bytes: u64,
    #[serde(default)]
    connections: u64,
    /// Only after it was paired.
    link: Option<String>,
}

pub(super) async fn run(host: &Host, args: Devices) -> Result<(), Failure> {
    let home = Home::of(host, args.whose.user.as_deref()).await?;
    match args.action.unwrap_or(DeviceAction::List) {
        DeviceAction::List => list(host, &home).await,
        DeviceAction::Pair { label } => pair(host, &home, label).await,
        DeviceAction::Remove { id } => {
            let answer = home
                .call("unpairDevice", vec![json!(id)], "remove the device")
                .await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done("removed, and cut off")
        }
    }
}

async fn list(host: &Host, home: &Home<'_>) -> Result<(), Failure> {
    let answer = home.call("devices", Vec::new(), "list the devices").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let devices = read::<Vec<Device>>("devices", &answer)?;
    if devices.is_empty() {
        return host
            .out
            .done("no device is paired, pair one with: atek devices pair --label Laptop");
    }
    let headings = ["ID", "NAME", "CONNECTED", "LAST SEEN", ">SENT", ">RECEIVED"];
    let mut table = Columns::new(host.out.look(), &headings);
    for device in &devices {
        let connected = if device.connections > 0 { "yes" } else { "no" };
        table.row([
            (&*clean::line(&device.id), Tone::Strong),
            (&*clean::line(&device.label), Tone::Plain),
            (connected, Tone::Plain),
            (
                &time::age_of(device.last_seen.as_deref(), host.now()),
                Tone::Plain,
            ),
            (&size::bytes(device.out_bytes), Tone::Plain),
            (&size::bytes(device.in_bytes), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}

async fn pair(host: &Host, home: &Home<'_>, label: Option<String>) -> Result<(), Failure> {
    let options = json!({ "label": label });
    let answer = home
        .call("pairDevice", vec![options], "pair the device")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let device = read::<Device>("pairDevice", &answer)?;
    host.out.note(
        "this link is the key of the device and is shown once; on the device: atek connect LINK",
    );
    let link = device.link.unwrap_or_default();
    host.out.print(&format!("{}\n", clean::line(&link)))
}

/// Becomes the program at the device's end.
pub(super) fn connect(args: &Connect) -> Result<(), Failure> {
    let Some(link) = args.link.clone().or_else(|| std::env::var(LINK).ok()) else {
        return Err(Failure::Usage(format!(
            "give the link of this device, or set {LINK}; the box makes one: atek devices pair"
        )));
    };
    if !link.trim().starts_with("hs://s000") {
        return Err(Failure::Usage(
            "this is not the link of a device: it begins with hs://s000".to_owned(),
        ));
    }
    // In the environment, as arguments are seen by all users of this computer.
    let source = std::process::Command::new(PROGRAM)
        .args(["--port", &args.port.to_string()])
        .env(LINK, link.trim())
        .exec();
    Err(match source.kind() {
        std::io::ErrorKind::NotFound => Failure::Usage(format!(
            "the program {PROGRAM} is not installed: install Node.js 20, and then, in a copy of \
             Atek's repository,\nnpm install --global ./daemon/hypercore/clients/connect"
        )),
        _ => Failure::Exec {
            path: PathBuf::from(PROGRAM),
            source,
        },
    })
}
