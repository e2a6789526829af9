//! What the machine allows, and what it takes to stay within it.
//!
//! A connection is a file of both its processes, and a local port towards
//! its address. Where calls do not share connections, thousands of requests
//! need tens of thousands: of those, a process has room for some, and an
//! address for some.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use crate::bound::Shape;
use crate::catalogue::{Deployment, cores};
use crate::procfs;
use crate::site::Site;

/// Nobody sees to it that the workers of a server get equal shares of its
/// connections, and each has other files too.
const USABLE: f64 = 0.75;

/// What the machine allows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Limits {
    pub(super) cores: usize,
    pub(super) memory_bytes: Option<u64>,
    /// That a process may open.
    pub(super) files: u64,
    /// Of local ports towards one address.
    pub(super) ports: u64,
}

/// How a deployment and its backend are laid out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fit {
    /// Workers of the app.
    pub(super) processes: usize,
    /// Whether its calls share connections.
    pub(super) http2: bool,
    /// A backend listens on each, with the catalogue's number of workers.
    pub(super) backends: Vec<SocketAddr>,
}

impl Limits {
    /// Allows this process, and those that it starts, as many files as it
    /// may have.
    pub(super) fn raise() -> Result<Self> {
        let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)
            .context("cannot read the limit on open files")?;
        setrlimit(Resource::RLIMIT_NOFILE, files, files)
            .context("cannot raise the limit on open files")?;
        Ok(Self {
            cores: cores(),
            memory_bytes: procfs::memory_of_machine(),
            files,
            ports: ports()?,
        })
    }

    pub(super) fn fit(
        &self,
        site: &Site,
        deployment: &Deployment,
        in_flight: usize,
    ) -> Result<Fit> {
        let http2 = deployment.app == "app-async";
        let shape = Shape::of(&site.catalogue, deployment);
        let calls = match http2 {
            true => 0,
            false => in_flight as u64 * shape.open_calls,
        };
        let usable = |limit: u64| ((limit as f64 * USABLE) as u64).max(1);
        let files = usable(self.files);
        let of_hammer = in_flight as u64;
        ensure!(
            of_hammer <= files && of_hammer <= usable(self.ports),
            "{in_flight} in flight is more than one process here has files \
             ({}) or one address ports ({}) for",
            self.files,
            self.ports,
        );
        let of_app = in_flight as u64 + calls;
        let processes = deployment.processes.count() as u64;
        let processes = processes.max(of_app.div_ceil(files));
        let workers = site.catalogue.backend.processes as u64;
        let backends = calls
            .div_ceil(usable(self.ports))
            .max(calls.div_ceil(files * workers))
            .max(1);
        let port = site.ports.of(site.catalogue.backend.port)?;
        let backends = (1..=backends).map(|nth| {
            let last = u8::try_from(nth).context("too many backends")?;
            let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
            Ok(SocketAddr::new(address, port))
        });
        Ok(Fit {
            processes: processes as usize,
            http2,
            backends: backends.collect::<Result<_>>()?,
        })
    }
}

fn ports() -> Result<u64> {
    let file = "/proc/sys/net/ipv4/ip_local_port_range";
    let read = || {
        let text = fs::read_to_string(file)?;
        let ends = text.split_ascii_whitespace().map(str::parse::<u64>);
        let ends = ends.collect::<Result<Vec<_>, _>>()?;
        let [first, last] = ends[..] else {
            anyhow::bail!("two numbers were expected");
        };
        Ok((last + 1).saturating_sub(first))
    };
    read().with_context(|| format!("cannot read {file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(name: &str, in_flight: usize) -> Result<Fit> {
        let site = Site::find(15_000).unwrap();
        let names = [name.to_owned()];
        let deployment = site.catalogue.select(&names).unwrap()[0];
        let limits = Limits {
            cores: 2,
            memory_bytes: None,
            files: 20_000,
            ports: 28_000,
        };
        limits.fit(&site, deployment, in_flight)
    }

    #[test]
    fn who_shares_connections_needs_no_more_processes() {
        let fit = fit("native", 10_000).unwrap();
        assert_eq!((fit.processes, fit.backends.len()), (cores(), 1));
    }

    #[test]
    fn who_cannot_share_them_gets_room_for_each() {
        // 4 connections each, and that of the request.
        let some = fit("coroutine", 5000).unwrap();
        assert_eq!((some.processes, some.backends.len()), (2, 1));
        let many = fit("coroutine", 10_000).unwrap();
        assert_eq!((many.processes, many.backends.len()), (4, 2));
        let ports = many.backends.iter().map(SocketAddr::port);
        assert_eq!(ports.collect::<Vec<_>>(), [17_001; 2]);
        assert_ne!(many.backends[0], many.backends[1]);
    }

    #[test]
    fn more_than_the_hammer_has_files_for_is_refused() {
        let error = fit("native", 16_000).unwrap_err().to_string();
        assert!(error.contains("16000 in flight"), "{error}");
    }
}
