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
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker, client};
use ureq::Agent;

/// Keys of a deployment file that not every app has a use for.
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
    if let Some(threads) = deployment.pool_per_core {
        return executor::serve(worker, deployment, plan, threads);
    }
    let agent = client::agent(plan, deployment.threads);
    worker.serve(deployment, || application(&agent, plan))
}

/// One request: its calls, one after the other.
fn application(agent: &Agent, plan: &Plan) -> Result<String, CallError> {
    let start = Instant::now();
    plan.work();
    for step in plan.steps() {
        for call in step {
            long_network_call(agent, call)?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This call lasted {seconds:.3} seconds with synchronous calls.\n"
    ))
}

/// One call, which holds its thread until the backend has answered.
fn long_network_call(agent: &Agent, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = agent.get(call.uri()).call();
    call.end(answer.and_then(|answer| answer.into_body().read_to_vec()))
}
