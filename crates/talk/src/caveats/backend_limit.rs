//! A backend that takes fewer waits at once than its callers have.

use anyhow::Result;

use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::Stage;

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
    seconds: [16.0, 8.0],
    show,
};

const REQUESTS: u64 = 200;
const CONCURRENCY: usize = 50;
/// Of both processes of the backend.
const WAITS: u64 = 2 * 25;

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let scale = stage.either(1.0, 0.5);
    let calls = &stage.site.catalogue.calls;
    let calls: Vec<_> = calls.iter().map(|call| call * scale).collect();
    let sum: f64 = calls.iter().sum();
    // However many calls a model has open, so many go on at a time.
    let bound = REQUESTS as f64 * sum / WAITS as f64;
    let list: Vec<_> = calls.iter().map(f64::to_string).collect();
    let list = format!("--calls={}", list.join(","));

    let mut figures = Vec::new();
    let mut peaks = Vec::new();
    for limit in [Some("--max-waiting=25"), None] {
        let backend = stage.backend(limit.as_slice())?;
        for model in ["coroutine", "native"] {
            let of = match limit {
                None => format!("{model}, a backend without a limit"),
                Some(limit) => format!("{model}, a backend with {limit}"),
            };
            stage.say(&format!("{REQUESTS} requests to {of}"));
            let server = stage.deploy(model, &backend, &[&list])?;
            backend.reset()?;
            let seconds = stage.seconds(server.port, REQUESTS, CONCURRENCY)?;
            let (seconds, peak) =
                (Value::Seconds(seconds), Value::Count(backend.stats()?.peak));
            server.stop()?;
            let waits = WAITS as f64;
            if limit.is_some() {
                figures.push(bad(&*of, seconds, Must::AtLeast(bound)));
                peaks.push(bad(of, peak, Must::AtMost(waits)));
            } else {
                let most = Must::AtMost(0.8 * bound);
                figures.push(good(&*of, seconds, most));
                peaks.push(good(of, peak, Must::AtLeast(2.0 * waits)));
            }
        }
    }
    let mut findings = Findings::default();
    findings.add(
        format!(
            "{REQUESTS} requests, where {REQUESTS} × {sum} s of calls, \
             {WAITS} at a time, are {bound} s"
        ),
        figures,
    );
    findings.add("calls that waited at once", peaks);
    Ok(findings)
}
