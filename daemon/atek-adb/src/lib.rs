//! The document database: JSON objects at paths, in databases that belong to users and services.
//!
//! ```text
//! host ──HTTP, two headers name the caller──► http ──► service (methods) ──► policy, meta
//!                                                   │
//!                                                   ▼
//!                                                storage ──► one redb file, blob files
//! ```
//!
//! | module | what | knows nothing of |
//! |---|---|---|
//! | [`path`], [`json`], [`limits`], [`meta`], [`caller`] | the vocabulary | I/O |
//! | [`policy`] | who may do what | I/O, HTTP |
//! | [`budget`] | how much of the process one caller may use | I/O, HTTP |
//! | [`storage`] | the file, commits, change log, indexes, blobs | callers, HTTP, JSON-RPC |
//! | [`service`] | the methods of `atek.cloud/adb-api` | HTTP, redb |
//! | [`tar`] | the format of exports | everything else |
//! | [`http`] | routes, streams, WebSocket | redb |
//!
//! Absent on purpose: a cache of permissions (each call reads the metadata that
//! the same snapshot or commit holds), and any trust in a caller that the host did
//! not name.

#![forbid(unsafe_code)]

pub mod budget;
pub mod caller;
pub mod error;
pub mod http;
pub mod json;
pub mod limits;
pub mod meta;
pub mod path;
pub mod policy;
pub mod service;
pub mod storage;
pub mod tar;
