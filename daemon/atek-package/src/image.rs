//! The `image` child: asks a registry of container images for its tags, fetches an image and
//! unpacks it into a folder of the package.
//!
//! The only part that parses what a registry sends. It runs as a process of its own, with a bound
//! on its memory, as the `git` child does. No code of the image runs.
//!
//! | module | does |
//! |---|---|
//! | [`registry`] | tokens, tags, manifests, blobs |
//! | [`layers`] | keeps layers for the next job when this one is ended |
//! | [`layer`] | unpacks one layer over those before |
//! | [`inside`] | finds folders with the image as the root |
//! | [`settle`] | makes of the unpacked files what a package may be |
//! | [`config`] | what the image's configuration says of its program |

pub(crate) mod config;
mod error;
mod inside;
mod layer;
mod layers;
mod registry;
mod settle;

use crate::git::confine;
use crate::read_request;
use crate::report::write_line;
use crate::text::size;
use atek_api::image::{ImageName, ImageRuntime, root_folder};
use atek_api::manifest::{Manifest, Runtime, SidecarName};
use atek_api::package::{Failure, PACKAGE_FOLDER, Phase, Progress, Reach, Request, Wanted};
use atek_api::source::Source;
use atek_api::version::{Release, choose, releases};
use config::ImageConfig;
use error::ImageError;
use layer::Unpacker;
pub(crate) use layers::Layers;
use registry::Registry;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The argument that makes this program the `image` child.
pub(crate) const ARGUMENT: &str = "image";
/// Where the configuration of an image is kept until it is read.
const BLOB: &str = "blob";
/// The most layers of an image. Container engines build no image with more than 127.
const MAX_LAYERS: usize = 128;

/// What the child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) request: Request,
    /// The manifest that names the image.
    pub(crate) wish: Option<Manifest>,
    /// Whose image it is; none: the app's own.
    pub(crate) sidecar: Option<SidecarName>,
}

/// A line of the child's output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ImageLine {
    Progress(Progress),
    /// The answer to [`Request::ListTags`].
    Releases(Vec<Release>),
    /// The answer to [`Request::Fetch`].
    Unpacked(Box<Unpacked>),
    Failed(Failure),
}

/// An image whose files were written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unpacked {
    /// The tag that was fetched, if it names a version.
    pub(crate) release: Option<Release>,
    /// The image, by digest.
    pub(crate) image: ImageName,
    pub(crate) config: ImageConfig,
    /// Entries that were left out: devices, pipes.
    pub(crate) left_out: u64,
    /// Bytes of all layers' files.
    pub(crate) bytes: u64,
    /// Entries of all layers.
    pub(crate) files: u64,
}

impl Unpacked {
    /// The manifest of the app: what the author's says, completed by the image.
    pub(crate) fn manifest(&self, wish: Option<&Manifest>) -> Result<Manifest, Failure> {
        let asked = wish.and_then(asked_of);
        let volumes = self.config.volumes(asked);
        let made = volumes.and_then(|volumes| self.config.manifest(&self.image, volumes, wish));
        made.map_err(|error| error.failure(&self.image.to_string()))
    }
}

/// The child's whole life.
pub(crate) fn main() -> ExitCode {
    // Not left alone when the parent is killed.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let last = read_request::<Order>().and_then(|order| {
        confine(order.request.limits())?;
        answer(&order).map_err(|error| error.failure(&crate::git::shown(order.request.source())))
    });
    let last = last.unwrap_or_else(ImageLine::Failed);
    match write_line(std::io::stdout(), &last) {
        Ok(()) if !matches!(last, ImageLine::Failed(_)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer(order: &Order) -> Result<ImageLine, ImageError> {
    let request = &order.request;
    let wish = order.wish.as_ref().and_then(asked_of);
    let (source, access) = match request {
        Request::ListTags { source, access, .. } | Request::Fetch { source, access, .. } => {
            (source, access)
        }
        Request::FetchFiles { .. } | Request::Build { .. } | Request::Compile { .. } => {
            return Err(ImageError::NoImage);
        }
    };
    let Source::Image { image, plain } = source else {
        return Err(ImageError::NoImage);
    };
    if *plain && access.reach == Reach::Internet {
        return Err(ImageError::PlainHttp);
    }
    let mut pulse = Heartbeat::default();
    pulse.say(Phase::Resolve, "asking the registry".to_owned(), None);
    let registry = Registry::new(*plain, access)?;
    match request {
        Request::Fetch { wanted, limits, .. } => {
            let (image, release) = choice(&registry, image, wanted)?;
            let found = registry.manifest(&image)?;
            let config = ImageConfig::parse(&registry.small_blob(&image, &found.config)?)?;
            config.check_platform()?;
            let sum: u64 = found.layers.iter().map(|layer| layer.bytes).sum();
            if sum > limits.fetch_bytes {
                return Err(ImageError::TooManyBytes(limits.fetch_bytes));
            }
            if found.layers.len() > MAX_LAYERS {
                return Err(ImageError::TooManyLayers(MAX_LAYERS));
            }
            let root = Path::new(PACKAGE_FOLDER).join(root_folder(order.sidecar.as_ref()));
            fs::create_dir_all(&root).map_err(ImageError::write("make the image's folder"))?;
            let layers = Layers::of_this_job().map_err(ImageError::write("look for layers"))?;
            layers.make_room(&found.layers, limits.fetch_bytes)?;
            let mut unpacker = Unpacker::new(&root, limits)?;
            let mut done = 0;
            for (n, layer) in found.layers.iter().enumerate() {
                let blob = layers.file(layer);
                registry.blob(&image, layer, &blob, |bytes| {
                    pulse.beat(Phase::Fetch, || received(done + bytes, sum));
                })?;
                let diff = config.layer_digest(n)?;
                unpacker.layer(&blob, layer, diff, || {
                    pulse.beat(Phase::Checkout, || {
                        (format!("unpacking layer {}", n + 1), None)
                    });
                })?;
                done += layer.bytes;
            }
            let config = settle::settle(&unpacker, &root, config, wish)?;
            Ok(ImageLine::Unpacked(Box::new(Unpacked {
                release,
                image: image
                    .with_digest(&found.digest)
                    .map_err(|_| ImageError::Digest("the manifest".to_owned()))?,
                config,
                left_out: unpacker.left_out(),
                bytes: unpacker.bytes(),
                files: unpacker.files(),
            })))
        }
        _ => {
            let mut releases = match image.tag() {
                // A tag was named: it is the only release.
                Some(tag) => releases([tag]),
                None => releases(registry.tags(image)?.iter().map(String::as_str)),
            };
            releases.sort_by(|a, b| b.cmp(a));
            Ok(ImageLine::Releases(releases))
        }
    }
}

/// What a manifest says of an image.
fn asked_of(manifest: &Manifest) -> Option<&ImageRuntime> {
    match &manifest.runtime {
        Runtime::Image { runtime } => Some(runtime),
        Runtime::Native { .. } | Runtime::Wasm { .. } | Runtime::Node { .. } => None,
    }
}

/// The image to fetch, and the release that its tag is.
fn choice(
    registry: &Registry,
    image: &ImageName,
    wanted: &Wanted,
) -> Result<(ImageName, Option<Release>), ImageError> {
    let with = |tag: &str| (image.with_tag(tag), Release::from_tag(tag));
    match wanted {
        Wanted::Tag { tag } => match image.tag() {
            Some(named) if named == tag => Ok((image.clone(), Release::from_tag(tag))),
            Some(_) | None => Ok(with(tag)),
        },
        Wanted::Newest { range, refused } => match (image.tag(), image.digest()) {
            (Some(tag), _) => {
                let release = Release::from_tag(tag);
                match &release {
                    Some(release) if refused.contains(&release.version) => Err(ImageError::Refused),
                    _ => Ok((image.clone(), release)),
                }
            }
            (None, Some(_)) => Ok((image.clone(), None)),
            (None, None) => {
                let tags = registry.tags(image)?;
                let release = choose(tags.iter().map(String::as_str), range, refused)
                    .map_err(|why| ImageError::NoRelease(why, tags))?;
                Ok(with(&release.tag))
            }
        },
    }
}

fn received(bytes: u64, sum: u64) -> (String, Option<u8>) {
    let percent = (bytes * 100).checked_div(sum).unwrap_or(100).min(100);
    (
        format!("received {} of {}", size(bytes), size(sum)),
        u8::try_from(percent).ok(),
    )
}

/// Tells the parent that the child lives, and how far it is.
#[derive(Debug, Default)]
struct Heartbeat {
    last: Option<(Phase, Instant)>,
}

impl Heartbeat {
    const BEAT: Duration = Duration::from_millis(100);

    fn say(&mut self, phase: Phase, message: String, percent: Option<u8>) {
        self.last = Some((phase, Instant::now()));
        let line = ImageLine::Progress(Progress {
            phase,
            message,
            percent,
        });
        // A parent that does not read has ended, and this process gets its signal.
        let _ = write_line(std::io::stdout(), &line);
    }

    fn beat(&mut self, phase: Phase, tell: impl FnOnce() -> (String, Option<u8>)) {
        let due = |(last, at): (Phase, Instant)| last != phase || at.elapsed() >= Self::BEAT;
        if self.last.is_none_or(due) {
            let (message, percent) = tell();
            self.say(phase, message, percent);
        }
    }
}
