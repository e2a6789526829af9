//! One deployment in the foreground, with a backend.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::backend::Backend;
use crate::deploy::Log;
use crate::interrupt::{Interrupt, Stopped};
use crate::options::Run;
use crate::print::note;
use crate::site::Site;

/// How often to look whether it still runs.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs one deployment until the user wants to stop.
pub(crate) fn run(site: &Site, options: &Run) -> Result<()> {
    let deployment = site.catalogue.deployment(&options.name)?;
    site.build_servers()?;

    let interrupt = Interrupt::block()?;
    let backend = backend(site, options, &interrupt)?;
    let further = &options.options;
    let log = Log::Shared;
    let mut server =
        site.deploy(deployment, &backend, further, log, &interrupt)?;
    let port = site.ports.of(deployment.port)?;
    note!("talk: {} is at :{port}; Ctrl-C stops it", server.name());
    let end = loop {
        if let Err(end) = interrupt.wait(LOOK_AGAIN) {
            break end;
        }
        if let Some(status) = server.ended()? {
            bail!(server.obituary(status));
        }
    };
    server.stop()?;
    if let Some(server) = backend.server {
        server.stop()?;
    }
    if end.is::<Stopped>() {
        Ok(())
    } else {
        Err(end)
    }
}

/// The backend that is named, or one that runs already, as it does beside
/// another `run`, or else one of our own.
fn backend(
    site: &Site,
    options: &Run,
    interrupt: &Interrupt,
) -> Result<Backend> {
    if let Some(address) = &options.backend {
        return Backend::that_runs(address);
    }
    let port = site.ports.of(site.catalogue.backend.port)?;
    if TcpStream::connect(("127.0.0.1", port)).is_ok() {
        note!("talk: the backend at :{port} runs already");
        return Backend::that_runs(&format!("127.0.0.1:{port}"));
    }
    Backend::start(site, Log::Shared, interrupt)
}
