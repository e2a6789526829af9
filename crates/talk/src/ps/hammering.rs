//! The slides' hammer, swung from the live view: in a thread of its own, so
//! that the view goes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, bail};
use hammer::Outcome;

use crate::catalogue::CONCURRENCY;
use crate::measure;

/// As on the slides.
pub(super) const REQUESTS: u64 = 20;

/// A hammer that swings.
pub(super) struct Hammering {
    name: String,
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Outcome, hammer::Error>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) elapsed: Duration,
}

impl Hammering {
    /// Begins; refuses what is not on this machine.
    pub(super) fn start(name: String, http: SocketAddr) -> Result<Self> {
        let url = format!("http://{}/", on_this_machine(http)?);
        let load = measure::load(url, REQUESTS, CONCURRENCY);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            hammer::run(&load, |snapshot| theirs.hear(snapshot))
        });
        Ok(Self {
            name,
            shared,
            thread,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> State {
        *self.shared.lock()
    }

    pub(super) fn give_up(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// What came of it, in a line.
    pub(super) fn result(self) -> String {
        let Self { name, thread, .. } = self;
        match thread.join().unwrap_or_else(|panic| resume_unwind(panic)) {
            Ok(outcome) => format!("{name}: {}", line(&outcome)),
            Err(error) => format!("{name}: {error}"),
        }
    }
}

impl Shared {
    fn hear(&self, snapshot: &hammer::Snapshot) -> ControlFlow<()> {
        *self.lock() = State {
            answered: snapshot.answered,
            failed: snapshot.failed,
            elapsed: snapshot.elapsed,
        };
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that listens everywhere listens here as well.
fn on_this_machine(http: SocketAddr) -> Result<SocketAddr> {
    let ip = match http.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if !ip.is_loopback() {
        bail!("{http} is not hammered from here: it is no loopback address");
    }
    Ok((ip, http.port()).into())
}

/// The slides' line, and what they had no need to say.
fn line(outcome: &Outcome) -> String {
    let Outcome {
        requests,
        elapsed,
        interrupted,
        ..
    } = outcome;
    let seconds = elapsed.as_secs_f64();
    let mut line = format!("We did {requests} requests in {seconds:.3}");
    if *interrupted {
        line.push_str(", given up");
    }
    for (why, count) in measure::failures(outcome) {
        line.push_str(&format!("; {count} failed: {why}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_hammered() {
        let at = |address: &str| {
            let address = on_this_machine(address.parse().unwrap());
            address.map(|address| address.to_string())
        };
        assert_eq!(at("127.0.0.1:5000").unwrap(), "127.0.0.1:5000");
        assert_eq!(at("127.0.0.9:5000").unwrap(), "127.0.0.9:5000");
        assert_eq!(at("0.0.0.0:5000").unwrap(), "127.0.0.1:5000");
        assert_eq!(at("[::]:5000").unwrap(), "[::1]:5000");
        for elsewhere in ["192.0.2.1:80", "[2001:db8::1]:80"] {
            let error = at(elsewhere).unwrap_err().to_string();
            assert!(error.contains("no loopback address"), "{error}");
        }
    }
}
