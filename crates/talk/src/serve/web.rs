//! Answers the browser: the page, what is new, and the buttons.
//!
//! It listens on loopback only. Still, any page that the user's browser shows
//! could ask for this one: so the `Host` has to be ours, lest a name that was
//! made to point here reads it, and a button has to be pressed on our own
//! page.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::runtime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use super::live::{Feed, Refused};
use super::page;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'none'";

/// The site, which ends when this is dropped.
pub(super) struct Web {
    _stop: oneshot::Sender<()>,
}

/// Serves on a thread of its own.
pub(super) fn start(listener: TcpListener, feed: Arc<Feed>) -> Result<Web> {
    let port = listener.local_addr().context("no address")?.port();
    listener
        .set_nonblocking(true)
        .context("the page's socket cannot be waited for")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the page")?;
    let (stop, stopped) = oneshot::channel::<()>();
    thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener)
            else {
                return;
            };
            tokio::select! {
                served = axum::serve(listener, site(port, feed)) => {
                    served.ok();
                }
                // Those who follow would do so for ever.
                _ = stopped => {}
            }
        });
    });
    Ok(Web { _stop: stop })
}

fn site(port: u16, feed: Arc<Feed>) -> Router {
    let ours = Arc::new(Ours::of(port));
    Router::new()
        .route("/", get(page))
        .route("/news", get(news))
        .route("/hammer/{name}", post(hammer))
        .with_state(feed)
        .layer(middleware::from_fn_with_state(ours, guard))
}

/// How this site is called.
struct Ours {
    hosts: Vec<String>,
}

impl Ours {
    fn of(port: u16) -> Self {
        let names = ["127.0.0.1", "localhost"];
        let hosts = names.map(|name| format!("{name}:{port}")).to_vec();
        Self { hosts }
    }

    fn is_host(&self, headers: &HeaderMap) -> bool {
        let host = text(headers, &header::HOST);
        host.is_some_and(|host| self.hosts.iter().any(|our| our == host))
    }

    /// Whether what is asked for was asked for by our own page.
    fn is_origin(&self, headers: &HeaderMap) -> bool {
        const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
        let host = text(headers, &header::HOST).unwrap_or_default();
        let origin = text(headers, &header::ORIGIN);
        let same = origin.and_then(|o| o.strip_prefix("http://"));
        same == Some(host)
            && text(headers, &SITE).is_none_or(|site| site == "same-origin")
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn guard(
    State(ours): State<Arc<Ours>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if !ours.is_host(headers) {
        return (StatusCode::FORBIDDEN, "this is not called so\n")
            .into_response();
    }
    if !request.method().is_safe() && !ours.is_origin(headers) {
        return (
            StatusCode::FORBIDDEN,
            "only its own page may ask for this\n",
        )
            .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

async fn page(State(feed): State<Arc<Feed>>) -> Response {
    let html = page::page(&feed.shown).into_string();
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

async fn news(
    State(feed): State<Arc<Feed>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // Before the snapshot is taken, lest something falls between the two.
    let receiver = feed.subscribe();
    let begin = Event::default().event("begin").data(feed.snapshot());
    let news = stream::unfold((feed, receiver), |(feed, mut receiver)| async {
        let event = match receiver.recv().await {
            Ok(news) => Event::default().data(&*news),
            // It was too slow, and begins afresh.
            Err(RecvError::Lagged(_)) => {
                receiver = receiver.resubscribe();
                Event::default().event("behind").data(feed.snapshot())
            }
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (feed, receiver)))
    });
    let begin = stream::iter([Ok(begin)]);
    Sse::new(begin.chain(news)).keep_alive(KeepAlive::default())
}

async fn hammer(
    State(feed): State<Arc<Feed>>,
    Path(name): Path<String>,
) -> (StatusCode, &'static str) {
    match feed.hammer(&name) {
        Ok(()) => (StatusCode::ACCEPTED, "it is hammered\n"),
        Err(Refused::NoSuch) => (StatusCode::NOT_FOUND, "no such deployment\n"),
        Err(Refused::Already) => {
            (StatusCode::CONFLICT, "it is being hammered already\n")
        }
    }
}
