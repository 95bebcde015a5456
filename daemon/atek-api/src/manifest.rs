//! `atek.json`, the manifest at the root of a package.
//!
//! The original's fields (`name`, `description`, `author`, `license`, `frame`,
//! `exports`) keep their meaning; unknown fields are ignored, so that a file
//! written for a later Atek still installs. A known field with a wrong value is an
//! error that names its place: the original dropped such manifests without a word,
//! and the app then had no exports.
//!
//! `atek.schema.json` beside this crate describes the same format for editors.

mod api_id;
mod before_backup;
mod cursor;
mod error;
mod healthcheck;
mod json;
mod read;
mod read_sidecars;
mod sidecar;

pub(crate) use api_id::is_domain;
pub use api_id::{ApiId, InvalidApiId};
pub use before_backup::BeforeBackup;
pub use error::{ManifestError, Position, Problem};
pub use healthcheck::Healthcheck;
pub use sidecar::{InvalidSidecarName, MAX_SIDECARS, Sidecar, SidecarName, start_order};

use crate::image::ImageRuntime;
use crate::permission::{FolderName, Permissions};
use crate::spec::{AppPort, Limits, RelativePath, Workdir};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the file.
pub const FILE_NAME: &str = "atek.json";
/// Bytes of the largest file that is read.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most exports of one package.
pub const MAX_EXPORTS: usize = 64;

/// A package's manifest.
///
/// Serializes to what [`Manifest::parse`] reads. Default: an app without a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", try_from = "serde_json::Value")]
pub struct Manifest {
    /// For people; `title` in the file is the same. At most 80 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 1,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// At most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// At most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Whether the app is shown in a frame of the main service; as given in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<bool>,
    /// A picture in the package: png, jpeg, webp or svg of at most 256 KiB, not a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<RelativePath>,
    /// The APIs that the app provides. No two with the same API, transport and metadata.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub exports: Vec<Export>,
    /// Folders of its data that a person may give to other apps. None twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub folders: Vec<FolderName>,
    /// What runs the app.
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    pub runtime: Runtime,
    /// Further processes of the app. None waits for itself, and no two have the same port.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, ts(skip))]
    pub services: BTreeMap<SidecarName, Sidecar>,
    /// The TCP port on which the app listens; none: it listens on its socket file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<AppPort>,
    /// The folder in which the app is started.
    #[serde(skip_serializing_if = "Workdir::is_package")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub workdir: Workdir,
    /// What tells that the app is ready and stays well; none: the app is ready when it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What the app does before its state is copied for a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_backup: Option<BeforeBackup>,
    /// What the app asks for beyond the default.
    #[serde(skip_serializing_if = "Permissions::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub permissions: Permissions,
    /// The limits that the app needs, where they differ from the default.
    #[serde(skip_serializing_if = "Limits::is_default")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub limits: Limits,
    /// The host may stop the app while it is unused, and starts it at the next call.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub sleep: bool,
}

impl Manifest {
    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// The first problem, in the order of the file, and its place.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        read::manifest(bytes)
    }
}

/// The keys of the file. Others are ignored.
pub const KEYS: [&str; 20] = [
    "name",
    "title",
    "description",
    "author",
    "license",
    "frame",
    "icon",
    "exports",
    "folders",
    "runtime",
    "entry",
    "args",
    "services",
    "port",
    "workdir",
    "healthcheck",
    "beforeBackup",
    "permissions",
    "limits",
    "sleep",
];

/// The keys of a manifest that are ignored and look like a known one: what the file has, and
/// what was probably meant. Empty for a file that is no JSON object.
#[must_use]
pub fn misspelt_keys(bytes: &[u8]) -> Vec<(String, &'static str)> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(text).unwrap_or_default();
    let unknown = file.keys().filter(|key| !KEYS.contains(&key.as_str()));
    unknown
        .filter(|key| key.len() <= 20)
        .filter_map(|key| {
            let lower = key.to_lowercase();
            let distance = |known: &&str| strsim::damerau_levenshtein(&lower, known);
            let nearest = KEYS.into_iter().min_by_key(distance)?;
            // A short word is one letter away from too many others.
            let near = if nearest.len() < 5 { 1 } else { 2 };
            (distance(&nearest) <= near).then(|| (key.clone(), nearest))
        })
        .collect()
}

impl TryFrom<serde_json::Value> for Manifest {
    type Error = ManifestError;

    fn try_from(value: serde_json::Value) -> Result<Self, ManifestError> {
        Self::parse(value.to_string().as_bytes())
    }
}

/// One API that a service provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Export {
    api: ApiId,
    // As in the file, also when it says what is the default: the API shows the
    // manifest as its author wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    transport: Option<Transport>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, ts(type = "Record<string, string>", optional))]
    metadata: BTreeMap<String, String>,
}

impl Export {
    /// An RPC API at `/`.
    #[must_use]
    pub fn new(api: ApiId) -> Self {
        Self {
            api,
            path: None,
            transport: None,
            metadata: BTreeMap::new(),
        }
    }

    /// The API.
    #[must_use]
    pub fn api(&self) -> &ApiId {
        &self.api
    }

    /// The path of the HTTP endpoint: starts with `/`, has no `..`, no query and no
    /// fragment, and is at most 500 bytes of printable ASCII without spaces.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/")
    }

    /// How it is called.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport.unwrap_or_default()
    }

    /// Further attributes by which a call can choose among providers of the same API.
    /// At most 16; names are never `api`, `path`, `service` or `transport`.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }
}

/// How an API is called through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// JSON-RPC over HTTP POST.
    #[default]
    Rpc,
    /// The connection's bytes are passed through: a WebSocket, or plain HTTP.
    Proxy,
}

/// What runs the app. In the file: `"runtime"`, `"entry"` and `"args"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "runtime", rename_all = "lowercase")]
pub enum Runtime {
    /// An executable file of the package.
    Native {
        /// The file.
        entry: RelativePath,
        /// Its arguments, taken literally.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A WebAssembly component of the package that answers HTTP requests (`wasi:http/proxy`).
    Wasm {
        /// The component.
        entry: RelativePath,
        /// Its arguments, taken literally.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// The program of a container image.
    #[serde(untagged)]
    Image {
        /// The image, and how it is started.
        runtime: ImageRuntime,
    },
    /// Node, with a script of the package. The default, so it is not written.
    #[serde(untagged)]
    Node {
        /// None: what package.json names, or `index.js`; see [`crate::package::program`].
        #[serde(skip_serializing_if = "Option::is_none")]
        entry: Option<RelativePath>,
        /// Its arguments, taken literally.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
}

impl Default for Runtime {
    fn default() -> Self {
        Self::Node {
            entry: None,
            args: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
