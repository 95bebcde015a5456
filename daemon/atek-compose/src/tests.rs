use super::*;
use serde_json::json;

fn wishes(main: Option<&str>, variables: &[(&str, &str)]) -> Wishes {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Wishes {
        main: main.map(str::to_owned),
        variables: variables.iter().map(pair).collect(),
    }
}

fn translated(text: &str) -> Translation {
    translate(text, &Wishes::default()).unwrap()
}

/// As a person reads it.
fn said(translation: &Translation) -> Vec<String> {
    translation
        .left_out
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A photo album as the catalogues of home servers describe such apps: a proxy of the catalogue's
/// own, values by anchors and merge keys, databases by the names of their containers.
const ALBUM: &str = r#"version: "3.7"
x-env: &env
  DB_HOST: "album_postgres_1"
  DB_PASSWORD: &password "secret"
  CACHE_URL: redis://album_my_cache_1:6379
services:
  app_proxy:
    environment:
      APP_HOST: album_server_1
      APP_PORT: 2283
  server:
    image: ghcr.io/house/album:v1.2.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    environment:
      <<: *env
      SEED: ${APP_SEED}
      LEVEL: ${LEVEL:-info}
    volumes:
      - ${APP_DATA_DIR}/data/upload:/srv/upload
    depends_on: [my_cache, postgres]
    restart: on-failure
  my_cache:
    image: redis:7.2-alpine
    user: "1000:1000"
    volumes:
      - ${APP_DATA_DIR}/data/cache:/data
  postgres:
    image: postgres:17.2
    command: ["postgres", "-c", 'search_path="$$user", public']
    environment:
      <<: *env
      POSTGRES_PASSWORD: *password
    volumes:
      - ${APP_DATA_DIR}/data/db:/var/lib/postgresql/data
    healthcheck:
      test: pg_isready -U postgres
      interval: 10s
"#;

#[test]
fn an_album_of_three_services_is_one_app() {
    let made = translate(ALBUM, &wishes(None, &[("APP_SEED", "abc")])).unwrap();
    assert_eq!(said(&made), Vec::<String>::new());
    let env = json!({
        "DB_HOST": "postgres", "DB_PASSWORD": "secret", "CACHE_URL": "redis://my-cache:6379",
    });
    let with = |more: serde_json::Value| {
        let mut all = env.clone();
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    assert_eq!(
        made.manifest,
        json!({
            "runtime": {
                "kind": "oci",
                "image": "ghcr.io/house/album:v1.2.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "env": with(json!({ "SEED": "abc", "LEVEL": "info" })),
                "volumes": ["/srv/upload"],
            },
            "port": 2283,
            "services": {
                "my-cache": { "runtime": {
                    "kind": "oci", "image": "docker.io/library/redis:7.2-alpine", "volumes": ["/data"],
                } },
                "postgres": {
                    "runtime": {
                        "kind": "oci", "image": "docker.io/library/postgres:17.2",
                        "command": ["postgres", "-c", "search_path=\"$user\", public"],
                        "env": with(json!({ "POSTGRES_PASSWORD": "secret" })),
                        "volumes": ["/var/lib/postgresql/data"],
                    },
                    "healthcheck": { "command": ["/bin/sh", "-c", "pg_isready -U postgres"] },
                },
            },
        })
    );
    // Without a value the variable is named.
    let made = translated(ALBUM);
    assert_eq!(
        said(&made),
        [
            "15: services.server.environment.SEED: the variable APP_SEED has no value: give one with --set APP_SEED=…"
        ]
    );
}

#[test]
fn what_is_not_translated_is_named_line_by_line() {
    let file = r#"name: House
services:
  web:
    build: .
    image: localhost:5000/web:1.0.0
    privileged: true
    cap_add: [NET_ADMIN]
    network_mode: host
    user: root
    ports:
      - "8080:80"
      - "9000:9000/tcp"
      - "53:53/udp"
      - "7000-7010:7000-7010"
    environment:
      - lower=1
      - TOKEN
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
      - ./web.conf:/etc/web.conf:ro
      - /etc/localtime:/etc/localtime:ro
      - shared:/data
      - /proc:/host/proc
      - media:/media:ro
    tmpfs: [/tmp, /cache]
    devices: ["/dev/ttyUSB0:/dev/ttyUSB0", "/dev/kvm"]
    env_file: .env
    wishes: yes
  worker:
    image: localhost:5000/web:1.0.0
    entrypoint: /bin/worker --loud
    command: "'two words' x"
    volumes: [shared:/data]
    depends_on:
      web: { condition: service_started }
    labels: { traefik.enable: "true" }
include: [other.yaml]
"#;
    let made = translated(file);
    let said = said(&made);
    let expected = [
        "4: services.web.build: images are not built",
        "6: services.web.privileged: no app has the rights of the machine",
        "7: services.web.cap_add: no app has a capability",
        "8: services.web.network_mode: every app has a network of its own",
        "12: services.web.ports: 9000:9000/tcp: an app of several processes has no port",
        "13: services.web.ports: 53:53/udp: an app of several processes has no port",
        "14: services.web.ports: 7000-7010:7000-7010 is no single port",
        "16: services.web.environment.lower: the names of variables",
        "17: services.web.environment: TOKEN has no value here",
        "19: services.web.volumes: there is no container engine",
        "20: services.web.volumes: single files are not mounted: put /etc/web.conf",
        "21: services.web.volumes: /etc/localtime is the machine's",
        "24: services.web.volumes: /media begins empty",
        "25: services.web.tmpfs: only /tmp and /var/tmp are in memory; /cache",
        "26: services.web.devices: /dev/kvm",
        "27: services.web.env_file: a file beside this one",
        "28: services.web.wishes: is not known here",
        "33: services.worker.volumes: shared is also web's",
        "35: services.worker.depends_on: web is the app",
        "36: services.worker.labels: they say something to other programs",
        "37: include: other files are not read",
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|part| !said.iter().any(|line| line.starts_with(**part)))
        .collect();
    assert!(missing.is_empty(), "{missing:?} in {said:#?}");
    assert_eq!(made.manifest["name"], "House");
    assert_eq!(made.manifest["port"], 80);
    assert_eq!(made.manifest["permissions"]["root"], true);
    assert_eq!(
        made.manifest["permissions"]["devices"],
        json!(["/dev/ttyUSB0"])
    );
    let worker = &made.manifest["services"]["worker"];
    assert_eq!(
        worker["runtime"]["args"],
        json!(["/bin/worker", "--loud", "two words", "x"])
    );
    assert!(worker.get("after").is_none(), "{worker}");
}

#[test]
fn ports_beside_the_page_are_asked_for_in_the_homes_network() {
    let made = translated(
        "services:
  dns:
    image: a.org/dns:1
    ports:
      - '3000:80'
      - 127.0.0.1:853:853
      - '5353:53/udp'
      - { target: 53, published: 53, protocol: udp }
      - '2222:22'
      - '9/sctp'
",
    );
    assert_eq!(made.manifest["port"], 80);
    assert_eq!(
        made.manifest["permissions"],
        json!({ "listen": ["tcp/853", "udp/53"] })
    );
    assert_eq!(
        said(&made),
        [
            "7: services.dns.ports: 5353:53/udp: devices at home reach a port under the number that it has inside",
            "9: services.dns.ports: 2222:22: tcp/22 is one of the box's own ports (22, 80, 443, 8100 to 8199), choose another",
            "10: services.dns.ports: 9/sctp is no single port",
        ]
    );
    let two = translate(
        "services:\n  web: { image: a.org/web:1, ports: ['80'] }\n  db: { image: a.org/db:1, ports: ['5432:5432'] }\n",
        &wishes(Some("web"), &[]),
    )
    .unwrap();
    assert_eq!(two.manifest["services"]["db"]["port"], 5432);
    assert!(two.manifest.get("permissions").is_none());
    assert_eq!(
        said(&two),
        ["3: services.db.ports: 5432:5432: only the processes of the app reach it"]
    );
}

#[test]
fn the_app_is_the_service_that_people_visit() {
    let one = "services:\n  a: { image: a.org/x:1 }\n";
    assert_eq!(translated(one).manifest["runtime"]["image"], "a.org/x:1");
    let two = "services:\n  a: { image: a.org/x:1 }\n  b: { image: a.org/y:1, ports: [8000] }\n";
    assert_eq!(translated(two).manifest["runtime"]["image"], "a.org/y:1");
    let unclear = "services:\n  a: { image: a.org/x:1 }\n  b: { image: a.org/y:1 }\n";
    let error = translate(unclear, &Wishes::default()).unwrap_err();
    assert_eq!(error, ComposeError::Main("a, b".to_owned()));
    let chosen = translate(unclear, &wishes(Some("b"), &[])).unwrap();
    assert_eq!(chosen.manifest["runtime"]["image"], "a.org/y:1");
    assert_eq!(
        translate(unclear, &wishes(Some("c"), &[])),
        Err(ComposeError::NoSuchService("c".to_owned()))
    );
}

#[test]
fn what_cannot_be_an_app_says_why() {
    for (file, part) in [
        ("", "services"),
        ("services:", "services"),
        ("a: [", "not YAML"),
        (
            "services:\n  a: { build: . }\n",
            "line 2, service a: it names no image",
        ),
        ("services:\n  a: { image: \"A B\" }\n", "service a"),
        ("services:\n  a: [x]\n", "line 2, services.a: must be a map"),
        (
            "services:\n  a: { image: x.org/a:1, ports: [80] }\n  b: { image: x.org/a:1, ports: [5000] }\n  c: { image: x.org/a:1, ports: [5000] }\n",
            "--main",
        ),
        (
            "services:\n  a: { image: x.org/a:1, command: \"it's\" }\n",
            "quotes are closed",
        ),
        (
            "services:\n  a: { image: x.org/a:1, depends_on: [b], ports: [9000] }\n  b: { image: x.org/a:1, depends_on: [c] }\n  c: { image: x.org/a:1, depends_on: [b] }\n",
            "wait for each other",
        ),
    ] {
        let error = translate(file, &Wishes::default()).unwrap_err().to_string();
        assert!(error.contains(part), "{file:?}: {error}");
    }
    assert!(matches!(
        translate(&" ".repeat(MAX_BYTES + 1), &Wishes::default()),
        Err(ComposeError::TooLarge(_))
    ));
    // Anchors that name each other would be a hundred million values.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let before = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    let error = translate(&bomb, &Wishes::default()).unwrap_err();
    assert!(matches!(error, ComposeError::Yaml(_)), "{error}");
}

#[test]
fn texts_are_read_as_engines_read_them() {
    let variables = [("A", "1"), ("EMPTY", "")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = BTreeMap::from(variables);
    for (text, expected, missing) in [
        ("$A ${A} ${A:-2} $$A", "1 1 1 $A", ""),
        ("${B:-x y} ${B-z}", "x y z", ""),
        ("${B} $C!", " !", "B C"),
        ("${EMPTY}|$", "|$", ""),
        ("${", "${", ""),
    ] {
        let (found, without) = words::interpolate(text, &variables);
        assert_eq!(
            (found.as_str(), without.join(" ").as_str()),
            (expected, missing),
            "{text}"
        );
    }
    for (text, expected) in [
        (
            "a 'b c' \"d \\\" e\" f\\ g",
            Some(vec!["a", "b c", "d \" e", "f g"]),
        ),
        ("  ", Some(vec![])),
        ("''", Some(vec![""])),
        ("'a", None),
    ] {
        let found = words::split(text);
        let found = found
            .as_ref()
            .map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found, expected, "{text}");
    }
    for (name, expected) in [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("house/app:1", "docker.io/house/app:1"),
        ("ghcr.io/house/app", "ghcr.io/house/app:latest"),
        ("localhost/x@sha256:1", "localhost/x@sha256:1"),
        ("box:5000/x:1", "box:5000/x:1"),
    ] {
        assert_eq!(words::image(name), expected);
    }
}
