//! The backend and every deployment at once, to play with.

use std::io::{self, BufRead, BufReader, Write};
use std::thread::Builder;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;

use crate::backend::Backend;
use crate::deploy::{Log, Server};
use crate::interrupt::{Interrupt, Stopped};
use crate::measure::client;
use crate::options::RunAll;
use crate::print::say;
use crate::site::Site;
use crate::table;

/// How often to look whether all still run.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs all until the user wants to stop.
pub(crate) fn run_all(site: &Site, options: &RunAll) -> Result<()> {
    let deployments = site.catalogue.select(&options.names)?;
    site.build_servers()?;

    let interrupt = Interrupt::block()?;
    let width = deployments.iter().map(|d| d.name.len()).max();
    let width = width.unwrap_or(0).max("slow-backend".len());
    let backend =
        Backend::start(site, prefixed("slow-backend", width)?, &interrupt)?;
    let mut servers = Vec::new();
    let mut rows = Vec::new();
    for deployment in deployments {
        let log = prefixed(&deployment.name, width)?;
        let server = site.deploy(deployment, &backend, &[], log, &interrupt)?;
        let port = site.ports.of(deployment.port)?;
        answers(port).with_context(|| deployment.name.clone())?;
        servers.push(server);
        rows.push((deployment, port));
    }
    say!("{}", table::deployments(&rows));
    say!("\nCtrl-C stops them all. Their logs:");
    // Last, so that it is stopped last: the others still need it for what
    // they have in hand.
    servers.extend(backend.server);
    let end = watch(&mut servers, &interrupt);
    stop(servers, end)
}

/// Stops all servers, the backend last, which stands last; fails where `end`
/// was not what the user wanted, or a stop did not go well.
pub(crate) fn stop(mut servers: Vec<Server>, end: Result<()>) -> Result<()> {
    let apps = servers.len() - 1;
    servers[..apps].iter_mut().for_each(Server::ask_to_stop);
    let stopped = servers.into_iter().map(Server::stop);
    let stopped = stopped.fold(Ok(()), Result::and);
    match end {
        Err(end) if !end.is::<Stopped>() => Err(end),
        _ => stopped,
    }
}

pub(crate) fn watch(
    servers: &mut [Server],
    interrupt: &Interrupt,
) -> Result<()> {
    loop {
        interrupt.wait(LOOK_AGAIN)?;
        for server in &mut *servers {
            if let Some(status) = server.ended()? {
                bail!(server.obituary(status));
            }
        }
    }
}

/// Asks for a page that no app has, which it refuses without any call.
fn answers(port: u16) -> Result<()> {
    let agent = client(Duration::from_secs(5)).http_status_as_error(false);
    let agent: Agent = agent.build().into();
    let url = format!("http://127.0.0.1:{port}/nothing-here");
    let answer = agent.get(url).call().context("it does not answer")?;
    if answer.status() != 404 {
        bail!("it answers {} where 404 is due", answer.status());
    }
    Ok(())
}

/// A log whose lines are shown after the name of who wrote them.
fn prefixed(name: &str, width: usize) -> Result<Log> {
    let (reader, writer) =
        io::pipe().context("cannot make a pipe for a log")?;
    let name = format!("{name:width$} | ");
    // It ends with the last process that holds the pipe.
    let shown = Builder::new().spawn(move || {
        for line in BufReader::new(reader).split(b'\n') {
            let Ok(line) = line else { return };
            let line = [name.as_bytes(), &line, b"\n"].concat();
            if io::stdout().write_all(&line).is_err() {
                return;
            }
        }
    });
    shown.context("cannot start a thread for a log")?;
    Ok(Log::Pipe(writer))
}
