//! The values of keys: read alike from a file and from a flag, and refused
//! with a word on what would do.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::cores;

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// An address to listen on; without a host it is loopback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Http(pub SocketAddr);

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = match text.strip_prefix(':') {
            Some(port) => port.parse().map(loopback).ok(),
            None => text.parse().ok(),
        };
        address.map(Http).ok_or_else(|| {
            format!("`{text}` is no address; try \":5000\" or \"0.0.0.0:5000\"")
        })
    }
}

/// A number of threads, coroutines or requests: 1 or more, and no more than
/// any machine has room for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count(pub(super) usize);

/// More is a slip of the finger, and would end in a panic.
const MOST: usize = 1_000_000;
const MOST_PROCESSES: usize = 1000;

/// Reads a count from 1 to `most`.
fn count(text: &str, most: usize) -> Option<usize> {
    text.parse().ok().filter(|count| (1..=most).contains(count))
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        count(text, MOST)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no count; give 1 to {MOST}"))
    }
}

/// A number of workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Processes {
    /// This many, 1 or more.
    Count(usize),
    /// One per core.
    Cores,
}

impl Processes {
    /// The number of workers on this machine.
    pub fn count(self) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Cores => cores(),
        }
    }
}

impl FromStr for Processes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cores" {
            return Ok(Self::Cores);
        }
        count(text, MOST_PROCESSES).map(Self::Count).ok_or_else(|| {
            format!(
                "`{text}` workers cannot serve; give 1 to {MOST_PROCESSES}, or \
                 `cores`"
            )
        })
    }
}

/// A length of the queue of connections: 1 to what the kernel can count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog(pub(super) i32);

impl FromStr for Backlog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(backlog) if backlog > 0 => Ok(Self(backlog)),
            _ => {
                Err(format!("`{text}` is no length of a queue; give 1 or more"))
            }
        }
    }
}

/// A backend's `HOST:PORT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend(pub(super) String);

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_backend = |text: &str| {
            let Some((host, port)) = text.rsplit_once(':') else {
                return false;
            };
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        };
        match text.split(',').all(is_backend) {
            true => Ok(Self(text.to_owned())),
            false => {
                Err(format!("`{text}` is no backend; try \"localhost:7001\""))
            }
        }
    }
}

/// Longer than anyone waits. epoll counts milliseconds in 31 bits, which is
/// 24.8 days.
const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

/// Reads seconds, 24 days of them at most.
fn seconds(text: &str) -> Option<Duration> {
    let duration = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (duration <= LONGEST).then_some(duration)
}

/// A limit of time in seconds: more than zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seconds(pub(super) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match seconds(text) {
            Some(duration) if !duration.is_zero() => Ok(Self(duration)),
            _ => Err(format!("`{text}` is no time limit in seconds; try 2.5")),
        }
    }
}

/// A limit of time in seconds that tells who is stuck from who is busy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heartbeat(pub(super) Duration);

impl FromStr for Heartbeat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEAST: Duration = Duration::from_secs(3);
        let Seconds(limit) = text.parse()?;
        if limit < LEAST {
            let least = LEAST.as_secs();
            return Err(format!(
                "`{text}` is too short to tell who is stuck from who is \
                 busy; give {least} or more"
            ));
        }
        Ok(Self(limit))
    }
}

/// A delay in seconds: zero or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay(pub(super) f64);

impl Delay {
    /// The delay in seconds.
    pub fn seconds(self) -> f64 {
        self.0
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.parse(), seconds(text)) {
            (Ok(delay), Some(_)) => Ok(Self(delay)),
            _ => Err(format!("`{text}` is no delay in seconds; try 0.125")),
        }
    }
}

/// Reads a TOML string or number the way the flag of the same name is read.
macro_rules! deserialize_as_flag {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: Deserializer<'de>,
            {
                deserializer.deserialize_any(AsFlag)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }
    )*};
}

deserialize_as_flag!(
    Http, Count, Processes, Backlog, Backend, Seconds, Heartbeat, Delay
);

struct AsFlag;

impl de::Visitor<'_> for AsFlag {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}
