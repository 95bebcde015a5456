use super::*;
use crate::sources::Sources;
use atek_api::spec::{
    AppPort, JobKind, Limits, Network, Package, PackageSpec, Prefix, Program, ServiceSpec, Workdir,
};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

mod of_backups;
mod of_networks;

pub(crate) fn spec() -> ServiceSpec {
    ServiceSpec {
        id: "rss".parse().unwrap(),
        key: "k1".parse().unwrap(),
        owner: "u1".parse().unwrap(),
        core: false,
        title: "News".to_owned(),
        program: Program::Node {
            entry: "index.js".parse().unwrap(),
            args: Vec::new(),
        },
        package: Package::in_place("/var/lib/atek/packages/k1/versions/v1".into(), None),
        env: BTreeMap::new(),
        network: Network::None,
        home: Vec::new(),
        devices: Vec::new(),
        folders: Vec::new(),
        listen: Vec::new(),
        root: false,
        mdns: false,
        port: None,
        workdir: Workdir::Package,
        health_command: Vec::new(),
        before_backup: None,
        limits: Limits::default(),
        sidecars: Vec::new(),
    }
}

/// Sources of a spec's shape, whose numbers tell one from the other.
pub(super) fn sources(spec: &ServiceSpec) -> Sources {
    let identity = |inode| Identity { device: 1, inode };
    Sources {
        attach: identity(2),
        host: identity(3),
        package: identity(4),
        modules: spec.package.modules.as_ref().map(|_| identity(5)),
        image: None,
        folders: Vec::new(),
        groups: Vec::new(),
        sidecars: Vec::new(),
    }
}

pub(super) const NEW: Version = Version(257);

#[test]
fn an_image_is_the_root_and_the_sandbox_enters_it_with_the_hosts_linker() {
    let spec = ServiceSpec {
        program: Program::Image {
            argv: vec!["redis-server".to_owned()],
            workdir: "/data".to_owned(),
            volumes: vec!["/data".to_owned()],
            user: Some("redis".to_owned()),
            stop_signal: Some("SIGINT".parse().unwrap()),
        },
        ..spec()
    };
    spec.validate().unwrap();
    let image = crate::sources::ImageSources {
        linker: "/usr/lib/ld-linux-x86-64.so.2".into(),
        libraries: vec![
            "/usr/lib/libc.so.6".into(),
            "/lib/libm.so.6".into(),
            "/usr/lib/libgcc_s.so.1".into(),
        ],
    };
    let sources = Sources {
        image: Some(image),
        ..sources(&spec)
    };
    let properties = service(&spec, &sources, NEW);
    let root = value(&properties, "RootDirectory");
    assert!(root.contains("/versions/v1/rootfs"), "{root}");
    assert!(value(&properties, "RootDirectoryStartOnly").contains("true"));
    assert!(value(&properties, "BindLogSockets").contains("false"));
    assert!(value(&properties, "KillSignal").contains('2'));
    assert!(value(&properties, "SuccessExitStatus").contains("130"));
    let exec = value(&properties, "ExecStartEx");
    for part in [
        "\"/run/atek-sandbox/lib/0/ld-linux-x86-64.so.2\", \"--inhibit-cache\"",
        "\"/run/atek-sandbox/lib/0:/run/atek-sandbox/lib/1\"",
        "image=1",
        "user=redis",
        "workdir=/data",
        "mount=1:4:/\"",
        "redis-server",
    ] {
        assert!(exec.contains(part), "{part}: {exec}");
    }
    let mounts = value(&properties, "BindReadOnlyPaths");
    assert!(
        mounts.contains("(\"/usr/lib\", \"/run/atek-sandbox/lib/0\", false")
            && mounts.contains("(\"/lib\", \"/run/atek-sandbox/lib/1\", false"),
        "{mounts}"
    );
    // What the image has in /opt is its own; what the linker would load first is hidden.
    let hidden = value(&properties, "InaccessiblePaths");
    assert!(!hidden.contains("-/opt") && hidden.contains("-/etc/ld.so.preload"));
    assert!(!value(&properties, "TemporaryFileSystem").contains("/var"));
    // Nothing else is weaker than for other services.
    for (name, at_rest) in service(&super::tests::spec(), &Sources::default(), NEW) {
        let other = values(&properties, name);
        let same = other.contains(&at_rest.to_string());
        let differs = [
            "ExecStartEx",
            "WorkingDirectory",
            "KillSignal",
            "SuccessExitStatus",
            "ProtectHome",
            "InaccessiblePaths",
            "TemporaryFileSystem",
            "BindReadOnlyPaths",
        ];
        assert!(same || differs.contains(&name), "{name}");
    }
}

/// Every value of a property, as text with its type.
pub(super) fn values(properties: &[Property], name: &str) -> Vec<String> {
    properties
        .iter()
        .filter(|(other, _)| *other == name)
        .map(|(_, value)| value.to_string())
        .collect()
}

pub(super) fn value(properties: &[Property], name: &str) -> String {
    match values(properties, name).as_slice() {
        [one] => one.clone(),
        others => panic!("{name} has {} values", others.len()),
    }
}

#[test]
fn every_property_has_the_type_that_systemd_takes() {
    let with_everything = ServiceSpec {
        network: Network::Direct { lan: false },
        limits: Limits {
            cpu_quota: Some(50),
            ..Limits::default()
        },
        ..spec()
    };
    let with_a_port = ServiceSpec {
        listen: vec!["tcp/1883".parse().unwrap()],
        ..spec()
    };
    let mut known = Vec::new();
    for (signature, names) in [
        (
            "s",
            "Description Slice SyslogIdentifier Type CollectMode Restart ProtectSystem DevicePolicy \
               ProtectProc ProcSubset KeyringMode KillMode OOMPolicy PrivateTmpEx WorkingDirectory Group \
               ProtectHome",
        ),
        (
            "b",
            "NoNewPrivileges PrivateDevices PrivateIPC RemoveIPC ProtectKernelTunables \
               ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname \
               RestrictSUIDSGID RestrictRealtime LockPersonality MemoryAccounting CPUAccounting \
               TasksAccounting DynamicUser PrivateUsers PrivateNetwork RemainAfterExit \
               StopWhenUnneeded DefaultDependencies",
        ),
        (
            "t",
            "CapabilityBoundingSet AmbientCapabilities RestrictNamespaces RestartUSec \
               RestartMaxDelayUSec StartLimitIntervalUSec TimeoutStartUSec TimeoutStopUSec LimitCORE \
               LimitNOFILE LimitNOFILESoft LimitMEMLOCK MemoryMax MemorySwapMax TasksMax CPUWeight \
               CPUQuotaPerSecUSec LogRateLimitIntervalUSec",
        ),
        (
            "u",
            "StartLimitBurst RestartSteps StateDirectoryMode RuntimeDirectoryMode UMask \
               LogRateLimitBurst",
        ),
        ("i", "SystemCallErrorNumber OOMScoreAdjust KillSignal"),
        (
            "as",
            "PartOf InaccessiblePaths SystemCallArchitectures StateDirectory RuntimeDirectory \
               Requires After JoinsNamespaceOf",
        ),
        ("aay", "LogExtraFields"),
        ("(bas)", "RestrictAddressFamilies SystemCallFilter"),
        ("(aiai)", "SuccessExitStatus"),
        ("a(sasas)", "ExecStartEx ExecStopEx ExecReloadEx"),
        ("a(ss)", "LoadCredential TemporaryFileSystem"),
        ("a(ssbt)", "BindReadOnlyPaths BindPaths"),
        ("a(iayu)", "IPAddressAllow IPAddressDeny"),
    ] {
        for name in names.split_whitespace() {
            known.push(name);
            // Who answers the home has no list of addresses.
            let mut properties = service(&with_everything, &Sources::default(), NEW);
            properties.extend(service(&with_a_port, &Sources::default(), NEW));
            properties.extend(network(&with_everything, NEW).1);
            properties.extend(network(&with_a_port, NEW).1);
            let found: Vec<_> = properties
                .iter()
                .filter(|(other, _)| *other == name)
                .collect();
            assert!(!found.is_empty(), "{name} is sent");
            for (_, value) in found {
                assert_eq!(value.value_signature().to_string(), signature, "{name}");
            }
        }
    }
    let of_service = service(&with_everything, &Sources::default(), NEW);
    let of_network = network(&with_everything, NEW).1;
    for (name, _) in of_service.into_iter().chain(of_network) {
        assert!(
            known.contains(&name),
            "{name} needs a place in the table above"
        );
    }
}

#[test]
fn newer_properties_are_only_sent_to_a_systemd_that_knows_them() {
    for (version, absent, present) in [
        (
            252,
            &["RestartSteps", "RestartMaxDelayUSec", "PrivateTmpEx"][..],
            &["PrivateTmp"][..],
        ),
        (254, &["PrivateTmpEx"], &["RestartSteps", "PrivateTmp"]),
        (
            257,
            &["PrivateTmp"],
            &["RestartSteps", "RestartMaxDelayUSec", "PrivateTmpEx"],
        ),
    ] {
        let properties = service(&spec(), &Sources::default(), Version(version));
        for name in absent {
            assert!(values(&properties, name).is_empty(), "{name} in {version}");
        }
        for name in present {
            assert_eq!(values(&properties, name).len(), 1, "{name} in {version}");
        }
    }
}

#[test]
fn versions_are_read_from_what_distributions_make_of_them() {
    for (text, expected) in [
        ("257.13-1~deb13u1", Some(257)),
        ("252", Some(252)),
        ("v258-rc1", Some(258)),
        ("", None),
        ("unknown", None),
    ] {
        assert_eq!(Version::parse(text), expected.map(Version), "{text:?}");
    }
}

#[test]
fn a_service_is_confined_to_its_package_and_its_own_folders() {
    let properties = service(&spec(), &Sources::default(), NEW);
    let mounts = value(&properties, "BindReadOnlyPaths");
    for (source, target) in [
        ("/run/atek/attach", "/run/atek/attach"),
        ("/run/atek/host/k1", "/run/atek/host"),
        ("/var/lib/atek/packages/k1/versions/v1", "/app"),
        ("/run/atek-accounts/k1/passwd", "/etc/passwd"),
        ("/run/atek-accounts/k1/group", "/etc/group"),
    ] {
        assert!(
            mounts.contains(&format!("(\"{source}\", \"{target}\", false,")),
            "{mounts}"
        );
    }
    assert_eq!(mounts.matches("false").count(), 5, "{mounts}");
    // Its files are root's, so the service cannot write them.
    let written = value(&properties, "BindPaths");
    let accounts = "(\"/run/atek-accounts/k1\", \"/run/atek-accounts\", false,";
    assert!(written.contains(accounts), "{written}");
    assert_eq!(written.matches("false").count(), 1, "{written}");
    assert_eq!(value(&properties, "PrivateNetwork"), "true");
    assert_eq!(value(&properties, "StateDirectory"), "[\"atek-app-k1\"]");
    assert_eq!(value(&properties, "Slice"), "\"atek-apps-u1.slice\"");
    let emptied = value(&properties, "TemporaryFileSystem");
    assert!(
        emptied.contains("\"/run\"") && emptied.contains("\"/var\""),
        "{emptied}"
    );
    assert!(
        values(&properties, "Environment").is_empty(),
        "every user could read it"
    );
}

#[test]
fn a_package_with_a_node_of_its_own_runs_by_it() {
    let command = |program: Program| {
        let mut spec = spec();
        spec.program = program;
        spec.package.own_node = true;
        let inside = spec.package.folder_inside();
        let argv = service::argv(&service::Process::own(&spec), &inside, &sources(&spec));
        let program = argv.iter().position(|word| word == "--").unwrap();
        argv[program + 1..].to_vec()
    };
    // What it starts finds the same Node; a `PATH` of the configuration counts.
    let expected = [
        "/bin/sh",
        "-c",
        "PATH=/app/.atek-node:$PATH; export PATH; exec \"$0\" \"$@\"",
        "/app/.atek-node/node",
        "/app/index.js",
        "--port",
    ];
    let entry = Program::Node {
        entry: "index.js".parse().unwrap(),
        args: vec!["--port".to_owned()],
    };
    assert_eq!(command(entry), expected);
    let script = command(Program::Script {
        line: "node .".to_owned(),
        name: String::new(),
        version: String::new(),
        args: Vec::new(),
    });
    let text = "PATH=/app/node_modules/.bin:/app/.atek-node:$PATH; export PATH; node .";
    assert!(script.contains(&text.to_owned()), "{script:?}");
    assert!(
        script.contains(&"NODE=/app/.atek-node/node".to_owned()),
        "{script:?}"
    );
}

#[test]
fn a_start_script_runs_as_npm_runs_it() {
    let script = |args: &[&str]| Program::Script {
        line: "serve -l tcp://$HOST:$PORT".to_owned(),
        name: "files".to_owned(),
        version: String::new(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let variables = |folder: &str| {
        [
            "/usr/bin/env".to_owned(),
            format!("INIT_CWD={folder}"),
            "NODE=/usr/bin/node".to_owned(),
            "npm_node_execpath=/usr/bin/node".to_owned(),
            "npm_lifecycle_event=start".to_owned(),
            "npm_lifecycle_script=serve -l tcp://$HOST:$PORT".to_owned(),
            format!("npm_package_json={folder}/package.json"),
            "npm_package_name=files".to_owned(),
        ]
    };
    let command = |spec: &ServiceSpec| {
        let inside = spec.package.folder_inside();
        let argv = service::argv(&service::Process::own(spec), &inside, &sources(spec));
        let program = argv.iter().position(|word| word == "--").unwrap();
        argv[program + 1..].to_vec()
    };
    let plain = ServiceSpec {
        program: script(&[]),
        ..spec()
    };
    let text = "PATH=/app/node_modules/.bin:$PATH; export PATH; serve -l tcp://$HOST:$PORT";
    let expected = ["/bin/sh", "-c", text, "sh"].map(str::to_owned);
    assert_eq!(
        command(&plain),
        [&variables("/app")[..], &expected].concat()
    );
    let workspace = ServiceSpec {
        program: script(&["a b", "$HOME"]),
        package: Package::in_place(
            "/home/bob/ws/app".into(),
            Some("/home/bob/ws/node_modules".into()),
        ),
        ..spec()
    };
    let text = "PATH=/app/package/node_modules/.bin:/app/node_modules/.bin:$PATH; export PATH; \
                serve -l tcp://$HOST:$PORT \"$@\"";
    let expected = ["/bin/sh", "-c", text, "sh", "a b", "$HOME"].map(str::to_owned);
    assert_eq!(
        command(&workspace),
        [&variables("/app/package")[..], &expected].concat()
    );
}

#[test]
fn native_code_of_a_component_is_taken_from_an_installed_package_alone() {
    let of = |folder: &str| {
        let spec = ServiceSpec {
            program: Program::Wasm {
                path: "app.wasm".parse().unwrap(),
                args: vec!["a b".to_owned()],
            },
            package: Package::in_place(folder.into(), None),
            limits: Limits {
                memory_max: Some(64 << 20),
                ..Limits::default()
            },
            ..spec()
        };
        let inside = spec.package.folder_inside();
        let argv = service::argv(&service::Process::own(&spec), &inside, &sources(&spec));
        let start = argv.iter().position(|word| word == "--").unwrap();
        argv[start + 1..].join("|")
    };
    spec().validate().unwrap();
    let run = "/usr/lib/atek/atek-wasm|serve";
    let rest = "--memory=67108864|--|/app/app.wasm|a b";
    assert_eq!(
        of("/var/lib/atek/packages/k1/versions/v1.0.0"),
        format!("{run}|--compiled=/app/.atek-wasm|{rest}")
    );
    assert_eq!(of("/home/bob/app"), format!("{run}|{rest}"));
}

#[test]
fn programs_run_by_an_absolute_path_inside() {
    let native = |args: &[&str]| Program::Native {
        path: "bin/server".parse().unwrap(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let workspace = Package::in_place(
        "/home/bob/ws/app".into(),
        Some("/home/bob/ws/node_modules".into()),
    );
    let core = ServiceSpec {
        id: "core.adb".parse().unwrap(),
        core: true,
        package: Package::in_place("/usr/lib/atek/core/adb".into(), None),
        program: native(&[]),
        ..spec()
    };
    for (spec, cwd, command, slice) in [
        (
            spec(),
            "/app",
            &["/usr/bin/node", "/app/index.js"][..],
            "atek-apps-u1.slice",
        ),
        (
            ServiceSpec {
                program: native(&["%h", "${HOME}"]),
                ..spec()
            },
            "/app",
            &["/app/bin/server", "%h", "${HOME}"],
            "atek-apps-u1.slice",
        ),
        (
            ServiceSpec {
                package: workspace,
                owner: "a-b".parse().unwrap(),
                ..spec()
            },
            "/app/package",
            &["/usr/bin/node", "/app/package/index.js"],
            "atek-apps-a\\\\x2db.slice",
        ),
        (
            core,
            "/usr/lib/atek/core/adb",
            &["/usr/lib/atek/core/adb/bin/server"],
            "atek-core.slice",
        ),
    ] {
        let properties = service(&spec, &sources(&spec), NEW);
        assert_eq!(value(&properties, "WorkingDirectory"), format!("{cwd:?}"));
        assert_eq!(value(&properties, "Slice"), format!("\"{slice}\""));
        let exec = value(&properties, "ExecStartEx");
        let quoted = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            words.join(", ")
        };
        let first = quoted(&["/usr/lib/atek/atek-sandbox", "k1"]);
        assert!(exec.contains(&format!("[{first}, ")), "{exec}");
        let last = quoted(&[&["--"][..], command].concat());
        assert!(exec.contains(&format!(", {last}]")), "{exec}");
        assert!(exec.contains(&format!("\"mount=1:4:{cwd}\"")), "{exec}");
        assert!(exec.contains("no-env-expand"), "{exec}");
    }
}

#[test]
fn the_sandbox_is_told_what_must_be_mounted_and_how_the_program_is_reached() {
    let hosts = Network::Hosts;
    for (spec, expected) in [
        (
            spec(),
            "\"k1\", \"mount=1:2:/run/atek/attach\", \"mount=1:3:/run/atek/host\", \"mount=1:4:/app\", \"--\"",
        ),
        (
            ServiceSpec {
                network: hosts,
                port: Some(AppPort::Fixed(8080)),
                ..spec()
            },
            "\"k1\", \"port=8080\", \"proxy\", \"mount=",
        ),
        (
            ServiceSpec {
                port: Some(AppPort::Auto),
                ..spec()
            },
            "\"k1\", \"port=auto\", \"mount=",
        ),
        (
            ServiceSpec {
                package: Package::in_place(
                    "/home/bob/ws/app".into(),
                    Some("/home/bob/ws/node_modules".into()),
                ),
                ..spec()
            },
            "\"mount=1:4:/app/package\", \"mount=1:5:/app/node_modules\", \"--\"",
        ),
    ] {
        let exec = value(&service(&spec, &sources(&spec), NEW), "ExecStartEx");
        assert!(exec.contains(expected), "{exec}");
    }
}

#[test]
fn what_is_shown_that_it_is_root_is_confined_as_before_but_for_one_kind_of_namespace() {
    let image = |root| ServiceSpec {
        program: Program::Image {
            argv: vec!["nginx".to_owned()],
            workdir: "/".to_owned(),
            volumes: Vec::new(),
            user: None,
            stop_signal: None,
        },
        root,
        ..spec()
    };
    let sources = Sources {
        image: Some(crate::sources::ImageSources::default()),
        ..sources(&spec())
    };
    let plain = service(&image(false), &sources, NEW);
    let root = service(&image(true), &sources, NEW);
    for (name, shown) in [
        ("RestrictNamespaces", "268435456"),
        ("ExecStartEx", "\"root\""),
    ] {
        let [one] = &values(&root, name)[..] else {
            panic!("{name}: {:?}", values(&root, name));
        };
        assert!(one.contains(shown), "{name}: {one}");
        assert!(!values(&plain, name)[0].contains(shown), "{name}");
    }
    assert!(!value(&root, "BindReadOnlyPaths").contains("/etc/passwd"));
    assert!(value(&root, "TemporaryFileSystem").contains("mode=1777"));
    let changed = [
        "RestrictNamespaces",
        "ExecStartEx",
        "BindReadOnlyPaths",
        "TemporaryFileSystem",
    ];
    for (name, _) in plain.iter().filter(|(name, _)| !changed.contains(name)) {
        assert_eq!(values(&plain, name), values(&root, name), "{name}");
    }
}

#[test]
fn a_program_that_writes_where_it_starts_can_start_in_its_state() {
    let spec = ServiceSpec {
        workdir: Workdir::State,
        ..spec()
    };
    let properties = service(&spec, &sources(&spec), NEW);
    let workdir = value(&properties, "WorkingDirectory");
    assert_eq!(workdir, "\"/var/lib/atek-app-k1\"");
}

#[test]
fn nothing_with_privilege_runs_among_the_mounts_of_a_service_before_it() {
    let properties = service(&spec(), &Sources::default(), NEW);
    assert!(values(&properties, "ExecStartPreEx").is_empty());
    assert!(!value(&properties, "ExecStartEx").contains("privileged"));
}

#[test]
fn the_lines_of_a_script_are_no_lines_of_a_unit_file() {
    let program = Program::Native {
        path: "run".parse().unwrap(),
        args: vec!["true\nUser=root\n\t\\".to_owned()],
    };
    let spec = ServiceSpec { program, ..spec() };
    spec.validate().unwrap();
    let started = value(&service(&spec, &sources(&spec), NEW), "ExecStartEx");
    assert!(!started.contains(char::is_control), "{started:?}");
    assert!(started.contains("\"escaped\", "), "{started}");
}

#[test]
fn devices_at_home_were_reached_by_their_addresses_of_the_internet() {
    let home: Vec<Prefix> = vec!["2001:db8:77::/64".parse().unwrap()];
    let spec = ServiceSpec {
        network: Network::Direct { lan: false },
        home: home.clone(),
        ..spec()
    };
    let denied = value(&service(&spec, &sources(&spec), NEW), "IPAddressDeny");
    // A byte of the prefix.
    assert!(denied.contains("0x77"), "{denied}");
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    for (kind, closed) in [(JobKind::Fetch, false), (JobKind::Build, true)] {
        let spec = PackageSpec {
            kind,
            home: home.clone(),
            ..PackageSpec::default()
        };
        let id = "j1".parse().unwrap();
        let properties = job(&id, &spec, None, NEW, channel(), channel());
        let denied = values(&properties, "IPAddressDeny");
        assert_eq!(!denied.is_empty(), closed, "{kind:?}");
        // Only a build may not listen: a fetch has a proxy on its loopback.
        let started = value(&properties, "ExecStartEx");
        let word = if closed { "\"build\"" } else { "\"fetch\"" };
        assert!(started.contains(word), "{started}");
        let private = values(&properties, "PrivateNetwork");
        assert_eq!(!private.is_empty(), closed, "{kind:?}");
        if closed {
            assert!(denied[0].contains("0x77"), "{denied:?}");
            let before = value(&properties, "ExecStartPreEx");
            assert!(before.contains("\"internet\""), "{before}");
            // The name server, 169.254.0.1.
            assert!(value(&properties, "IPAddressAllow").contains("0xa9"));
        }
    }
}

#[test]
fn a_component_is_compiled_without_a_network_and_without_layers_of_others() {
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let spec = PackageSpec {
        kind: JobKind::Compile,
        source_folder: Some("/var/lib/atek/packages/k1/versions/v1.0.0".into()),
        ..PackageSpec::default()
    };
    spec.validate().unwrap();
    let id = "j1".parse().unwrap();
    let properties = job(&id, &spec, None, NEW, channel(), channel());
    assert_eq!(value(&properties, "PrivateNetwork"), "true");
    assert!(values(&properties, "ExecStartPreEx").is_empty());
    let read = value(&properties, "BindReadOnlyPaths");
    assert!(read.contains("/versions/v1.0.0") && !read.contains("resolv"));
    assert!(!value(&properties, "BindPaths").contains("layers"));
}

#[test]
fn limits_are_the_specs_own_or_the_defaults() {
    let limits = Limits {
        memory_max: Some(64 << 20),
        cpu_quota: Some(50),
        ..Limits::default()
    };
    let properties = service(&ServiceSpec { limits, ..spec() }, &Sources::default(), NEW);
    for (name, expected) in [
        ("MemoryMax", "67108864"),
        ("TasksMax", "128"),
        ("CPUQuotaPerSecUSec", "500000"),
        ("CPUWeight", "100"),
    ] {
        let value = value(&properties, name);
        assert!(value.ends_with(expected), "{name}: {value}");
    }
    assert!(values(&properties, "MemoryHigh").is_empty());
    assert!(
        values(
            &service(&spec(), &Sources::default(), NEW),
            "CPUQuotaPerSecUSec"
        )
        .is_empty()
    );
}

#[test]
fn a_job_writes_its_staging_folder_and_sees_only_the_folder_it_was_given() {
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let spec = PackageSpec {
        source_folder: Some("/home/bob/app.git".into()),
        ..PackageSpec::default()
    };
    let checked = Identity {
        device: 7,
        inode: 8,
    };
    let properties = job(
        &"j1".parse().unwrap(),
        &spec,
        Some(checked),
        NEW,
        channel(),
        channel(),
    );
    let written = value(&properties, "BindPaths");
    assert_eq!(
        written.matches("/var/lib/atek/staging/j1").count(),
        2,
        "{written}"
    );
    assert!(
        written.contains("/var/lib/atek/staging/layers"),
        "{written}"
    );
    assert!(value(&properties, "BindReadOnlyPaths").contains("/home/bob/app.git"));
    let exec = value(&properties, "ExecStartEx");
    let expected =
        "\"fetch\", \"mount=7:8:/home/bob/app.git\", \"--\", \"/usr/lib/atek/atek-package\"";
    assert!(exec.contains(expected), "{exec}");
    assert_eq!(value(&properties, "User"), "\"atek-build\"");
    for (name, signature) in [
        ("StandardInputFileDescriptor", "h"),
        ("StandardOutputFileDescriptor", "h"),
    ] {
        let (_, value) = properties.iter().find(|(other, _)| *other == name).unwrap();
        assert_eq!(value.value_signature().to_string(), signature);
    }
    for (name, value) in &properties {
        let value = value.to_string();
        assert!(!value.contains(['%', '\n']), "{name}: {value}");
    }
}

#[test]
fn the_neighbours_of_a_jobs_source_folder_are_not_shown() {
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    for (folder, homes, emptied, closed) in [
        (None, "tmpfs", &["/run", "/var"][..], true),
        (Some("/home/bob/app.git"), "tmpfs", &["/run", "/var"], true),
        (
            Some("/srv/app.git"),
            "tmpfs",
            &["/run", "/var", "/srv"],
            false,
        ),
        (Some("/srvs/app.git"), "tmpfs", &["/run", "/var"], true),
        (
            Some("/root/app.git"),
            "no",
            &["/run", "/var", "/root", "/home"],
            true,
        ),
    ] {
        let spec = PackageSpec {
            source_folder: folder.map(Into::into),
            ..PackageSpec::default()
        };
        let properties = job(
            &"j1".parse().unwrap(),
            &spec,
            None,
            NEW,
            channel(),
            channel(),
        );
        assert_eq!(
            value(&properties, "ProtectHome"),
            format!("{homes:?}"),
            "{folder:?}"
        );
        let mounts = value(&properties, "TemporaryFileSystem");
        assert_eq!(
            mounts.matches("mode=755").count(),
            emptied.len(),
            "{mounts}"
        );
        for folder in emptied {
            assert!(mounts.contains(&format!("{folder:?}")), "{mounts}");
        }
        let hidden = value(&properties, "InaccessiblePaths");
        assert_eq!(hidden.contains("\"-/srv\""), closed, "{folder:?}");
    }
}

#[test]
fn a_build_that_met_its_memory_limit_took_with_it_who_could_have_said_so() {
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let spec_of_job = PackageSpec::default();
    let job = job(
        &"j1".parse().unwrap(),
        &spec_of_job,
        None,
        NEW,
        channel(),
        channel(),
    );
    assert_eq!(value(&job, "OOMPolicy"), "\"continue\"");
    assert_eq!(
        value(&service(&spec(), &Sources::default(), NEW), "OOMPolicy"),
        "\"stop\""
    );
}

#[test]
fn what_a_build_printed_on_standard_error_went_into_the_channel() {
    let channel = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let spec = PackageSpec::default();
    let job = job(
        &"j1".parse().unwrap(),
        &spec,
        None,
        NEW,
        channel(),
        channel(),
    );
    assert_ne!(
        value(&job, "StandardOutput"),
        value(&job, "StandardError"),
        "systemd then gives both the same descriptor"
    );
}

#[test]
fn only_the_database_may_use_what_the_disk_keeps_back() {
    let groups = |core, folder: &str| {
        let spec = ServiceSpec {
            core,
            package: Package::in_place(folder.into(), None),
            ..spec()
        };
        values(&service(&spec, &sources(&spec), NEW), "SupplementaryGroups")
    };
    let database = groups(true, "/usr/lib/atek/core/adb");
    assert!(
        database.len() == 1 && database[0].contains("atek-reserve"),
        "{database:?}"
    );
    assert!(groups(true, "/usr/lib/atek/core/lonestar").is_empty());
    assert!(groups(false, "/var/lib/atek/packages/k1/versions/v1").is_empty());
    assert!(groups(false, "/usr/lib/atek/core/adb").is_empty());
}

#[test]
fn fuzz_property_lists() {
    let variants = [
        spec(),
        ServiceSpec {
            program: Program::Native {
                path: "bin/app".parse().unwrap(),
                args: vec!["--a".to_owned(), "%n".to_owned()],
            },
            network: Network::Direct { lan: true },
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            port: Some(AppPort::Fixed(8080)),
            ..spec()
        },
        ServiceSpec {
            id: "core.adb".parse().unwrap(),
            core: true,
            limits: Limits {
                memory_max: Some(64 << 20),
                cpu_quota: Some(50),
                ..Limits::default()
            },
            ..spec()
        },
        ServiceSpec {
            network: Network::Direct { lan: false },
            home: vec!["2001:db8::/64".parse().unwrap()],
            port: Some(AppPort::Auto),
            workdir: Workdir::State,
            ..spec()
        },
    ];
    let seeds: Vec<Vec<u8>> = variants
        .iter()
        .map(|spec| serde_json::to_vec(spec).unwrap())
        .collect();
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let tokens: [&[u8]; 8] = [
        b"/../",
        b"%n",
        b"\\n",
        b"\\u0000",
        b"${HOME}",
        br#""core":true,"#,
        br#""env":{"LD_PRELOAD":"x"},"#,
        br#""limits":{"memoryMax":1},"#,
    ];
    // What confines is the same for every service, whatever its spec says.
    let confining = sandbox::properties(NEW, &[], None);
    let confining: Vec<&str> = confining
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| *name != "RestrictAddressFamilies")
        .chain(["DynamicUser"])
        .collect();
    let confined = |properties: &[Property]| -> Vec<Vec<String>> {
        let names = confining.iter();
        names.map(|name| values(properties, name)).collect()
    };
    let expected = confined(&service(&spec(), &sources(&spec()), NEW));
    assert!(expected.iter().all(|values| !values.is_empty()));
    atek_fuzz::run("property lists", &seeds, &tokens, |input| {
        let Ok(spec) = serde_json::from_slice::<ServiceSpec>(input) else {
            return false;
        };
        if spec.validate().is_err() {
            return false;
        }
        let properties = service(&spec, &sources(&spec), NEW);
        let of_network = network(&spec, NEW).1;
        for (name, value) in properties.iter().chain(&of_network) {
            let value = value.to_string();
            // A line's end would begin another setting in the unit file that systemd writes.
            assert!(!value.contains(char::is_control), "{name}: {value:?}");
        }
        assert_eq!(confined(&properties), expected);
        true
    });
}

#[test]
fn a_service_is_given_its_devices_and_their_groups_and_no_other_device() {
    let plain = service(&spec(), &sources(&spec()), NEW);
    assert!(values(&plain, "DeviceAllow").is_empty());
    assert!(values(&plain, "SupplementaryGroups").is_empty());
    let spec = ServiceSpec {
        devices: vec!["/dev/ttyUSB0".parse().unwrap()],
        ..spec()
    };
    let sources = Sources {
        groups: vec!["dialout"],
        ..sources(&spec)
    };
    let properties = service(&spec, &sources, NEW);
    for (name, expected) in [
        ("DeviceAllow", r#"("/dev/ttyUSB0", "rw")"#),
        ("DevicePolicy", "closed"),
        ("PrivateDevices", "true"),
        ("SupplementaryGroups", "dialout"),
        ("BindPaths", r#"("/dev/ttyUSB0", "/dev/ttyUSB0", true,"#),
        ("ExecStartEx", "device=/dev/ttyUSB0"),
    ] {
        let found = values(&properties, name).join(" ");
        assert!(found.contains(expected), "{name}: {found}");
    }
}
