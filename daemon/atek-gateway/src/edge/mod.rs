//! The rules of the edge, without I/O: what a request may say and what passes through.

pub(super) mod bucket;
pub(super) mod client;
pub(super) mod cookie_scope;
pub(super) mod cookies;
pub(super) mod headers;
pub(super) mod host_name;
pub(super) mod same_origin;
