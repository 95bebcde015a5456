//! What one caller may do to another: people, their apps, strangers and the host are kept apart.
//! Sources, sessions and services have files of their own (`host_*.rs`).

use atek_tests::host::{ADB, Host, INSPECT, SERVICES, SESSIONS, USERS, refusal};
use serde_json::{Value, json};

#[tokio::test]
async fn the_websocket_gateway_asks_who_is_calling() -> anyhow::Result<()> {
    let host = Host::boot("isolation-websocket").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let path = "/_atek/gateway?api=example.test/echo";

    assert!(
        host.stranger().websocket(path).await.is_err(),
        "a stranger got a WebSocket"
    );
    let foreign = alice.client.clone().header("origin", "http://evil.example");
    assert!(
        foreign.websocket(path).await.is_err(),
        "a foreign page got a WebSocket"
    );
    let own = alice.client.clone().header("origin", "http://localhost");
    own.websocket(path).await?;
    Ok(())
}

#[tokio::test]
async fn identity_headers_of_a_client_are_not_believed() -> anyhow::Result<()> {
    let host = Host::boot("isolation-identity").await?;
    let alice = host.person("alice", "").await?;
    let app = host.install("hello-node", "alice").await?;
    let expected = json!({ "user": alice.key, "service": app["key"] });

    let forged = |client: atek_tests::http::Client| {
        client
            .header("atek-auth-user", "system")
            .header("Atek-Auth-Service", "system")
    };
    let seen = forged(alice.client.clone())
        .call("example.test/hello", "whoCalls", json!([]))
        .await?;
    assert_eq!(seen, expected, "through the gateway");
    let page = forged(host.visit(&alice, "hello-node").await?)
        .get("/caller")
        .await?;
    assert_eq!(page.json()?, expected, "through the subdomain");
    Ok(())
}

#[tokio::test]
async fn no_cookie_of_the_host_reaches_an_app() -> anyhow::Result<()> {
    let host = Host::boot("isolation-cookies").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let visitor = host.visit(&alice, "hello-node").await?;
    let headers = visitor.get("/headers").await?.json()?;
    assert_eq!(headers["cookie"], Value::Null, "{headers}");

    // A person's main app is served at its own site, too.
    let settings = json!([alice.key, { "mainServiceId": "hello-node" }]);
    host.system()?
        .call(USERS, "updateSettings", settings)
        .await?;
    let home = alice.client.get("/headers").await?;
    assert_eq!(
        (home.status, home.header("location")),
        (302, "http://hello-node.localhost/headers")
    );
    Ok(())
}

#[tokio::test]
async fn only_the_host_reaches_the_server_database() -> anyhow::Result<()> {
    let host = Host::boot("isolation-server-db").await?;
    let bob = host.person("bob", "").await?;
    let admin = host.person("alice", "admin").await?;
    let config = host.system()?.call(INSPECT, "getConfig", json!([])).await?;
    let server = &config["serverDbId"];
    for person in [&bob, &admin] {
        let path = json!([server, ["atek.cloud", "user", bob.key]]);
        let error = refusal(person.client.call(ADB, "recordGet", path).await);
        assert!(error.message.starts_with("Not authorized"), "{error}");
        let put = json!([server, ["atek.cloud", "user", bob.key], { "role": "admin" }]);
        let error = refusal(person.client.call(ADB, "recordPut", put).await);
        assert!(error.message.starts_with("Not authorized"), "{error}");
    }

    // Public is for reading.
    let db = admin
        .client
        .call(ADB, "dbCreate", json!([{ "access": "public" }]))
        .await?;
    let put = json!([db["dbId"], "notes/1", { "text": "hi" }]);
    admin.client.call(ADB, "recordPut", put.clone()).await?;
    let get = json!([db["dbId"], "notes/1"]);
    assert_eq!(
        bob.client.call(ADB, "recordGet", get.clone()).await?["value"]["text"],
        "hi"
    );
    refusal(bob.client.call(ADB, "recordPut", put).await);

    // Deleted is gone.
    admin
        .client
        .call(ADB, "adminDeleteDb", json!([db["dbId"]]))
        .await?;
    refusal(bob.client.call(ADB, "recordGet", get.clone()).await);
    refusal(admin.client.call(ADB, "recordGet", get).await);
    Ok(())
}

#[tokio::test]
async fn an_id_is_a_dns_label_and_nothing_else() -> anyhow::Result<()> {
    let host = Host::boot("isolation-ids").await?;
    host.person("alice", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    let bad = [
        "../../evil",
        "a/b",
        "core.adb",
        "core.evil",
        "system",
        "localhost",
        "-a",
        "A",
        "a b",
        "a%n",
        "",
    ];
    for id in bad {
        let params = json!({ "sourceUrl": source, "id": id, "user": "alice" });
        refusal(host.install_from(params).await);
    }
    host.install("hello-node", "alice").await?;
    for id in bad {
        refusal(
            host.system()?
                .call(SERVICES, "configure", json!(["hello-node", { "id": id }]))
                .await,
        );
    }
    let list = host.system()?.call(SERVICES, "list", json!([])).await?;
    let ids: Vec<_> = list["services"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| &s["settings"]["id"])
        .collect();
    assert_eq!(
        ids,
        [
            "core.adb",
            "core.hypercore",
            "core.keys",
            "core.lonestar",
            "hello-node"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn only_administrators_install_from_folders_of_the_box() -> anyhow::Result<()> {
    let host = Host::boot("isolation-folders").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    let source = host.machine.place_app("hello-node").await?;
    for source in [
        source.as_str(),
        "file:///etc",
        "git+file:///srv/apps/hello-node",
    ] {
        let error = refusal(
            bob.client
                .call(SERVICES, "install", json!([{ "sourceUrl": source }]))
                .await,
        );
        assert!(error.message.contains("only an administrator"), "{error}");
    }
    for folder in [
        "file:///etc",
        "file:///proc/1",
        "file:///var/lib/atek",
        "file:///run/atek",
        "file:///",
    ] {
        refusal(
            alice
                .client
                .call(SERVICES, "install", json!([{ "sourceUrl": folder }]))
                .await,
        );
    }
    alice
        .client
        .call(SERVICES, "install", json!([{ "sourceUrl": source }]))
        .await?;
    Ok(())
}

#[tokio::test]
async fn an_app_cannot_export_a_core_api() -> anyhow::Result<()> {
    let host = Host::boot("isolation-core-apis").await?;
    let alice = host.person("alice", "").await?;
    host.machine.place_app("hello-node").await?;
    let manifest = json!({
        "name": "Thief",
        "exports": [
            { "api": "atek.cloud/adb-api", "path": "/_api/hello" },
            { "api": "atek.cloud/users-api", "path": "/_api/hello" },
            { "api": "example.test/hello", "path": "/_api/hello" },
        ],
    });
    host.machine
        .write("/srv/apps/hello-node/atek.json", manifest.to_string())
        .await?;
    let installed = host.install_from(json!({
        "sourceUrl": "file:///srv/apps/hello-node", "id": "thief", "user": "alice",
    }));
    // Whether the manifest is refused or the export ignored: the thief gets no call.
    let _ = installed.await;
    host.machine
        .exec(["systemctl", "restart", "atek-app-core.adb.service"])
        .await?;
    host.service_is("core.adb", "running").await?;
    let databases = alice.client.call(ADB, "dbList", json!([])).await?;
    assert_eq!(databases, json!([]));
    let error = refusal(alice.client.call(USERS, "list", json!([])).await);
    assert_eq!(error.message, "Not authorized");
    Ok(())
}

#[tokio::test]
async fn apps_of_other_people_are_closed_and_no_app_is_an_administrator() -> anyhow::Result<()> {
    let host = Host::boot("isolation-apps").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    host.install("hello-node", "alice").await?;
    host.install("caller-node", "alice").await?;

    // Bob reaches neither the page nor the API.
    assert!(host.visit(&bob, "hello-node").await.is_err());
    let error = refusal(
        bob.client
            .call("example.test/hello", "hello", json!([]))
            .await,
    );
    assert_eq!(error.code, -32601, "{error}");

    // Alice is an administrator; her app is not.
    let ask = |api: &str, method: &str, params: &str| {
        format!("/call?api={api}&method={method}&params={params}")
    };
    for (api, method, params) in [
        (USERS, "list", "[]"),
        (INSPECT, "getConfig", "[]"),
        // It sees itself only.
        (SERVICES, "get", "[%22hello-node%22]"),
        (SERVICES, "status", "[%22hello-node%22]"),
        (SERVICES, "metrics", "[%22hello-node%22]"),
        (SERVICES, "logs", "[%22hello-node%22]"),
        (USERS, "getSettings", "[%22KEY%22]"),
        ("atek.cloud/system-api", "info", "[]"),
        (SERVICES, "stop", "[%22hello-node%22]"),
        (SERVICES, "uninstall", "[%22hello-node%22]"),
        (
            USERS,
            "updateSettings",
            "[%22KEY%22,{%22mainServiceId%22:%22caller-node%22}]",
        ),
    ] {
        let params = params.replace("KEY", &alice.key);
        let report = host
            .page(&alice, "caller-node", &ask(api, method, &params))
            .await?;
        assert!(
            report.contains("Not authorized"),
            "{api} {method}: {report}"
        );
    }
    let list = ask(SERVICES, "list", "[]");
    let own = host.page(&alice, "caller-node", &list).await?;
    assert!(
        own.contains("caller-node") && !own.contains("hello-node"),
        "{own}"
    );
    let report = host
        .page(
            &alice,
            "caller-node",
            &ask("example.test/hello", "hello", "[]"),
        )
        .await?;
    assert!(report.contains("hello world"), "{report}");
    Ok(())
}

#[tokio::test]
async fn the_token_of_a_service_works_on_its_own_listener_only() -> anyhow::Result<()> {
    let host = Host::boot("isolation-tokens").await?;
    let alice = host.person("alice", "").await?;
    let app = host.install("caller-node", "alice").await?;
    host.install("hello-node", "alice").await?;
    let key = app["key"].as_str().unwrap_or_default();
    let token = host
        .machine
        .read(&format!("/run/atek/tokens/{key}"))
        .await?;
    let token = token.trim();

    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "whoami", "params": [] });
    let path = format!("/_atek/gateway?api={SERVICES}");
    let stolen = host
        .stranger()
        .bearer(token)
        .post_json(&path, &request)
        .await?;
    assert_eq!(stolen.status, 401, "{}", stolen.text());
    // Another app's listener does not take it either.
    let other = host.service("hello-node").await?["key"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let other_token = host
        .machine
        .read(&format!("/run/atek/tokens/{other}"))
        .await?;
    let ask = format!(
        "/call?api={SESSIONS}&method=whoami&token={}",
        other_token.trim()
    );
    let report = host.page(&alice, "caller-node", &ask).await?;
    assert!(report.contains("401"), "{report}");

    host.system()?
        .call(SERVICES, "stop", json!(["caller-node"]))
        .await?;
    let gone = host
        .machine
        .try_exec(["test", "-e", &format!("/run/atek/tokens/{key}")])
        .await?;
    assert!(
        !gone.status.success(),
        "the token of a stopped service is still there"
    );
    Ok(())
}

#[tokio::test]
async fn no_secret_stands_in_a_unit_a_log_an_answer_or_an_argument() -> anyhow::Result<()> {
    let host = Host::boot("isolation-secrets").await?;
    let alice = host.person("alice", "admin").await?;
    let source = host.machine.place_app("hello-node").await?;
    let app = host
        .install_from(json!({
            "sourceUrl": source, "id": "hello-node", "user": "alice",
            "config": { "api_password": "only-for-the-app" },
        }))
        .await?;
    let key = app["key"].as_str().unwrap_or_default();
    let token = host
        .machine
        .read(&format!("/run/atek/tokens/{key}"))
        .await?;
    let system_token = {
        let config = host.machine.read("/var/lib/atek/config.json").await?;
        let config: Value = serde_json::from_str(&config)?;
        config["systemAuthTokens"][0]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(system_token.len(), 64);

    let shown = alice
        .client
        .call(INSPECT, "getConfig", json!([]))
        .await?
        .to_string();
    let unit = host
        .machine
        .exec(["systemctl", "show", "atek-app-hello-node.service"])
        .await?;
    let files = host
        .machine
        .shell("cat /run/systemd/transient/* 2>/dev/null || true")
        .await?;
    let journal = host
        .machine
        .exec(["journalctl", "--no-pager", "-o", "verbose", "-a"])
        .await?;
    let arguments = host
        .machine
        .shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        .await?;
    for (place, text) in [
        ("getConfig", shown),
        ("systemctl show", unit),
        ("unit files", files),
        ("journal", journal),
        ("arguments", arguments),
    ] {
        for secret in [
            token.trim(),
            &system_token,
            "only-for-the-app",
            &alice.cookie,
        ] {
            assert!(!text.contains(secret), "{place} shows a secret");
        }
    }
    for (path, mode) in [
        ("/var/lib/atek/config.json", "600"),
        (&format!("/run/atek/tokens/{key}"), "600"),
    ] {
        assert_eq!(
            host.machine.exec(["stat", "-c", "%a", path]).await?.trim(),
            mode,
            "{path}"
        );
    }
    Ok(())
}
