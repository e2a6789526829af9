//! What hyper lets pass and the harness's own HTTP code would not: two
//! hosts, an impossible one, a coding that nobody has, a target that is
//! none. Every app is to answer alike, so the harness judges here, too.
//!
//! What hyper refuses by itself never comes here, and what it mends (two
//! equal lengths, or a length beside chunks) is not to be seen any more.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Uri, Version};
use axum::response::Response;
use harness::answer::Answer;
use harness::http::{Head, Refusal};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::respond;

/// Refuses a request, or lets it go on to the router. The connection closes
/// after a refusal, and after a request with a body, since nobody reads it.
pub(super) async fn check(
    request: Request<Incoming>,
    router: TowerToHyperService<Router>,
) -> Result<Response, Infallible> {
    let (mut response, goes_on) = match judge(&request) {
        Ok(head) => (router.call(request).await?, !head.has_body),
        Err(Refusal { status, reason }) => {
            (respond(Answer::refusal(status, reason)), false)
        }
    };
    if !goes_on {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

fn judge(request: &Request<Incoming>) -> Result<Head, Refusal> {
    let fields = request.headers().iter();
    Head::of(
        request.method().as_str(),
        &target(request.uri()),
        u8::from(request.version() == Version::HTTP_11),
        fields.map(|(name, value)| (name.as_str(), value.as_bytes())),
    )
}

/// The target as it was sent: nearly always a path.
pub(super) fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query() {
        Some(path) if uri.authority().is_none() => path.as_str().into(),
        _ => uri.to_string().into(),
    }
}
