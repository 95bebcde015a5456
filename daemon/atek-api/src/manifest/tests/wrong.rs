//! Wrong manifests.
