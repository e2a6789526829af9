//! ureq, whose calls hold the thread (or the coroutine) that makes them.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, TcpConnector};
use ureq::{Agent, Error};

use crate::answer::Failure;
use crate::plan::Plan;

/// A client for calls over std's sockets, at most `calls` at a time.
pub fn agent(plan: &Plan, calls: usize) -> Agent {
    let connector = TcpConnector::default();
    let resolver = Literal(plan.backend());
    Agent::with_parts(settings(plan, calls), connector, resolver)
}

/// What every ureq client here is told.
pub fn settings(plan: &Plan, calls: usize) -> Config {
    Agent::config_builder()
        .timeout_global(Some(plan.timeout()))
        .max_idle_connections(calls)
        .max_idle_connections_per_host(calls)
        .max_idle_age(Duration::from_secs(60))
        .max_redirects(0)
        .proxy(None)
        // The default of 128 KiB each way is 100 MB for 400 connections.
        .input_buffer_size(4096)
        .output_buffer_size(4096)
        .build()
}

/// A resolver that knows the one address that the plan looked up.
///
/// ureq's own starts a thread for each look-up that has a time limit, even
/// where the host is an address already.
#[derive(Debug)]
pub struct Literal(pub SocketAddr);

impl Resolver for Literal {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout(_) => Self::TimedOut,
            error => Self::other(&error),
        }
    }
}
