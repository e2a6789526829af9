//! Calls joined on an event loop: a thread waits for all of them at once.
//!
//! Slides: "Simple Asynchronous App" and its performance and caveats.
//! Deployments: async (:5100) is two processes, which take one request at a
//! time, as under WSGI; async-threads (:5101) is two of two threads, each
//! with an event loop of its own; native (:5110) is one process per core
//! and no limit, as a Rust team would deploy it.
//!
//! Read next: accept.rs, where the event loops are; and app-coroutine, which
//! joins calls that look as if they blocked.

mod accept;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use futures_util::future::join_all;
use harness::client::asynchronous::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};

/// Deployment keys that this app understands, and some others do not.
const OWN_KEYS: &[&str] = &["threads", "in_flight", "client", "http2"];

fn main() -> ExitCode {
    harness::run("app-async", OWN_KEYS, serve)
}

/// A worker serves with an event loop in each of its threads.
fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    accept::serve(worker, deployment, |requests| {
        let client = Client::new(plan, requests * plan.calls_at_once())?;
        Ok(move || application(client.clone(), plan))
    })
}

/// One request: its calls, all at once on this thread.
async fn application(
    client: Client,
    plan: &'static Plan,
) -> Result<String, CallError> {
    let start = Instant::now();
    plan.work();
    for step in plan.steps() {
        let calls = step.iter().map(|call| long_network_call(&client, call));
        let answers = join_all(calls).await;
        answers.into_iter().collect::<Result<(), _>>()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This lasted {seconds:.3} seconds with async calls using tokio.\n"
    ))
}

/// One call, which lets its thread go on until the backend has answered.
async fn long_network_call(
    client: &Client,
    call: &Call,
) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer.await)
}
