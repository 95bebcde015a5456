//! Releases that real `git tag -s` has signed, with keys of real `ssh-keygen` and `gpg`.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod support;

use atek_api::package::{FetchLimits, SIGNING_KEY_FILE, Wanted, WarningCode};
use atek_api::signer::{Signed, Signer, SignerKind};
use std::process::Command;
use support::Bench;
use support::repo::Repo;
use tempfile::TempDir;

/// A key of `ssh-keygen`, and its fingerprint as that shows it.
struct SshKey {
    folder: TempDir,
    fingerprint: String,
}

impl SshKey {
    fn new(kind: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-f"])
            .arg(&file)
            .args(kind));
        let shown = run(Command::new("ssh-keygen").arg("-lf").arg(&file));
        let fingerprint = shown.split(' ').nth(1).unwrap().to_owned();
        Self {
            folder,
            fingerprint,
        }
    }

    fn arguments(&self) -> Vec<String> {
        let file = self.folder.path().join("key");
        vec![
            "-c".to_owned(),
            "gpg.format=ssh".to_owned(),
            "-c".to_owned(),
            format!("user.signingKey={}", file.display()),
        ]
    }
}

/// A home of GnuPG with one key.
struct GpgKey {
    home: TempDir,
    fingerprint: String,
}

impl GpgKey {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        run(gpg(&home).args([
            "--quick-generate-key",
            "Author <author@example.test>",
            "ed25519",
            "sign",
            "never",
        ]));
        let listed = run(gpg(&home).args(["--list-keys", "--with-colons"]));
        let line = listed.lines().find(|line| line.starts_with("fpr:"));
        let fingerprint = line.unwrap().split(':').nth(9).unwrap().to_owned();
        Self { home, fingerprint }
    }

    fn public(&self) -> String {
        run(gpg(&self.home).args(["--armor", "--export"]))
    }

    /// A program that git runs as gpg, with this home.
    fn arguments(&self) -> Vec<String> {
        let program = self.home.path().join("program");
        let home = self.home.path().display();
        let script = format!("#!/bin/sh\nexec gpg --homedir {home} --batch \"$@\"\n");
        std::fs::write(&program, script).unwrap();
        run(Command::new("chmod").arg("755").arg(&program));
        vec![
            "-c".to_owned(),
            format!("gpg.program={}", program.display()),
            "-c".to_owned(),
            format!("user.signingKey={}", self.fingerprint),
        ]
    }
}

impl Drop for GpgKey {
    fn drop(&mut self) {
        // Its agent would stay.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

fn gpg(home: &TempDir) -> Command {
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir").arg(home.path());
    gpg.args(["--batch", "--quiet", "--passphrase", ""]);
    gpg
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Commits the tree and publishes it under a signed tag.
fn sign_tag(repo: &Repo, arguments: &[String], tag: &str) {
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", tag]);
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["tag", "-s", "-m", "signed", tag]);
    repo.git(&words);
}

/// What a fetch of a tag finds, and what its warning about a signature says.
fn found(repo: &Repo, tag: &str) -> (Option<Signer>, Option<String>) {
    let bench = Bench::new();
    let wanted = Wanted::Tag {
        tag: tag.to_owned(),
    };
    let run = bench.fetch_with(&repo.source(), wanted, FetchLimits::default());
    let package = run.package();
    let mut warnings = package.warnings.iter();
    let warning = warnings.find(|warning| warning.code == WarningCode::Signature);
    (
        package.signer.clone(),
        warning.map(|warning| warning.message.clone()),
    )
}

fn signer(kind: SignerKind, fingerprint: &str, signed: Signed) -> Option<Signer> {
    let fingerprint = fingerprint.to_owned();
    Some(Signer {
        kind,
        fingerprint,
        signed,
    })
}

/// The tag object of `tag` with `change` made to it, published under `name`.
fn forge(repo: &Repo, tag: &str, name: &str, change: impl FnOnce(String) -> String) {
    let object = repo.git(&["cat-file", "tag", tag]);
    let changed = change(format!("{object}\n"));
    let id = repo.git_with(
        &["hash-object", "-w", "-t", "tag", "--literally", "--stdin"],
        changed.as_bytes(),
    );
    repo.git(&["update-ref", &format!("refs/tags/{name}"), &id]);
}

#[test]
fn ssh_keys_of_every_usual_kind_are_recognised() {
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
    ] {
        let (key, repo) = (SshKey::new(kind), Repo::app());
        sign_tag(&repo, &key.arguments(), "v1.1.0");
        let expected = signer(SignerKind::Ssh, &key.fingerprint, Signed::Tag);
        assert_eq!(found(&repo, "v1.1.0"), (expected, None), "{kind:?}");
    }
}

#[test]
fn an_openpgp_key_is_recognised_where_the_repository_has_it() {
    let (key, repo) = (GpgKey::new(), Repo::app());
    sign_tag(&repo, &key.arguments(), "v1.1.0");
    let (none, warning) = found(&repo, "v1.1.0");
    assert_eq!(none, None);
    assert!(warning.unwrap().contains(SIGNING_KEY_FILE));
    // Another key is none.
    repo.write(SIGNING_KEY_FILE, GpgKey::new().public());
    sign_tag(&repo, &key.arguments(), "v1.2.0");
    assert!(found(&repo, "v1.2.0").1.unwrap().contains("its key is not"));
    repo.write(SIGNING_KEY_FILE, key.public());
    sign_tag(&repo, &key.arguments(), "v1.3.0");
    let expected = signer(SignerKind::Openpgp, &key.fingerprint, Signed::Tag);
    assert_eq!(found(&repo, "v1.3.0"), (expected, None));
}

#[test]
fn a_signed_commit_counts_where_the_tag_is_not_signed() {
    let (ssh, gpg, repo) = (SshKey::new(&["-t", "ed25519"]), GpgKey::new(), Repo::app());
    repo.write(SIGNING_KEY_FILE, gpg.public());
    repo.git(&["add", "-A"]);
    let commit = |arguments: &[String], tag: &str, annotated: bool| {
        let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        words.extend(["commit", "-q", "-S", "--allow-empty", "-m", tag]);
        repo.git(&words);
        if annotated {
            repo.git(&["tag", "-a", "-m", tag, tag]);
        } else {
            repo.git(&["tag", tag]);
        }
    };
    commit(&ssh.arguments(), "v1.1.0", false);
    let by_ssh = signer(SignerKind::Ssh, &ssh.fingerprint, Signed::Commit);
    assert_eq!(found(&repo, "v1.1.0"), (by_ssh, None));
    commit(&gpg.arguments(), "v1.2.0", true);
    let by_gpg = signer(SignerKind::Openpgp, &gpg.fingerprint, Signed::Commit);
    assert_eq!(found(&repo, "v1.2.0"), (by_gpg, None));
}

#[test]
fn what_is_not_signed_has_no_signer_and_no_warning() {
    let repo = Repo::app();
    repo.git(&["tag", "-a", "-m", "not signed", "v1.1.0"]);
    assert_eq!(found(&repo, "v1.0.0"), (None, None));
    assert_eq!(found(&repo, "v1.1.0"), (None, None));
}

#[test]
fn forged_signatures_prove_nothing() {
    let (ssh, gpg, repo) = (SshKey::new(&["-t", "ed25519"]), GpgKey::new(), Repo::app());
    repo.write(SIGNING_KEY_FILE, gpg.public());
    sign_tag(&repo, &ssh.arguments(), "v1.1.0");
    sign_tag(&repo, &gpg.arguments(), "v1.2.0");
    repo.git(&["commit", "-q", "--allow-empty", "-m", "other"]);
    let other = repo.git(&["rev-parse", "HEAD"]);
    let with_other_commit = |name: &'static str| {
        let other = other.clone();
        move |object: String| {
            let (_, rest) = object.split_once('\n').unwrap();
            let rest = rest
                .replace("tag v1.1.0\n", name)
                .replace("tag v1.2.0\n", name);
            format!("object {other}\n{rest}")
        }
    };
    // A signature of another commit.
    forge(&repo, "v1.1.0", "v2.0.0", with_other_commit("tag v2.0.0\n"));
    forge(&repo, "v1.2.0", "v2.0.1", with_other_commit("tag v2.0.1\n"));
    // A tag under another name: an old release as a new one.
    forge(&repo, "v1.1.0", "v3.0.0", |object| object);
    forge(&repo, "v1.2.0", "v3.0.1", |object| object);
    // The same, with the name changed.
    forge(&repo, "v1.1.0", "v4.0.0", |object| {
        object.replace("tag v1.1.0\n", "tag v4.0.0\n")
    });
    // Garbage, and a signature for another purpose.
    forge(&repo, "v1.1.0", "v5.0.0", |object| {
        let (payload, _) = object.split_once("-----BEGIN").unwrap();
        let payload = payload.replace("tag v1.1.0\n", "tag v5.0.0\n");
        format!(
            "{payload}-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"
        )
    });
    forge(&repo, "v1.1.0", "v5.0.1", |object| {
        let (payload, _) = object.split_once("-----BEGIN").unwrap();
        let payload = payload.replace("tag v1.1.0\n", "tag v5.0.1\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payload");
        std::fs::write(&file, &payload).unwrap();
        run(Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", "file", "-f"])
            .arg(ssh.folder.path().join("key"))
            .arg(&file));
        let signature = std::fs::read_to_string(folder.path().join("payload.sig")).unwrap();
        format!("{payload}{signature}")
    });
    for (tag, says) in [
        ("v2.0.0", "does not fit"),
        ("v2.0.1", "does not fit"),
        ("v3.0.0", "under the name v1.1.0"),
        ("v3.0.1", "under the name v1.2.0"),
        ("v4.0.0", "does not fit"),
        ("v5.0.0", "cannot be read"),
        ("v5.0.1", "another purpose"),
    ] {
        let (signer, warning) = found(&repo, tag);
        assert_eq!(signer, None, "{tag}");
        let warning = warning.unwrap_or_default();
        assert!(warning.contains(says), "{tag}: {warning}");
    }
}

#[test]
fn small_rsa_keys_prove_nothing() {
    let (key, repo) = (SshKey::new(&["-t", "rsa", "-b", "1024"]), Repo::app());
    // Where ssh-keygen still makes and signs with one.
    sign_tag(&repo, &key.arguments(), "v1.1.0");
    let (signer, warning) = found(&repo, "v1.1.0");
    assert_eq!(signer, None);
    assert!(warning.unwrap().contains("not supported"));
}
