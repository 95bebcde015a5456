//! Routes, streams and WebSocket.

use crate::service::Adb;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::{get, post};

/// Path of the `rpc` export.
pub const RPC_PATH: &str = "/_api/adb";

/// All routes.
pub fn router(adb: Adb) -> Router {
    Router::new()
        .route("/", get(|| async { "ADB is running\n" }))
        .route(RPC_PATH, post(rpc))
        .layer(DefaultBodyLimit::disable())
        .with_state(adb)
}

async fn rpc(State(adb): State<Adb>, request: Request) -> Response {
    atek_rpc::server::answer(&adb, request, adb.limits().body_bytes).await
}
