//! `talk serve`: every deployment at once, as `run-all` has it, and a page
//! on a loopback port that shows what they do while they do it.
//!
//! followed.rs follows what they record, live.rs hands it to all who look,
//! web.rs answers the browser, page.rs is what it shows; live.js draws it.

mod followed;
mod live;
mod page;
mod web;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};

use self::live::{Feed, Shown};
use crate::backend::Backend;
use crate::deploy::Log;
use crate::interrupt::Interrupt;
use crate::options::Serve;
use crate::print::say;
use crate::run_all;
use crate::site::Site;

/// The page's port, among the talk's.
const PORT: u16 = 5999;

/// Serves until the user wants to stop.
pub(crate) fn serve(site: &Site, options: &Serve) -> Result<()> {
    let deployments = site.catalogue.select(&options.names)?;
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let port = match options.page {
        Some(port) => port,
        None => site.ports.of(PORT)?,
    };
    // Before anything is started: whether there is room for the page.
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            match error.kind() {
                ErrorKind::AddrInUse => anyhow!(
                    "the page's port {port} is taken; --page takes another"
                ),
                _ => {
                    anyhow!("cannot listen on the page's port {port}: {error}")
                }
            }
        })?;
    let log = Log::File(site.log("slow-backend"));
    let backend = Backend::start(site, log, &interrupt)?;
    let mut servers = Vec::new();
    let mut shown = Vec::new();
    for deployment in deployments {
        let log = Log::File(site.log(&deployment.name));
        let traces = site.traces(&deployment.name)?;
        servers.push(
            site.deploy_traced(deployment, &backend, &traces, log, &interrupt)?,
        );
        let port = site.ports.of(deployment.port)?;
        shown.push(Shown::new(deployment, port, traces));
    }
    let feed = Arc::new(Feed::of(shown));
    let following = feed.clone();
    thread::spawn(move || following.follow());
    let address = listener.local_addr().context("the page has no address")?;
    let web = web::start(listener, feed.clone())?;
    say!("The page is at http://{address}/; Ctrl-C stops all.");
    // Last, so that it is stopped last: the others still need it for what
    // they have in hand.
    servers.extend(backend.server);
    let end = run_all::watch(&mut servers, &interrupt);
    feed.stop();
    drop(web);
    run_all::stop(servers, end)
}
