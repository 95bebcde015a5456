//! Reaching the host, and the messages when that fails.

use crate::fake::{FakeHost, SERVICES};
use crate::run::{arg, atek, command, finish};
use crate::sample::list;
use serde_json::json;
use std::os::unix::net::UnixListener;

const EMPTY: &str = "nothing is installed, start with: atek install URL\n";

#[test]
fn a_host_that_is_not_running_is_code_69_with_the_way_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let missing = finish(&mut command(&["ls", "--socket", arg(&socket)])).failed(69);
    assert_eq!(
        missing,
        format!(
            "error: cannot list the services: cannot connect to {}: No such file or directory (os error 2)\n \
             hint: atekd is not running, start it with: systemctl start atekd\n",
            socket.display()
        )
    );
    drop(UnixListener::bind(&socket).unwrap());
    let refused = finish(&mut command(&["start", "rss", "--socket", arg(&socket)])).failed(69);
    assert!(refused.contains("systemctl start atekd"), "{refused}");
    assert!(
        refused.starts_with("error: cannot start rss: cannot connect to "),
        "{refused}"
    );
}

#[test]
fn a_connection_that_breaks_is_code_69() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broken.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || drop(listener.accept()));
    let error = finish(&mut command(&["ls", "--socket", arg(&socket)])).failed(69);
    server.join().unwrap();
    assert!(error.contains("journalctl -u atekd"), "{error}");
}

#[test]
fn a_host_that_is_starting_is_code_69_and_a_moment_away() {
    let host = FakeHost::new();
    let message =
        r#"No service available which matches {"transport":"rpc","api":"atek.cloud/services-api"}"#;
    host.error(SERVICES, "list", -32601, message);
    let error = atek(&host, &["ls"]).failed(69);
    assert!(
        error.contains("hint: the host is still starting, try again in a moment"),
        "{error}"
    );
}

#[test]
fn a_host_that_does_not_know_a_method_may_be_older() {
    let host = FakeHost::new();
    let error = atek(&host, &["stop", "rss"]).failed(1);
    assert_eq!(
        error,
        "error: cannot stop rss: Method not found: stop\n \
         hint: the host does not know this command, it may be older than this program\n"
    );
}

#[test]
fn the_socket_flag_goes_before_the_variable() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[]));
    let mut command = command(&["ls", "--socket", arg(&host.socket())]);
    assert_eq!(
        finish(command.env("ATEK_CONTROL_SOCKET", "/nowhere")).ok(),
        EMPTY
    );
}

#[test]
fn a_host_is_reached_by_url_with_a_token_from_a_file() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[]));
    let url = format!("http://127.0.0.1:{}", host.on_tcp("s3cret"));
    let token = host.folder().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    assert_eq!(
        finish(&mut command(&[
            "--host",
            &url,
            "--token-file",
            arg(&token),
            "ls"
        ]))
        .ok(),
        EMPTY
    );

    std::fs::write(&token, "wr0ng\n").unwrap();
    let error = finish(&mut command(&[
        "--host",
        &url,
        "--token-file",
        arg(&token),
        "ls",
    ]))
    .failed(1);
    assert!(error.contains("401"), "{error}");
    assert!(
        error.contains("hint: the token is not one of this host's"),
        "{error}"
    );
    assert!(!error.contains("wr0ng"), "{error}");
}

#[test]
fn a_host_is_reached_through_its_config_folder_as_with_the_original() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[]));
    let port = host.on_tcp("s3cret");
    let config = json!({ "port": port, "systemAuthTokens": ["s3cret"] });
    std::fs::write(host.folder().join("config.json"), config.to_string()).unwrap();
    assert_eq!(
        finish(&mut command(&["ls", "--configDir", arg(&host.folder())])).ok(),
        EMPTY
    );

    let error = finish(&mut command(&["ls", "--configDir", "/nowhere"])).failed(1);
    assert!(
        error.starts_with("error: cannot read the host's configuration /nowhere/config.json: "),
        "{error}"
    );
}

#[test]
fn contradictions_are_usage_errors() {
    for args in [
        &["ls", "--host", "http://x", "--configDir", "/y"][..],
        &["ls", "--token-file", "/x"],
        &["ls", "--host", "https://x"],
        &["ls", "--host", "http://x/path"],
        &["frobnicate"],
        &["start"],
    ] {
        let done = finish(&mut command(args));
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            done.stderr
        );
    }
}
