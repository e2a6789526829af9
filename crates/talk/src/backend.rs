//! The delay backend: one of our own, or one that runs already; and what it
//! tells of its callers.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::masters;
use crate::measure::client;
use crate::site::Site;

/// How long the backend may take to tell.
const PATIENCE: Duration = Duration::from_secs(5);

/// The delay backend.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    agent: Agent,
    /// Ours to stop, where we started it.
    pub(crate) server: Option<Server>,
}

/// What the backend counted since it was last reset.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Stats {
    /// Calls that it served.
    pub(crate) calls: u64,
    /// The most that waited at once.
    pub(crate) peak: u64,
}

impl Backend {
    /// Starts one.
    pub(crate) fn start(
        site: &Site,
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        Self::start_with(site, &[], log, interrupt)
    }

    /// Starts one with options of its own.
    pub(crate) fn start_with(
        site: &Site,
        further: &[&str],
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let port = site.ports.of(site.catalogue.backend.port)?;
        let server = serve(site, port, further, log, interrupt).context(
            "cannot start the backend (--backend takes one that runs, \
                 --port-base moves all ports)",
        )?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self::at(address, Some(server)))
    }

    /// Starts one on a free port, beside those that run already.
    pub(crate) fn start_beside(
        site: &Site,
        further: &[&str],
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let server = serve(site, 0, further, log, interrupt)
            .context("cannot start a backend")?;
        let status = masters::ask_one(server.pid())?;
        let address = status.http.context("the backend listens nowhere")?;
        Ok(Self::at(address, Some(server)))
    }

    /// Takes the one that runs at `address`.
    pub(crate) fn that_runs(address: &str) -> Result<Self> {
        let mut addresses = address
            .to_socket_addrs()
            .with_context(|| format!("bad --backend {address:?}"))?;
        let resolved = addresses
            .find(SocketAddr::is_ipv4)
            .with_context(|| format!("no IPv4 address of {address}"))?;
        let backend = Self::at(resolved, None);
        match backend.stats() {
            Ok(_) => Ok(backend),
            Err(error) => bail!(
                "no backend at {address} ({}); start one with: \
                 just slow-backend",
                error.root_cause()
            ),
        }
    }

    fn at(address: SocketAddr, server: Option<Server>) -> Self {
        Self {
            address,
            agent: client(PATIENCE).build().into(),
            server,
        }
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        self.tell()
    }

    /// How many calls wait now.
    pub(crate) fn waiting(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Now {
            waiting: u64,
        }
        let now: Now = self.tell()?;
        Ok(now.waiting)
    }

    fn tell<T: DeserializeOwned>(&self) -> Result<T> {
        let url = format!("http://{}/stats", self.address);
        let answer = self.agent.get(url).call();
        let text =
            answer.and_then(|answer| answer.into_body().read_to_string());
        let text = text.context("the backend does not tell what it served")?;
        serde_json::from_str(&text)
            .context("what the backend tells is not understood")
    }

    pub(crate) fn reset(&self) -> Result<()> {
        let url = format!("http://{}/stats/reset", self.address);
        let answer = self.agent.post(url).send_empty();
        answer.context("the backend does not start counting afresh")?;
        Ok(())
    }
}

fn serve(
    site: &Site,
    port: u16,
    further: &[&str],
    log: Log,
    interrupt: &Interrupt,
) -> Result<Server> {
    let processes = site.catalogue.backend.processes;
    let mut arguments = vec![
        format!("--http=:{port}"),
        format!("--processes={processes}"),
    ];
    arguments.extend(further.iter().copied().map(str::to_owned));
    let program = site.program("slow-backend");
    Server::start("slow-backend", &program, &arguments, log, interrupt)
}
