//! The configuration of an image (the OCI image specification, "Image configuration").

use super::error::ImageError;
use atek_api::image::{
    ImageName, ImageRuntime, MAX_VARIABLES, MAX_VOLUMES, is_image_folder, is_user_name, is_volume,
};
use atek_api::manifest::{Healthcheck, Manifest, Runtime};
use atek_api::spec::arguments::is_argument;
use atek_api::spec::{AppPort, is_config_name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What of the configuration counts here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<Execution>,
    #[serde(default)]
    rootfs: Layers,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
    labels: Option<BTreeMap<String, String>>,
    /// `NAME[:GROUP]`, or numbers.
    user: Option<String>,
    stop_signal: Option<String>,
    /// Of Docker's format alone; the OCI's has none.
    healthcheck: Option<Check>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    test: Option<Vec<String>>,
}

impl Check {
    /// `CMD` and words, or `CMD-SHELL` and a text; `NONE`, or nothing, is none.
    fn command(self) -> Option<Healthcheck> {
        let mut words = self.test.unwrap_or_default().into_iter();
        let command: Vec<String> = match words.next()?.as_str() {
            "CMD" => words.collect(),
            "CMD-SHELL" => ["/bin/sh".to_owned(), "-c".to_owned()]
                .into_iter()
                .chain(words.next())
                .collect(),
            _ => return None,
        };
        let fits = command.first().is_some_and(|program| !program.is_empty())
            && command.len() <= 64
            && command.iter().map(String::len).sum::<usize>() <= 8 * 1024
            && !command.iter().any(|word| word.contains(char::is_control));
        fits.then_some(Healthcheck::Command { command })
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Layers {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// The platform of this machine, as images name it.
pub(super) fn machine() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

impl ImageConfig {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        serde_json::from_slice(bytes).map_err(|error| ImageError::Config(error.to_string()))
    }

    /// Requires that the image runs on this machine.
    pub(super) fn check_platform(&self) -> Result<(), ImageError> {
        let (image, machine) = (format!("{}/{}", self.os, self.architecture), machine());
        if image == machine {
            return Ok(());
        }
        Err(ImageError::Platform { image, machine })
    }

    /// The digest of an unpacked layer.
    pub(super) fn layer_digest(&self, n: usize) -> Result<&str, ImageError> {
        let digest = self.rootfs.diff_ids.get(n).map(String::as_str);
        digest.ok_or_else(|| ImageError::Config(format!("it has no digest of layer {}", n + 1)))
    }

    fn execution(&self) -> Execution {
        self.config.clone().unwrap_or_default()
    }

    /// The folders that keep data: the image's, then the manifest's.
    pub(super) fn volumes(&self, wish: Option<&ImageRuntime>) -> Result<Vec<String>, ImageError> {
        let own = self.execution().volumes.unwrap_or_default();
        let own = own.keys().map(|path| path.trim_end_matches('/').to_owned());
        let wished = wish.map(|wish| wish.volumes.clone()).unwrap_or_default();
        let all: BTreeSet<String> = own.chain(wished).collect();
        if let Some(wrong) = all.iter().find(|path| !is_volume(path)) {
            return Err(ImageError::Volume(wrong.clone()));
        }
        // What lies in another volume is kept with it.
        let inside = |path: &String| {
            all.iter()
                .any(|other| path.starts_with(&format!("{other}/")))
        };
        let volumes: Vec<_> = all.iter().filter(|path| !inside(path)).cloned().collect();
        if volumes.len() > MAX_VOLUMES {
            return Err(ImageError::Config(format!(
                "it has {} volumes, more than {MAX_VOLUMES}",
                volumes.len()
            )));
        }
        Ok(volumes)
    }

    /// The folder that the program is started in.
    pub(super) fn workdir(&self, wish: Option<&ImageRuntime>) -> String {
        let own = self.execution().working_dir.unwrap_or_default();
        let own = Some(own).filter(|path| is_image_folder(path));
        let wished = wish.and_then(|wish| wish.workdir.clone());
        wished.or(own).unwrap_or_else(|| "/".to_owned())
    }

    /// The same with the name of its user in place of a number, as `passwd` of the image has it.
    pub(super) fn with_user_named(mut self, passwd: &str) -> Self {
        if let Some(execution) = &mut self.config {
            let user = execution.user.take().unwrap_or_default();
            let user = user.split(':').next().unwrap_or_default();
            let named = passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1) == Some(user)).then_some(name)
            });
            execution.user = Some(named.unwrap_or(user).to_owned());
        }
        self
    }

    /// The manifest of the app: what the author's says, completed by the image.
    pub(crate) fn manifest(
        &self,
        image: &ImageName,
        volumes: Vec<String>,
        wish: Option<&Manifest>,
    ) -> Result<Manifest, ImageError> {
        let own = self.execution();
        let mut manifest = wish.cloned().unwrap_or_default();
        let asked = match &manifest.runtime {
            Runtime::Image { runtime } => Some(runtime.clone()),
            Runtime::Native { .. } | Runtime::Wasm { .. } | Runtime::Node { .. } => None,
        };
        let mut args = asked.as_ref().map(|it| it.args.clone()).unwrap_or_default();
        if args.is_empty() {
            let command = asked.as_ref().map(|it| it.command.clone());
            let command = command.filter(|command| !command.is_empty());
            args = own.entrypoint.unwrap_or_default();
            args.extend(command.or(own.cmd).unwrap_or_default());
        }
        let fits = args.len() <= 64
            && args.iter().map(String::len).sum::<usize>() <= 8 * 1024
            && args.iter().all(|arg| is_argument(arg));
        if !fits {
            return Err(ImageError::Config(
                "its command is too long, or has control characters".to_owned(),
            ));
        }
        if args.first().is_none_or(String::is_empty) {
            return Err(ImageError::NoProgram);
        }
        let mut env = variables(own.env.unwrap_or_default());
        env.entry("PATH".to_owned())
            .or_insert_with(|| PATH.to_owned());
        env.extend(asked.as_ref().map(|it| it.env.clone()).unwrap_or_default());
        let labels = own.labels.unwrap_or_default();
        let label = |name: &str, max: usize| {
            let text = labels.get(&format!("org.opencontainers.image.{name}"))?;
            let clean = text.chars().filter(|c| !c.is_control()).take(max);
            Some(clean.collect::<String>()).filter(|text| !text.is_empty())
        };
        manifest.name = manifest.name.or_else(|| label("title", 80));
        manifest.description = manifest.description.or_else(|| label("description", 1_000));
        manifest.license = manifest.license.or_else(|| label("licenses", 200));
        manifest.healthcheck = manifest
            .healthcheck
            .or_else(|| own.healthcheck.and_then(Check::command));
        manifest.port = manifest
            .port
            .or_else(|| port(&own.exposed_ports.unwrap_or_default()));
        manifest.runtime = Runtime::Image {
            runtime: ImageRuntime {
                image: image.clone(),
                args,
                command: Vec::new(),
                env,
                workdir: Some(self.workdir(asked.as_ref())),
                volumes,
                user: asked
                    .as_ref()
                    .and_then(|it| it.user.clone())
                    .or(own.user.filter(|name| is_user_name(name))),
                // One by which nothing is ever asked is as good as none.
                stop_signal: asked
                    .and_then(|it| it.stop_signal)
                    .or(own.stop_signal.and_then(|name| name.parse().ok())),
            },
        };
        // As it will be read again: a label may have what no manifest may have.
        let text =
            serde_json::to_vec(&manifest).map_err(|error| ImageError::Config(error.to_string()))?;
        Manifest::parse(&text).map_err(|error| ImageError::Config(error.to_string()))
    }
}

/// What container engines give to an image that has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of an image that can be an app's. `PATH` is one, too.
fn variables(list: Vec<String>) -> BTreeMap<String, String> {
    list.into_iter()
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            (is_config_name(name) && !value.contains('\0'))
                .then(|| (name.to_owned(), value.to_owned()))
        })
        .take(MAX_VARIABLES)
        .collect()
}

/// The TCP port of an image's pages: of several that it exposes 80, else the lowest from 1024,
/// before those of other protocols (22, 25, 443).
fn port(exposed: &BTreeMap<String, serde_json::Value>) -> Option<AppPort> {
    let tcp = exposed.keys().filter_map(|key| match key.split_once('/') {
        None => key.parse::<u16>().ok(),
        Some((port, "tcp")) => port.parse().ok(),
        Some(_) => None,
    });
    tcp.filter_map(AppPort::fixed)
        .min_by_key(|port| match port {
            AppPort::Fixed(port) => (*port != 80, *port < 1024, *port),
            AppPort::Auto => (true, true, 0),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn image() -> ImageName {
        "localhost:5000/redis:7.0.0".parse().unwrap()
    }

    fn config(execution: &str) -> ImageConfig {
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{execution},
                "rootfs":{{"type":"layers","diff_ids":["sha256:1"]}}}}"#
        );
        ImageConfig::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_app_is_what_its_image_says() {
        let config = config(
            r#"{"Entrypoint":["entry.sh"],"Cmd":["redis-server","--port","6379"],
                "Env":["PATH=/bin","REDIS_VERSION=7","lower=1","ATEK_X=1"],
                "WorkingDir":"/data","ExposedPorts":{"6379/tcp":{},"53/udp":{},"16379":{}},
                "Volumes":{"/data/":{},"/data/sub":{}}, "User":"redis", "StopSignal":"SIGQUIT",
                "Labels":{"org.opencontainers.image.title":"Redis\n"}}"#,
        );
        let volumes = config.volumes(None).unwrap();
        assert_eq!(volumes, ["/data"]);
        let manifest = config.manifest(&image(), volumes, None).unwrap();
        assert_eq!(manifest.name.as_deref(), Some("Redis"));
        assert_eq!(manifest.port, Some(AppPort::Fixed(6379)));
        let Runtime::Image { runtime } = &manifest.runtime else {
            panic!("{manifest:?}");
        };
        assert_eq!(runtime.args, ["entry.sh", "redis-server", "--port", "6379"]);
        assert_eq!(runtime.workdir.as_deref(), Some("/data"));
        let names: Vec<_> = runtime.env.keys().map(String::as_str).collect();
        assert_eq!(names, ["PATH", "REDIS_VERSION"]);
        assert_eq!(runtime.user.as_deref(), Some("redis"));
        assert_eq!(runtime.stop_signal.map(|it| it.number()), Some(3));
        // It is written into records and read again.
        let text = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    }

    #[test]
    fn of_several_ports_the_one_of_pages_is_taken() {
        for (exposed, expected) in [
            (&["22/tcp", "3000/tcp"][..], Some(3000)),
            (&["80/tcp", "443/tcp"], Some(80)),
            (&["8080/tcp", "80"], Some(80)),
            (&["443/tcp", "25/tcp"], Some(25)),
            (&["53/udp"], None),
            (&["0/tcp", "x"], None),
        ] {
            let exposed = exposed.iter().map(|port| ((*port).to_owned(), Value::Null));
            let expected = expected.map(AppPort::Fixed);
            assert_eq!(port(&exposed.clone().collect()), expected, "{exposed:?}");
        }
    }

    #[test]
    fn a_user_has_the_name_that_the_image_has_for_its_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nredis:x:999:1000::/data:/bin/sh\n";
        for (user, expected) in [
            ("redis", Some("redis")),
            ("999", Some("redis")),
            ("999:1000", Some("redis")),
            ("redis:redis", Some("redis")),
            ("1001", None),
            ("0", None),
            ("root", None),
            ("", None),
            ("a b", None),
        ] {
            let config = config(&format!(r#"{{"Cmd":["x"],"User":"{user}"}}"#));
            let config = config.with_user_named(passwd);
            let made = config.manifest(&image(), Vec::new(), None).unwrap();
            let Runtime::Image { runtime } = &made.runtime else {
                panic!("{made:?}");
            };
            assert_eq!(runtime.user.as_deref(), expected, "{user}");
        }
    }

    #[test]
    fn a_command_stands_behind_the_entrypoint_and_args_in_its_place() {
        for (wish, expected) in [
            ("", "entry.sh serve"),
            (r#","command":["migrate","-v"]"#, "entry.sh migrate -v"),
            (r#","args":["sh"]"#, "sh"),
        ] {
            let text =
                format!(r#"{{"runtime":{{"kind":"oci","image":"localhost/x:1.0.0"{wish}}}}}"#);
            let wish = Manifest::parse(text.as_bytes()).unwrap();
            let config = config(r#"{"Entrypoint":["entry.sh"],"Cmd":["serve"]}"#);
            let made = config.manifest(&image(), Vec::new(), Some(&wish)).unwrap();
            let Runtime::Image { runtime } = &made.runtime else {
                panic!("{made:?}");
            };
            assert_eq!(runtime.args.join(" "), expected);
            assert!(runtime.command.is_empty());
        }
    }

    #[test]
    fn the_health_check_of_an_image_is_its_apps_unless_its_author_has_another() {
        for (test, expected) in [
            (r#"["CMD","pg_isready","-q"]"#, Some("pg_isready|-q")),
            (
                r#"["CMD-SHELL","curl -f localhost || exit 1"]"#,
                Some("/bin/sh|-c|curl -f localhost || exit 1"),
            ),
            (r#"["NONE"]"#, None),
            (r#"["CMD"]"#, None),
            (r#"["CMD",""]"#, None),
            (r#"["CMD","a\nb"]"#, None),
            ("[]", None),
            ("null", None),
        ] {
            let text = format!(r#"{{"Cmd":["x"],"Healthcheck":{{"Test":{test},"Interval":1}}}}"#);
            let made = config(&text).manifest(&image(), Vec::new(), None).unwrap();
            let check = made.healthcheck.as_ref();
            let found = check.and_then(Healthcheck::command).map(|it| it.join("|"));
            assert_eq!(found.as_deref(), expected, "{test}");
            let wish = Manifest {
                healthcheck: Some(Healthcheck::Path("/up".to_owned())),
                ..Manifest::default()
            };
            let made = config(&text).manifest(&image(), Vec::new(), Some(&wish));
            assert_eq!(made.unwrap().healthcheck, wish.healthcheck);
        }
    }

    #[test]
    fn the_authors_manifest_goes_before_the_image() {
        let wish = Manifest::parse(
            br#"{"name":"Mine","port":"auto","runtime":{"kind":"oci","image":"localhost/x",
                "args":["serve"],"env":{"A":"2"},"volumes":["/keep"]}}"#,
        )
        .unwrap();
        let Runtime::Image { runtime } = &wish.runtime else {
            panic!("{wish:?}");
        };
        let config = config(r#"{"Cmd":["x"],"Env":["A=1","B=1"],"Volumes":{"/data":{}}}"#);
        let volumes = config.volumes(Some(runtime)).unwrap();
        assert_eq!(volumes, ["/data", "/keep"]);
        let made = config.manifest(&image(), volumes, Some(&wish)).unwrap();
        let Runtime::Image { runtime } = &made.runtime else {
            panic!("{made:?}");
        };
        assert_eq!(runtime.args, ["serve"]);
        assert_eq!(runtime.env["A"], "2");
        assert_eq!(runtime.env["B"], "1");
        assert_eq!(runtime.env["PATH"], PATH);
        assert_eq!(
            (made.name.as_deref(), made.port),
            (Some("Mine"), Some(AppPort::Auto))
        );
    }

    #[test]
    fn an_image_that_cannot_run_here_says_why() {
        assert!(matches!(
            config("null").manifest(&image(), Vec::new(), None),
            Err(ImageError::NoProgram)
        ));
        for volume in [
            "/etc",
            "/usr/lib",
            "relative",
            "/run/x",
            "/var/lib/atek-app-k1",
        ] {
            let config = config(&format!(r#"{{"Volumes":{{"{volume}":{{}}}}}}"#));
            assert!(config.volumes(None).is_err(), "{volume}");
        }
        let other = ImageConfig {
            architecture: "s390x".to_owned(),
            os: "linux".to_owned(),
            ..ImageConfig::default()
        };
        let error = other.check_platform().unwrap_err().to_string();
        assert!(error.starts_with("the image is for linux/s390x"), "{error}");
    }
}
