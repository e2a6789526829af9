//! Servers that do what the apps do, and nothing else: no deployment, no
//! master, no routes, no log, no account of what is in hand, and no limit
//! of time but what the clients have. What an app costs beyond them is what
//! the rest of it costs.

mod blocking;
mod hyper;

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use nix::sys::prctl;
use nix::sys::signal::Signal;

/// What a bare server is told: which, how many threads (of the blocking
/// one), the backend; and then as an app is, `--http :PORT`.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [which, threads, backend, _, port, ..] = arguments else {
        bail!("a bare server is started by the bench");
    };
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    let backend: SocketAddr = backend.parse()?;
    let port: u16 = port.trim_start_matches(':').parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .context("the bare server's port is taken")?;
    match &**which {
        "hyper" => hyper::serve(listener, backend),
        "blocking" => blocking::serve(&listener, backend, threads.parse()?),
        other => bail!("no bare server is called {other}"),
    }
}

/// Four calls that take no time, as the apps are told to make them.
const CALLS: usize = 4;

fn url(backend: SocketAddr) -> String {
    format!("http://{backend}/?duration=0")
}
