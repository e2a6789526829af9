//! Calls that block their coroutine, and nothing else: app-sync's client
//! and its `long_network_call`, on sockets that yield.
//!
//! Slides: "Gevent App". Deployments: coroutine (:5200) is two processes of
//! fifty coroutines on may_minihttp; coroutine-sockets (:5201) is the same
//! on the harness's HTTP code, which app-sync is served by.
//!
//! Read next: sockets.rs, which is gevent's monkey-patching made explicit;
//! coroutines.rs and clients.rs, what runs the calls and makes them;
//! accept.rs and minihttp.rs, where requests come from; and app-offload,
//! whose server blocks and whose calls do not.

mod accept;
mod clients;
mod coroutines;
mod minihttp;
mod sockets;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use harness::client::blocking::Client;
use harness::deployment::{Deployment, Server};
use harness::{Call, CallError, Plan, Worker};

use crate::clients::Clients;

/// Deployment keys that this app understands, and some others do not.
const OWN_KEYS: &[&str] = &["coroutines", "server"];

fn main() -> ExitCode {
    harness::run("app-coroutine", OWN_KEYS, serve)
}

/// A worker serves with its coroutines, all of them on one thread.
fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    coroutines::use_one_thread(&worker, deployment.coroutines, plan);
    let clients = Clients::new(plan);
    let application = move || clients.with(|client| application(client, plan));
    match deployment.server {
        Server::Harness => accept::serve(worker, deployment, application),
        Server::MayMinihttp => minihttp::serve(worker, deployment, application),
    }
}

/// One request: its calls, each in a coroutine.
fn application(
    client: &Client,
    plan: &'static Plan,
) -> Result<String, CallError> {
    let start = Instant::now();
    plan.work();
    for step in plan.steps() {
        let calls = step.iter().map(|call| {
            let client = client.clone();
            coroutines::spawn(move || long_network_call(&client, call))
        });
        let calls: Vec<_> = calls.collect();
        let answers: Vec<_> = calls.into_iter().map(coroutines::join).collect();
        answers.into_iter().collect::<Result<(), _>>()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This lasted {seconds:.3} seconds with async calls using may.\n"
    ))
}

/// One call, which holds its coroutine until the backend has answered.
fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}
