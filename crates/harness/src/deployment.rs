//! A deployment file: the slides' ini files in TOML, and strict.
//!
//! The same keys are flags, which override the file. An unknown key, a bad
//! value, or a key that the app has no use for is refused, naming the file,
//! the line and the key: a typing error never runs as a default.

mod values;

use std::fmt::{self, Display};
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use thiserror::Error;

pub use self::values::{
    Backend, Backlog, Count, Delay, Heartbeat, Http, Processes, Seconds,
};
use crate::master::Limits;

/// How an app is deployed, with every key settled.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Where the app listens.
    pub http: SocketAddr,
    /// How many workers the master forks.
    pub processes: usize,
    /// How many threads of a worker take requests.
    pub threads: usize,
    /// How many coroutines of a worker take requests.
    pub coroutines: usize,
    /// How many requests each thread has in hand at a time; `None` is no
    /// limit.
    pub in_flight: Option<usize>,
    /// Whether each worker makes a plan of its own after the fork; the
    /// master makes one in any case.
    pub lazy_apps: bool,
    /// How many connections the kernel holds until a worker takes them.
    pub listen: i32,
    /// The backend as it was written, `HOST:PORT`, or several of its
    /// addresses with commas between.
    pub backend: String,
    /// How long each call may take.
    pub timeout: Duration,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// When workers are to go.
    pub limits: Limits,
    /// How many requests may wait; what comes beyond is answered 503.
    pub shed_above: Option<u64>,
    /// The calls of a request.
    pub calls: Calls,
    /// How long the heavy work beside the calls takes (app-offload).
    pub heavy: Duration,
    /// Whose HTTP code calls (app-async, app-offload).
    pub client: Library,
    /// Whether the calls go over HTTP/2 (app-async, app-offload).
    pub http2: bool,
    /// Whose HTTP code serves (app-coroutine).
    pub server: Server,
    /// Threads of the pool per core (app-threaded as an executor).
    pub pool_per_core: Option<usize>,
}

/// The calls of a request, in the order of the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Calls {
    /// How many seconds each takes; they need nothing of each other.
    Durations(Vec<f64>),
    /// The file of a workload, which has them.
    Workload(PathBuf),
}

/// Whose HTTP code calls, on an event loop.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Library {
    /// reqwest, which most would take.
    Reqwest,
    /// hyper's own, which reqwest is built on.
    Hyper,
}

/// Whose HTTP code serves the coroutine app.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Server {
    /// may_minihttp, which binds a socket of its own.
    MayMinihttp,
    /// The harness's, on the master's socket.
    Harness,
}

/// The keys of a deployment file, each also a flag. None is required.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Where to listen: `:5001` is port 5001 on loopback, `:0` a free port
    /// [default: :5000]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<Http>,
    /// Workers to fork, or `cores` [default: 1]
    #[arg(long, value_name = "N|cores")]
    pub processes: Option<Processes>,
    /// Threads that take requests, per worker [default: 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<Count>,
    /// Coroutines that take requests, per worker [default: 1]
    #[arg(long, value_name = "N")]
    pub coroutines: Option<Count>,
    /// Requests at a time, per thread of a worker [default: no limit]
    #[arg(long, value_name = "N")]
    pub in_flight: Option<Count>,
    /// Make the plan in each worker, after the fork
    #[arg(long, value_name = "BOOL", num_args = 0..=1,
          default_missing_value = "true")]
    pub lazy_apps: Option<bool>,
    /// Connections that wait in the kernel for a worker [default: 1024]
    #[arg(long, value_name = "N")]
    pub listen: Option<Backlog>,
    /// The delay backend, or several addresses of it, with commas between,
    /// which the calls take in turn [default: localhost:7001]
    #[arg(long, value_name = "HOST:PORT")]
    pub backend: Option<Backend>,
    /// How long a call may take [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,
    /// Serve more than one request on a connection
    #[arg(long, value_name = "BOOL", num_args = 0..=1,
          default_missing_value = "true")]
    pub keep_alive: Option<bool>,
    /// How long the head of a request may take [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub head_timeout: Option<Seconds>,
    /// Kill a worker that has a request in hand for longer [default: never]
    #[arg(long, value_name = "SECONDS")]
    pub harakiri: Option<Seconds>,
    /// Kill a worker that is out of sight for longer while it waits for
    /// requests [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub heartbeat: Option<Heartbeat>,
    /// Replace a worker that has served N requests [default: never]
    #[arg(long, value_name = "N")]
    pub max_requests: Option<NonZeroU64>,
    /// Let it serve up to N more, at random [default: 0]
    #[arg(long, value_name = "N")]
    pub max_requests_jitter: Option<u64>,
    /// How long a worker that is to stop may take to finish [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub stop_limit: Option<Seconds>,
    /// Answer 503 where more than N requests wait [default: let them wait]
    #[arg(long, value_name = "N")]
    pub shed_above: Option<u64>,
    /// How long each call of a request takes [default: the slides' eighths]
    #[arg(long, value_name = "SECONDS,…", value_delimiter = ',')]
    pub calls: Option<Vec<Delay>>,
    /// A workload, whose calls and work each request has; the backend needs
    /// the same
    #[arg(long, value_name = "FILE", conflicts_with = "calls")]
    pub workload: Option<PathBuf>,
    /// How long the wait beside the calls takes [default: 1, and 0 with a
    /// workload]
    #[arg(long, value_name = "SECONDS")]
    pub heavy: Option<Delay>,
    /// Whose HTTP code calls the backend [default: reqwest]
    #[arg(long, value_name = "NAME")]
    pub client: Option<Library>,
    /// Call the backend over HTTP/2, where calls share a connection
    #[arg(long, value_name = "BOOL", num_args = 0..=1,
          default_missing_value = "true")]
    pub http2: Option<bool>,
    /// Whose HTTP code serves [default: harness]
    #[arg(long, value_name = "NAME")]
    pub server: Option<Server>,
    /// Make the calls on a pool of N threads per core
    #[arg(long, value_name = "N")]
    pub pool_per_core: Option<Count>,
}

/// The keys that only some apps have a use for; the rest serve them all.
pub(crate) const OF_SOME_APPS: [&str; 8] = [
    "threads",
    "coroutines",
    "in_flight",
    "heavy",
    "client",
    "http2",
    "server",
    "pool_per_core",
];

/// Why a deployment is refused: always one line.
#[derive(Debug, Error)]
pub enum DeploymentError {
    /// The file cannot be read.
    #[error("cannot read deployment file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the file is not as it should be.
    #[error("{}:{line}: {message}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it; names the key.
        message: String,
    },
    /// A flag that the app has no use for.
    #[error("--{flag}: {app} has no use for it")]
    UselessFlag {
        /// The flag, without its dashes.
        flag: String,
        /// The app's name.
        app: &'static str,
    },
    /// The plan has no call.
    #[error("calls: a request needs at least one call")]
    NoCalls,
}

impl Deployment {
    /// Reads `file`, where there is one, and lets `flags` override it.
    ///
    /// `own` names those keys of [`OF_SOME_APPS`] that `app` understands.
    ///
    /// # Errors
    ///
    /// See [`DeploymentError`]; each says what to mend in one line.
    pub fn load(
        app: &'static str,
        own: &[&str],
        file: Option<&Path>,
        flags: Keys,
    ) -> Result<Self, DeploymentError> {
        let text = match file {
            Some(path) => fs::read_to_string(path).map_err(|source| {
                let path = path.to_owned();
                DeploymentError::Unreadable { path, source }
            })?,
            None => String::new(),
        };
        Self::parse(app, own, file.unwrap_or(Path::new("")), &text, flags)
    }

    /// The same of a text that was read from `path`.
    ///
    /// # Errors
    ///
    /// See [`DeploymentError`].
    pub fn parse(
        app: &'static str,
        own: &[&str],
        path: &Path,
        text: &str,
        flags: Keys,
    ) -> Result<Self, DeploymentError> {
        let of_others =
            |key: &str| OF_SOME_APPS.contains(&key) && !own.contains(&key);
        if let Some(flag) = flags.named().into_iter().find(|k| of_others(k)) {
            let flag = flag.replace('_', "-");
            return Err(DeploymentError::UselessFlag { flag, app });
        }
        let mut keys = Keys::parse(path, text)?;
        if let Some(key) = keys.named().into_iter().find(|k| of_others(k)) {
            return Err(DeploymentError::BadLine {
                path: path.to_owned(),
                line: line_of_key(text, key),
                message: format!("{key}: {app} has no use for this key"),
            });
        }
        if keys.calls.is_some() && keys.workload.is_some() {
            return Err(DeploymentError::BadLine {
                path: path.to_owned(),
                line: line_of_key(text, "workload"),
                message: "workload: calls are there too; give one of the two"
                    .to_owned(),
            });
        }
        // A file is named as it is seen from the one that names it.
        let folder = path.parent().unwrap_or(Path::new(""));
        keys.workload = keys.workload.map(|file| folder.join(file));
        // What overrides one of the two overrides the other.
        if flags.workload.is_some() {
            keys.calls = None;
        }
        if flags.calls.is_some() {
            keys.workload = None;
        }
        let deployment = keys.overridden_by(flags).settle();
        if deployment.calls == Calls::Durations(vec![]) {
            return Err(DeploymentError::NoCalls);
        }
        Ok(deployment)
    }
}

/// Calls the macro once with every key, so that none is forgotten.
macro_rules! with_every_key {
    ($macro:ident) => {
        $macro!(
            http,
            processes,
            threads,
            coroutines,
            in_flight,
            lazy_apps,
            listen,
            backend,
            timeout,
            keep_alive,
            head_timeout,
            harakiri,
            heartbeat,
            max_requests,
            max_requests_jitter,
            stop_limit,
            shed_above,
            calls,
            workload,
            heavy,
            client,
            http2,
            server,
            pool_per_core
        )
    };
}

impl Keys {
    fn parse(path: &Path, text: &str) -> Result<Self, DeploymentError> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text[..at].matches('\n').count() + 1;
            let key = text.lines().nth(line - 1).and_then(key_of);
            let key = key.unwrap_or_default();
            let reason = error.message();
            let message =
                if key.is_empty() || reason.contains(&format!("`{key}`")) {
                    reason.to_owned()
                } else {
                    format!("{key}: {reason}")
                };
            // Both may quote the file, whatever it has.
            let message = message.replace(char::is_control, " ");
            let path = path.to_owned();
            DeploymentError::BadLine {
                path,
                line,
                message,
            }
        })
    }

    /// The names of the keys that have a value.
    fn named(&self) -> Vec<&'static str> {
        macro_rules! names {
            ($($key:ident),*) => {
                [$((stringify!($key), self.$key.is_some())),*]
            };
        }
        let keys = with_every_key!(names);
        let set = keys.into_iter().filter(|(_, is_set)| *is_set);
        set.map(|(key, _)| key).collect()
    }

    fn overridden_by(self, flags: Keys) -> Keys {
        macro_rules! either {
            ($($key:ident),*) => {
                Keys { $($key: flags.$key.or(self.$key)),* }
            };
        }
        with_every_key!(either)
    }

    fn settle(self) -> Deployment {
        let count = |n: Option<Count>| n.map_or(1, |n: Count| n.0);
        let limits = Limits::default();
        let seconds = |s: Option<Seconds>, or| s.map_or(or, |s: Seconds| s.0);
        let heavy = if self.workload.is_some() { 0.0 } else { 1.0 };
        Deployment {
            http: self.http.unwrap_or(Http(values::loopback(5000))).0,
            processes: self.processes.map_or(1, Processes::count),
            threads: count(self.threads),
            coroutines: count(self.coroutines),
            in_flight: self.in_flight.map(|n| n.0),
            lazy_apps: self.lazy_apps.unwrap_or(false),
            listen: self.listen.map_or(1024, |backlog| backlog.0),
            backend: self
                .backend
                .map_or("localhost:7001".into(), |backend| backend.0),
            timeout: seconds(self.timeout, Duration::from_secs(5)),
            keep_alive: self.keep_alive.unwrap_or(false),
            head_timeout: seconds(self.head_timeout, Duration::from_secs(10)),
            limits: Limits {
                stop: seconds(self.stop_limit, limits.stop),
                harakiri: self.harakiri.map(|limit| limit.0),
                heartbeat: self
                    .heartbeat
                    .map_or(limits.heartbeat, |limit| Some(limit.0)),
                max_requests: self.max_requests.map(NonZeroU64::get),
                max_requests_jitter: self.max_requests_jitter.unwrap_or(0),
            },
            shed_above: self.shed_above,
            calls: match (self.workload, self.calls) {
                (Some(file), _) => Calls::Workload(file),
                (None, Some(calls)) => Calls::Durations(
                    calls.into_iter().map(|call| call.0).collect(),
                ),
                (None, None) => Calls::Durations(
                    (1..5).map(|i| f64::from(i) / 8.0).collect(),
                ),
            },
            heavy: Duration::from_secs_f64(self.heavy.map_or(heavy, |s| s.0)),
            client: self.client.unwrap_or(Library::Reqwest),
            http2: self.http2.unwrap_or(false),
            server: self.server.unwrap_or(Server::Harness),
            pool_per_core: self.pool_per_core.map(|n| n.0),
        }
    }
}

fn line_of_key(text: &str, key: &str) -> usize {
    let names_key = |line| key_of(line) == Some(key);
    text.lines().position(names_key).map_or(1, |line| line + 1)
}

/// The key of a line of a file that has no tables; it may be quoted.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    Some(key.trim().trim_matches(['"', '\'']))
}

/// The processors that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MayMinihttp => "may_minihttp",
            Self::Harness => "harness",
        })
    }
}

/// The address behind `HOST:PORT`, IPv4 first.
///
/// # Errors
///
/// The system's, where the name has no address.
pub fn resolve(backend: &str) -> std::io::Result<SocketAddr> {
    let addresses: Vec<_> = backend.to_socket_addrs()?.collect();
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    ipv4.or(addresses.first()).copied().ok_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::NotFound, "no address")
    })
}

#[cfg(test)]
mod tests;
