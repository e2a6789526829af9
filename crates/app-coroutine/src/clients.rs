//! A client for each request that is in hand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use harness::Plan;
use harness::client::blocking::Client;

use crate::sockets::YieldingConnector;

/// How long a client may be at rest before its connections are closed.
const REST: Duration = Duration::from_secs(60);

/// Clients for the calls of any number of requests, each with a client of
/// its own while it is in hand: ureq looks through all the connections that
/// a client has at rest, several times for a call.
pub(crate) struct Clients {
    plan: &'static Plan,
    /// Those of the longest rest first.
    at_rest: Mutex<VecDeque<(Instant, Client)>>,
}

impl Clients {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        let at_rest = Mutex::default();
        Self { plan, at_rest }
    }

    /// Does `what` with a client that nobody else has meanwhile.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&Client) -> T) -> T {
        let at_rest = self.at_rest().pop_back();
        let client = at_rest.map(|(_, client)| client);
        let client = client.unwrap_or_else(|| self.client());
        let done = what(&client);
        let now = Instant::now();
        let mut at_rest = self.at_rest();
        at_rest.push_back((now, client));
        let is_old = |(since, _): &(Instant, _)| now - *since > REST;
        let old = at_rest.iter().take_while(|rest| is_old(rest)).count();
        // Closed once the list is free again.
        let old: Vec<_> = at_rest.drain(..old).collect();
        drop(at_rest);
        drop(old);
        done
    }

    fn client(&self) -> Client {
        let calls = self.plan.calls_at_once();
        Client::with_connector(self.plan, calls, YieldingConnector)
    }

    /// Held for no longer than a list takes, and by no coroutine that yields.
    fn at_rest(&self) -> MutexGuard<'_, VecDeque<(Instant, Client)>> {
        // A list of clients is whole whoever panicked.
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
