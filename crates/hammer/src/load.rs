//! What to do: a load is plain data, one *stop* times one *schedule*.
//!
//! Every kind of run is a value of these two types and goes through the same
//! loop. A function per kind of run would double with every flag.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

use crate::Error;
use crate::seconds;

/// Nothing in a load may take longer than a year. Centuries fit into the
/// nanoseconds that moments are told in, and sums of years into a
/// [`Duration`].
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A load: which requests, how many, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// What is asked for, in turn: request n goes to target n modulo their
    /// count.
    pub targets: Vec<Target>,
    /// When the run ends.
    pub stop: Stop,
    /// When each request starts.
    pub schedule: Schedule,
    /// Whether a connection carries one request after the other, or each
    /// request opens its own.
    pub keep_alive: bool,
    /// Over how long the first requests of a closed loop begin, one after
    /// the other; those that begin together would go on together.
    #[serde(with = "seconds")]
    pub stagger: Duration,
    /// A first stretch of the run that is not measured.
    #[serde(with = "seconds")]
    pub warmup: Duration,
    /// The longest that a request may take, its connection included.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// The longest that opening a connection may take.
    #[serde(with = "seconds")]
    pub connect_timeout: Duration,
    /// Which addresses of a name are used.
    pub family: Family,
    /// Threads, each with its own connections and its own share of the load.
    pub threads: usize,
    /// Whether the outcome tells of [each](crate::Outcome::each) request. It
    /// takes memory for all of them.
    #[serde(skip)]
    pub tell_each: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            targets: vec![Target::get("http://127.0.0.1:5000/")],
            stop: Stop::Requests(20),
            schedule: Schedule::Closed { concurrency: 50 },
            keep_alive: false,
            stagger: Duration::ZERO,
            warmup: Duration::ZERO,
            // Fifty requests queue for 62 s at the slowest server that this
            // was written for, and none of them fails.
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            family: Family::Any,
            threads: 1,
            tell_each: false,
        }
    }
}

impl Load {
    /// From the end of the warm-up until no more requests start; `None` for
    /// a run by count.
    pub(crate) fn window(&self) -> Option<Duration> {
        let Stop::After(length) = self.stop else {
            return None;
        };
        let rest = match &self.schedule {
            Schedule::Open { rate, .. } => rate.rest(),
            Schedule::Closed { .. } => None,
        };
        let rest = rest.map(|rest| rest.saturating_sub(self.warmup));
        Some(rest.map_or(length, |rest| rest.min(length)))
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// After exactly so many measured requests.
    Requests(u64),
    /// No request starts after this long, the warm-up not counted; those
    /// under way are waited for.
    After(#[serde(with = "seconds")] Duration),
}

/// When each request starts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// As soon as one of so many others was answered. The server sets the
    /// pace: a slow one is asked less often.
    Closed {
        /// Requests under way at once.
        concurrency: usize,
    },
    /// When it is due, whatever became of the others, as users do.
    Open {
        /// How many a second.
        rate: Rate,
        /// How they are spread.
        arrivals: Arrivals,
        /// Past so many connections a request is shed instead of sent. The
        /// threads share them evenly, for good: a thread sheds past its own
        /// share, which is one at least.
        max_connections: usize,
    },
}

/// A rate over time: stages that ramp, after which the last rate holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Requests a second at the start.
    pub start: f64,
    /// Each ramps evenly from the rate before it to its own.
    pub stages: Vec<Stage>,
}

impl Rate {
    /// The same rate from start to end.
    pub fn constant(per_second: f64) -> Self {
        Self {
            start: per_second,
            stages: Vec::new(),
        }
    }

    /// How long the stages take.
    pub fn length(&self) -> Duration {
        self.stages.iter().map(|stage| stage.length).sum()
    }

    /// When it comes to rest for good, where it does.
    fn rest(&self) -> Option<Duration> {
        let last = self.stages.iter().rposition(|stage| stage.rate > 0.0);
        let ramp_down = last.map_or(0, |last| last + 1);
        let mut stages = self.stages.get(..=ramp_down)?.iter();
        stages.try_fold(Duration::ZERO, |sum, stage| {
            sum.checked_add(stage.length)
        })
    }
}

/// One ramp of a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// How long the ramp takes.
    #[serde(with = "seconds")]
    pub length: Duration,
    /// The rate at its end, in requests a second.
    pub rate: f64,
}

/// How the requests of an open loop are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// At even distances.
    Constant,
    /// As independent users come: the distances follow the exponential
    /// distribution.
    Poisson {
        /// The same seed gives the same moments.
        seed: u64,
    },
}

/// Which addresses of a name are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The first that accepts a connection.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// One request, as it is repeated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// GET, POST…
    pub method: String,
    /// `http://host[:port][/path][?query]`
    pub url: String,
    /// Sent as given. A `Host` of yours replaces the one made from the URL.
    pub headers: Vec<(String, String)>,
    /// Sent with its length, unless it is empty and the method is one that
    /// has no body.
    #[serde(rename = "body_bytes", serialize_with = "length")]
    pub body: Vec<u8>,
}

impl Target {
    /// A GET without headers of its own.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

// A body may be large, or secret.
fn length<S: serde::Serializer>(
    body: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(body.len() as u64)
}

/// The parts of a URL that a request needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Url {
    /// As in the `Host` header.
    pub(crate) authority: String,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Path and query.
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Error::Url {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        if url.starts_with("https://") {
            return Err(refuse("https is not spoken here, only http"));
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| refuse("it does not start with http://"))?;
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse(
                "it has a space or a character that must be \
                percent-encoded",
            ));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(refuse("credentials belong in a header"));
        }
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (host, port) = rest
                .split_once(']')
                .ok_or_else(|| refuse("its [ has no ]"))?;
            if !port.is_empty() && !port.starts_with(':') {
                return Err(refuse("something other than a port follows ]"));
            }
            (host, port.strip_prefix(':'))
        } else {
            match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        let port = match port {
            None => 80,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(refuse("its port is not in 1..=65535")),
            },
        };
        Ok(Self {
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: match path.chars().next() {
                None => "/".to_owned(),
                Some('?') => format!("/{path}"),
                Some(_) => path.to_owned(),
            },
        })
    }

    /// Looked up once, before the run, so that no request pays for names.
    pub(crate) fn addresses(
        &self,
        family: Family,
    ) -> Result<Vec<SocketAddr>, Error> {
        let refuse = |why: String| Error::Host {
            host: self.host.clone(),
            why,
        };
        let all: Vec<_> = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| refuse(error.to_string()))?
            .collect();
        let some: Vec<_> = all
            .into_iter()
            .filter(|address| match family {
                Family::Any => true,
                Family::V4 => address.is_ipv4(),
                Family::V6 => address.is_ipv6(),
            })
            .collect();
        if some.is_empty() {
            return Err(refuse("no address of the wanted family".to_owned()));
        }
        Ok(some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parts(url: &str) -> (String, u16, String) {
        let url = Url::parse(url).unwrap();
        (url.host, url.port, url.path)
    }

    #[test]
    fn no_request_starts_once_the_rate_has_come_to_rest_for_good() {
        let window = |start, ends: &[f64]| {
            let stage = |&rate| Stage {
                length: Duration::from_secs(10),
                rate,
            };
            let stages = ends.iter().map(stage).collect();
            let load = Load {
                stop: Stop::After(Duration::from_secs(60)),
                schedule: Schedule::Open {
                    rate: Rate { start, stages },
                    arrivals: Arrivals::Constant,
                    max_connections: 1,
                },
                warmup: Duration::from_secs(5),
                ..Load::default()
            };
            load.window().unwrap().as_secs()
        };
        assert_eq!(window(0.0, &[100.0, 0.0]), 15);
        assert_eq!(window(0.0, &[100.0, 0.0, 0.0]), 15);
        assert_eq!(window(9.0, &[0.0]), 5);
        // At rest for a while, and on the move at the end.
        assert_eq!(window(0.0, &[100.0, 0.0, 0.0, 1.0]), 60);
        assert_eq!(window(9.0, &[]), 60);
        // The duration ends it before.
        assert_eq!(window(9.0, &[9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.0]), 60);
    }

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        let owned =
            |host: &str, port, path: &str| (host.into(), port, path.into());
        assert_eq!(parts("http://a"), owned("a", 80, "/"));
        assert_eq!(parts("http://a:81/b?c#d"), owned("a", 81, "/b?c"));
        assert_eq!(parts("http://a?c=/"), owned("a", 80, "/?c=/"));
        assert_eq!(parts("http://[::1]:82/"), owned("::1", 82, "/"));
        assert_eq!(parts("http://[::1]"), owned("::1", 80, "/"));
    }

    #[test]
    fn a_bad_url_is_refused_with_the_reason() {
        for (url, why) in [
            ("localhost:5000", "http://"),
            ("https://a", "https"),
            ("http://", "no host"),
            ("http://:80/", "no host"),
            ("http://a:0/", "port"),
            ("http://a:65536/", "port"),
            ("http://a:b/", "port"),
            ("http://[::1/", "no ]"),
            ("http://[::1]x/", "follows ]"),
            ("http://a/b c", "space"),
            ("http://me:secret@a/", "credentials"),
        ] {
            let error = Url::parse(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
