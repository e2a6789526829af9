//! A call that blocks where all others share the thread.

use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::backend::Backend;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::{Stage, get};

const LOOP: &str = "crates/caveats/src/bin/caveats/blocking_the_loop.rs";
const COROUTINE: &str =
    "crates/caveats/src/bin/caveats-coroutine/blocking_the_loop.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "blocking-the-loop",
    slide: "\"Event loop\", the figure of three timelines: the third has one \
            thread for all. Gevent's monkey.patch_all() is there so that no \
            call blocks it.",
    runs: "A server on an event loop, and one of coroutines. One request \
           makes a blocking call of ureq's; others, which need no call, \
           come meanwhile, one after the other.",
    code: &[
        (LOOP, "wrong"),
        (LOOP, "right"),
        (COROUTINE, "wrong"),
        (COROUTINE, "right"),
        ("crates/app-coroutine/src/sockets.rs", "YieldingConnector"),
    ],
    seconds: [5.0, 3.0],
    show,
};

/// Between one of the others and the next.
const PACE: Duration = Duration::from_millis(20);
/// Of the blocking call.
const HALF: f64 = 0.5;

/// What became of the others.
#[derive(Default)]
struct Others {
    /// Answered before the request that blocks was.
    before: u64,
    /// The longest that one of them took, in seconds.
    longest: f64,
}

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let blocked = stage.either(1.0, 0.5);
    let mut findings = Findings::default();
    for (program, whose, cure) in [
        ("caveats", "an event loop", "spawn_blocking"),
        ("caveats-coroutine", "coroutines", "a thread beside them"),
    ] {
        stage.say(&format!("a blocking call of {blocked} s on {whose}"));
        let wrong = others(stage, program, "wrong", &backend, blocked)?;
        let right = others(stage, program, "right", &backend, blocked)?;
        let what =
            format!("others of {whose} answered while the call took its time");
        let count = Value::Count;
        let figures = [
            // One may come in just before the call does.
            bad("the call as it is", count(wrong.before), Must::AtMost(1.0)),
            good(cure, count(right.before), Must::AtLeast(5.0)),
        ];
        findings.add(what, figures);
        let what = format!(
            "the longest of others of {whose}, beside a call of {blocked} s"
        );
        let (longest, half) = (Value::Seconds, blocked * HALF);
        let figures = [
            bad(
                "the call as it is",
                longest(wrong.longest),
                Must::AtLeast(half),
            ),
            good(cure, longest(right.longest), Must::AtMost(half)),
        ];
        findings.add(what, figures);
    }
    Ok(findings)
}

fn others(
    stage: &Stage<'_>,
    program: &str,
    which: &str,
    backend: &Backend,
    blocked: f64,
) -> Result<Others> {
    let calls = format!("--calls={blocked}");
    let server = stage.serve(program, which, backend, &[&calls])?;
    let port = server.port;
    let mut others = Others::default();
    thread::scope(|scope| {
        let slow = Builder::new().spawn_scoped(scope, move || {
            let answer = get(port, "/slow");
            (answer, Instant::now())
        });
        let slow = slow.context("cannot start a thread")?;
        stage.wait_until("the blocking call", || Ok(backend.waiting()? > 0))?;
        let mut ends = Vec::new();
        while !slow.is_finished() {
            let (status, seconds) = get(port, "/")?;
            if status != 200 {
                bail!("{program} answers {status}");
            }
            ends.push(Instant::now());
            others.longest = others.longest.max(seconds);
            stage.wait(PACE)?;
        }
        match slow.join() {
            Ok((answer, end)) => {
                if answer?.0 != 200 {
                    bail!("{program}: the blocking call failed");
                }
                let before = ends.iter().filter(|&&other| other < end);
                others.before = before.count() as u64;
                Ok(())
            }
            Err(_) => bail!("a thread panicked"),
        }
    })?;
    server.stop()?;
    Ok(others)
}
