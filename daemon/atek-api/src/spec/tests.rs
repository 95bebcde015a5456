use super::*;

fn spec() -> ServiceSpec {
    serde_json::from_value(serde_json::json!({
        "id": "rss",
        "key": "ff080c5e7f2b3828",
        "owner": "ff080c5e7f2b3830",
        "title": "News",
        "program": {"kind": "node", "entry": "./index.js"},
        "package": {"folder": "/var/lib/atek/packages/ff080c5e7f2b3828/versions/v1.0.0"},
    }))
    .unwrap()
}

#[test]
fn a_minimal_spec_asks_for_nothing_beyond_the_defaults() {
    let spec = spec();
    spec.validate().unwrap();
    assert_eq!(spec.network, Network::None);
    assert_eq!(spec.effective_limits(), Limits::for_apps());
    assert_eq!(
        spec.program,
        Program::Node {
            entry: "index.js".parse().unwrap(),
            args: Vec::new(),
        }
    );
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ServiceSpec>(&text).unwrap(), spec);
}

#[test]
fn a_program_with_a_port_may_have_any_network() {
    for network in [
        Network::None,
        Network::Hosts,
        Network::Direct { lan: false },
        Network::Direct { lan: true },
    ] {
        let mut spec = spec();
        spec.network = network;
        spec.port = Some(AppPort::Auto);
        assert_eq!(spec.validate(), Ok(()), "{network:?}");
    }
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    let mut spec = spec();
    spec.network = Network::Direct { lan: true };
    let good = serde_json::to_value(spec).unwrap();
    for pointer in ["", "/program", "/package", "/network/direct"] {
        let mut bad = good.clone();
        bad.pointer_mut(pointer).unwrap()["capabilities"] = "all".into();
        assert!(
            serde_json::from_value::<ServiceSpec>(bad).is_err(),
            "at {pointer:?}"
        );
    }
    assert!(serde_json::from_str::<Limits>(r#"{"memoryHigh": 1}"#).is_err());
}

#[test]
fn paths_of_a_program_stay_inside_the_package() {
    for (text, expected) in [
        ("index.js", Some("index.js")),
        ("./dist//main.js", Some("dist/main.js")),
        ("a b%c/$x", Some("a b%c/$x")),
        ("..", None),
        ("a/../../b", None),
        ("/bin/sh", None),
        ("", None),
        (".", None),
        ("a\nb", None),
        ("a\0b", None),
    ] {
        let parsed = text.parse::<RelativePath>().ok();
        assert_eq!(
            parsed.as_ref().map(RelativePath::as_str),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn folders_of_the_system_and_of_other_services_are_never_a_package() {
    for (folder, allowed) in [
        ("/var/lib/atek/packages/ff080c5e7f2b3828/versions/v2", true),
        ("/var/lib/atek/packages/other/versions/v2", false),
        ("/var/lib/atek/packages", false),
        ("/var/lib/atek", false),
        ("/home/bob/src/app", true),
        ("/root/app", true),
        ("/srv/app", true),
        ("/", false),
        ("/var", false),
        ("/etc", false),
        ("/etc/atek", false),
        ("/proc/1/root", false),
        ("/run/user/1000", false),
        ("/usr/lib/atek/core/adb", false),
        ("/home/bob/../../etc", false),
        ("/home//bob", false),
        ("/home/bob/", false),
        ("home/bob", false),
        ("/home/a:b", false),
        ("/home/%h", false),
        ("/home/a\nb", false),
        ("/home/a\\x2fb", false),
    ] {
        let mut spec = spec();
        spec.package.folder = folder.into();
        assert_eq!(spec.validate().is_ok(), allowed, "{folder:?}");
    }
}

#[test]
fn modules_are_those_of_a_parent_of_the_package() {
    for (folder, modules, allowed) in [
        ("/home/bob/ws/app", "/home/bob/ws/node_modules", true),
        (
            "/home/bob/ws/packages/app",
            "/home/bob/ws/node_modules",
            true,
        ),
        ("/home/bob/ws", "/home/bob/ws/node_modules", false),
        ("/home/bob/ws/app", "/home/eve/node_modules", false),
        ("/home/bob/ws/app", "/home/bob/ws/secrets", false),
        ("/home/bob/ws/app", "/etc/node_modules", false),
    ] {
        let mut spec = spec();
        spec.package = Package::in_place(folder.into(), Some(modules.into()));
        assert_eq!(spec.validate().is_ok(), allowed, "{folder} with {modules}");
    }
}

#[test]
fn only_a_job_that_compiles_reads_an_installed_package_and_nothing_else() {
    for (folder, allowed) in [
        ("/var/lib/atek/packages/k1/versions/v1.0.0", true),
        ("/var/lib/atek/packages/k1/versions", false),
        ("/var/lib/atek/packages/k1/versions/..", false),
        ("/var/lib/atek/packages/k1/versions/v1.0.0/lib", false),
        ("/var/lib/atek/packages/k1/other/v1.0.0", false),
        ("/var/lib/atek/packages/../versions/v1.0.0", false),
        ("/var/lib/atek", false),
    ] {
        for kind in [JobKind::Compile, JobKind::Fetch, JobKind::Build] {
            let spec = PackageSpec {
                kind,
                source_folder: Some(folder.into()),
                ..PackageSpec::default()
            };
            let expected = allowed && kind == JobKind::Compile;
            assert_eq!(spec.validate().is_ok(), expected, "{kind:?} {folder}");
        }
    }
}

#[test]
fn only_core_services_run_what_comes_with_atek() {
    let mut core = spec();
    core.id = "core.adb".parse().unwrap();
    core.core = true;
    // One that the configuration put in the place of another is a package like those of apps.
    core.validate().unwrap();
    core.package.folder = "/usr/lib/atek/core/adb".into();
    core.validate().unwrap();
    core.core = false;
    assert_eq!(core.validate(), Err(SpecError::CoreMismatch(core.id)));
    let mut app = spec();
    app.package.folder = "/usr/lib/atek/core/adb".into();
    assert_eq!(
        app.validate(),
        Err(SpecError::ForbiddenFolder(app.package.folder.clone()))
    );
}

#[test]
fn configuration_never_takes_a_name_of_the_host() {
    for (name, allowed) in [
        ("PORT", true),
        ("_X1", true),
        ("ATEK_HOST_PORT", false),
        ("ATEK_", false),
        ("ATEKX", true),
        ("lower", false),
        ("1A", false),
        ("", false),
        ("A=B", false),
        ("A\nB", false),
    ] {
        let mut spec = spec();
        spec.env
            .insert(name.to_owned(), "line one\nline two %h ${HOME}".to_owned());
        assert_eq!(spec.validate().is_ok(), allowed, "{name:?}");
    }
    let mut with_nul = spec();
    with_nul.env.insert("A".to_owned(), "hunter2\0".to_owned());
    let refusal = with_nul.validate().unwrap_err().to_string();
    assert!(!refusal.contains("hunter2"), "the value is not shown");
    let mut large = spec();
    large
        .env
        .insert("A".to_owned(), "x".repeat(CONFIG_MAX_BYTES));
    assert!(matches!(
        large.validate(),
        Err(SpecError::ConfigTooLarge { .. })
    ));
}

#[test]
fn titles_cannot_hide_or_reorder_text() {
    for (text, expected) in [
        ("News", "News"),
        ("  two\n\tlines ", "two lines"),
        ("\u{1b}[31mred", "[31mred"),
        ("abc\u{202e}fdp.exe", "abcfdp.exe"),
        ("zero\u{200b}width", "zerowidth"),
        ("100 %h", "100 h"),
        ("Küche 🍳", "Küche 🍳"),
        ("\u{7}", ""),
    ] {
        assert_eq!(sanitize_title(text), expected);
    }
    assert_eq!(sanitize_title(&"é".repeat(200)).chars().count(), 80);
    let mut spec = spec();
    for title in ["", "two\nlines", "50%"] {
        spec.title = title.to_owned();
        assert_eq!(spec.validate(), Err(SpecError::Title), "{title:?}");
    }
}

#[test]
fn limits_merge_change_and_know_their_range() {
    let mine = Limits {
        memory_max: Some(64 << 20),
        ..Limits::default()
    };
    let merged = mine.merged(&Limits::for_apps());
    assert_eq!(
        (merged.memory_max, merged.tasks_max),
        (Some(64 << 20), Some(128))
    );
    let back = mine.changed(&Limits {
        memory_max: Some(0),
        cpu_quota: Some(50),
        ..Limits::default()
    });
    assert_eq!(
        back,
        Limits {
            cpu_quota: Some(50),
            ..Limits::default()
        }
    );
    assert!(!back.is_default());

    let limit = |json: &str| serde_json::from_str::<Limits>(json).unwrap().validate();
    for (json, allowed) in [
        ("{}", true),
        (
            r#"{"memoryMax": 8388608, "tasksMax": 1, "cpuQuota": 1, "cpuWeight": 1}"#,
            true,
        ),
        (r#"{"memoryMax": 1000}"#, false),
        (r#"{"tasksMax": 0}"#, false),
        (r#"{"cpuQuota": 0}"#, false),
        (r#"{"cpuWeight": 10001}"#, false),
    ] {
        assert_eq!(limit(json).is_ok(), allowed, "{json}");
    }
    Limits::for_apps().validate().unwrap();
    Limits::for_core().validate().unwrap();
    PackageLimits::default().validate().unwrap();
}

#[test]
fn names_of_jobs_and_versions_are_file_names() {
    for (text, job, version) in [
        ("a1-b", true, true),
        ("v1.0.0-rc.1+build", false, true),
        ("", false, false),
        ("..", false, false),
        (".hidden", false, false),
        ("a/b", false, false),
        ("-x", false, false),
        ("A", false, true),
        ("a\n", false, false),
        ("a%n", false, false),
    ] {
        assert_eq!(text.parse::<JobId>().is_ok(), job, "job {text:?}");
        assert_eq!(
            text.parse::<PackageVersion>().is_ok(),
            version,
            "version {text:?}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_accepted_text_can_end_a_line_of_a_unit(title in "(?s).{0,70}", path in "(?s).{0,70}", version in "(?s).{0,20}") {
        proptest::prop_assert!(!sanitize_title(&title).contains(['\n', '\r', '\0', '%']));
        if let Ok(path) = path.parse::<RelativePath>() {
            proptest::prop_assert!(!path.as_str().contains(char::is_control));
            proptest::prop_assert!(!path.as_str().split('/').any(|part| part == ".."));
        }
        if let Ok(version) = version.parse::<PackageVersion>() {
            proptest::prop_assert!(!version.as_str().contains(['/', '%']));
        }
    }
}

/// A service with a database in an image, and a worker that waits for it.
fn with_sidecars() -> ServiceSpec {
    let mut spec = spec();
    spec.sidecars = serde_json::from_value(serde_json::json!([
        {
            "name": "db",
            "program": {"kind": "image", "argv": ["postgres"], "workdir": "/", "volumes": ["/data"]},
            "port": 5432,
        },
        {
            "name": "work",
            "program": {"kind": "node", "entry": "work.js"},
            "after": ["db"],
        },
    ]))
    .unwrap();
    spec
}

#[test]
fn the_processes_of_a_service_are_checked_as_it_is_and_wait_for_no_circle() {
    type Change<'c> = &'c dyn Fn(&mut ServiceSpec);
    let spec = with_sidecars();
    spec.validate().unwrap();
    assert_eq!(
        spec.id.sidecar_unit(&spec.sidecars[0].name),
        "atek-app-rss@db.service"
    );
    assert!(spec.start_timeout() > SIDECAR_READY_TIMEOUT * 2);
    let changed = |change: Change<'_>| {
        let mut spec = with_sidecars();
        change(&mut spec);
        spec.validate().map_err(|error| error.to_string())
    };
    let refused: [(Change<'_>, &str); 8] = [
        (&|spec| spec.sidecars.reverse(), "before one"),
        (
            &|spec| spec.sidecars[1].name = "db".parse().unwrap(),
            "twice",
        ),
        (
            &|spec| spec.network = Network::Direct { lan: false },
            "several processes",
        ),
        (
            &|spec| spec.listen = vec!["tcp/1883".parse().unwrap()],
            "several processes",
        ),
        (&|spec| spec.mdns = true, "several processes"),
        (
            &|spec| {
                spec.sidecars[0].program = Program::Image {
                    argv: vec!["x".to_owned()],
                    workdir: "/".to_owned(),
                    volumes: vec!["/usr".to_owned()],
                    user: None,
                    stop_signal: None,
                }
            },
            "/usr",
        ),
        (
            &|spec| drop(spec.sidecars[0].env.insert("lower".into(), "1".into())),
            "lower",
        ),
        (
            &|spec| {
                let name = |n| format!("s{n}").parse().unwrap();
                let one = &spec.sidecars[0].clone();
                spec.sidecars = (0..9)
                    .map(|n| SidecarSpec {
                        name: name(n),
                        ..one.clone()
                    })
                    .collect();
            },
            "9 further",
        ),
    ];
    for (change, part) in refused {
        let error = changed(change).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_sidecar_is_given_nothing_of_what_its_app_alone_is_given() {
    let mut spec = with_sidecars();
    spec.port = Some(AppPort::Auto);
    spec.devices = vec!["/dev/ttyUSB0".parse().unwrap()];
    spec.env.insert("PASSWORD".to_owned(), "secret".to_owned());
    let sidecar = spec.of_sidecar(&spec.sidecars[0]);
    assert!(sidecar.env.is_empty() && sidecar.devices.is_empty());
    assert!(sidecar.sidecars.is_empty() && sidecar.port.is_none());
    assert_eq!((&sidecar.key, sidecar.limits), (&spec.key, spec.limits));
}
