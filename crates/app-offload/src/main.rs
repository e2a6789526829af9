//! Calls on an event loop beside a blocking server: what old code can have.
//!
//! Slides: "Offloading in a separate loop thread". Deployment: offload
//! (:5300) is two processes, which take one request at a time; each has a
//! thread with an event loop that its calls run on, while the request does
//! something else.
//!
//! Read next: reactor.rs, where the event loop is; and the harness's lib.rs,
//! which lists what all five stand on.

mod reactor;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use harness::client::asynchronous::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};

use crate::reactor::{Offloaded, Reactor};

/// Deployment keys that this app understands, and some others do not.
const OWN_KEYS: &[&str] = &["threads", "heavy", "client", "http2"];

fn main() -> ExitCode {
    harness::run("app-offload", OWN_KEYS, serve)
}

/// A worker serves with its threads, and with an event loop for their calls.
fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, deployment.threads * plan.calls_at_once())?;
    let reactor = Reactor::start(client)?;
    worker.serve(deployment, || application(&reactor, plan))
}

/// One request: its calls, all at once on the reactor's thread.
fn application(
    reactor: &Reactor,
    plan: &'static Plan,
) -> Result<String, CallError> {
    let start = Instant::now();
    for (nth, step) in plan.steps().enumerate() {
        let calls = step.iter().map(|call| long_network_call(reactor, call));
        let calls: Vec<_> = calls.collect();
        if nth == 0 {
            // What this model is for: its own work while its calls run. The
            // slide's heavy work is a sleep.
            thread::sleep(plan.heavy());
            plan.work();
        }
        let answers = reactor::results(calls);
        answers.into_iter().collect::<Result<(), _>>()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This call lasted {seconds:.3} seconds with offloaded asynchronous \
         calls.\n"
    ))
}

/// One call, which goes on without its thread until the backend has answered.
fn long_network_call(
    reactor: &Reactor,
    call: &'static Call,
) -> Offloaded<Result<(), CallError>> {
    reactor.submit(async |client: Client| {
        call.start();
        let answer = client.get(call.uri());
        call.end(answer.await)
    })
}
