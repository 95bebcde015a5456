//! Export and import as HTTP streams.

use super::{Failure, body_stream, db_id, linger};
use crate::error::AdbError;
use crate::service::Adb;
use crate::service::transfer::Into;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, Request};
use serde::Deserialize;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

/// `GET /export/DB`: a tar. A stream that breaks off lacks the tar's end mark.
pub(super) async fn export(
    State(adb): State<Adb>,
    Path(db): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let caller = adb.caller(&headers)?;
    let stream = adb.export(&caller, &db_id(&db)?).await?;
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!(
                "attachment; filename=\"{}.tar\"",
                &db_id(&db)?.as_str()[..16]
            ),
        ),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(stream))).into_response())
}

/// Where an import goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    into: Option<String>,
    alias: Option<String>,
    access: Option<String>,
    // The gateway's own parameters come along.
    #[serde(rename = "api")]
    _api: Option<String>,
    #[serde(rename = "transport")]
    _transport: Option<String>,
    #[serde(rename = "service")]
    _service: Option<String>,
}

/// `POST /import?into=DB` or `POST /import?alias=&access=`.
pub(super) async fn import(
    State(adb): State<Adb>,
    Query(target): Query<Target>,
    request: Request<Body>,
) -> Result<axum::Json<Value>, Failure> {
    let (head, mut body) = request.into_parts();
    let outcome = take_in(&adb, target, &head.headers, &mut body).await;
    linger(outcome, &mut body).await
}

async fn take_in(
    adb: &Adb,
    target: Target,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<axum::Json<Value>, Failure> {
    let caller = adb.caller(headers)?;
    let into = match target {
        Target {
            into: Some(db),
            alias: None,
            access: None,
            ..
        } => Into::Existing(db_id(&db)?),
        Target { into: Some(_), .. } => {
            return Err(
                AdbError::Refused("into does not go with alias or access".to_owned()).into(),
            );
        }
        Target { alias, access, .. } => {
            let settings = [("access", access), ("alias", alias)];
            let config = settings
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))))
                .collect();
            Into::New(config)
        }
    };
    Ok(axum::Json(
        adb.import(&caller, into, body_stream(body)).await?,
    ))
}
