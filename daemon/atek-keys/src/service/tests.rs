use super::*;
use crate::consent;
use serde_json::json;

const CHEAP: Cost = Cost {
    memory_kib: 19 * 1024,
    passes: 2,
};
const PASSWORD: &str = "correct horse battery";

struct Box_ {
    keys: Keys,
    dir: tempfile::TempDir,
}

fn person(user: &str) -> Caller {
    Caller::Person(user.parse().expect("user"))
}

fn app(user: &str, app: &str) -> Caller {
    Caller::App {
        user: user.parse().expect("user"),
        app: app.parse().expect("app"),
    }
}

impl Box_ {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let keys = Keys::open(dir.path(), "core.keys".into(), CHEAP).expect("opens");
        let made = Box_ { keys, dir };
        made.ok(
            &Caller::System,
            "begin",
            json!({"user": "anna", "password": PASSWORD}),
        );
        made.ok(
            &Caller::System,
            "signedIn",
            json!({"user": "bob", "password": "another password"}),
        );
        made
    }

    fn restarted(self) -> Self {
        let keys = Keys::open(self.dir.path(), "core.keys".into(), CHEAP).expect("opens");
        Box_ {
            keys,
            dir: self.dir,
        }
    }

    fn call(&self, caller: &Caller, method: &str, params: Value) -> Result<Value, RpcError> {
        let outcome = self.keys.dispatch(caller, method, &Params::of(&params));
        outcome.map(|raw| serde_json::from_str(raw.get()).expect("JSON"))
    }

    fn ok(&self, caller: &Caller, method: &str, params: Value) -> Value {
        self.call(caller, method, params)
            .unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    fn reason(&self, caller: &Caller, method: &str, params: Value) -> String {
        let error = self.call(caller, method, params).expect_err(method);
        let reason = error.data.as_ref().and_then(|data| data["reason"].as_str());
        reason.map_or(error.message.clone(), str::to_owned)
    }

    fn made(&self, user: &str, kind: &str) -> Value {
        self.ok(
            &person(user),
            "create",
            json!({"kind": kind, "name": format!("{user} {kind}")}),
        )
    }
}

fn text(key: &Value, text: &str) -> Value {
    json!({"key": key["id"], "format": "text", "payload": text})
}

#[test]
fn an_app_uses_a_persons_key_only_after_a_yes_and_sees_no_private_key() {
    let it = Box_::new();
    let key = it.made("anna", "ed25519");
    let rss = app("anna", "k-rss");
    assert_eq!(it.ok(&rss, "list", json!({}))["keys"], json!([]));
    assert!(
        it.call(&rss, "publicKey", json!({"key": key["id"]}))
            .is_err()
    );
    let wanted = text(&key, "hello");
    assert_eq!(it.reason(&rss, "sign", wanted.clone()), "pending");
    let waiting = it.ok(&person("anna"), "pending", json!({}))["requests"].clone();
    assert_eq!(waiting[0]["words"], "sign this text");
    assert_eq!(waiting[0]["fields"][0]["value"], "hello");
    let id = &waiting[0]["id"];
    // No other answers it: not the app, not another person, not the host.
    let yes = json!({"request": id, "choice": "once"});
    for other in [
        rss.clone(),
        person("bob"),
        Caller::System,
        app("anna", "k-other"),
    ] {
        assert!(it.call(&other, "answer", yes.clone()).is_err(), "{other:?}");
    }
    assert!(
        it.call(&app("anna", "k-other"), "result", json!({"request": id}))
            .is_err()
    );
    it.ok(&person("anna"), "answer", yes.clone());
    let signed = it.ok(&rss, "result", json!({"request": id}));
    let check = json!({"kind": "ed25519", "publicKey": signed["publicKey"], "format": "text",
        "payload": "hello", "signature": signed["signature"]});
    assert_eq!(it.ok(&rss, "verify", check), json!(true));
    // Once is once: neither the answer nor the permission is there a second time.
    assert!(it.call(&person("anna"), "answer", yes).is_err());
    assert!(it.call(&rss, "result", json!({"request": id})).is_err());
    assert_eq!(it.reason(&rss, "sign", wanted), "pending");
    let uses = it.ok(&person("anna"), "uses", json!({}));
    assert_eq!(uses["uses"][0]["app"], "k-rss");
    for method in [
        "export", "import", "derive", "words", "confirm", "remove", "grants", "uses", "pending",
    ] {
        let params = json!({"key": key["id"], "password": PASSWORD, "name": "x", "kind": "ed25519", "secret": "00"});
        assert!(it.call(&rss, method, params).is_err(), "{method}");
    }
}

#[test]
fn a_permission_stands_for_its_app_key_and_meaning_only_and_never_for_payments() {
    let it = Box_::new();
    let (key, other) = (it.made("anna", "secp256k1"), it.made("anna", "ed25519"));
    let rss = app("anna", "k-rss");
    let event = |text: &str| {
        json!({"key": key["id"], "format": "nostr-event",
        "payload": {"kind": 1, "content": text, "tags": [], "created_at": 1}})
    };
    it.reason(&rss, "sign", event("one"));
    let answer = |choice: &str| {
        let waiting = it.ok(&person("anna"), "pending", json!({}));
        let id = waiting["requests"][0]["id"].clone();
        it.call(
            &person("anna"),
            "answer",
            json!({"request": id, "choice": choice}),
        )
    };
    answer("always").expect("answered");
    it.ok(&rss, "sign", event("two"));
    // Another meaning, another key, another app.
    let transaction = json!({"key": key["id"], "format": "ethereum-transaction",
        "payload": "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"});
    assert_eq!(it.reason(&rss, "sign", transaction.clone()), "pending");
    assert!(answer("always").is_err() && answer("hour").is_err());
    answer("once").expect("once");
    assert_eq!(it.reason(&rss, "sign", text(&other, "x")), "pending");
    answer("deny").expect("denied");
    assert_eq!(it.reason(&rss, "sign", text(&other, "y")), "denied");
    assert_eq!(
        it.reason(&app("anna", "k-2"), "sign", event("three")),
        "pending"
    );
    // The grant survives a restart, and the keys are locked until the person signs in.
    let it = it.restarted();
    assert_eq!(it.reason(&rss, "sign", event("four")), "locked");
    it.ok(
        &Caller::System,
        "signedIn",
        json!({"user": "anna", "password": PASSWORD}),
    );
    it.ok(&rss, "sign", event("four"));
    let grants = it.ok(&person("anna"), "grants", json!({}));
    it.ok(
        &person("anna"),
        "revoke",
        json!({"grant": grants["grants"][0]["id"]}),
    );
    assert_eq!(it.reason(&rss, "sign", event("five")), "pending");
}

#[test]
fn users_and_apps_do_not_reach_each_others_keys() {
    let it = Box_::new();
    let key = it.made("anna", "ed25519");
    let own = it.ok(
        &app("anna", "k-1"),
        "create",
        json!({"kind": "ed25519", "name": "own"}),
    );
    it.ok(&app("anna", "k-1"), "sign", text(&own, "x"));
    for caller in [person("bob"), app("bob", "k-1"), app("bob", "k-9")] {
        for wanted in [&key, &own] {
            assert!(it.call(&caller, "sign", text(wanted, "x")).is_err());
            assert!(
                it.call(&caller, "publicKey", json!({"key": wanted["id"]}))
                    .is_err()
            );
        }
    }
    // Another app of the same person does not find the app's own key, not even to ask for it.
    let error = it
        .call(&app("anna", "k-2"), "sign", text(&own, "x"))
        .expect_err("unknown");
    assert!(error.message.contains("no such key"), "{error:?}");
    let bobs = json!({"key": key["id"], "password": "another password"});
    assert!(it.call(&person("bob"), "export", bobs).is_err());
}

/// A host that was taken over has no password of a person who does not type one.
#[test]
fn a_compromised_host_without_a_password_gets_no_private_key_and_no_seed() {
    let it = Box_::new();
    let key = it.made("anna", "secp256k1");
    let methods = [
        "words", "export", "derive", "import", "remove", "holdSeed", "reseal", "confirm",
    ];
    for caller in [Caller::System, person("anna"), app("anna", "k-1")] {
        for method in methods {
            for password in [json!(null), json!(""), json!("guess")] {
                let params = json!({"user": "anna", "key": key["id"], "password": password, "old": "guess",
                    "words": "abandon", "name": "n", "kind": "ed25519", "secret": "11".repeat(32)});
                assert!(
                    it.call(&caller, method, params).is_err(),
                    "{caller:?} {method}"
                );
            }
        }
    }
    let changed = json!({"user": "anna", "old": "guess", "new": "mine now"});
    assert!(
        it.call(&Caller::System, "passwordChanged", changed)
            .is_err()
    );
    let words = atek_seed::RecoveryWords::generate().expect("words");
    let words: Vec<_> = words.words().collect();
    let recover = json!({"user": "anna", "words": words.join(" "), "password": "mine now"});
    assert_eq!(
        it.reason(&Caller::System, "recover", recover),
        "wrong-words"
    );
    // Guessing got slow on the way.
    let guess = json!({"key": key["id"], "password": PASSWORD});
    let error = it
        .call(&person("anna"), "export", guess)
        .expect_err("throttled");
    assert!(error.message.contains("too many"), "{error:?}");
}

#[test]
fn nothing_on_the_disk_shows_a_private_key_or_the_words() {
    let it = Box_::new();
    let secret = "5a".repeat(32);
    let import = json!({"kind": "ed25519", "name": "mine", "secret": secret, "password": PASSWORD});
    let key = it.ok(&person("anna"), "import", import);
    let words = it.ok(&person("anna"), "words", json!({"password": PASSWORD}));
    let words: Vec<String> = serde_json::from_value(words["words"].clone()).expect("words");
    let mut files = 0;
    for folder in ["", "users", "uses"] {
        for entry in std::fs::read_dir(it.dir.path().join(folder))
            .expect("folder")
            .flatten()
        {
            let Ok(content) = std::fs::read(entry.path()) else {
                continue;
            };
            files += 1;
            let content = String::from_utf8_lossy(&content);
            assert!(!content.contains(&secret) && !content.contains(&words[..2].join(" ")));
            assert!(!content.contains(PASSWORD));
            use std::os::unix::fs::PermissionsExt as _;
            let mode = entry.metadata().expect("file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
        }
    }
    assert!(files >= 3);
    let exported = it.ok(
        &person("anna"),
        "export",
        json!({"key": key["id"], "password": PASSWORD}),
    );
    assert_eq!(exported["secret"], secret.as_str());
    assert_eq!(
        it.ok(&person("anna"), "uses", json!({}))["uses"][0]["operation"],
        "export"
    );
}

#[test]
fn the_words_are_confirmed_once_and_open_everything_again() {
    let it = Box_::new();
    let anna = person("anna");
    let key = it.made("anna", "ed25519");
    let identity = it.ok(&anna, "derive", json!({"name": "me", "password": PASSWORD}));
    let shown = it.ok(&anna, "words", json!({"password": PASSWORD}));
    let words: Vec<String> = serde_json::from_value(shown["words"].clone()).expect("words");
    for wrong in [
        json!({}),
        json!({"1": words[0]}),
        json!({"1": words[0], "01": words[0]}),
        json!({"1": words[0], "2": "zoo"}),
        json!({"1": words[0], "25": "zoo"}),
    ] {
        assert!(
            it.call(
                &anna,
                "confirm",
                json!({"password": PASSWORD, "words": wrong})
            )
            .is_err()
        );
    }
    let two = json!({"3": words[2], "17": words[16].to_uppercase()});
    it.ok(
        &anna,
        "confirm",
        json!({"password": PASSWORD, "words": two}),
    );
    assert!(
        it.call(&anna, "words", json!({"password": PASSWORD}))
            .is_err()
    );
    assert_eq!(it.ok(&anna, "seed", json!({}))["confirmed"], true);

    let it = it.restarted();
    let unattended = it.ok(&Caller::System, "unattended", json!({}));
    let seed = atek_seed::RecoveryWords::parse(&words.join(" "))
        .expect("words")
        .seed();
    assert_eq!(
        unattended["backupPassword"],
        seed.backup_password().as_str()
    );
    // Forgotten password, a user without the seed included.
    for (user, password) in [("anna", "the new password"), ("bob", "bobs new one")] {
        let params = json!({"user": user, "words": words.join(" "), "password": password});
        it.ok(&Caller::System, "recover", params);
    }
    let it = it.restarted();
    assert!(
        it.call(
            &Caller::System,
            "signedIn",
            json!({"user": "anna", "password": PASSWORD})
        )
        .is_err()
    );
    it.ok(
        &Caller::System,
        "signedIn",
        json!({"user": "anna", "password": "the new password"}),
    );
    it.ok(&anna, "sign", text(&key, "x"));
    let remove = json!({"key": identity["id"], "password": "the new password"});
    it.ok(&anna, "remove", remove);
    let again = it.ok(
        &anna,
        "derive",
        json!({"name": "me", "password": "the new password"}),
    );
    assert_eq!(again["publicKey"], identity["publicKey"]);
}

#[test]
fn a_change_of_password_seals_again() {
    let it = Box_::new();
    let key = it.made("anna", "ed25519");
    let change = json!({"user": "anna", "old": PASSWORD, "new": "the next password"});
    it.ok(&Caller::System, "passwordChanged", change);
    let it = it.restarted();
    assert!(
        it.call(
            &Caller::System,
            "signedIn",
            json!({"user": "anna", "password": PASSWORD})
        )
        .is_err()
    );
    it.ok(
        &Caller::System,
        "signedIn",
        json!({"user": "anna", "password": "the next password"}),
    );
    it.ok(&person("anna"), "sign", text(&key, "x"));
    it.ok(
        &person("anna"),
        "words",
        json!({"password": "the next password"}),
    );
    // One that was set without the old one: the person brings the old one.
    let it = it.restarted();
    let old = json!({"password": "set by another", "old": "the next password"});
    it.ok(&person("anna"), "reseal", old);
    it.ok(
        &Caller::System,
        "signedIn",
        json!({"user": "anna", "password": "set by another"}),
    );
}

#[test]
fn a_holder_of_the_seed_opens_the_keys_of_who_forgot_the_password() {
    let it = Box_::new();
    let key = it.made("bob", "ed25519");
    let bob = person("bob");
    let set = |helper: Value, password: &str| json!({"user": "bob", "new": "bobs new one", "helper": helper, "helperPassword": password});
    // Without help the keys are locked at once, also for who signs in as bob.
    let alone = json!({"user": "bob"});
    assert_eq!(
        it.ok(&Caller::System, "passwordSet", alone)["keys"],
        "locked"
    );
    assert_eq!(it.reason(&bob, "sign", text(&key, "x")), "locked");
    // A wrong password of the helper changes nothing, and bob himself opens no one's keys.
    let wrong = set(json!("anna"), "not annas password");
    assert_eq!(
        it.reason(&Caller::System, "passwordSet", wrong),
        "wrong-password"
    );
    let other = set(json!("bob"), "another password");
    let refused = it
        .call(&Caller::System, "passwordSet", other)
        .expect_err("no holder");
    assert!(
        refused.message.contains("ask the administrator"),
        "{refused:?}"
    );
    let by_person = it.call(&person("anna"), "passwordSet", set(json!("anna"), PASSWORD));
    assert!(by_person.is_err());
    let old = json!({"user": "bob", "password": "another password"});
    it.ok(&Caller::System, "signedIn", old.clone());
    it.ok(&bob, "sign", text(&key, "x"));

    let helped = it.ok(&Caller::System, "passwordSet", set(json!("anna"), PASSWORD));
    assert_eq!(helped["keys"], "opened");
    it.ok(&bob, "sign", text(&key, "x"));
    let it = it.restarted();
    assert!(it.call(&Caller::System, "signedIn", old).is_err());
    let new = json!({"user": "bob", "password": "bobs new one"});
    it.ok(&Caller::System, "signedIn", new);
    it.ok(&bob, "sign", text(&key, "x"));
    let absent = json!({"user": "carl", "new": "x", "helper": "anna", "helperPassword": PASSWORD});
    assert_eq!(
        it.ok(&Caller::System, "passwordSet", absent)["keys"],
        "none"
    );
}

#[test]
fn a_holder_gets_the_seed_back_with_the_help_of_another() {
    let it = Box_::new();
    let words = it.ok(&person("anna"), "words", json!({"password": PASSWORD}));
    let words: Vec<String> = serde_json::from_value(words["words"].clone()).expect("words");
    let hold = json!({"words": words.join(" "), "password": "another password"});
    it.ok(&person("bob"), "holdSeed", hold);
    let set = json!({"user": "anna", "new": "annas new one", "helper": "bob", "helperPassword": "another password"});
    assert_eq!(it.ok(&Caller::System, "passwordSet", set)["keys"], "opened");
    let again = it.ok(
        &person("anna"),
        "derive",
        json!({"name": "me", "password": "annas new one"}),
    );
    assert_eq!(again["origin"], "derived");
}

/// Puts what `from` has now where the host puts the state of a backup.
fn lend(it: &Box_, from: &std::path::Path) {
    let lent = it.dir.path().join("from-backup");
    for folder in ["users", "uses"] {
        std::fs::create_dir_all(lent.join(folder)).expect("folder");
        for file in std::fs::read_dir(from.join(folder)).expect("folder") {
            let file = file.expect("file");
            let to = lent.join(folder).join(file.file_name());
            std::fs::copy(file.path(), to).expect("copied");
        }
    }
    std::fs::copy(from.join("seed.json"), lent.join("seed.json")).expect("copied");
}

#[test]
fn the_keys_of_a_deleted_user_come_back_from_a_backup() {
    let it = Box_::new();
    let bob = person("bob");
    let key = it.made("bob", "ed25519");
    it.ok(&bob, "sign", text(&key, "x"));
    let backup = tempfile::tempdir().expect("folder");
    let copied = std::process::Command::new("cp")
        .args(["-r", "--no-target-directory"])
        .args([it.dir.path(), backup.path()])
        .status();
    assert!(copied.expect("cp").success());
    let user = json!({"user": "bob"});
    it.ok(&Caller::System, "deleteUser", user.clone());
    assert_eq!(it.reason(&bob, "sign", text(&key, "x")), "locked");
    assert!(it.call(&bob, "bringBack", user.clone()).is_err());

    lend(&it, backup.path());
    assert_eq!(it.ok(&Caller::System, "bringBack", user.clone()), json!(1));
    assert!(!it.dir.path().join("from-backup").exists());
    assert_eq!(it.reason(&bob, "sign", text(&key, "x")), "locked");
    let sign_in = json!({"user": "bob", "password": "another password"});
    it.ok(&Caller::System, "signedIn", sign_in.clone());
    it.ok(&bob, "sign", text(&key, "x"));
    let uses = it.ok(&bob, "uses", json!({}));
    assert_eq!(uses["uses"].as_array().map(Vec::len), Some(2), "{uses}");
    // Keys that are here stay as they are.
    it.made("bob", "x25519");
    lend(&it, backup.path());
    assert_eq!(it.ok(&Caller::System, "bringBack", user.clone()), json!(0));
    assert_eq!(
        it.ok(&bob, "list", json!({}))["keys"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );

    // On a box of other words the password opens them, and from then on the words of that box.
    let other = Box_::new();
    other.ok(&Caller::System, "deleteUser", user.clone());
    lend(&other, backup.path());
    let other = other.restarted();
    assert!(
        !other.dir.path().join("from-backup").exists(),
        "a start removes it"
    );
    lend(&other, backup.path());
    assert_eq!(other.ok(&Caller::System, "bringBack", user), json!(1));
    other.ok(&Caller::System, "signedIn", sign_in);
    let set =
        json!({"user": "bob", "new": "bobs new one", "helper": "anna", "helperPassword": PASSWORD});
    assert_eq!(
        other.ok(&Caller::System, "passwordSet", set)["keys"],
        "opened"
    );
    other.ok(&bob, "sign", text(&key, "x"));
}

#[test]
fn what_apps_ask_for_is_bounded() {
    let it = Box_::new();
    let key = it.made("anna", "ed25519");
    let greedy = app("anna", "k-greedy");
    for n in 0..consent::MAX_OF_APP {
        assert_eq!(
            it.reason(&greedy, "sign", text(&key, &n.to_string())),
            "pending"
        );
    }
    // The same again is the same request.
    assert_eq!(it.reason(&greedy, "sign", text(&key, "0")), "pending");
    let error = it
        .call(&greedy, "sign", text(&key, "more"))
        .expect_err("too many");
    assert_eq!(error.code, atek_api::jsonrpc::code::LIMITED);
    assert_eq!(
        it.reason(&app("anna", "k-modest"), "sign", text(&key, "x")),
        "pending"
    );
    for n in 0..crate::keyring::MAX_APP_KEYS {
        it.ok(
            &greedy,
            "create",
            json!({"kind": "ed25519", "name": format!("n{n}")}),
        );
    }
    assert!(
        it.call(
            &greedy,
            "create",
            json!({"kind": "ed25519", "name": "more"})
        )
        .is_err()
    );
    it.made("anna", "x25519");
    assert!(
        it.call(&greedy, "sign", text(&key, &"x".repeat(70_000)))
            .is_err()
    );
}

#[test]
fn a_message_is_read_after_a_yes() {
    let it = Box_::new();
    let key = it.made("anna", "x25519");
    let sent = it.ok(
        &app("bob", "k-2"),
        "encrypt",
        json!({"publicKey": key["publicKey"], "plain": "c0ffee"}),
    );
    let mail = app("anna", "k-mail");
    let read = json!({"key": key["id"], "message": sent["message"]});
    assert_eq!(it.reason(&mail, "decrypt", read.clone()), "pending");
    let id = it.ok(&person("anna"), "pending", json!({}))["requests"][0]["id"].clone();
    it.ok(
        &person("anna"),
        "answer",
        json!({"request": id, "choice": "hour"}),
    );
    assert_eq!(
        it.ok(&mail, "result", json!({"request": id}))["plain"],
        "c0ffee"
    );
    assert_eq!(it.ok(&mail, "decrypt", read)["plain"], "c0ffee");
}

#[test]
fn a_damaged_file_is_told_and_not_overwritten() {
    let it = Box_::new();
    let file = it.dir.path().join("users/anna.json");
    let whole = std::fs::read(&file).expect("file");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("cut");
    let error = Keys::open(it.dir.path(), "core.keys".into(), CHEAP).expect_err("told");
    assert!(error.to_string().contains("anna.json"), "{error}");
    assert_eq!(std::fs::read(&file).expect("file").len(), whole.len() / 2);
}

#[tokio::test]
async fn a_call_that_waits_gets_the_answer() {
    let it = Box_::new();
    let key = it.made("anna", "ed25519");
    let mut params = text(&key, "x");
    params["wait"] = json!(30);
    let keys = it.keys.clone();
    let rss = app("anna", "k-rss");
    let waiting = tokio::spawn(async move {
        keys.call_async(rss, "sign".into(), Params::of(&params))
            .await
    });
    let id = loop {
        let pending = it.ok(&person("anna"), "pending", json!({}));
        match pending["requests"][0]["id"].clone() {
            Value::Null => tokio::task::yield_now().await,
            id => break id,
        }
    };
    it.ok(
        &person("anna"),
        "answer",
        json!({"request": id, "choice": "once"}),
    );
    let signed = waiting.await.expect("call").expect("signed");
    assert!(signed.get().contains("signature"));
}
