//! Routes: JSON-RPC, and what does not fit into it (blobs, exports, subscriptions).
//!
//! Handlers translate and delegate; who may do what is decided in [`crate::service`].

mod blobs;
mod live;
mod transfer;

use crate::budget::Held;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Limits;
use crate::service::{Adb, TAKEN, kib};
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
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyStream;
use serde_json::json;
use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Path of the `rpc` export.
pub const RPC_PATH: &str = "/_api/adb";
/// Path of the `proxy` export.
pub const STREAM_PATH: &str = "/_api/adb/stream";

/// Bytes of a request without the names of a caller.
const STRANGERS_BODY: usize = 64 << 10;
/// How long a sender may send nothing, before it counts as gone.
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
    let Ok(caller) = adb.caller(request.headers()) else {
        // It will be refused whatever it says.
        return atek_rpc::server::answer(&adb, request, STRANGERS_BODY).await;
    };
    let limit = adb.limits().body_bytes;
    let length = request.body().size_hint().upper();
    let length = length.map_or(limit, |length| length.min(limit as u64) as usize);
    let cost = kib(length * Limits::REQUEST_FACTOR);
    let held = adb.budgets.requests.take(&caller, cost).await;
    let (response, taken) = TAKEN
        .scope(RefCell::new(vec![held]), async {
            let response = atek_rpc::server::answer(&adb, request, limit).await;
            (response, TAKEN.with(RefCell::take))
        })
        .await;
    response.map(|body| {
        Body::new(HoldingBody {
            body,
            rest: Bytes::new(),
            _taken: taken,
        })
    })
}

/// A body that keeps what was taken of the budgets until it is sent.
///
/// It is sent in pieces, since a body counts as sent when its last piece waits in the connection's
/// buffer.
struct HoldingBody {
    body: Body,
    rest: Bytes,
    _taken: Vec<Held>,
}

/// Bytes of one piece.
const PIECE: usize = 64 << 10;

impl http_body::Body for HoldingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let polled = ready!(Pin::new(&mut this.body).poll_frame(cx));
            match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

/// A place among the streams, for as long as one runs.
fn stream_place(adb: &Adb, caller: &Caller) -> Result<Held, AdbError> {
    adb.budgets.streams.try_take(caller).ok_or_else(|| {
        AdbError::Busy(
            "too many streams are open already: try again when some have ended".to_owned(),
        )
    })
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
            AdbError::NotInitialized | AdbError::ServerDbMissing(_) | AdbError::Busy(_) => {
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

/// Reads on for a while when the answer is known: a client that is still sending would otherwise
/// see its connection break, and not the answer. After a refusal that is much, after an archive
/// what follows its end.
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
    // A slower client sees a broken connection.
    let _ = tokio::time::timeout(LINGER, reading).await;
    outcome
}
