//! One call after the other: the model that needs no explanation.
//!
//! Slides: "Simple Synchronous App" and its configs. Deployments: basic
//! (:5000) is one process, process (:5001) is four. A worker has one
//! request in hand, and that request one call.
//!
//! A `Plan` is what each request has to do: its calls, in steps, one after
//! the other; the slides' requests have one step, of four calls. `work` is
//! computing of a workload's own; the slides have none.
//!
//! Read next: app-threaded, the same calls under threads.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker, client};
use ureq::Agent;

/// Keys of a deployment file that not every app has a use for.
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
    let agent = client::agent(plan, 1);
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
