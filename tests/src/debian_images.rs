//! Container images of real programs, made of Debian packages by tools that know nothing of Atek:
//! mmdebstrap, umoci, skopeo. They are made once and cached, each as one layer on the same base.

use crate::registry::Registry;
use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

const SUITE: &str = "trixie";
/// Bumped when [`make`] changes what it does.
const REVISION: u32 = 1;
/// The tools; from the Debian packages of the same names, and docker-registry beside them.
const TOOLS: [&str; 3] = ["mmdebstrap", "umoci", "skopeo"];

/// An image: its packages, what is written into it, and its configuration.
struct Recipe {
    name: &'static str,
    packages: &'static str,
    /// Run by a shell in the image, after its packages were installed.
    script: &'static str,
    /// Arguments of `umoci config`.
    config: &'static [&'static str],
}

/// As such programs are published: an entrypoint, a user, a port, a volume.
const RECIPES: [Recipe; 9] = [
    Recipe {
        name: "mosquitto",
        packages: "mosquitto mosquitto-clients",
        script: "mkdir -p /mosquitto/config /mosquitto/data
                 printf '%s\n' 'listener 9001' 'protocol websockets' 'listener 1883' \
                   'allow_anonymous true' 'persistence true' \
                   'persistence_location /mosquitto/data/' > /mosquitto/config/mosquitto.conf",
        config: &[
            "--config.user=mosquitto",
            "--config.exposedports=9001/tcp",
            "--config.volume=/mosquitto/data",
            "--config.entrypoint=/usr/sbin/mosquitto",
            "--config.cmd=-c",
            "--config.cmd=/mosquitto/config/mosquitto.conf",
        ],
    },
    Recipe {
        name: "radicale",
        packages: "radicale",
        script: "mkdir /data",
        config: &[
            "--config.user=radicale",
            "--config.exposedports=5232/tcp",
            "--config.volume=/data",
            "--config.workingdir=/data",
            "--config.env=RADICALE_CONFIG=",
            "--config.entrypoint=radicale",
            "--config.cmd=--server-hosts=127.0.0.1:5232",
            "--config.cmd=--storage-filesystem-folder=/data/collections",
            "--config.cmd=--auth-type=none",
        ],
    },
    Recipe {
        name: "redis",
        packages: "redis-server redis-tools",
        script: "mkdir /data; rm -rf /var/log/redis",
        config: &[
            "--config.user=redis",
            "--config.exposedports=6379/tcp",
            "--config.volume=/data",
            "--config.workingdir=/data",
            "--config.entrypoint=redis-server",
            "--config.cmd=--appendonly",
            "--config.cmd=yes",
        ],
    },
    Recipe {
        name: "postgres",
        packages: "postgresql-17",
        // The compiler of queries is as large as all the rest, and loaded for large queries only.
        script: "rm -f /usr/lib/*/libLLVM*
                 printf '%s\n' '#!/bin/sh' 'set -eu' \
                   'test \"$(id -un)\" = postgres' \
                   '[ -s \"$PGDATA/PG_VERSION\" ] || initdb --auth=trust --username=postgres' \
                   'exec \"$@\"' > /usr/local/bin/docker-entrypoint.sh
                 chmod 755 /usr/local/bin/docker-entrypoint.sh
                 mkdir -p /var/lib/postgresql/data",
        config: &[
            "--config.user=postgres",
            "--config.exposedports=5432/tcp",
            "--config.volume=/var/lib/postgresql/data",
            "--config.env=PGDATA=/var/lib/postgresql/data",
            "--config.env=PATH=/usr/local/bin:/usr/lib/postgresql/17/bin:/usr/bin:/bin",
            "--config.stopsignal=SIGINT",
            "--config.entrypoint=docker-entrypoint.sh",
            "--config.cmd=postgres",
            "--config.cmd=--unix-socket-directories=/tmp",
        ],
    },
    Recipe {
        name: "nginx",
        packages: "nginx",
        // As the project's own image: started as root, which gives its folders to the workers'
        // user; port 80; logs to the standard streams; a file in /run.
        script: "rm -rf /etc/nginx/sites-enabled /var/log/nginx /var/www/html/*
                 mkdir -p /var/log/nginx /var/cache/nginx
                 ln -s /dev/stdout /var/log/nginx/access.log
                 ln -s /dev/stderr /var/log/nginx/error.log
                 echo 'from nginx' > /var/www/html/index.html
                 printf '%s\n' 'user www-data;' 'pid /run/nginx.pid;' \
                   'error_log /var/log/nginx/error.log notice;' 'events {}' 'http {' \
                   'access_log /var/log/nginx/access.log;' \
                   'client_body_temp_path /var/cache/nginx/client_temp;' \
                   'proxy_temp_path /var/cache/nginx/proxy_temp;' \
                   'fastcgi_temp_path /var/cache/nginx/fastcgi_temp;' \
                   'uwsgi_temp_path /var/cache/nginx/uwsgi_temp;' \
                   'scgi_temp_path /var/cache/nginx/scgi_temp;' \
                   'server { listen 80; listen [::]:80; root /var/www/html; }' '}' \
                   > /etc/nginx/nginx.conf
                 printf '%s\n' '#!/bin/sh' 'set -eu' \
                   'if [ \"$(id -u)\" != 0 ]; then echo this image wants to be root; exit 9; fi' \
                   'mkdir -p /var/cache/nginx/client_temp' \
                   'chown -R www-data:www-data /var/cache/nginx' \
                   'exec \"$@\"' > /docker-entrypoint.sh
                 chmod 755 /docker-entrypoint.sh",
        config: &[
            "--config.exposedports=80/tcp",
            "--config.volume=/var/cache/nginx",
            "--config.stopsignal=SIGQUIT",
            "--config.entrypoint=/docker-entrypoint.sh",
            "--config.cmd=nginx",
            "--config.cmd=-g",
            "--config.cmd=daemon off;",
        ],
    },
    Recipe {
        name: "notes",
        packages: "postgresql-client-17 redis-tools",
        // A page that writes into a database and counts in a cache, each by its own client.
        script: "mkdir -p /srv/cgi-bin
                 printf '%s\n' '#!/bin/sh' 'set -eu' 'echo Content-Type: text/plain' 'echo' \
                   '[ -z \"${QUERY_STRING:-}\" ] || psql -h \"$DATABASE_HOST\" -U postgres -qc \
                     \"insert into notes (text) values ('\"'\\$QUERY_STRING'\"')\"' \
                   'redis-cli -h \"$CACHE_HOST\" incr visits' \
                   'psql -h \"$DATABASE_HOST\" -U postgres -Atc \"select text from notes order by id\"' \
                   > /srv/cgi-bin/notes
                 printf '%s\n' '#!/bin/sh' 'set -eu' \
                   'psql -h \"$DATABASE_HOST\" -U postgres -qc \
                     \"create table if not exists notes (id serial primary key, text text)\"' \
                   'exec \"$@\"' > /docker-entrypoint.sh
                 chmod 755 /docker-entrypoint.sh /srv/cgi-bin/notes",
        config: &[
            "--config.user=www-data",
            "--config.exposedports=80/tcp",
            "--config.entrypoint=/docker-entrypoint.sh",
            "--config.cmd=busybox",
            "--config.cmd=httpd",
            "--config.cmd=-f",
            "--config.cmd=-p",
            "--config.cmd=80",
            "--config.cmd=-h",
            "--config.cmd=/srv",
        ],
    },
    Recipe {
        name: "syncthing",
        packages: "syncthing",
        script: "useradd --home-dir /var/syncthing --create-home syncthing",
        config: &[
            "--config.user=syncthing",
            "--config.exposedports=8384/tcp",
            "--config.exposedports=22000/tcp",
            "--config.exposedports=22000/udp",
            "--config.volume=/var/syncthing",
            "--config.env=STHOMEDIR=/var/syncthing/config",
            "--config.env=STGUIADDRESS=0.0.0.0:8384",
            "--config.entrypoint=syncthing",
            "--config.cmd=serve",
            "--config.cmd=--no-browser",
        ],
    },
    Recipe {
        name: "monero",
        packages: "monero",
        script: "useradd --home-dir /monero --create-home monero",
        config: &[
            "--config.user=monero",
            "--config.exposedports=18081/tcp",
            "--config.volume=/monero",
            "--config.workingdir=/monero",
            "--config.entrypoint=monerod",
            "--config.cmd=--non-interactive",
            "--config.cmd=--data-dir=/monero",
        ],
    },
    Recipe {
        name: "busybox",
        packages: "",
        script: "",
        config: &["--config.cmd=/usr/bin/busybox"],
    },
];

/// The images, in a layout that `skopeo` reads.
#[derive(Debug)]
pub struct DebianImages {
    stored: Stored,
}

impl DebianImages {
    /// The images, made now if this machine has none yet (three minutes). `None` where a tool is
    /// missing.
    ///
    /// # Errors
    ///
    /// When they cannot be made: no network, not root.
    pub fn get() -> anyhow::Result<Option<Self>> {
        let has = |tool: &&str| Command::new(tool).arg("--version").output().is_ok();
        if !TOOLS.iter().all(has) {
            return Ok(None);
        }
        let store = Store::open(paths::cache())?;
        let stored = store.get("images", &key(), make)?;
        Ok(Some(Self { stored }))
    }

    /// Puts one into a registry.
    ///
    /// # Errors
    ///
    /// What skopeo says.
    pub fn push(&self, name: &str, registry: &Registry, tag: &str) -> anyhow::Result<()> {
        let layout = self.stored.path.join("layout");
        command::run(
            Command::new("skopeo")
                .args(["copy", "--quiet", "--dest-tls-verify=false"])
                .arg(format!("oci:{}:{name}", layout.display()))
                .arg(format!("docker://{}/{name}:{tag}", registry.address())),
        )?;
        Ok(())
    }

    /// The program of Debian's busybox-static, which runs without any other file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn busybox(&self) -> anyhow::Result<Vec<u8>> {
        fs::read(self.stored.path.join("busybox")).context("cannot read busybox")
    }
}

/// The program of Debian's busybox-static for a processor, by Debian's name for it. Nothing of it
/// runs here. `None` where a tool is missing.
///
/// # Errors
///
/// When it cannot be fetched.
pub fn busybox_for(processor: &str) -> anyhow::Result<Option<Vec<u8>>> {
    if Command::new(TOOLS[0]).arg("--version").output().is_err() {
        return Ok(None);
    }
    let store = Store::open(paths::cache())?;
    let stored = store.get("busybox", &format!("{SUITE}-{processor}"), |aside| {
        command::run(
            Command::new(TOOLS[0])
                .args(["--variant=extract", "--include=busybox-static", SUITE])
                .arg(format!("--architectures={processor}"))
                .arg(aside),
        )
        .map(drop)
    })?;
    let program = stored.path.join("usr/bin/busybox");
    let program = fs::read(&program).with_context(|| format!("cannot read {program:?}"))?;
    Ok(Some(program))
}

fn key() -> String {
    let mut recipe = format!("{REVISION} {SUITE} {}", std::env::consts::ARCH);
    for image in &RECIPES {
        recipe.push_str(image.packages);
        recipe.push_str(image.script);
        recipe.push_str(&image.config.join(" "));
    }
    hex::encode(&Sha256::digest(recipe)[..8])
}

fn make(aside: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(aside).with_context(|| format!("cannot make {}", aside.display()))?;
    eprintln!("making container images of Debian packages (once; three minutes)");
    let (tree, bundle) = (aside.join("tree"), aside.join("bundle"));
    command::run(
        Command::new("mmdebstrap")
            .args(["--variant=minbase", "--include=busybox-static"])
            .args(
                ["man", "locale", "doc"]
                    .map(|part| format!("--dpkgopt=path-exclude=/usr/share/{part}/*")),
            )
            .arg(SUITE)
            .arg(&tree),
    )?;
    fs::copy(tree.join("usr/bin/busybox"), aside.join("busybox")).context("cannot copy busybox")?;
    let layout = aside.join("layout");
    let image = |name: &str| format!("{}:{name}", layout.display());
    let umoci = |words: &[&str]| command::run(Command::new("umoci").args(words));
    umoci(&["init", "--layout", &layout.to_string_lossy()])?;
    umoci(&["new", "--image", &image("base")])?;
    umoci(&[
        "insert",
        "--image",
        &image("base"),
        &tree.to_string_lossy(),
        "/",
    ])?;
    for recipe in &RECIPES {
        let bundled = bundle.to_string_lossy();
        umoci(&["unpack", "--image", &image("base"), &bundled])?;
        install(&bundle.join("rootfs"), recipe)?;
        let image = image(recipe.name);
        umoci(&["repack", "--image", &image, &bundled])?;
        let mut words = vec!["config", "--image", &image];
        words.extend(recipe.config);
        umoci(&words)?;
        fs::remove_dir_all(&bundle).context("cannot remove a bundle")?;
    }
    fs::remove_dir_all(&tree).context("cannot remove the tree")
}

/// Installs the packages of an image in its files, with this machine's way to the archive.
fn install(root: &Path, recipe: &Recipe) -> anyhow::Result<()> {
    const SCRIPT: &str = r#"
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        cp --dereference /etc/resolv.conf "$1/etc/resolv.conf"
        for file in /etc/apt/apt.conf.d/*proxy*; do
          [ ! -e "$file" ] || cp "$file" "$1/etc/apt/apt.conf.d/"
        done
        if [ -n "$2" ]; then
          printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
          chmod 755 "$1/usr/sbin/policy-rc.d"
          chroot "$1" apt-get update -q
          chroot "$1" apt-get install -q -y --no-install-recommends $2
          chroot "$1" apt-get clean
        fi
        chroot "$1" sh -euc "$3"
        rm -rf "$1"/var/lib/apt/lists/* "$1/usr/sbin/policy-rc.d" "$1"/etc/apt/apt.conf.d/*proxy*
    "#;
    command::run(
        Command::new("unshare")
            .args(["--mount", "sh", "-euc", SCRIPT, "sh"])
            .arg(root)
            .args([recipe.packages, recipe.script])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8"),
    )
    .with_context(|| format!("cannot make the image {}", recipe.name))?;
    Ok(())
}
