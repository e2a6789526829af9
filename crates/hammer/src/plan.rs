//! A load made ready: checked, names looked up, requests spelled out. What
//! is done here once is not done per request.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockAddr;

use crate::Error;
use crate::load::{LONGEST, Load, Schedule, Stop, Target, Url};

/// Requests a second that no machine sends.
const FASTEST: f64 = 1e9;

/// A load made ready.
pub(crate) struct Plan<'a> {
    pub(crate) load: &'a Load,
    pub(crate) requests: Vec<Request>,
    /// The distinct servers.
    pub(crate) servers: Vec<SockAddr>,
    /// No more connections than this at once, all threads together.
    pub(crate) connections: usize,
}

/// The bytes of one target.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// Which of the servers.
    pub(crate) server: usize,
    /// Whether the answer has no body, whatever its head says.
    pub(crate) bodiless: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(load: &'a Load) -> Result<Self, Error> {
        check(load)?;
        let mut addresses: Vec<(String, SocketAddr)> = Vec::new();
        let mut requests = Vec::new();
        for target in &load.targets {
            let url = Url::parse(&target.url)?;
            let known = addresses
                .iter()
                .position(|(authority, _)| *authority == url.authority);
            let server = match known {
                Some(server) => server,
                None => {
                    let address = choose(load, &url)?;
                    addresses.push((url.authority.clone(), address));
                    addresses.len() - 1
                }
            };
            requests.push(Request {
                bytes: spell(target, &url, load.keep_alive)?,
                server,
                bodiless: target.method == "HEAD",
            });
        }
        let connections = match load.schedule {
            Schedule::Closed { concurrency } => match load.stop {
                Stop::Requests(n) if load.warmup.is_zero() => {
                    concurrency.min(usize::try_from(n).unwrap_or(usize::MAX))
                }
                _ => concurrency,
            },
            Schedule::Open {
                max_connections, ..
            } => max_connections,
        };
        let servers: Vec<_> = addresses
            .into_iter()
            .map(|(_, address)| SockAddr::from(address))
            .collect();
        Ok(Self {
            load,
            requests,
            // An idle connection to one server makes no room for a busy one
            // to another in a closed loop, whose size is the requests'.
            connections: match load.schedule {
                Schedule::Closed { .. } if load.keep_alive => {
                    connections.saturating_mul(servers.len())
                }
                _ => connections,
            },
            servers,
        })
    }
}

fn check(load: &Load) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Load(why.to_owned()));
    if load.targets.is_empty() {
        return refuse("no URL");
    }
    match load.stop {
        Stop::Requests(0) => return refuse("zero requests"),
        Stop::After(Duration::ZERO) => return refuse("a duration of zero"),
        _ => {}
    }
    if load.timeout.is_zero() || load.connect_timeout.is_zero() {
        return refuse("a timeout of zero");
    }
    let length = match load.stop {
        Stop::After(length) => length,
        Stop::Requests(_) => Duration::ZERO,
    };
    let limits = [load.timeout, load.connect_timeout];
    let times = [length, load.warmup, load.stagger];
    if limits.iter().chain(&times).any(|time| *time > LONGEST) {
        return refuse("a year is the longest");
    }
    if load.threads == 0 {
        return refuse("zero threads");
    }
    match &load.schedule {
        Schedule::Closed { concurrency: 0 } => {
            return refuse("a concurrency of zero");
        }
        Schedule::Open {
            max_connections: 0, ..
        } => return refuse("zero connections"),
        // A thread with none would shed all of its requests.
        Schedule::Open {
            max_connections, ..
        } if *max_connections < load.threads => {
            return refuse(&format!(
                "{max_connections} connections at most for {} threads, which \
                 share them evenly and need one each",
                load.threads
            ));
        }
        Schedule::Open { rate, .. } => {
            let ends = rate.stages.iter().map(|stage| stage.rate);
            let mut rates = ends.chain([rate.start]);
            if !rates.clone().all(|rate| rate.is_finite() && rate >= 0.0) {
                return refuse("a rate that is no number from zero on");
            }
            if rates.clone().any(|rate| rate > FASTEST) {
                return refuse(&format!("a rate above {FASTEST}/s"));
            }
            if rates.all(|rate| rate == 0.0) {
                return refuse("a rate of zero");
            }
        }
        Schedule::Closed { .. } => {}
    }
    Ok(())
}

/// The first address that accepts a connection, where there are several:
/// `localhost` is two, and a server often listens on one.
fn choose(load: &Load, url: &Url) -> Result<SocketAddr, Error> {
    let addresses = url.addresses(load.family)?;
    let first = addresses[0];
    if addresses.iter().all(|address| *address == first) {
        return Ok(first);
    }
    let accepts = |address: &SocketAddr| {
        let patience = load.connect_timeout.min(Duration::from_secs(2));
        TcpStream::connect_timeout(address, patience).is_ok()
    };
    Ok(addresses.into_iter().find(accepts).unwrap_or(first))
}

fn spell(
    target: &Target,
    url: &Url,
    keep_alive: bool,
) -> Result<Vec<u8>, Error> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
    };
    if !is_name(&target.method) {
        return Err(Error::Load(format!("bad method {:?}", target.method)));
    }
    let has = |name: &str| {
        let mut names = target.headers.iter().map(|(name, _)| name);
        names.any(|other| other.eq_ignore_ascii_case(name))
    };
    let mut head = format!("{} {} HTTP/1.1\r\n", target.method, url.path);
    let mut header = |name: &str, value: &str| {
        head.push_str(&format!("{name}: {value}\r\n"));
    };
    if !has("host") {
        header("Host", &url.authority);
    }
    if !keep_alive && !has("connection") {
        header("Connection", "close");
    }
    let takes_body = matches!(&*target.method, "POST" | "PUT" | "PATCH");
    if (takes_body || !target.body.is_empty()) && !has("content-length") {
        header("Content-Length", &target.body.len().to_string());
    }
    for (name, value) in &target.headers {
        // A line break in a value would begin another request.
        if !is_name(name) || value.contains(['\r', '\n']) {
            return Err(Error::Load(format!("bad header {name:?}")));
        }
        header(name, value);
    }
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&target.body);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn spelled(target: &Target, keep_alive: bool) -> String {
        let url = Url::parse(&target.url).unwrap();
        let bytes = spell(target, &url, keep_alive).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_request_says_that_its_connection_ends_with_it() {
        let target = Target::get("http://a:81/b?c");
        assert_eq!(
            spelled(&target, false),
            "GET /b?c HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            spelled(&target, true),
            "GET /b?c HTTP/1.1\r\nHost: a:81\r\n\r\n"
        );
    }

    #[test]
    fn a_header_of_ones_own_replaces_ours() {
        let mut target = Target::get("http://a/");
        target.method = "POST".into();
        target.body = b"xyz".into();
        target.headers = vec![("host".into(), "b".into())];
        assert_eq!(
            spelled(&target, true),
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nhost: b\r\n\r\nxyz"
        );
    }

    #[test]
    fn a_header_cannot_smuggle_another_request() {
        let mut target = Target::get("http://a/");
        let url = Url::parse(&target.url).unwrap();
        for (name, value) in [("a", "b\r\nc: d"), ("a b", "c"), ("", "c")] {
            target.headers = vec![(name.into(), value.into())];
            assert!(spell(&target, &url, true).is_err(), "{name:?}");
        }
    }
}
