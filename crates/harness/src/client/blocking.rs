//! ureq, whose calls hold the thread (or the coroutine) that makes them.

use std::net::SocketAddr;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Error};

use super::{IDLE_LIMIT, successful};
use crate::answer::Failure;
use crate::plan::Plan;

/// Bytes that a connection has room for each way. The head of an answer must
/// fit into them.
const BUFFER: usize = 4 << 10;

/// A client that keeps its connections, and a time limit for each call.
#[derive(Clone, Debug)]
pub struct Client(Agent);

impl Client {
    /// A client whose pool keeps the connections of `calls` calls at a time.
    pub fn new(plan: &Plan, calls: usize) -> Self {
        Self::with_connector(plan, calls, TcpConnector::default())
    }

    /// The same on other sockets than std's.
    pub fn with_connector(
        plan: &Plan,
        calls: usize,
        connector: impl Connector,
    ) -> Self {
        let settings = settings(plan, calls);
        Self(Agent::with_parts(settings, connector, Addressed))
    }

    /// The body of the answer.
    ///
    /// # Errors
    ///
    /// [`Failure`], also where the answer's status is no success.
    pub fn get(&self, uri: &Uri) -> Result<Vec<u8>, Failure> {
        let answer = self.0.get(uri).call()?;
        successful(answer.status())?;
        Ok(answer.into_body().read_to_vec()?)
    }
}

fn settings(plan: &Plan, calls: usize) -> Config {
    Agent::config_builder()
        .timeout_global(Some(plan.timeout()))
        .max_idle_connections(calls)
        .max_idle_connections_per_host(calls)
        .max_idle_age(IDLE_LIMIT)
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        // The backend asks for neither, and each is spelled out anew.
        .user_agent("")
        .accept("")
        // The default of 128 KiB each way is 100 MB for 400 connections.
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        // Where a head fills the buffer, ureq would say that the other side
        // has gone away.
        .max_response_header_size(BUFFER - 1)
        .build()
}

/// A resolver for the plan's URIs, whose hosts are addresses already.
///
/// ureq's own starts a thread for each look-up that has a time limit, even
/// where there is nothing to look up.
#[derive(Debug)]
struct Addressed;

impl Resolver for Addressed {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let authority = uri.authority().ok_or(Error::HostNotFound)?;
        let address = authority.as_str().parse();
        let mut addresses = self.empty();
        addresses.push(address.map_err(|_| Error::HostNotFound)?);
        Ok(addresses)
    }
}

/// A resolver that knows one address, and gives it for every name.
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
