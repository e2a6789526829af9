//! A pool of threads with fewer threads than calls, and one that waits for
//! itself.

use anyhow::Result;
use serde::Deserialize;

use crate::backend::Backend;
use crate::catalogue::cores;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::{Stage, get};

const FILE: &str = "crates/caveats/src/bin/caveats/pool_exhaustion.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "pool-exhaustion",
    slide: "\"ThreadPool Executor\": max_workers is five times the \
            processors, since a pool like that waits more than it computes.",
    runs: "The executor with a thread per core, and with as many as the \
           slide says, under one request of two calls per core. Then a pool \
           of two threads whose two jobs wait for jobs of the same pool.",
    code: &[
        ("crates/app-threaded/src/executor.rs", "application"),
        ("crates/app-threaded/executor.toml", "pool_per_core"),
        (FILE, "wrong"),
        (FILE, "right"),
    ],
    seconds: [3.5, 2.5],
    show,
};

/// What pool_exhaustion.rs tells.
#[derive(Deserialize)]
struct Told {
    requests: u64,
    answered: u64,
}

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let mut findings = Findings::default();
    too_few(stage, &backend, &mut findings)?;
    waits_for_itself(stage, &backend, &mut findings)?;
    Ok(findings)
}

fn too_few(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    let call = stage.either(0.5, 0.25);
    let calls = 2 * cores();
    let list = vec![call.to_string(); calls].join(",");
    let mut times = [0.0; 2];
    let mut peaks = [0; 2];
    for (at, per_core) in [1, 5].into_iter().enumerate() {
        stage.say(&format!("{calls} calls on {per_core} threads per core"));
        let server = stage.deploy(
            "executor",
            backend,
            &[
                "--processes=1",
                &format!("--pool-per-core={per_core}"),
                &format!("--calls={list}"),
            ],
        )?;
        backend.reset()?;
        times[at] = get(server.port, "/")?.1 / call;
        peaks[at] = backend.stats()?.peak;
        server.stop()?;
    }
    let (few, enough) = (
        format!("{} threads", cores()),
        format!("{} threads", 5 * cores()),
    );
    findings.add(
        format!("calls that waited at once, of {calls}"),
        [
            bad(&*few, Value::Count(peaks[0]), Must::Be(cores() as f64)),
            good(&*enough, Value::Count(peaks[1]), Must::Be(calls as f64)),
        ],
    );
    findings.add(
        format!("the request, whose bound is one call's {call} s"),
        [
            bad(few, Value::TimesBound(times[0]), Must::AtLeast(2.0)),
            good(enough, Value::TimesBound(times[1]), Must::AtMost(1.8)),
        ],
    );
    Ok(())
}

fn waits_for_itself(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    let mut answered = [0; 2];
    let mut requests = 0;
    let calls = "--calls=0.05,0.05,0.05,0.05";
    for (at, which) in ["wrong", "right"].into_iter().enumerate() {
        stage.say(&format!("the {which} pool"));
        let ended = stage.run(
            "caveats",
            &[
                "pool-exhaustion",
                which,
                &format!("--backend={}", backend.address),
                &format!("--timeout={}", stage.either(1.0, 0.7)),
                calls,
            ],
        )?;
        let told: Told = ended.told()?;
        answered[at] = told.answered;
        requests = told.requests;
    }
    let what = format!(
        "requests on a pool of as many threads that were answered in time, \
         of {requests}"
    );
    let [wrong, right] = answered.map(Value::Count);
    findings.add(
        what,
        [
            bad("they wait for jobs of the pool", wrong, Must::Be(0.0)),
            good(
                "they do the jobs that they wait for",
                right,
                Must::Be(requests as f64),
            ),
        ],
    );
    Ok(())
}
