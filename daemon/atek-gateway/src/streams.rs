//! `GET /_atek/logs` and `GET /_atek/jobs/JOB`: JSON lines as they come.

use super::access_end::{Opened, access_end};
use super::admission::Admitted;
use super::body::{self, Body, BoxError, GuardedBody};
use super::error::Failure;
use super::gateway::Gateway;
use super::session_end::SessionBoundBody;
use atek_api::services::LogOptions;
use atek_host_model::streams::{Lines, LogQuery};
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, Uri};
use http_body::Frame;
use http_body_util::StreamBody;
use std::sync::Arc;

/// `GET /_atek/logs?service=ID[&since=][&level=][&lines=][&cursor=][&follow=1]`.
pub(super) async fn logs(
    gateway: &Gateway,
    admitted: Arc<Admitted>,
    uri: &Uri,
) -> Result<Response<Body>, Failure> {
    let query = log_query(uri.query().unwrap_or_default())?;
    let opened = Opened::Log(query.service.clone());
    let lines = gateway
        .workers()
        .on_main_runtime(gateway.deps().services.logs(admitted.caller(), query))
        .await?;
    Ok(stream(gateway, admitted, opened, lines))
}

/// `GET /_atek/jobs/JOB`.
pub(super) async fn job(
    gateway: &Gateway,
    admitted: Arc<Admitted>,
    job: &str,
) -> Result<Response<Body>, Failure> {
    let lines = gateway
        .workers()
        .on_main_runtime(gateway.deps().services.job(admitted.caller(), job))
        .await?;
    Ok(stream(gateway, admitted, Opened::Own, lines))
}

fn stream(
    gateway: &Gateway,
    admitted: Arc<Admitted>,
    opened: Opened,
    lines: Lines,
) -> Response<Body> {
    let end = access_end(gateway, admitted.caller(), opened);
    // A follower would hold up the host's stop.
    let stopped = admitted.conn().cancel.clone().cancelled_owned();
    let frames = lines
        .take_until(Box::pin(stopped))
        .map(|line| Ok::<_, BoxError>(Frame::data(line)));
    let body = GuardedBody::new(
        SessionBoundBody::new(StreamBody::new(frames), end),
        admitted,
    );
    let mut response = Response::new(body::boxed(body));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn log_query(query: &str) -> Result<LogQuery, Failure> {
    let mut found = LogQuery {
        service: String::new(),
        options: LogOptions::default(),
        follow: false,
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "service" => found.service = value.into_owned(),
            "since" => found.options.since = Some(value.into_owned()),
            "level" => found.options.level = Some(value.into_owned()),
            "cursor" => found.options.cursor = Some(value.into_owned()),
            "lines" => {
                let lines = value.parse().map_err(|_| {
                    Failure::BadParameter(format!(
                        "lines must be a number from 1 to 10000, not {value:?}"
                    ))
                })?;
                found.options.lines = Some(lines);
            }
            "follow" => {
                found.follow = match &*value {
                    "" | "1" | "true" => true,
                    "0" | "false" => false,
                    other => {
                        return Err(Failure::BadParameter(format!(
                            "follow must be true or false, not {other:?}"
                        )));
                    }
                }
            }
            other => {
                return Err(Failure::BadParameter(format!(
                    "no parameter is named {other:?}, expected service, since, level, lines, cursor or follow"
                )));
            }
        }
    }
    if found.service.is_empty() {
        return Err(Failure::BadParameter(
            "name a service: /_atek/logs?service=ID".to_owned(),
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_queries_are_read_and_mistakes_named() {
        let query = log_query("service=rss&lines=10&follow=&since=-60&level=err").unwrap();
        assert_eq!(
            (query.service.as_str(), query.follow, query.options.lines),
            ("rss", true, Some(10))
        );
        for (query, part) in [
            ("", "name a service"),
            ("service=rss&lines=ten", "not \"ten\""),
            ("service=rss&follow=maybe", "true or false"),
            ("service=rss&serivce=x", "no parameter is named \"serivce\""),
        ] {
            let text = log_query(query).unwrap_err().to_string();
            assert!(text.contains(part), "{query}: {text}");
        }
    }
}
