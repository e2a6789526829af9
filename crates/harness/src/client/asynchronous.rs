//! The clients whose calls are futures of the runtime that polls them.
//!
//! reqwest is what most would take. Beneath it is hyper's own pooled client,
//! which has no redirects, cookies or proxies to think of in each call: where
//! calls take no time, that is a quarter of what a request costs.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::rt::Timer;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::redirect::Policy;

use super::multiplexed::Multiplexed;
use super::{IDLE_LIMIT, LONGEST_BODY, successful};
use crate::answer::Failure;
use crate::deployment::Library;
use crate::plan::Plan;

/// A client that keeps its connections, and a time limit for each call.
#[derive(Clone, Debug)]
pub struct Client {
    library: Pool,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Pool {
    Reqwest(reqwest::Client),
    Hyper(Arc<HyperClient>),
    Multiplexed(Arc<Multiplexed>),
}

type HyperClient = legacy::Client<HttpConnector, Empty<Bytes>>;

impl Client {
    /// A client whose pool keeps the connections of `calls` calls at a time;
    /// with HTTP/2 they share one for each address.
    ///
    /// The plan's URIs hold an address, which nobody has to look up.
    ///
    /// # Errors
    ///
    /// reqwest's, where it cannot be set up.
    pub fn new(plan: &Plan, calls: usize) -> Result<Self, reqwest::Error> {
        let library = match plan.client() {
            Library::Reqwest => Pool::Reqwest(with_reqwest(plan, calls)?),
            Library::Hyper if plan.http2() => {
                let multiplexed = Multiplexed::new(plan, connector());
                Pool::Multiplexed(Arc::new(multiplexed))
            }
            Library::Hyper => Pool::Hyper(Arc::new(with_hyper(calls))),
        };
        let timeout = plan.timeout();
        Ok(Self { library, timeout })
    }

    /// The body of the answer.
    ///
    /// # Errors
    ///
    /// [`Failure`], also where the answer's status is no success.
    pub async fn get(&self, uri: &Uri) -> Result<Bytes, Failure> {
        let answer = async {
            match &self.library {
                // A future has room for the larger of the two.
                Pool::Reqwest(client) => {
                    Box::pin(get_with_reqwest(client, uri)).await
                }
                Pool::Hyper(client) => get_with_hyper(client, uri).await,
                Pool::Multiplexed(client) => client.get(uri).await,
            }
        };
        let mut answer = pin!(answer);
        let mut limit = TokioTimer::new().sleep(self.timeout);
        poll_fn(|context| match answer.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => {
                let limit = limit.as_mut().poll(context);
                limit.map(|()| Err(Failure::TimedOut))
            }
        })
        .await
    }
}

async fn get_with_reqwest(
    client: &reqwest::Client,
    uri: &Uri,
) -> Result<Bytes, Failure> {
    let mut answer = client.get(uri.to_string()).send().await?;
    successful(answer.status())?;
    let mut body = Body::default();
    while let Some(bytes) = answer.chunk().await? {
        body.add(&bytes)?;
    }
    Ok(body.0.into())
}

async fn get_with_hyper(
    client: &HyperClient,
    uri: &Uri,
) -> Result<Bytes, Failure> {
    let answer = client.get(uri.clone()).await?;
    successful(answer.status())?;
    let body = Limited::new(answer.into_body(), LONGEST_BODY);
    let body = body.collect().await;
    Ok(body.map_err(|error| Failure::other(&*error))?.to_bytes())
}

/// An answer's body, as far as it has come.
#[derive(Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.0.len() + bytes.len() > LONGEST_BODY {
            let why = "the answer is larger than 10 MB";
            return Err(Failure::Other(why.to_owned()));
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn with_reqwest(
    plan: &Plan,
    calls: usize,
) -> Result<reqwest::Client, reqwest::Error> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(calls)
        .pool_idle_timeout(IDLE_LIMIT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy();
    if plan.http2() {
        // Its calls go on to share a connection that has gone silent, unless
        // that is asked for a sign of life.
        client
            .http2_prior_knowledge()
            .http2_keep_alive_interval(plan.timeout() / 2)
            .http2_keep_alive_timeout(plan.timeout())
            .build()
    } else {
        client.http1_only().build()
    }
}

fn with_hyper(calls: usize) -> HyperClient {
    legacy::Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(calls)
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_timer(TokioTimer::new())
        .build(connector())
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        // The URL says no more than the name of the call does.
        Self::other(&error.without_url())
    }
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        Self::other(&error)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::other(&error)
    }
}
