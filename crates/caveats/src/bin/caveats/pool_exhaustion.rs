//! A pool that waits for itself: its jobs start jobs on the same pool, and
//! hold their threads until those are done.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::Result;
use caveats::{Which, die_with_parent};
use clap::Args;
use harness::client::blocking::Client;
use harness::deployment::{Deployment, Keys};
use harness::{Call, CallError, Plan, log};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The program that goes wrong, or its cure
    which: Which,
    #[command(flatten)]
    keys: Keys,
}

/// Threads of the pool, and requests in hand.
const THREADS: usize = 2;

/// A request whose calls wait for a thread, while it holds one itself.
fn wrong(pool: &ThreadPool, client: &Client, plan: &'static Plan) -> bool {
    let (done, is_done) = mpsc::channel();
    for call in plan.calls() {
        let (done, client) = (done.clone(), client.clone());
        pool.spawn(move || {
            done.send(long_network_call(&client, call)).ok();
        });
    }
    // WRONG: every thread of the pool waits here, and none is left to make
    // the calls that they wait for.
    let deadline = Instant::now() + plan.timeout();
    let answers = plan.calls().iter().map(|_| {
        let left = deadline.saturating_duration_since(Instant::now());
        is_done.recv_timeout(left)
    });
    answers
        .into_iter()
        .all(|answer| matches!(answer, Ok(Ok(()))))
}

/// A request that makes calls itself while it waits for them.
fn right(pool: &ThreadPool, client: &Client, plan: &'static Plan) -> bool {
    let failures = AtomicUsize::new(0);
    // RIGHT: a scope of the pool waits by working: this thread takes up the
    // jobs that it waits for.
    pool.in_place_scope(|jobs| {
        for call in plan.calls() {
            jobs.spawn(|_| {
                let failed = long_network_call(client, call).is_err();
                failures.fetch_add(failed.into(), Ordering::Relaxed);
            });
        }
    });
    failures.into_inner() == 0
}

/// As many requests at once as the pool has threads, all of them its jobs.
pub(crate) fn run(options: Options) -> Result<()> {
    die_with_parent()?;
    log::start(true);
    let deployment = Deployment::load(crate::NAME, &[], None, options.keys)?;
    let plan: &Plan = Box::leak(Box::new(Plan::new(&deployment)?));
    let request = match options.which {
        Which::Wrong => wrong,
        Which::Right => right,
    };
    let pool = ThreadPoolBuilder::new().num_threads(THREADS).build()?;
    let client = Client::new(plan, THREADS);
    let answered = AtomicUsize::new(0);
    let start = Instant::now();
    // A thread that came late would find a call to make instead.
    let all_are_in_hand = Barrier::new(THREADS);
    pool.in_place_scope(|requests| {
        for _ in 0..THREADS {
            requests.spawn(|_| {
                all_are_in_hand.wait();
                let success = request(&pool, &client, plan);
                answered.fetch_add(success.into(), Ordering::Relaxed);
            });
        }
    });
    let told = json!({
        "requests": THREADS,
        "answered": answered.into_inner(),
        "seconds": start.elapsed().as_secs_f64(),
    });
    println!("{told}");
    Ok(())
}

fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}
