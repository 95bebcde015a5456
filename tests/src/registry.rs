//! Debian's `docker-registry`, and images that are put into it by its own protocol.
//!
//! The tests of `atek-package` use this file, too.

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: SocketAddr,
    store: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same images as in a [`Registry`], over HTTPS with a certificate of an authority that the
/// world does not know.
#[derive(Debug)]
pub struct EncryptedRegistry {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for EncryptedRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl EncryptedRegistry {
    /// Where it listens: the first part of the names of its images.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its authority, as PEM.
    pub fn authority(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ca.pem")).unwrap()
    }
}

/// One entry of a layer: its kind, path, and content or target.
pub type Entry<'a> = (EntryType, &'a str, &'a str);

/// The name that this machine's processor has in images.
pub fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// Starts docker-registry for the images in `data`, with its configuration in `folder`.
fn serve(
    folder: &Path,
    data: &Path,
    address: impl Into<IpAddr>,
    tls: &str,
) -> Option<(Child, SocketAddr)> {
    let address = TcpListener::bind((address.into(), 0))
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let config = folder.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}{tls}}}\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let started = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match started {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped, because docker-registry is not installed: {error}");
            return None;
        }
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the registry does not answer");
        std::thread::yield_now();
    }
    Some((child, address))
}

impl Registry {
    /// One for this machine alone. None, and a word about it, where the package is not installed.
    pub fn start() -> Option<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// One at an address of this machine's.
    pub fn start_at(address: Ipv4Addr) -> Option<Self> {
        let store = tempfile::tempdir().unwrap();
        let (child, address) = serve(store.path(), &store.path().join("data"), address, "")?;
        Some(Self {
            child,
            address,
            store,
        })
    }

    /// Serves the images of this one over HTTPS, too, at the same address and another port.
    pub fn encrypted(&self) -> EncryptedRegistry {
        self.encrypted_for("")
    }

    /// The same for `ada` with the password `hunter2` alone.
    pub fn private(&self) -> EncryptedRegistry {
        self.encrypted_for("ada:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n")
    }

    /// `users`: lines of a file of htpasswd(1); empty: it asks for none.
    fn encrypted_for(&self, users: &str) -> EncryptedRegistry {
        let folder = tempfile::tempdir().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        let address = self.address.ip();
        for words in [
            format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=House-of-images"),
            format!(
                "req -x509 {key} -keyout server.key -out server.pem -subj /CN=registry \
                 -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE \
                 -addext subjectAltName=IP:{address}"
            ),
        ] {
            let mut openssl = Command::new("openssl");
            openssl
                .args(words.split_whitespace())
                .current_dir(folder.path())
                .stderr(Stdio::null());
            assert!(openssl.status().unwrap().success(), "openssl {words}");
        }
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut rest = format!(
            ", tls: {{certificate: {}, key: {}}}",
            file("server.pem"),
            file("server.key")
        );
        if !users.is_empty() {
            std::fs::write(file("users"), users).unwrap();
            let auth = format!("htpasswd: {{realm: house, path: {}}}", file("users"));
            rest.push_str(&format!("}}\nauth: {{{auth}"));
        }
        let data = self.store.path().join("data");
        let (child, address) = serve(folder.path(), &data, address, &rest).unwrap();
        EncryptedRegistry {
            child,
            address,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The source of an image in it.
    pub fn source(&self, image: &str) -> String {
        format!("oci+http://{}/{image}", self.address)
    }

    /// The digest of an image's configuration.
    pub fn configuration(&self, name: &str, tag: &str) -> String {
        let manifest = self.json(&format!("/v2/{name}/manifests/{tag}"));
        manifest["config"]["digest"].as_str().unwrap().to_owned()
    }

    /// Puts an image there that is another one of the same name with one layer more.
    pub fn extend(&self, name: &str, tag: &str, new_tag: &str, layer: &[u8]) {
        let mut manifest = self.json(&format!("/v2/{name}/manifests/{tag}"));
        let configuration = manifest["config"]["digest"].as_str().unwrap();
        let mut config = self.json(&format!("/v2/{name}/blobs/{configuration}"));
        let put = |list: &mut Value, value| list.as_array_mut().unwrap().push(value);
        put(&mut config["rootfs"]["diff_ids"], json!(digest(layer)));
        put(
            &mut manifest["layers"],
            json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": self.blob(name, layer), "size": layer.len(),
            }),
        );
        let config = config.to_string();
        manifest["config"]["digest"] = json!(self.blob(name, config.as_bytes()));
        manifest["config"]["size"] = json!(config.len());
        self.manifest(name, new_tag, MANIFEST, &manifest.to_string());
    }

    fn json(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, "", b"");
        assert_eq!(status, 200, "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// The file of a blob, for a registry that lies.
    pub fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = "data/docker/registry/v2/blobs/sha256";
        let folder = self.store.path().join(blobs).join(&hex[..2]).join(hex);
        folder.join("data")
    }

    /// Puts an image of these layers there; the digests of its layers.
    pub fn push(
        &self,
        name: &str,
        tag: &str,
        config: Value,
        layers: &[impl AsRef<[u8]>],
    ) -> Vec<String> {
        let (manifest, digests) = self.image(name, machine(), config, layers);
        self.manifest(name, tag, MANIFEST, &manifest);
        digests
    }

    /// Puts images for several processors there, by their names in images, as one.
    pub fn push_index(&self, name: &str, tag: &str, images: &[(&str, Value, Vec<Vec<u8>>)]) {
        let entries: Vec<Value> = images
            .iter()
            .map(|(architecture, config, layers)| {
                let (manifest, _) = self.image(name, architecture, config.clone(), layers);
                let digest = digest(manifest.as_bytes());
                self.manifest(name, &digest, MANIFEST, &manifest);
                json!({
                    "mediaType": MANIFEST, "digest": digest, "size": manifest.len(),
                    "platform": { "os": "linux", "architecture": architecture },
                })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        self.manifest(name, tag, INDEX, &index.to_string());
    }

    fn manifest(&self, name: &str, reference: &str, kind: &str, manifest: &str) {
        let path = format!("/v2/{name}/manifests/{reference}");
        let (status, answer) = self.ask("PUT", &path, kind, manifest.as_bytes());
        assert_eq!(status, 201, "{answer}");
    }

    /// Puts the parts of an image there; its manifest, and the digests of its layers.
    fn image(
        &self,
        name: &str,
        architecture: &str,
        config: Value,
        layers: &[impl AsRef<[u8]>],
    ) -> (String, Vec<String>) {
        let (mut blobs, mut diffs, mut digests) = (Vec::new(), Vec::new(), Vec::new());
        for layer in layers {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(layer.as_ref()).unwrap();
            let gzip = gzip.finish().unwrap();
            diffs.push(digest(layer.as_ref()));
            let digest = self.blob(name, &gzip);
            blobs.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest, "size": gzip.len(),
            }));
            digests.push(digest);
        }
        let mut whole = json!({
            "architecture": architecture, "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diffs },
        });
        for (key, value) in config.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let config = whole.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(name, &config), "size": config.len(),
            },
            "layers": blobs,
        });
        (manifest.to_string(), digests)
    }

    fn blob(&self, name: &str, content: &[u8]) -> String {
        let (status, head) = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        assert_eq!(status, 202, "{head}");
        let location = head
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .unwrap();
        let path = location.trim().splitn(4, '/').nth(3).unwrap();
        let digest = digest(content);
        let path = format!("/{path}&digest={digest}");
        let (status, head) = self.ask("PUT", &path, "application/octet-stream", content);
        assert_eq!(status, 201, "{head}");
        digest
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: {MANIFEST}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The archive of a layer. Files are executable, and set the user of who runs them.
pub fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        // Not `set_path`, which refuses what a hostile image has.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        let data = if kind.is_file() { content } else { "" };
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}
