//! JSON-RPC through the gateway.

use super::support::{ALICE, BOB, World, user};
use serde_json::{Value, json};

const API: &str = "api=example.org/test";

fn call(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

async fn world() -> World {
    let mut world = World::new().await;
    world.service(
        "rss",
        "key-alice",
        json!([{ "api": "example.org/test", "path": "/_api/rss" }]),
    );
    world
}

#[tokio::test]
async fn a_call_reaches_the_service_as_it_came_and_the_answer_comes_back() {
    let world = world().await;
    let sent = r#"{"jsonrpc":"2.0", "id":"x7","method":"mirror","params":[1.0, {"a":null}]}"#;
    let answer = world.call(API, sent).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.json();
    assert_eq!(answer["id"], "x7");
    assert_eq!(answer["result"]["body"], sent);
    let request = &answer["result"]["request"];
    assert_eq!(
        (&request["method"], &request["uri"]),
        (&json!("POST"), &json!("/_api/rss"))
    );
    assert_eq!(
        request["headers"],
        json!({
            "host": "localhost",
            "content-type": "application/json",
            "content-length": sent.len().to_string(),
            "atek-auth-user": "system",
            "atek-auth-service": "system",
        }),
        "these headers and no others"
    );
}

#[tokio::test]
async fn what_a_service_answers_is_passed_on_or_explained() {
    let world = world().await;
    for (method, params, expected) in [
        (
            "error",
            json!([]),
            json!({ "error": { "code": -7, "message": "no", "data": [1] } }),
        ),
        ("empty", json!([]), json!({ "result": 0 })),
        ("slow", json!([5]), json!({ "result": 5 })),
    ] {
        let answer = world.call(API, &call(method, &params)).await;
        let mut wanted = json!({ "jsonrpc": "2.0", "id": 1 });
        wanted
            .as_object_mut()
            .unwrap()
            .extend(expected.as_object().unwrap().clone());
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, wanted),
            "{method}"
        );
    }
    for (method, code, text) in [
        ("html", -32700, "Parse error"),
        (
            "status",
            -32000,
            "the service rss answered with HTTP status 500",
        ),
        (
            "crash",
            -32000,
            "the service rss broke off the connection before it answered",
        ),
        (
            "long-html",
            -32000,
            "the service rss answered with HTTP status 200",
        ),
    ] {
        let answer = world.call(API, &call(method, &json!([]))).await;
        assert_eq!(answer.status, 200, "{method}");
        let answer = answer.json();
        assert_eq!(answer["error"]["code"], code, "{method}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(text), "{method}: {message}");
    }
}

#[tokio::test]
async fn a_long_answer_is_streamed() {
    let world = world().await;
    let answer = world.call(API, &call("long", &json!([3 << 20]))).await;
    assert_eq!(answer.json()["result"].as_str().unwrap().len(), 3 << 20);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_notifications_are_not() {
    let world = world().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "slow", "params": [60] },
        { "jsonrpc": "2.0", "method": "slow", "params": [2] },
        { "jsonrpc": "2.0", "id": null, "method": "slow", "params": [3] },
        7,
        { "jsonrpc": "2.0", "id": "b", "method": "error" },
    ]);
    let answer = world.call(API, &batch.to_string()).await.json();
    assert_eq!(
        answer,
        json!([
            { "jsonrpc": "2.0", "id": 1, "result": 60 },
            { "jsonrpc": "2.0", "id": null, "result": 3 },
            { "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "Invalid Request: not a JSON-RPC 2.0 request" } },
            { "jsonrpc": "2.0", "id": "b", "error": { "code": -7, "message": "no", "data": [1] } },
        ])
    );
    let silent = world
        .call(API, r#"{"jsonrpc":"2.0","method":"slow","params":[1]}"#)
        .await;
    assert_eq!((silent.status.as_u16(), silent.text.as_str()), (204, ""));
}

#[tokio::test]
async fn requests_that_are_no_calls_get_an_error_object() {
    let world = world().await;
    for (kind, body, status, code) in [
        ("text/plain", call("mirror", &json!([])), 415, -32600),
        (
            "application/x-www-form-urlencoded",
            "a=1".to_owned(),
            415,
            -32600,
        ),
        ("application/json", "{".to_owned(), 400, -32700),
        ("application/json", "[]".to_owned(), 400, -32600),
        (
            "application/json",
            format!("\"{}\"", "x".repeat(1 << 20)),
            413,
            -32600,
        ),
        (
            "application/json; charset=utf-8",
            call("nothing", &json!(3)),
            400,
            -32600,
        ),
    ] {
        let token = format!("Bearer {}", super::support::SYSTEM_TOKEN);
        let answer = world
            .call_with(
                API,
                &body,
                &[("content-type", kind), ("authorization", &token)],
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{kind} {status}"
        );
    }
}

#[tokio::test]
async fn without_a_provider_the_original_s_error_says_what_was_asked_for() {
    let world = world().await;
    for (query, wanted) in [
        (
            "api=example.org/other",
            r#"{"transport":"rpc","api":"example.org/other"}"#,
        ),
        (
            "api=example.org/test&service=other",
            r#"{"transport":"rpc","api":"example.org/test","service":"other"}"#,
        ),
        (
            "api=example.org/test&lang=de",
            r#"{"transport":"rpc","api":"example.org/test","lang":"de"}"#,
        ),
        ("", r#"{"transport":"rpc","api":""}"#),
    ] {
        let answer = world.call(query, &call("mirror", &json!([]))).await;
        let message = format!("No service available which matches {wanted}");
        assert_eq!(
            answer.json()["error"],
            json!({ "code": -32601, "message": message }),
            "{query}"
        );
    }
    let other = world
        .call_with(
            API,
            &call("mirror", &json!([])),
            &[("cookie", &format!("session={BOB}"))],
        )
        .await;
    assert_eq!(
        other.json()["error"]["code"],
        -32601,
        "another user's service looks like none"
    );
}

#[tokio::test]
async fn nobody_may_sign_in_and_do_nothing_else() {
    let world = world().await;
    let sessions = "api=atek.cloud/user-sessions-api";
    let unauthorized = json!({ "error": true, "message": "Not authorized" });
    for (query, body) in [
        (API, call("mirror", &json!([]))),
        (sessions, call("logout", &json!([]))),
        (
            sessions,
            format!(
                "[{},{}]",
                call("whoami", &json!([])),
                call("logout", &json!([]))
            ),
        ),
        ("api=atek.cloud/test-api", call("whoami", &json!([]))),
    ] {
        let answer = world.call_with(query, &body, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (401, unauthorized.clone()),
            "{query} {body}"
        );
    }
    let invalid = world
        .call_with(
            sessions,
            &call("logout", &json!([])),
            &[("cookie", "session=wrong")],
        )
        .await;
    assert_eq!(invalid.status, 401);
    let answer = world
        .call_with(
            sessions,
            &call("login", &json!({ "username": "a" })),
            &[("user-agent", "tests")],
        )
        .await;
    assert_eq!(
        answer.json()["result"],
        json!({ "caller": "anonymous", "params": { "username": "a" }, "device": "tests" })
    );
    assert_eq!(
        answer.header("set-cookie"),
        Some("session=new-cookie; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000")
    );
    let cookie = format!("session={ALICE}");
    let answer = world
        .call_with(
            sessions,
            &call("logout", &json!([])),
            &[("cookie", &cookie)],
        )
        .await;
    assert_eq!(
        answer.header("set-cookie"),
        Some("session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    );
}

#[tokio::test]
async fn providers_are_chosen_by_what_the_call_asks_for() {
    let mut world = World::new().await;
    for (id, owner, exports) in [
        ("sys", "system", json!([{ "api": "example.org/test" }])),
        (
            "own",
            "key-bob",
            json!([{ "api": "example.org/test", "metadata": { "lang": "de" } }]),
        ),
        (
            "alices",
            "key-alice",
            json!([{ "api": "example.org/test" }]),
        ),
        (
            "evil",
            "key-bob",
            json!([{ "api": "atek.cloud/user-sessions-api" }]),
        ),
    ] {
        world.service(id, owner, exports);
    }
    let cookie = format!("session={BOB}");
    for (query, provider) in [
        ("", Some("own")),
        ("&lang=de", Some("own")),
        ("&service=sys", Some("sys")),
        ("&service=alices", None),
        ("&transport=rpc", Some("own")),
        ("&transport=proxy", None),
    ] {
        let answer = world
            .call_with(
                &format!("{API}{query}"),
                &call("mirror", &json!([])),
                &[("cookie", &cookie)],
            )
            .await;
        let answer = answer.json();
        // A user in person is shown with the service's own key.
        assert_eq!(
            answer["result"]["request"]["headers"]["atek-auth-service"].as_str(),
            provider,
            "{query}"
        );
        if provider.is_some() {
            assert_eq!(
                answer["result"]["request"]["headers"]["atek-auth-user"],
                user("bob").as_str()
            );
        }
    }
    let sessions = world
        .call_with(
            "api=atek.cloud/user-sessions-api",
            &call("whoami", &json!([])),
            &[("cookie", &cookie)],
        )
        .await;
    assert_eq!(
        sessions.json()["result"]["caller"],
        "user key-bob",
        "hole 7: an app cannot take a core API"
    );
}
