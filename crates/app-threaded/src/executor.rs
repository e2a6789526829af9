//! The calls of a request at once, on a pool of threads.
//!
//! Slide: "ThreadPool Executor", which quotes a pool's default of five threads
//! per processor, since its work is to wait. Deployment: executor (:5400).

use std::time::Instant;

use anyhow::{Context, Result};
use harness::client::blocking::Client;
use harness::deployment::{self, Deployment};
use harness::{CallError, Plan, Worker};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::long_network_call;

/// A worker serves with its threads, and with a pool for their calls.
pub(crate) fn serve(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
    threads_per_core: usize,
) -> Result<()> {
    let threads = threads_per_core * deployment::cores();
    let number = worker.number;
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |thread| format!("worker-{number}-pool-{thread}"))
        .build()
        .context("cannot start the pool's threads")?;
    let client = Client::new(plan, threads);
    worker.serve(deployment, || application(&pool, &client, plan))
}

/// One request: its calls, each on a thread of the pool.
fn application(
    pool: &ThreadPool,
    client: &Client,
    plan: &Plan,
) -> Result<String, CallError> {
    let start = Instant::now();
    plan.work();
    for step in plan.steps() {
        let mut answers: Vec<_> = step.iter().map(|_| Ok(())).collect();
        pool.in_place_scope(|jobs| {
            for (call, answer) in step.iter().zip(&mut answers) {
                jobs.spawn(move |_| *answer = long_network_call(client, call));
            }
        });
        answers.into_iter().collect::<Result<(), _>>()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "This call lasted {seconds:.3} seconds with synchronous calls on a \
         pool.\n"
    ))
}
