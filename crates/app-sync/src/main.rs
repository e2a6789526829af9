//! One call after the other: the model that needs no explanation.
//!
//! Slides: "Simple Synchronous App" and its configs. Deployments: basic
//! (:5000) is one process, process (:5001) is four. A worker has one
//! request in hand, and that request one call.
//!
//! A `Plan` is what each request has to do: its calls, in steps, one after
//! the other; the slides' requests have one step, of four calls. `work` is
//! processor time that a workload may ask for; the slides ask for none.
//!
//! Read next: app-threaded, the same calls under threads.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use harness::client::blocking::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};

/// Deployment keys that this app understands, and some others do not.
const OWN_KEYS: &[&str] = &[];

fn main() -> ExitCode {
    harness::run("app-sync", OWN_KEYS, serve)
}

/// A worker serves one request at a time.
fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    worker.serve(deployment, || application(&client, plan))
}

/// One request: its calls, one after the other.
fn application(client: &Client, plan: &Plan) -> Result<String, CallError> {
    let start = Instant::now();
    plan.work();
    for step in plan.steps() {
        for call in step {
            long_network_call(client, call)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This call lasted {seconds:.3} seconds with synchronous calls.\n"
    ))
}

/// One call, which holds its thread until the backend has answered.
fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}
