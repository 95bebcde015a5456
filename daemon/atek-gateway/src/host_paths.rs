//! The host's own paths below `/_atek`: pages, files, logs, jobs, icons and pictures.
//!
//! An axum router, which sees only what was admitted: every handler that looks at the
//! caller takes the [`Admitted`] from the request's extensions.

use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::gateway::Gateway;
use super::pages::Browser;
use super::{bind, icons, pages, setup_gate, streams};
use axum::Router;
use axum::extract::{Extension, Path};
use axum::response::IntoResponse;
use axum::routing::get;
use http::request::Parts;
use http::{HeaderMap, Request, Response, Uri};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::sync::{Arc, LazyLock};

/// An admitted request, as handlers take it.
type AdmittedRequest = Extension<Arc<Admitted>>;
type Answer = Result<Response<Body>, Failure>;

static ROUTER: LazyLock<TowerToHyperService<Router>> =
    LazyLock::new(|| TowerToHyperService::new(router()));

fn router() -> Router {
    Router::new()
        .route("/_atek/login", get(login))
        .route("/_atek/login/", get(login))
        .route("/_atek/login/{*name}", get(asset))
        .route("/_atek/js/{*name}", get(asset))
        .route("/_atek/ui/{*name}", get(file))
        .route("/_atek/reset", get(reset))
        .route("/_atek/reset/", get(reset))
        .route("/_atek/setup", get(setup))
        .route("/_atek/setup/", get(setup))
        .route("/_atek/bind-session", get(bind_session))
        .route("/_atek/logs", get(logs))
        .route("/_atek/icon/{id}", get(icon))
        .route("/_atek/jobs/{job}", get(job))
        .route(
            "/_atek/catalogue/{catalogue}/{recipe}/{*picture}",
            get(catalogue_picture),
        )
        .fallback(|| async { Failure::NotFound })
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed("GET, HEAD") })
}

/// Answers a request below `/_atek`. None of these paths takes a body.
pub(super) async fn answer(gateway: &Gateway, admitted: Admitted, mut head: Parts) -> Answer {
    head.extensions.insert(gateway.clone());
    head.extensions.insert(Arc::new(admitted));
    let request = Request::from_parts(head, axum::body::Body::empty());
    let response = match ROUTER.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let mut response = response.map(body::boxed);
    pages::protect_data(response.headers_mut());
    Ok(response)
}

async fn login(sent: HeaderMap) -> Answer {
    pages::login(&sent).ok_or(Failure::NotFound)
}

async fn reset(sent: HeaderMap) -> Answer {
    pages::reset(&sent).ok_or(Failure::NotFound)
}

async fn asset(uri: Uri) -> Answer {
    let name = uri.path().strip_prefix("/_atek/").unwrap_or_default();
    let asset = pages::asset(name).ok_or(Failure::NotFound)?;
    Ok(asset.response())
}

async fn file(Path(name): Path<String>, sent: HeaderMap) -> Answer {
    pages::file(&name, &sent).ok_or(Failure::NotFound)
}

async fn setup(Extension(gateway): Extension<Gateway>, sent: HeaderMap) -> Answer {
    match setup_gate::page(&gateway, &sent) {
        // A browser asks again by itself.
        Err(failure @ Failure::Starting) => Ok(failure.to_page(Browser::of(&sent).as_ref())),
        answer => answer,
    }
}

async fn bind_session(
    Extension(gateway): Extension<Gateway>,
    Extension(admitted): AdmittedRequest,
    head: Parts,
) -> Answer {
    bind::begin_at_main(&gateway, admitted.caller(), admitted.client(), &head)
}

async fn logs(
    Extension(gateway): Extension<Gateway>,
    Extension(admitted): AdmittedRequest,
    uri: Uri,
) -> Answer {
    streams::logs(&gateway, admitted, &uri).await
}

async fn job(
    Extension(gateway): Extension<Gateway>,
    Extension(admitted): AdmittedRequest,
    Path(job): Path<String>,
) -> Answer {
    streams::job(&gateway, admitted, &job).await
}

async fn icon(
    Extension(gateway): Extension<Gateway>,
    Extension(admitted): AdmittedRequest,
    Path(id): Path<String>,
    sent: HeaderMap,
) -> Answer {
    icons::icon(&gateway, &admitted, &id, &sent).await
}

async fn catalogue_picture(
    Extension(gateway): Extension<Gateway>,
    Extension(admitted): AdmittedRequest,
    Path((catalogue, recipe, picture)): Path<(String, String, String)>,
    sent: HeaderMap,
) -> Answer {
    let services = &gateway.deps().services;
    let found = services.catalogue_picture(admitted.caller(), &catalogue, &recipe, &picture);
    let picture = gateway.workers().on_main_runtime(found).await;
    // Whether there is such a picture is not told.
    Ok(icons::picture(picture.ok_or(Failure::NotFound)?, &sent))
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        self.log("host path");
        self.to_json().into_response()
    }
}
