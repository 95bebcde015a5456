//! Routes: JSON-RPC, and what does not fit into it (blobs, exports, subscriptions).
//!
//! Handlers translate and delegate; who may do what is decided in [`crate::service`].

mod blobs;
mod live;
mod transfer;

use crate::error::AdbError;
use crate::service::Adb;
use atek_api::ids::DbId;
use atek_api::jsonrpc::RpcError;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::StatusCode;
use http_body_util::BodyStream;
use serde_json::json;
use std::time::Duration;

/// Path of the `rpc` export.
pub const RPC_PATH: &str = "/_api/adb";
/// Path of the `proxy` export.
pub const STREAM_PATH: &str = "/_api/adb/stream";

/// A sender that sends nothing for so long is gone.
const STALL: Duration = Duration::from_secs(60);
/// How long, and for how many bytes, an upload is still read whose answer is known.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 << 20;

/// All routes.
pub fn router(adb: Adb) -> Router {
    let stream = Router::new()
        .route(
            "/blobs/{db}/{*path}",
            put(blobs::put).get(blobs::get).delete(blobs::delete),
        )
        .route("/export/{db}", get(transfer::export))
        .route("/import", post(transfer::import));
    Router::new()
        .route("/", get(|| async { "ADB is running\n" }))
        .route(RPC_PATH, post(rpc))
        .route(STREAM_PATH, get(live::connect))
        .nest(STREAM_PATH, stream)
        .layer(DefaultBodyLimit::disable())
        .with_state(adb)
}

async fn rpc(State(adb): State<Adb>, request: Request) -> Response {
    atek_rpc::server::answer(&adb, request, adb.limits().body_bytes).await
}

/// An error as an HTTP answer.
struct Failure(AdbError);

impl From<AdbError> for Failure {
    fn from(error: AdbError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            AdbError::NotAuthorized => StatusCode::UNAUTHORIZED,
            AdbError::NoAccess(_) | AdbError::Denied(_) => StatusCode::FORBIDDEN,
            AdbError::RecordNotFound(_)
            | AdbError::DbNotFound
            | AdbError::NoSuchDb(_)
            | AdbError::NoConfig => StatusCode::NOT_FOUND,
            AdbError::Conflict { .. } | AdbError::AlreadyInitialized => StatusCode::CONFLICT,
            AdbError::Full { .. } | AdbError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            AdbError::Limit(_) | AdbError::TooManyDbs(_) => StatusCode::PAYLOAD_TOO_LARGE,
            AdbError::NotInitialized | AdbError::ServerDbMissing(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            AdbError::InvalidDbId(_)
            | AdbError::Path(_)
            | AdbError::RootPath
            | AdbError::Value(..)
            | AdbError::Param(_)
            | AdbError::Refused(_) => StatusCode::BAD_REQUEST,
            AdbError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let RpcError {
            code,
            message,
            data,
        } = self.0.into();
        let body = json!({"error": true, "code": code, "message": message, "data": data});
        (status, axum::Json(body)).into_response()
    }
}

fn db_id(text: &str) -> Result<DbId, AdbError> {
    text.parse()
        .map_err(|_| AdbError::InvalidDbId(text.to_owned()))
}

/// A request's bytes as they come; a stall ends them.
fn body_stream(body: &mut Body) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
    let stream = tokio_stream::StreamExt::timeout(BodyStream::new(body), STALL);
    let stream = stream.filter_map(async |item| match item {
        Ok(Ok(frame)) => frame.into_data().ok().map(Ok),
        Ok(Err(error)) => Some(Err(error.to_string())),
        Err(_) => Some(Err(format!("nothing came for {} s", STALL.as_secs()))),
    });
    Box::pin(stream)
}

/// Reads on for a while when the answer is known: a client that is still sending would otherwise see its
/// connection break, and not the answer. After a refusal that is much, after an archive what follows its end.
async fn linger<T>(outcome: Result<T, Failure>, body: &mut Body) -> Result<T, Failure> {
    let mut left = LINGER_BYTES;
    let reading = async {
        let mut rest = body_stream(body);
        while let Some(Ok(bytes)) = rest.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is slower than this has to do with a broken connection.
    let _ = tokio::time::timeout(LINGER, reading).await;
    outcome
}
