//! A backend that takes fewer waits at once than its callers have.

use anyhow::{Result, bail};

use crate::catalogue::CONCURRENCY;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::Stage;
use crate::measure;

pub(super) const CAVEAT: Caveat = Caveat {
    name: "backend-limit",
    slide: "\"We did 200 requests in 2.546\", against a backend that took 100 \
            waits at once in each of its two processes: just the 4 × 50 \
            that the hammer had open.",
    runs: "200 requests, 50 at a time, to coroutine and to native; first the \
           backend has --max-waiting 25 in each of its two processes, then \
           no limit.",
    code: &[
        ("crates/slow-backend/src/serve.rs", "wait"),
        ("crates/talk/src/bound.rs", "bound"),
    ],
    seconds: [20.0, 13.0],
    show,
};

/// As the talk's hammer has it.
const AT_ONCE: u64 = CONCURRENCY as u64;
/// Of both processes of the backend.
const WAITS: u64 = 2 * 25;

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let requests = if stage.quick { 100 } else { 200 };
    let calls: f64 = stage.site.catalogue.calls.iter().sum();
    // However many calls a model has open, so many go on at a time.
    let bound = requests as f64 * calls / WAITS as f64;

    let mut figures = Vec::new();
    let mut peaks = Vec::new();
    for limit in [Some("--max-waiting=25"), None] {
        let backend = stage.backend(limit.as_slice())?;
        for model in ["coroutine", "native"] {
            let of = match limit {
                None => format!("{model}, a backend without a limit"),
                Some(limit) => format!("{model}, a backend with {limit}"),
            };
            stage.say(&format!("{requests} requests to {of}"));
            let server = stage.deploy(model, &backend, &[])?;
            // First those that open all connections.
            seconds(stage, server.port, AT_ONCE)?;
            backend.reset()?;
            let seconds = seconds(stage, server.port, requests)?;
            let (seconds, peak) =
                (Value::Seconds(seconds), Value::Count(backend.stats()?.peak));
            server.stop()?;
            let waits = WAITS as f64;
            if limit.is_some() {
                figures.push(bad(&*of, seconds, Must::AtLeast(bound)));
                peaks.push(bad(of, peak, Must::AtMost(waits)));
            } else {
                // It does what the limit would not let it.
                figures.push(good(&*of, seconds, Must::AtMost(bound)));
                peaks.push(good(of, peak, Must::AtLeast(waits + 1.0)));
            }
        }
    }
    let mut findings = Findings::default();
    findings.add(
        format!(
            "{requests} requests, where {requests} × {calls} s of calls, \
             {WAITS} at a time, are {bound} s"
        ),
        figures,
    );
    findings.add("calls that waited at once", peaks);
    Ok(findings)
}

/// Does so many requests, none of which may fail, and returns how long they
/// took, in seconds.
fn seconds(stage: &Stage<'_>, port: u16, requests: u64) -> Result<f64> {
    let outcome = stage.hammer(port, requests, AT_ONCE)?;
    if let Some((why, count)) = measure::failures(&outcome).first() {
        bail!("{count} of {requests} requests failed: {why}");
    }
    Ok(outcome.elapsed.as_secs_f64())
}
