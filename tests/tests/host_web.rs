//! Host names, redirects, subdomains and the gateway's edges, on a booted host.

use atek_tests::host::{Host, SERVICES, USERS, cookie_named, path_of, refusal};
use serde_json::{Value, json};

#[tokio::test]
async fn errors_show_no_stack_and_no_markup_of_the_client() -> anyhow::Result<()> {
    let host = Host::boot("plain-errors").await?;
    let alice = host.person("alice", "").await?;
    let path = format!("/_atek/gateway?api={SERVICES}");
    let json = alice
        .client
        .clone()
        .header("content-type", "application/json");
    let broken = json
        .send(http::Method::POST, &path, "{\"jsonrpc\": ")
        .await?;
    let answer = broken.json()?;
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    for client in [
        host.stranger().host("<script>.localhost"),
        host.stranger().host("x\"onload=.localhost"),
    ] {
        let text = client.get("/").await?.text();
        assert!(
            !text.contains("<script>") && !text.contains("x\"onload"),
            "{text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_call_without_a_provider_is_refused_and_harms_nothing() -> anyhow::Result<()> {
    let host = Host::boot("no-provider").await?;
    let alice = host.person("alice", "").await?;
    // As every browser does.
    let page = alice.client.clone().header("origin", "http://localhost");
    assert!(
        page.websocket("/_atek/gateway?api=example.test/nothing")
            .await
            .is_err()
    );
    host.install("hello-node", "alice").await?;
    let path = "/_atek/gateway?api=example.test/echo";
    host.machine
        .exec([
            "systemctl",
            "kill",
            "-s",
            "KILL",
            "atek-app-hello-node.service",
        ])
        .await?;
    // Between the crash and the restart, or after it: an answer either way.
    let _ = page.websocket(path).await;
    host.service_is("hello-node", "running").await?;
    page.websocket(path).await?;
    host.ready().await
}

#[tokio::test]
async fn redirects_keep_the_port_and_the_whole_query() -> anyhow::Result<()> {
    let host = Host::boot("redirects").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let app = host.stranger().host("hello-node.localhost:8080");
    let first = app.get("/version?a=1&b=2&c=%26").await?;
    assert_eq!(first.status, 302);
    let bind = first.header("location").to_owned();
    assert!(
        bind.starts_with("http://localhost:8080/_atek/bind-session?"),
        "{bind}"
    );
    let main = alice.client.clone().host("localhost:8080");
    let second = main.get(&path_of(&bind, "localhost")?).await?;
    let target = second.header("location").to_owned();
    assert!(
        target.starts_with("http://hello-node.localhost:8080/version?a=1&b=2&c=%26&bst="),
        "{target}"
    );
    let nonce = cookie_named("atek-bind", first.header("set-cookie"))?;
    let third = app
        .header("cookie", &format!("atek-bind={nonce}"))
        .get(&path_of(&target, "hello-node.localhost")?)
        .await?;
    // The app never sees the token.
    assert_eq!(third.status, 302);
    let clean = third.header("location").to_owned();
    assert!(clean.ends_with("/version?a=1&b=2&c=%26"), "{clean}");

    let anonymous = host
        .stranger()
        .host("localhost:8080")
        .get("/anything")
        .await?;
    assert!(
        anonymous.header("location").starts_with("/_atek/login"),
        "{:?}",
        anonymous.headers
    );
    Ok(())
}

#[tokio::test]
async fn the_box_answers_by_address_and_not_for_foreign_names() -> anyhow::Result<()> {
    let host = Host::boot("host-names").await?;
    host.claimed().await?;
    let address = host.machine.address()?.to_string();
    for name in [
        "localhost",
        &address,
        &format!("{address}:80"),
        "[::1]",
        "127.0.0.1",
        "host-names.local",
    ] {
        let page = host.stranger().host(name).get("/_atek/login/").await?;
        assert_eq!(page.status, 200, "{name}: {}", page.text());
    }
    // DNS rebinding: a name that is not ours.
    for name in ["evil.example", "evil.example:80", "1.2.3.4.evil.example"] {
        assert_eq!(
            host.stranger()
                .host(name)
                .get("/_atek/login/")
                .await?
                .status,
            421,
            "{name}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn method_names_come_from_a_table() -> anyhow::Result<()> {
    let host = Host::boot("method-table").await?;
    let system = host.system()?;
    for api in [
        SERVICES,
        USERS,
        "atek.cloud/adb-api",
        "atek.cloud/inspect-api",
        "atek.cloud/user-sessions-api",
    ] {
        for method in ["toString", "constructor", "__proto__", "hasOwnProperty"] {
            let error = refusal(system.call(api, method, json!([])).await);
            assert_eq!(
                (error.code, error.message),
                (-32601, format!("Method not found: {method}")),
                "{api}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn apps_have_websockets_large_bodies_streams_and_their_own_folder() -> anyhow::Result<()> {
    let host = Host::boot("app-features").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let app = host.visit(&alice, "hello-node").await?;
    assert_eq!(app.get("/cwd").await?.text(), "/app");
    let own = app.clone().header("origin", "http://hello-node.localhost");
    own.websocket("/any/path").await?;
    let body = "x".repeat(3 << 20);
    let echoed = own.send(http::Method::POST, "/body", body.clone()).await?;
    assert!(
        echoed.text() == body,
        "3 MiB came back as {} bytes, status {}",
        echoed.body.len(),
        echoed.status
    );
    let text = "y".repeat(1 << 20);
    let result = alice
        .client
        .call("example.test/hello", "hello", json!([text]))
        .await?;
    assert_eq!(result, Value::String(format!("hello {text}")));
    Ok(())
}
