//! `/_atek/backups/NAME/…`: other homes that keep their backups here. Who they are is decided
//! behind [`super::deps::Services`], by name and password.

use super::admission::Admitted;
use super::body::{self, Body, GuardedBody, IdleTimeoutBody};
use super::gateway::Gateway;
use super::pages;
use http::{Request, Response};
use hyper::body::Incoming;

/// Answers a request of a guest. It stays counted until its answer was sent.
pub(super) async fn answer(
    gateway: &Gateway,
    admitted: Admitted,
    request: Request<Incoming>,
) -> Response<Body> {
    let pause = gateway.deps().limits.body_pause;
    let request = request.map(|incoming| body::boxed(IdleTimeoutBody::new(incoming, pause)));
    let response = gateway.deps().services.guest(request).await;
    let mut response = response.map(|body| body::boxed(GuardedBody::new(body, admitted)));
    pages::protect_data(response.headers_mut());
    match response.status().is_success() {
        true => response,
        false => body::early(response),
    }
}
