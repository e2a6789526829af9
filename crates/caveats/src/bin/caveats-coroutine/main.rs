//! The caveats of coroutines, each a program that goes wrong beside one that
//! does not: `caveats-coroutine blocking-the-loop wrong`.
//!
//! They are apart from the others since may has no business in a process
//! with tokio or rayon.

mod blocking_the_loop;
mod dns;

use std::process::ExitCode;

use anyhow::Result;
use caveats::{Server, Which};
use clap::{Args, Parser};

const NAME: &str = "caveats-coroutine";

/// Programs that go wrong in coroutines, each beside its cure.
#[derive(Debug, Parser)]
#[command(version, bin_name = NAME)]
#[allow(clippy::large_enum_variant, reason = "it is made once")]
enum Caveat {
    /// Calls by name, whose look-up holds all coroutines
    Dns(Dns),
    /// A blocking call in a coroutine
    BlockingTheLoop(Server),
}

#[derive(Args, Debug)]
struct Dns {
    /// The program that goes wrong, or its cure
    which: Which,
    #[command(flatten)]
    calls: caveats::calls::Calls,
}

fn main() -> ExitCode {
    match Caveat::try_parse() {
        Ok(caveat) => harness::report(NAME, run(caveat)),
        Err(error) => harness::usage(NAME, &error),
    }
}

fn run(caveat: Caveat) -> Result<()> {
    match caveat {
        Caveat::Dns(Dns { which, calls }) => dns::run(which, calls),
        Caveat::BlockingTheLoop(server) => server.run(
            NAME,
            &[],
            blocking_the_loop::wrong,
            blocking_the_loop::right,
        ),
    }
}

/// All coroutines on one thread, which is an event loop of its own kind;
/// may adds one for timers.
fn use_one_thread() {
    /// Room for a call on ureq; may's own default is too small for it.
    const STACK_BYTES: usize = 256 << 10;
    let config = may::config();
    config.set_workers(1);
    config.set_worker_pin(false);
    config.set_stack_size(STACK_BYTES / size_of::<usize>());
}
