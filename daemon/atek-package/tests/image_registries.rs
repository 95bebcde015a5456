//! Registries of container images that ask who reads, lie, stall, lead elsewhere or never end; and
//! images for several processors. Each ends with a sentence, and with the image or without one.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod support;

use atek_api::package::{Access, FailureCode as Code, FetchLimits, Reach, Request, Wanted};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::private::{Answer, Authority, Private, header};
use support::registry::{Registry, layer, machine};
use support::{Bench, Run};
use tar::EntryType;

const FILE: EntryType = EntryType::Regular;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// What a registry answers at each path: a content type and a body.
#[derive(Clone, Default)]
struct Content(BTreeMap<String, (String, Vec<u8>)>);

impl Content {
    /// An image whose only file is `which`, with the digest of its manifest. `change` may change
    /// the manifest.
    fn image(&mut self, which: &str, platform: &str, change: impl FnOnce(&mut Value)) -> String {
        let files = layer(&[(FILE, "bin/serve", "#!/bin/sh\n"), (FILE, "which", which)]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&files).unwrap();
        let gzip = gzip.finish().unwrap();
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = json!({
            "architecture": architecture, "os": os, "config": { "Cmd": ["/bin/serve"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&files)] },
        });
        let config = config.to_string().into_bytes();
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": digest(&gzip), "size": gzip.len() }],
        });
        change(&mut manifest);
        self.blob(&config);
        self.blob(&gzip);
        self.manifest(MANIFEST, &manifest)
    }

    fn blob(&mut self, bytes: &[u8]) {
        let path = format!("/v2/serve/blobs/{}", digest(bytes));
        let kind = "application/octet-stream".to_owned();
        self.0.insert(path, (kind, bytes.to_vec()));
    }

    /// Under its digest, and as the tag 1.0.0.
    fn manifest(&mut self, kind: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest(&bytes);
        for name in [&digest, "1.0.0"] {
            let path = format!("/v2/serve/manifests/{name}");
            self.0.insert(path, (kind.to_owned(), bytes.clone()));
        }
        digest
    }

    /// The path of the only blob that is a layer.
    fn layer_path(&self) -> String {
        let mut blobs = self.0.iter().filter(|(path, _)| path.contains("/blobs/"));
        let layer = blobs.find(|(_, (_, body))| body.starts_with(&[0x1f, 0x8b]));
        layer.unwrap().0.clone()
    }
}

fn whole() -> Content {
    let mut content = Content::default();
    content.image("it", &format!("linux/{}", machine()), |_| {});
    content
}

/// What a registry does with a layer, or with a manifest.
#[derive(Clone)]
enum Deed {
    /// Half of it, and nothing more.
    Stalls,
    /// A byte now and then.
    Trickles,
    /// Half of it, and the end of the connection.
    BreaksOff,
    /// A length that is too great by some.
    SaysMore,
    /// A length that is half of it.
    SaysLess,
    /// Other bytes of the same number.
    Exchanges,
    /// Never an end.
    Floods,
    Redirects(String),
    Status(u16),
}

/// A registry of this content, on a port of this machine; what it was asked, one line each.
struct Liar {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    /// `at`: the part of a path at which it does its deed.
    fn start(content: Content, at: String, deed: Option<Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (content, log, at, deed) =
                    (content.clone(), log.clone(), at.clone(), deed.clone());
                thread::spawn(move || drop(answer(stream, &content, &log, &at, deed.as_ref())));
            }
        });
        Self { port, seen }
    }

    fn source(&self) -> String {
        format!("oci+http://127.0.0.1:{}/serve:1.0.0", self.port)
    }

    fn asked(&self, part: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|line| line.contains(part)).count()
    }
}

/// One request and its answer.
fn answer(
    stream: TcpStream,
    content: &Content,
    log: &Mutex<Vec<String>>,
    at: &str,
    deed: Option<&Deed>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(first);
    let mut stream = &stream;
    let Some((kind, body)) = content.0.get(&path) else {
        let status = if path == "/v2/" {
            "200 OK"
        } else {
            "404 Not Found"
        };
        return write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
    };
    let deed = deed.filter(|_| path.contains(at));
    let head = |status: &str, length: usize, more: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
        )
    };
    let half = body.len() / 2;
    match (deed, range) {
        (Some(Deed::Redirects(to)), _) => {
            let to = format!("Location: {to}{path}\r\n");
            stream.write_all(head("307 Temporary Redirect", 0, &to).as_bytes())
        }
        (Some(Deed::Status(status)), _) => {
            stream.write_all(head(&format!("{status} No"), 0, "").as_bytes())
        }
        (Some(Deed::Stalls), _) => {
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            stream.write_all(&body[..half])?;
            // For longer than any limit of these tests.
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
        (Some(Deed::Trickles), _) => {
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            for byte in body {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        (Some(Deed::Floods), _) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 64 << 10])?;
            }
        }
        // The rest of what broke off is there when it is asked for.
        (Some(Deed::BreaksOff), Some(from)) => {
            let rest = body.get(from..).unwrap_or_default();
            let more = format!(
                "Content-Range: bytes {from}-{}/{}\r\n",
                body.len() - 1,
                body.len()
            );
            stream.write_all(head("206 Partial Content", rest.len(), &more).as_bytes())?;
            stream.write_all(rest)
        }
        (Some(Deed::BreaksOff), None) => {
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            stream.write_all(&body[..half])
        }
        (Some(Deed::SaysMore), _) => {
            stream.write_all(head("200 OK", body.len() + 10, "").as_bytes())?;
            stream.write_all(body)?;
            stream.write_all(b"0123456789")
        }
        (Some(Deed::SaysLess), _) => {
            stream.write_all(head("200 OK", half, "").as_bytes())?;
            stream.write_all(body)
        }
        (Some(Deed::Exchanges), _) => {
            let other: Vec<u8> = body.iter().map(|byte| byte ^ 1).collect();
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            stream.write_all(&other)
        }
        (None, _) => {
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            stream.write_all(body)
        }
    }
}

/// Limits under which nothing takes long.
fn short() -> FetchLimits {
    FetchLimits {
        fetch_secs: 12,
        stall_secs: 4,
        ..FetchLimits::default()
    }
}

fn fetch(source: &str) -> (Bench, Run) {
    let bench = Bench::new();
    let run = bench.fetch_limited(source, short());
    (bench, run)
}

#[test]
fn a_registry_that_lies_or_stalls_ends_with_a_sentence() {
    let content = whole();
    let blob = content.layer_path();
    let manifest = "/manifests/";
    for (at, deed, code, words) in [
        (&*blob, Deed::Stalls, Code::Timeout, ""),
        (&blob, Deed::Trickles, Code::Timeout, ""),
        (
            &blob,
            Deed::SaysMore,
            Code::BrokenRepository,
            "not what its digest says",
        ),
        (
            &blob,
            Deed::SaysLess,
            Code::BrokenRepository,
            "not what its digest says",
        ),
        (
            &blob,
            Deed::Exchanges,
            Code::BrokenRepository,
            "not what its digest says",
        ),
        (
            &blob,
            Deed::Floods,
            Code::BrokenRepository,
            "not what its digest says",
        ),
        (
            &blob,
            Deed::Status(500),
            Code::Unreachable,
            "cannot be reached",
        ),
        (
            &blob,
            Deed::Status(404),
            Code::RepositoryNotFound,
            "does not exist",
        ),
        (manifest, Deed::Stalls, Code::Timeout, ""),
        (
            manifest,
            Deed::Exchanges,
            Code::BrokenRepository,
            "no image that can be used",
        ),
        (
            manifest,
            Deed::Status(401),
            Code::RepositoryNotFound,
            "is not public",
        ),
        (
            manifest,
            Deed::Redirects("http://127.0.0.1:1".to_owned()),
            Code::Unreachable,
            "cannot be reached",
        ),
    ] {
        let liar = Liar::start(content.clone(), at.to_owned(), Some(deed));
        let (_, run) = fetch(&liar.source());
        let failure = run.failure();
        eprintln!("{at}: {failure}");
        assert_eq!(failure.code, code, "{at}: {failure}");
        assert!(failure.message.contains(words), "{at}: {failure}");
        assert!(failure.message.contains("serve:1.0.0"), "{at}: {failure}");
    }
}

#[test]
fn a_blob_that_breaks_off_goes_on_where_it_broke_and_may_be_on_another_server() {
    let content = whole();
    let blob = content.layer_path();
    let breaking = Liar::start(content.clone(), blob.clone(), Some(Deed::BreaksOff));
    let (bench, run) = fetch(&breaking.source());
    assert_eq!(run.package().release.tag, "1.0.0");
    assert_eq!(bench.read("rootfs/which"), "it");
    assert_eq!(breaking.asked("/blobs/"), 3);

    let other = Liar::start(content.clone(), String::new(), None);
    let to = Deed::Redirects(format!("http://127.0.0.1:{}", other.port));
    let leading = Liar::start(content, blob, Some(to));
    let (bench, run) = fetch(&leading.source());
    assert_eq!(run.package().release.tag, "1.0.0");
    assert_eq!(bench.read("rootfs/which"), "it");
    assert_eq!(other.asked("/blobs/"), 1);
}

#[test]
fn of_an_index_the_image_for_this_machine_is_taken_and_no_other() {
    let here = format!("linux/{}", machine());
    let there = if here == "linux/amd64" {
        "linux/arm64"
    } else {
        "linux/amd64"
    };
    let entry = |digest: &str, platform: &str| {
        let (os, architecture) = platform.split_once('/').unwrap();
        json!({ "mediaType": MANIFEST, "digest": digest, "size": 1,
            "platform": { "os": os, "architecture": architecture } })
    };
    for turned in [false, true] {
        let mut content = Content::default();
        let mut entries = vec![
            entry(&content.image("this one", &here, |_| {}), &here),
            entry(&content.image("the other", there, |_| {}), there),
            entry(
                &content.image("windows", &here.replace("linux", "windows"), |_| {}),
                "windows/amd64",
            ),
            // What says something about the others.
            entry(&digest(b"gone"), "unknown/unknown"),
        ];
        if turned {
            entries.reverse();
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        content.manifest(INDEX, &index);
        let (bench, run) = fetch(&Liar::start(content, String::new(), None).source());
        assert_eq!(run.package().release.tag, "1.0.0");
        assert_eq!(bench.read("rootfs/which"), "this one");
    }

    // One that has none for this machine, one that lies, one that leads to another index.
    let mut content = Content::default();
    let other = entry(&content.image("the other", there, |_| {}), there);
    let lying = entry(other["digest"].as_str().unwrap(), &here);
    let own = entry(
        &content.manifest(
            INDEX,
            &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
        ),
        &here,
    );
    for (entries, words) in [
        (
            vec![other],
            format!("the image is for {there}, and this machine is {here}"),
        ),
        (
            vec![lying],
            format!("the image is for {there}, and this machine is {here}"),
        ),
        (vec![own], "its index names an index".to_owned()),
        (vec![], format!("and this machine is {here}")),
    ] {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        content.manifest(INDEX, &index);
        let (_, run) = fetch(&Liar::start(content.clone(), String::new(), None).source());
        run.assert_failed(Code::BrokenRepository, &words);
    }
}

#[test]
fn what_is_too_much_is_found_before_it_is_written() {
    let platform = format!("linux/{}", machine());
    let negative = |manifest: &mut Value| manifest["layers"][0]["size"] = json!(-1);
    let huge = |manifest: &mut Value| manifest["layers"][0]["size"] = json!(1u64 << 40);
    let config = |manifest: &mut Value| manifest["config"]["size"] = json!(1u64 << 30);
    let foreign = |manifest: &mut Value| {
        manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
    };
    let elsewhere =
        |manifest: &mut Value| manifest["layers"][0]["digest"] = json!("sha256:../../x");
    type Change<'c> = &'c dyn Fn(&mut Value);
    let changes: [(Change<'_>, Code, &str); 5] = [
        (&negative, Code::BrokenRepository, ""),
        (&huge, Code::TooBig, "of layers"),
        (&config, Code::BrokenRepository, "it has 1073741824 bytes"),
        (&foreign, Code::BrokenRepository, "only gzip can"),
        (&elsewhere, Code::BrokenRepository, ""),
    ];
    for (change, code, words) in changes {
        let mut content = Content::default();
        content.image("it", &platform, change);
        let (_, run) = fetch(&Liar::start(content, String::new(), None).source());
        let failure = run.failure();
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }

    // A bomb of names, and one of nothing.
    let Some(registry) = Registry::start() else {
        return;
    };
    let names: Vec<String> = (0..3_000).map(|n| format!("n/{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (FILE, name.as_str(), "")).collect();
    registry.push(
        "names",
        "1.0.0",
        json!({ "config": { "Cmd": ["x"] } }),
        &[layer(&entries)],
    );
    let mut nothing = layer(&[(FILE, "x", "")]);
    nothing.resize(nothing.len() + (4 << 20), 0);
    registry.push(
        "nothing",
        "1.0.0",
        json!({ "config": { "Cmd": ["x"] } }),
        &[nothing],
    );
    let limits = FetchLimits {
        package_files: 1_000,
        package_bytes: 1 << 20,
        ..short()
    };
    for (image, code, words) in [
        ("names", Code::TooBig, "more than 1000 files"),
        ("nothing", Code::BrokenRepository, ""),
    ] {
        let run = Bench::new().fetch_limited(&registry.source(image), limits);
        run.assert_failed(code, words);
    }
}

/// Fetches an image as a person does who gave this token and trusts this authority.
fn fetch_as(source: &str, token: Option<&str>, certificates: &str, reach: Reach) -> (Bench, Run) {
    let bench = Bench::new();
    let run = bench.run(&Request::Fetch {
        source: source.parse().unwrap(),
        wanted: Wanted::default(),
        access: Access {
            token: token.map(|token| token.parse().unwrap()),
            certificates: certificates.to_owned(),
            reach,
        },
        limits: short(),
    });
    (bench, run)
}

/// The source of a registry that speaks this, encrypted, to who shows a token of `realm`, which
/// gives one to `ada` with her password. Without a realm it is its own.
fn asks_for_a_token(authority: &Authority, content: Content, realm: Option<String>) -> Private {
    // base64 of ada:hunter2.
    const ADA: &str = "Basic YWRhOmh1bnRlcjI=";
    let answer = move |head: &str| {
        let given = header(head, "authorization").unwrap_or_default();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let host = header(head, "host").unwrap_or_default();
        let own = format!("https://{host}/token");
        let realm = realm.as_ref().unwrap_or(&own);
        let asks = format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"house\"\r\n");
        let found = match content.0.get(path) {
            _ if path.starts_with("/token?") && given == ADA => {
                Some(("application/json", &br#"{"token":"t0k3n"}"#[..]))
            }
            Some((kind, body)) if given == "Bearer t0k3n" => Some((kind.as_str(), &body[..])),
            _ => None,
        };
        let (status, kind, body) = match found {
            Some((kind, body)) => ("200 OK", kind, body),
            None => ("401 Unauthorized", "text/plain", &b""[..]),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\n{asks}Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    Private::start(authority, Answer::By(Box::new(answer)))
}

fn is_told_over_https_alone(source: &str, authority: &str, of: &str) {
    let anywhere = Reach::Anywhere;
    let (bench, run) = fetch_as(source, Some("ada:hunter2"), authority, anywhere);
    assert_eq!(run.package().release.tag, "1.0.0", "{run:?}");
    assert_eq!(bench.read("rootfs/which"), of);
    assert!(!format!("{run:?}").contains("hunter2"));
    let (_, run) = fetch_as(source, None, authority, anywhere);
    run.assert_failed(
        Code::RepositoryNotFound,
        "a private one is read with an access token",
    );
    let (_, run) = fetch_as(source, Some("ada:wrong"), authority, anywhere);
    run.assert_failed(Code::TokenRefused, "does not take the access token");
    let (_, run) = fetch_as(source, Some("ada:hunter2"), "", anywhere);
    run.assert_failed(Code::Certificate, "cannot be verified");
    let (_, run) = fetch_as(source, Some("ada:hunter2"), authority, Reach::Internet);
    run.assert_failed(
        Code::PrivateAddress,
        "only an administrator may install from there",
    );
    let plain = source.replace("oci://", "oci+http://");
    let (_, run) = fetch_as(&plain, Some("ada:hunter2"), "", anywhere);
    run.assert_failed(Code::BadRequest, "not asked with an access token");
}

#[test]
fn a_registry_that_asks_who_reads_is_told_over_https_alone() {
    let authority = Authority::new();
    let tokens = asks_for_a_token(&authority, whole(), None);
    let source = tokens.url("serve:1.0.0").replace("https://", "oci://");
    is_told_over_https_alone(&source, &authority.pem(), "it");

    // One that wants them where others can read them gets nothing.
    let thief = Liar::start(Content::default(), String::new(), None);
    let realm = format!("http://127.0.0.1:{}/token", thief.port);
    let tokens = asks_for_a_token(&authority, whole(), Some(realm));
    let source = tokens.url("serve:1.0.0").replace("https://", "oci://");
    let (_, run) = fetch_as(
        &source,
        Some("ada:hunter2"),
        &authority.pem(),
        Reach::Anywhere,
    );
    run.assert_failed(Code::Redirected, "without encryption");
    assert_eq!(thief.asked(""), 0);

    // Debian's, by name and password.
    let Some(registry) = Registry::start() else {
        return;
    };
    let program = layer(&[
        (FILE, "bin/serve", "#!/bin/sh\n"),
        (FILE, "which", "private"),
    ]);
    let config = json!({ "config": { "Cmd": ["/bin/serve"] } });
    registry.push("serve", "1.0.0", config, &[program]);
    let private = registry.private();
    let source = format!("oci://{}/serve:1.0.0", private.address());
    is_told_over_https_alone(&source, &private.authority(), "private");
}
