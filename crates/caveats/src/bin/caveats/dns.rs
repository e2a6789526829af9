//! Calls to a host by its name, and what looks the name up: as each client
//! comes, and as it costs nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use caveats::calls::{Calls, Meanwhile};
use caveats::die_with_parent;
use clap::{Args, ValueEnum};
use futures_util::future::try_join_all;
use harness::client::blocking::Literal;
use hickory_resolver::TokioResolver;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder};
use tokio::runtime::Builder;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::transport::TcpConnector;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Who calls, and what looks the name up
    caller: Caller,
    #[command(flatten)]
    calls: Calls,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Caller {
    /// Threads with ureq as it comes
    UreqWrong,
    /// Threads with ureq, and the name looked up once
    UreqRight,
    /// An event loop with reqwest as it comes
    ReqwestWrong,
    /// An event loop with reqwest, and the name looked up once
    ReqwestRight,
    /// An event loop with reqwest and a resolver that lives on it
    ReqwestHickory,
}

/// A look-up here may take long on purpose.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(options: &Options) -> Result<()> {
    die_with_parent()?;
    let calls = &options.calls;
    match options.caller {
        Caller::UreqWrong => on_threads(calls, &ureq_wrong()),
        Caller::UreqRight => on_threads(calls, &ureq_right(calls.look_up()?)),
        Caller::ReqwestWrong => on_a_loop(calls, reqwest_wrong),
        Caller::ReqwestRight => on_a_loop(calls, reqwest_right),
        Caller::ReqwestHickory => on_a_loop(calls, reqwest_hickory),
    }
}

fn ureq_wrong() -> Agent {
    // WRONG: with a limit of time, ureq's own resolver starts a thread for
    // each look-up, since getaddrinfo(3) cannot be told to give up.
    Agent::new_with_config(settings())
}

fn ureq_right(address: SocketAddr) -> Agent {
    // RIGHT: the name was looked up before there was any call to make.
    let (connector, resolver) = (TcpConnector::default(), Literal(address));
    Agent::with_parts(settings(), connector, resolver)
}

fn reqwest_wrong(_: &Calls) -> Result<ClientBuilder> {
    // WRONG: reqwest's own resolver calls getaddrinfo(3) on the runtime's
    // pool for what blocks: a thread for each look-up under way.
    Ok(Client::builder())
}

fn reqwest_right(calls: &Calls) -> Result<ClientBuilder> {
    // RIGHT: the name was looked up before there was any call to make.
    Ok(Client::builder().resolve(&calls.name, calls.look_up()?))
}

fn reqwest_hickory(_: &Calls) -> Result<ClientBuilder> {
    // RIGHT: a resolver that waits as all else does on the loop.
    let resolver = TokioResolver::builder_tokio()?.build()?;
    Ok(Client::builder().dns_resolver(Arc::new(Hickory(resolver))))
}

struct Hickory(TokioResolver);

impl Resolve for Hickory {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = resolver.lookup_ip(name.as_str()).await?;
            let addresses = found.iter().map(|ip| SocketAddr::new(ip, 0));
            let addresses: Vec<_> = addresses.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A thread for each call by name; this one makes the calls beside them.
fn on_threads(calls: &Calls, agent: &Agent) -> Result<()> {
    let plain = ureq_right(calls.other());
    let (url, other_url) = (calls.url(), calls.other_url());
    let get = |agent: &Agent, url: &str| agent.get(url).call().map(drop);
    let meanwhile = Meanwhile::begin();
    thread::scope(|scope| {
        let call = || (0..calls.rounds).try_for_each(|_| get(agent, &url));
        let callers: Vec<_> =
            (0..calls.at_once).map(|_| scope.spawn(call)).collect();
        while !callers.iter().all(|caller| caller.is_finished()) {
            get(&plain, &other_url)?;
            meanwhile.answered();
        }
        for caller in callers {
            match caller.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a thread panicked"),
            }
        }
        meanwhile.tell();
        Ok(())
    })
}

/// All calls on one event loop.
fn on_a_loop(
    calls: &Calls,
    client: fn(&Calls) -> Result<ClientBuilder>,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let settled = |client: ClientBuilder| {
            let client = client.timeout(PATIENCE).no_proxy();
            // Who keeps a connection looks nothing up.
            client.pool_max_idle_per_host(0).build()
        };
        let named = settled(client(calls)?)?;
        let plain = settled(Client::builder())?;
        let (url, other_url) = (calls.url(), calls.other_url());
        let meanwhile = Meanwhile::begin();
        let callers = try_join_all((0..calls.at_once).map(async |_| {
            for _ in 0..calls.rounds {
                get(&named, &url).await?;
            }
            anyhow::Ok(())
        }));
        let beside = call_beside(&plain, &other_url, &meanwhile);
        tokio::select! {
            outcome = callers => drop(outcome?),
            outcome = beside => outcome?,
        }
        meanwhile.tell();
        Ok(())
    })
}

/// One call after the other, for as long as it is polled.
async fn call_beside(
    client: &Client,
    url: &str,
    meanwhile: &Meanwhile,
) -> Result<()> {
    loop {
        get(client, url).await?;
        meanwhile.answered();
    }
}

async fn get(client: &Client, url: &str) -> Result<()> {
    let answer = client.get(url).send().await?;
    answer.error_for_status()?.bytes().await?;
    Ok(())
}

fn settings() -> Config {
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // Who keeps a connection looks nothing up.
        .max_idle_connections(0)
        .proxy(None)
        .build()
}
