//! What the tests of container images share.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod ends;
pub mod hono;
pub mod secure;

use atek_tests::debian_images::{DebianImages, busybox_for};
use atek_tests::host::{Host, SERVICES, SOON};
use atek_tests::registry::{EncryptedRegistry, Registry, layer};
use atek_tests::{GitRemote, Seen, skip, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::Ipv4Addr;
use tar::EntryType;

pub const FILE: EntryType = EntryType::Regular;
pub const SYM: EntryType = EntryType::Symlink;
pub const HARD: EntryType = EntryType::Link;

/// A registry that the machine reaches, and images of Debian packages; `None` (and a skip is
/// recorded) where the tools are missing.
pub fn registry(host: &Host) -> anyhow::Result<Option<(Registry, DebianImages)>> {
    let registry = Registry::start_at(host.machine.gateway()?);
    let (Some(registry), Some(images)) = (registry, DebianImages::get()?) else {
        skip("docker-registry, umoci, skopeo or mmdebstrap is not installed");
        return Ok(None);
    };
    Ok(Some((registry, images)))
}

/// A machine that takes images from `encrypted`.
pub async fn trust(host: &Host, encrypted: &EncryptedRegistry) -> anyhow::Result<()> {
    let authority = encrypted.authority();
    host.machine.write("/root/house.pem", authority).await?;
    let add = ["atek", "authorities", "--add", "/root/house.pem"];
    host.machine.exec(add).await.map(drop)
}

const ENTRY: &str = "#!/bin/sh
export STARTED_IN=\"$PWD\" STARTED_BY=\"$0\"
[ -e /data/seeded ] || exit 7
exec \"$@\"
";

/// What a program of an image finds, and what it may do.
const ABOUT: &str = "#!/bin/sh
echo 'Content-Type: text/plain'
echo
echo \"user $(id -un)\"
echo \"uid $(id -u)\"
echo \"in $STARTED_IN\"
echo \"mode $MODE\"
echo \"version $(cat /srv/version)\"
echo \"processor $(uname -m)\"
for folder in / /etc /usr /srv /opt/app /data /tmp /var/tmp /run /dev/shm; do
  if (echo x > $folder/.written) 2>/dev/null; then echo \"writes $folder\"; fi
done
";

const COUNT: &str = "#!/bin/sh
echo 'Content-Type: text/plain'
echo
n=$(( $(cat /data/count 2>/dev/null || echo 0) + 1 ))
echo $n > /data/count
echo $n
";

/// A layer with Debian's busybox as every command, and a web server's files.
pub fn busybox(images: &DebianImages) -> anyhow::Result<Vec<u8>> {
    layer_of(&images.busybox()?)
}

/// The names of processors in images, of which [`push_for`] makes one each.
pub const PROCESSORS: [&str; 2] = ["amd64", "arm64"];

/// A registry of this machine for an emulated box, with the web server of [`push_for`] for these
/// processors; `None` (and a skip is recorded) where the tools are missing.
pub fn registry_for(processors: &[&str]) -> anyhow::Result<Option<Registry>> {
    let Some(registry) = Registry::start_at(Ipv4Addr::LOCALHOST) else {
        skip("docker-registry is not installed");
        return Ok(None);
    };
    if !push_for(processors, &registry, "1.0.0")? {
        skip("mmdebstrap is not installed");
        return Ok(None);
    }
    Ok(Some(registry))
}

/// Puts a web server for these processors into a registry, as one image. Whether it could: not
/// without mmdebstrap.
pub fn push_for(processors: &[&str], registry: &Registry, tag: &str) -> anyhow::Result<bool> {
    let mut images = Vec::new();
    for processor in processors {
        let Some(program) = busybox_for(processor)? else {
            return Ok(false);
        };
        let version = layer(&[(FILE, "srv/version", tag)]);
        images.push((*processor, site(), vec![layer_of(&program)?, version]));
    }
    registry.push_index("site", tag, &images);
    Ok(true)
}

fn layer_of(program: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut file = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content)
    };
    file("bin/busybox", program)?;
    file("entry.sh", ENTRY.as_bytes())?;
    file("srv/cgi-bin/about", ABOUT.as_bytes())?;
    file("srv/cgi-bin/count", COUNT.as_bytes())?;
    file("data/seeded", b"by the image")?;
    file("opt/app/file", b"")?;
    file(
        "etc/passwd",
        b"root:x:0:0::/root:/bin/sh\nweb:x:1234:1234::/srv:/bin/sh\n",
    )?;
    for name in ["sh", "id", "cat", "echo", "httpd", "expr", "sleep", "uname"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(SYM);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox")?;
    }
    let mut bytes = tar.into_inner()?;
    bytes.flush()?;
    Ok(bytes)
}

/// The configuration of a web server of that layer.
pub fn site() -> Value {
    json!({ "config": {
        "Entrypoint": ["/entry.sh"], "Cmd": ["httpd", "-f", "-p", "80", "-h", "/srv"],
        "Env": ["PATH=/bin", "MODE=of the image"], "User": "web", "WorkingDir": "/opt/app",
        "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} },
        "Labels": { "org.opencontainers.image.title": "Site" },
    } })
}

/// What the component of `small-wasm` answers.
pub const SMALL_PAGE: &str = "one file for every processor\n";

/// Makes a repository of the component of `small-wasm`, at v1.0.0.
pub fn small(remote: &GitRemote, component: Vec<u8>) -> anyhow::Result<()> {
    let manifest = json!({ "name": "Small", "runtime": "wasm", "entry": "app.wasm" });
    remote
        .write("atek.json", manifest.to_string())?
        .write("app.wasm", component)?
        .tag("v1.0.0")
        .map(drop)
}

/// Prints for which processor the code of installed components is, as ELF says it.
pub const CODE_OF_COMPONENTS: &str =
    "od -An -t u2 -j 18 -N 2 /var/lib/atek/packages/*/current/.atek-wasm/*.cwasm";

/// The number that a processor has in ELF.
pub fn elf(processor: &str) -> &'static str {
    match processor {
        "aarch64" => "183",
        _ => "62",
    }
}

/// What the machine holds of services, beside the core's.
async fn everything(host: &Host) -> anyhow::Result<BTreeSet<String>> {
    let script = "
        cd /var/lib/atek && for p in packages/* packages/*/versions/* staging/* uninstalls/* updates/*; do [ -e $p ] && echo $p; done
        ls -1d /var/lib/private/atek-app-* | grep -v 'core[.]' || :
        ls -1d /run/atek/tokens/* /run/atek/host/* /run/atek/credentials/* /run/atek/accounts/* 2>/dev/null | grep -v 'core[.]' || :
        systemctl list-units --all --no-legend --plain 'atek-app-*' 'atek-package-*' | cut -d' ' -f1 | grep -v 'core[.]' || :
    ";
    let found = host.machine.shell(script).await?;
    let mut all: BTreeSet<String> = found.lines().map(ToOwned::to_owned).collect();
    let list = host.system()?.call(SERVICES, "list", json!([])).await?;
    for service in list["services"].as_array().into_iter().flatten() {
        let id = service["settings"]["id"].as_str().unwrap_or_default();
        if !id.starts_with("core.") {
            all.insert(format!("record {id}"));
        }
    }
    Ok(all)
}

/// Waits until nothing is left of any app.
pub async fn nothing_is_left(host: &Host) -> anyhow::Result<()> {
    wait_for("nothing to be left", SOON, async || {
        Ok(Seen::if_so(everything(host).await?, BTreeSet::is_empty))
    })
    .await
    .map(drop)
}
