//! What a master tells those who ask: the log on SIGUSR1, and whoever opens
//! its socket.
//!
//! The socket has a name and no file (unix(7), "abstract"): `harness-PID`.
//! It gives one line of JSON to its own user and to root, and closes.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process;
use std::time::{Duration, Instant};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Uid;
use serde::Serialize;
use tracing::warn;

use super::Master;
use super::child::Child;
use crate::board::Moment;

/// What a master and its workers do. Names may be added within a version.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: u32,
    name: String,
    pid: u32,
    http: Option<String>,
    state: &'static str,
    /// Which reload the service came with, from 1.
    generation: u64,
    workers: Vec<WorkerStatus>,
}

#[derive(Debug, Serialize)]
struct WorkerStatus {
    number: usize,
    pid: i32,
    state: &'static str,
    generation: u64,
    /// Seconds since the fork.
    age: f64,
    served: u64,
    connections: u64,
    in_hand: u64,
    oldest: Option<Oldest>,
    /// Seconds since its threads that wait for requests all came round.
    silent: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Oldest {
    request: String,
    /// Seconds that it has been in hand.
    age: f64,
}

impl Master<'_> {
    pub(super) fn status(&self) -> Status {
        let state = match self {
            Self {
                stopping: Some(_), ..
            } => "stopping",
            Self { booted: false, .. } => "starting",
            Self {
                exchanging: true, ..
            } => "reloading",
            _ => "serving",
        };
        let address = self.listener.local_addr();
        let here = self.places.iter().flat_map(|place| place.children());
        let here = here.map(|child| {
            let ready = child.is_ready();
            (child, if ready { "serving" } else { "starting" })
        });
        let leaving = self.leaving.iter().map(|child| (child, "leaving"));
        let workers = here.chain(leaving);
        Status {
            version: 1,
            name: self.service.name.clone(),
            pid: process::id(),
            http: address.ok().map(|address| address.to_string()),
            state,
            generation: self.generation,
            workers: workers.map(|(c, s)| WorkerStatus::of(c, s)).collect(),
        }
    }
}

impl WorkerStatus {
    fn of(child: &Child, state: &'static str) -> Self {
        let board = child.board();
        let now = Moment::now();
        let age = |moment| now.since(moment).as_secs_f64();
        Self {
            number: child.number(),
            pid: child.pid().as_raw(),
            state,
            generation: child.generation(),
            age: child.age().as_secs_f64(),
            served: board.served(),
            connections: board.connections(),
            in_hand: board.in_hand(),
            oldest: board.oldest().map(|request| Oldest {
                age: age(request.began),
                request: request.line,
            }),
            silent: board.oldest_beat().map(age),
        }
    }
}

impl Status {
    /// Logs it, a line for each worker: whoever asked is answered, however
    /// quiet the log is.
    pub(super) fn log(&self) {
        let Self {
            state, generation, ..
        } = self;
        warn!("status: {state}, generation {generation}");
        for worker in &self.workers {
            let WorkerStatus {
                number,
                pid,
                state,
                served,
                connections,
                in_hand,
                oldest,
                ..
            } = worker;
            let oldest = oldest.as_ref().map_or(String::new(), |oldest| {
                let Oldest { request, age } = oldest;
                format!(", the oldest for {age:.3} s: {request}")
            });
            warn!(
                "status: worker {number} (pid {pid}): {state}, served \
                 {served}, connections {connections}, in hand {in_hand}{oldest}"
            );
        }
    }
}

/// Where the status can be had.
#[derive(Debug)]
pub(super) struct StatusSocket {
    listener: UnixListener,
    /// Where it failed, and would again at once.
    rests_until: Option<Instant>,
}

/// How many are answered before workers are looked after again.
const ANSWERS: usize = 16;
/// How long the socket rests where the system has no file left.
const REST: Duration = Duration::from_millis(100);

impl StatusSocket {
    /// `None` where there can be none, which is no reason not to serve.
    pub(super) fn open() -> Option<Self> {
        let open = || {
            let name = format!("harness-{}", process::id());
            let address = SocketAddr::from_abstract_name(name)?;
            let listener = UnixListener::bind_addr(&address)?;
            listener.set_nonblocking(true)?;
            io::Result::Ok(Self {
                listener,
                rests_until: None,
            })
        };
        open()
            .inspect_err(|error| warn!("cannot offer a status: {error}"))
            .ok()
    }

    /// What to wait for, unless it rests.
    pub(super) fn awaits(&self) -> Option<BorrowedFd<'_>> {
        self.rests_until.is_none().then(|| self.listener.as_fd())
    }

    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Answers those who have asked.
    pub(super) fn answer(&mut self, status: impl Fn() -> Status) {
        if self.rests_until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        self.rests_until = None;
        for _ in 0..ANSWERS {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.rests_until = Some(Instant::now() + REST);
                    return;
                }
            };
            if !may_ask(&stream) {
                continue;
            }
            let mut line = serde_json::to_vec(&status()).unwrap_or_default();
            line.push(b'\n');
            // A client that does not read must not hold up a master: what
            // its socket does not take is lost.
            stream.set_nonblocking(true).ok();
            stream.write_all(&line).ok();
        }
    }
}

fn may_ask(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| {
        let uid = Uid::from_raw(peer.uid());
        uid == Uid::effective() || uid.is_root()
    })
}
