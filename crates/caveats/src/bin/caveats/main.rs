//! The caveats of threads, of processes and of tokio, each a program that
//! goes wrong beside one that does not: `caveats no-reactor wrong`.
//!
//! Read next: no_reactor.rs, and then the others in the order below, which
//! is that of docs/caveats.md.

mod no_reactor;

mod dns;
mod private_names;
mod slow_names;

mod fork_after_threads;

mod blocking_the_loop;

mod pool_exhaustion;

mod keep_alive_hoarding;

use std::process::ExitCode;

use anyhow::Result;
use caveats::Server;
use clap::Parser;

const NAME: &str = "caveats";

/// Programs that go wrong, each beside its cure.
#[derive(Debug, Parser)]
#[command(version, bin_name = NAME)]
enum Caveat {
    /// Calls on a runtime that only one of the threads has
    NoReactor(Server),
    /// Calls by name, and what looks the name up
    Dns(dns::Options),
    /// Runs a program where names are looked up at a slow server of ours
    PrivateNames(private_names::Options),
    /// A name server that takes its time
    SlowNames(slow_names::Options),
    /// A reactor started before the fork, or after it
    ForkAfterThreads(fork_after_threads::Options),
    /// A blocking call on an event loop
    BlockingTheLoop(Server),
    /// Jobs that wait for jobs of their own pool
    PoolExhaustion(pool_exhaustion::Options),
    /// Workers that accept all that comes
    KeepAliveHoarding(Server),
}

fn main() -> ExitCode {
    match Caveat::try_parse() {
        Ok(caveat) => harness::report(NAME, run(caveat)),
        Err(error) => harness::usage(NAME, &error),
    }
}

fn run(caveat: Caveat) -> Result<()> {
    match caveat {
        Caveat::NoReactor(server) => {
            server.run(NAME, &["threads"], no_reactor::wrong, no_reactor::right)
        }
        Caveat::Dns(options) => dns::run(&options),
        Caveat::PrivateNames(options) => private_names::run(&options),
        Caveat::SlowNames(options) => slow_names::run(&options),
        Caveat::ForkAfterThreads(options) => fork_after_threads::run(options),
        Caveat::BlockingTheLoop(server) => server.run(
            NAME,
            &[],
            blocking_the_loop::wrong,
            blocking_the_loop::right,
        ),
        Caveat::PoolExhaustion(options) => pool_exhaustion::run(options),
        Caveat::KeepAliveHoarding(server) => server.run(
            NAME,
            &[],
            keep_alive_hoarding::wrong,
            keep_alive_hoarding::right,
        ),
    }
}
