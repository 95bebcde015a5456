//! `atek db`: databases and their records, as the database service (`core.adb`) shows them.

mod find;
mod records;
mod transfer;

pub(in crate::commands) use find::id;

use crate::cli::db::Db;
use crate::error::Failure;
use crate::host::Host;

/// The API of the database service.
pub(super) const API: &str = "atek.cloud/adb-api";

pub(super) async fn run(host: &Host, command: Db) -> Result<(), Failure> {
    match command {
        Db::Ls(args) => find::list(host, &args).await,
        Db::Info(args) => find::describe(host, &args.db).await,
        Db::Drop(args) => find::delete(host, &args).await,
        Db::List(args) => records::list(host, &args).await,
        Db::Get(args) => records::get(host, &args).await,
        Db::Put(args) => records::put(host, args).await,
        Db::Rm(args) => records::delete(host, &args).await,
        Db::Export(args) => transfer::export(host, &args).await,
        Db::Import(args) => transfer::import(host, &args).await,
        Db::Compact => transfer::compact(host).await,
    }
}
