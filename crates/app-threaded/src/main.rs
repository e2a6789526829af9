//! One call after the other, under threads: the model of most web servers.
//!
//! Slides: "Simple Synchronous App" and its configs. Deployments: thread
//! (:5002) is one process of four threads, mix (:5003) two of two. A thread
//! has one request in hand, and that request one call.
//!
//! Read next: executor.rs, whose calls run on a pool of threads; and
//! app-async, which needs no thread for each call.

mod executor;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use harness::client::blocking::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};

/// Deployment keys that this app understands, and some others do not.
const OWN_KEYS: &[&str] = &["threads", "pool_per_core"];

fn main() -> ExitCode {
    harness::run("app-threaded", OWN_KEYS, serve)
}

/// A worker serves one request at a time with each of its threads.
fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    if let Some(per_core) = deployment.pool_per_core {
        return executor::serve(worker, deployment, plan, per_core);
    }
    let client = Client::new(plan, deployment.threads);
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
