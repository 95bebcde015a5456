//! A registry of container images: what it has, and blobs of it, checked by their digests.

use super::error::ImageError;
use crate::git::bridge::{Bridge, Refused};
use atek_api::image::ImageName;
use atek_api::package::{Access, Reach};
use futures_util::StreamExt as _;
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError};
use oci_client::manifest::{OciImageIndex, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long one read may take.
const READ: Duration = Duration::from_secs(20);
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a blob that breaks off is asked for again, from where it broke.
const TRIES: u32 = 4;
/// Bytes of the longest configuration of an image.
const SMALL_MAX: u64 = 4 << 20;

/// A connection to registries.
pub(super) struct Registry {
    client: Client,
    runtime: Runtime,
    auth: RegistryAuth,
    bridge: Option<Bridge>,
    /// Over which requests without encryption go that an encrypted registry asks for by a redirect,
    /// or as its server for tokens: it lets none through.
    unencrypted: Option<Bridge>,
}

/// What a manifest names.
#[derive(Debug)]
pub(super) struct Manifest {
    /// `sha256:…` of the manifest itself.
    pub(super) digest: String,
    pub(super) config: Blob,
    /// The lowest first.
    pub(super) layers: Vec<Blob>,
}

/// A blob that a manifest names.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) bytes: u64,
    pub(super) media_type: String,
}

impl Registry {
    /// `plain`: without encryption. A token is sent to the registry, and to the server that the
    /// registry names for it (`WWW-Authenticate`), never without encryption.
    pub(super) fn new(plain: bool, access: &Access) -> Result<Self, ImageError> {
        let reach = access.reach;
        let auth = match &access.token {
            None => RegistryAuth::Anonymous,
            Some(_) if plain => return Err(ImageError::TokenOverHttp),
            Some(token) => {
                let (name, password) = token.name_and_password();
                RegistryAuth::Basic(name.to_owned(), password.to_owned())
            }
        };
        // Each address is checked where it is connected to.
        let bridge = match reach {
            Reach::Internet => {
                Some(Bridge::to("https://registry", reach).map_err(ImageError::Start)?)
            }
            Reach::Anywhere => None,
        };
        let unencrypted = match plain {
            true => None,
            false => Some(Bridge::only_to(String::new(), reach).map_err(ImageError::Start)?),
        };
        let http_proxy = unencrypted.as_ref().or(bridge.as_ref());
        let protocol = if plain {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let client = Client::new(ClientConfig {
            protocol,
            read_timeout: Some(READ),
            connect_timeout: Some(CONNECT),
            https_proxy: bridge.as_ref().map(|bridge| bridge.proxy.clone()),
            http_proxy: http_proxy.map(|bridge| bridge.proxy.clone()),
            ..ClientConfig::default()
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ImageError::Start)?;
        Ok(Self {
            client,
            runtime,
            auth,
            bridge,
            unencrypted,
        })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(OciDistributionError) -> ImageError {
        let bridges = [self.unencrypted.as_ref(), self.bridge.as_ref()];
        let refused = bridges.into_iter().flatten().find_map(Bridge::refused);
        let has_token = !matches!(self.auth, RegistryAuth::Anonymous);
        move |source| match &refused {
            Some(Refused::Private(host)) => ImageError::PrivateAddress(host.clone()),
            Some(Refused::Elsewhere(host)) => ImageError::Unencrypted(host.clone()),
            None if has_token && is_about_token(&source) => ImageError::TokenRefused,
            None => ImageError::Registry {
                doing,
                source: Box::new(source),
            },
        }
    }

    /// The tags of an image's repository.
    pub(super) fn tags(&self, image: &ImageName) -> Result<Vec<String>, ImageError> {
        const PAGE: usize = 1_000;
        const PAGES: usize = 20;
        let reference = reference(image)?;
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let last = tags.last().cloned();
            let asked = self
                .client
                .list_tags(&reference, &self.auth, Some(PAGE), last.as_deref());
            let page = self.runtime.block_on(asked);
            let page = page.map_err(|error| self.failed("list the tags")(error))?;
            let more = page.tags.len() >= PAGE && page.tags.last() != tags.last();
            tags.extend(page.tags);
            if !more {
                break;
            }
        }
        Ok(tags)
    }

    /// The manifest of an image for this machine's processor.
    pub(super) fn manifest(&self, image: &ImageName) -> Result<Manifest, ImageError> {
        let reference = reference(image)?;
        let (manifest, digest) = match self.pull_manifest(&reference)? {
            (OciManifest::Image(manifest), digest) => (manifest, digest),
            (OciManifest::ImageIndex(index), _) => {
                let digest = for_this_machine(&index)?;
                match self.pull_manifest(&reference.clone_with_digest(digest.clone()))? {
                    (OciManifest::Image(manifest), _) => (manifest, digest),
                    (OciManifest::ImageIndex(_), _) => {
                        return Err(ImageError::Config("its index names an index".to_owned()));
                    }
                }
            }
        };
        let blob = |it: &oci_client::manifest::OciDescriptor| {
            let bytes = u64::try_from(it.size)
                .map_err(|_| ImageError::Config(format!("a blob of {} bytes", it.size)))?;
            // It becomes part of an address.
            image
                .with_digest(&it.digest)
                .map_err(|error| ImageError::Config(error.to_string()))?;
            Ok::<_, ImageError>(Blob {
                digest: it.digest.clone(),
                bytes,
                media_type: it.media_type.clone(),
            })
        };
        Ok(Manifest {
            digest,
            config: blob(&manifest.config)?,
            layers: manifest.layers.iter().map(blob).collect::<Result<_, _>>()?,
        })
    }

    fn pull_manifest(&self, reference: &Reference) -> Result<(OciManifest, String), ImageError> {
        let asked = self.client.pull_manifest(reference, &self.auth);
        let answered = self.runtime.block_on(asked);
        answered.map_err(|error| self.failed("read the manifest")(error))
    }

    /// A blob that fits into memory.
    pub(super) fn small_blob(&self, image: &ImageName, blob: &Blob) -> Result<Vec<u8>, ImageError> {
        if blob.bytes > SMALL_MAX {
            return Err(ImageError::Config(format!("it has {} bytes", blob.bytes)));
        }
        let path = Path::new(super::BLOB);
        self.blob(image, blob, path, |_| {})?;
        let content = std::fs::read(path).map_err(ImageError::write("read a blob"))?;
        std::fs::remove_file(path).map_err(ImageError::write("remove a blob"))?;
        Ok(content)
    }

    /// Writes a blob to a file, and checks its digest. What breaks off goes on where it broke, also
    /// in what an earlier process has left; if that was something else, the blob is fetched again.
    /// `tell` gets the bytes that are there.
    pub(super) fn blob(
        &self,
        image: &ImageName,
        blob: &Blob,
        path: &Path,
        mut tell: impl FnMut(u64),
    ) -> Result<(), ImageError> {
        let begun = path.symlink_metadata().is_ok();
        match self.rest_of_blob(image, blob, path, &mut tell) {
            Err(ImageError::Digest(_)) if begun => {
                std::fs::remove_file(path).map_err(ImageError::write("remove a blob"))?;
                self.rest_of_blob(image, blob, path, &mut tell)
            }
            outcome => outcome,
        }
    }

    fn rest_of_blob(
        &self,
        image: &ImageName,
        blob: &Blob,
        path: &Path,
        tell: &mut impl FnMut(u64),
    ) -> Result<(), ImageError> {
        let cannot = ImageError::write("write a blob");
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(&cannot)?;
        let reference = reference(image)?;
        let mut tries = 0;
        while file.metadata().map_err(&cannot)?.len() != blob.bytes {
            tries += 1;
            let pulled = self.pull(&reference, blob, &mut file, tell);
            let have = file.metadata().map_err(&cannot)?.len();
            match pulled {
                Ok(()) if have == blob.bytes => {}
                Ok(()) | Err(ImageError::Registry { .. } | ImageError::Stalled)
                    if tries < TRIES && have < blob.bytes => {}
                Ok(()) => return Err(ImageError::Digest(blob.digest.clone())),
                Err(error) => return Err(error),
            }
        }
        drop(file);
        tell(blob.bytes);
        let found = digest(path).map_err(&cannot)?;
        if found == blob.digest {
            Ok(())
        } else {
            Err(ImageError::Digest(blob.digest.clone()))
        }
    }

    /// Appends what the file lacks.
    fn pull(
        &self,
        reference: &Reference,
        blob: &Blob,
        file: &mut File,
        tell: &mut impl FnMut(u64),
    ) -> Result<(), ImageError> {
        let cannot = ImageError::write("write a blob");
        let mut have = file.metadata().map_err(&cannot)?.len();
        self.runtime.block_on(async {
            let failed = |error| self.failed("fetch a layer")(error);
            // By its digest alone: a manifest may name other places to fetch a layer from.
            let digest = blob.digest.as_str();
            let mut stream = if have == 0 {
                let whole = self.client.pull_blob_stream(reference, digest);
                whole.await.map_err(failed)?
            } else {
                let rest = self
                    .client
                    .pull_blob_stream_partial(reference, digest, have, None);
                match rest.await.map_err(failed)? {
                    BlobResponse::Partial(stream) => stream,
                    BlobResponse::Full(stream) => {
                        file.set_len(0).map_err(&cannot)?;
                        have = 0;
                        stream
                    }
                }
            };
            while let Some(piece) = tokio::time::timeout(READ, stream.next())
                .await
                .map_err(|_| ImageError::Stalled)?
            {
                let piece = match piece {
                    Ok(piece) => piece,
                    // The stream checks the digest behind the last byte: of less than all it is
                    // another one.
                    Err(error) if is_about_digest(&error) && have < blob.bytes => return Ok(()),
                    Err(_) if have == blob.bytes => {
                        return Err(ImageError::Digest(blob.digest.clone()));
                    }
                    Err(error) => return Err(failed(OciDistributionError::IoError(error))),
                };
                have += piece.len() as u64;
                if have > blob.bytes {
                    return Err(ImageError::Digest(blob.digest.clone()));
                }
                file.write_all(&piece).map_err(&cannot)?;
                tell(have);
            }
            Ok(())
        })
    }
}

/// The digest of the image for this machine's processor, of those that an index names.
fn for_this_machine(index: &OciImageIndex) -> Result<String, ImageError> {
    let machine = super::config::machine();
    let platforms = || {
        index.manifests.iter().filter_map(|entry| {
            let platform = entry.platform.as_ref()?;
            let name = format!("{}/{}", platform.os, platform.architecture);
            // What build tools put beside an image about itself.
            (name != "unknown/unknown").then_some((name, entry))
        })
    };
    let found = platforms().find(|(name, _)| *name == machine);
    found.map(|(_, entry)| entry.digest.clone()).ok_or_else(|| {
        let mut all: Vec<String> = platforms().map(|(name, _)| name).collect();
        all.dedup();
        ImageError::Platform {
            image: all.join(", "),
            machine,
        }
    })
}

fn is_about_digest(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<DigestError>())
}

/// Whether a registry, or the server that it names for tokens, did not take what it was sent.
fn is_about_token(error: &OciDistributionError) -> bool {
    matches!(
        error,
        OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_)
    )
}

fn reference(image: &ImageName) -> Result<Reference, ImageError> {
    // A registry answers with the image of a digest; its tag may be another one by now.
    let name = match (image.digest(), image.tag()) {
        (Some(digest), _) => {
            let (registry, repository) = (image.registry(), image.repository());
            format!("{registry}/{repository}@{digest}")
        }
        (None, _) => image.to_string(),
    };
    name.parse()
        .map_err(|error| ImageError::Config(format!("{name}: {error}")))
}

/// `sha256:…` of a file.
fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(format!("sha256:{}", hex::encode(hash.finalize()))),
            n => hash.update(&piece[..n]),
        }
    }
}
