//! What a run led to: data first, and every report is made from it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::seconds;
use crate::verdict::Flaw;

/// What a run led to. The warm-up's requests are in none of it but the rate.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Outcome {
    /// When it began, in seconds since 1970.
    #[serde(with = "seconds")]
    pub began: Duration,
    /// From just before the first request's first step to the last byte of
    /// the last answer.
    #[serde(with = "seconds")]
    pub elapsed: Duration,
    /// Requests that came to an end: `answered` plus the `errors`.
    pub requests: u64,
    /// Requests that got a whole answer, whatever its status.
    pub answered: u64,
    /// Requests that failed: the `errors`, and the statuses from 400 on.
    pub failed: u64,
    /// Whole answers a second, from the end of the warm-up on and while
    /// requests were being started. Answers to requests of the warm-up that
    /// came then are among them: without them it would be too low by all
    /// that were under way. A run [by count](crate::Stop::Requests) counts
    /// its own requests.
    pub rate: f64,
    /// The time that the rate is over; zero where an older hammer wrote it.
    #[serde(default, with = "seconds")]
    pub window: Duration,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, by the reason.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Requests that were never sent, since every connection of their thread
    /// was taken and no more were allowed. Open loop only.
    pub shed: u64,
    /// Requests still under way when the run was ended early.
    pub unfinished: u64,
    /// Bytes received, heads included.
    pub bytes_received: u64,
    /// Bytes sent, heads included.
    pub bytes_sent: u64,
    /// From the moment a request was due to the last byte of its answer,
    /// of the answers below 400. In a closed loop a request is due when it
    /// starts, and opening its connection is part of it.
    pub latency: Latency,
    /// The same apart for each class of statuses, `1xx` to `5xx`.
    pub latency_by_class: BTreeMap<String, Latency>,
    /// How long opening connections took.
    pub connect: Latency,
    /// From the moment a request was due to the first byte of its answer.
    pub first_byte: Latency,
    /// What an open loop has beyond the above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Open>,
    /// CPU time of the threads that sent and received.
    pub cpu: Cpu,
    /// Why this measurement is not to be trusted; empty where it is.
    pub flaws: Vec<Flaw>,
    /// Whether the run was ended before its stop was reached.
    pub interrupted: bool,
    /// The run in slices of equal length, wider the longer it was.
    pub series: Series,
    /// Requests of the warm-up, which no other figure than the rate knows
    /// of.
    #[serde(skip)]
    pub warmed: u64,
    /// For how long each of the `unfinished` had been due.
    #[serde(skip)]
    pub waiting: Vec<Duration>,
    /// Every request that came to an end, in the order in which they were
    /// due, where the [load](crate::Load::tell_each) asked for it.
    #[serde(skip)]
    pub each: Vec<Each>,
}

impl Outcome {
    /// Whether the load generator kept up with what it was asked for.
    pub fn valid(&self) -> bool {
        self.flaws.is_empty()
    }

    /// Requests that were not answered in time, or not connected. They took
    /// longer than any that was: without them, the slower a service the
    /// better its percentiles.
    pub fn overdue(&self) -> u64 {
        let overdue = self.errors.iter().filter(|(kind, _)| kind.is_overdue());
        overdue.map(|(_, count)| count).sum()
    }
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Each {
    /// When it was due, since the start of the run, the warm-up included.
    pub due: Duration,
    /// From that moment to the last byte of its answer; `None` where it
    /// failed.
    pub latency: Option<Duration>,
}

/// What an open loop has beyond a closed one.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Open {
    /// Requests that were due.
    pub due: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Of these, so many started over a millisecond after they were due.
    pub late: u64,
    /// Requests a second that were wanted, over the whole run.
    pub wanted_rate: f64,
    /// Requests a second that were sent.
    pub sent_rate: f64,
    /// From the moment a request was due to its start: the fault of the
    /// load generator alone.
    pub lag: Latency,
    /// From a request's start to the last byte of its answer, below 400.
    /// It leaves out the load generator's own lateness, and nothing else.
    pub service: Latency,
}

/// What the run cost this machine.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Cpu {
    /// In user code.
    #[serde(with = "seconds")]
    pub user: Duration,
    /// In the kernel.
    #[serde(with = "seconds")]
    pub system: Duration,
    /// The share of its time that the busiest thread ran or waited for a
    /// core.
    pub busy: f64,
}

/// A run in slices of equal length.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Series {
    /// The length of each.
    #[serde(with = "seconds")]
    pub slice: Duration,
    /// In order; the last may be cut off by the end of the run.
    pub slices: Vec<Slice>,
}

/// One slice of a [`Series`].
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Slice {
    /// Whole answers.
    pub answered: u64,
    /// Those that the [rate](Outcome::rate) counts; zero where an older
    /// hammer wrote it.
    #[serde(default)]
    pub in_window: u64,
    /// Failed requests.
    pub failed: u64,
    /// Requests that were due in it and are [overdue](Outcome::overdue):
    /// they are given up in a later one, when there may be no load any more.
    /// Zero where an older hammer wrote it.
    #[serde(default)]
    pub overdue: u64,
    /// Latencies of the answers below 400.
    pub latency: Counted,
}

/// Latencies in classes of 1% at most, from the shortest to the longest:
/// pairs of the least latency of a class, in nanoseconds, and its count.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Counted(pub Vec<(u64, u64)>);

/// Why a request got no whole answer.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// The connection was not accepted in time.
    ConnectTimeout,
    /// The answer was not whole in time.
    Timeout,
    /// The server reset the connection.
    Reset,
    /// The server closed the connection before the first byte.
    Closed,
    /// The server closed the connection amid the answer.
    CutShort,
    /// The answer is no HTTP/1.
    Garbage,
    /// The head of the answer goes on beyond 64 KiB.
    HeadTooLarge,
    /// This machine has no free port left towards that address.
    NoPort,
    /// This process may open no more files.
    NoFile,
    /// Any other refusal of the operating system.
    Other,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Timeout,
        Self::Reset,
        Self::Closed,
        Self::CutShort,
        Self::Garbage,
        Self::HeadTooLarge,
        Self::NoPort,
        Self::NoFile,
        Self::Other,
    ];

    pub(crate) fn is_overdue(self) -> bool {
        matches!(self, Self::Timeout | Self::ConnectTimeout)
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        match errno {
            Some(Errno::ECONNREFUSED) => Self::Refused,
            Some(
                Errno::EHOSTUNREACH
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::ENETDOWN,
            ) => Self::Unreachable,
            Some(Errno::ETIMEDOUT) => Self::ConnectTimeout,
            Some(Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED) => {
                Self::Reset
            }
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) => Self::NoPort,
            Some(Errno::EMFILE | Errno::ENFILE) => Self::NoFile,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "host unreachable",
            Self::ConnectTimeout => "not connected in time",
            Self::Timeout => "not answered in time",
            Self::Reset => "connection reset",
            Self::Closed => "closed before an answer",
            Self::CutShort => "answer cut short",
            Self::Garbage => "answer is no HTTP/1",
            Self::HeadTooLarge => "head of the answer over 64 KiB",
            Self::NoPort => {
                "no free local port (see net.ipv4.ip_local_port_range)"
            }
            Self::NoFile => "too many open files (RLIMIT_NOFILE)",
            Self::Other => "refused by the operating system",
        })
    }
}
