//! Code that reaches for the current runtime on a thread that has none.

use anyhow::{Result, bail};

use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::Stage;
use crate::measure;

const FILE: &str = "crates/caveats/src/bin/caveats/no_reactor.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "no-reactor",
    slide: "\"Running with --threads 2\": RuntimeError: There is no current \
            event loop in thread …, until get_loop() makes one for each.",
    runs: "A worker of two threads, whose main one has entered a runtime; \
           and the same with a runtime per thread, made on first use. Each \
           gets 20 requests, two at a time.",
    code: &[(FILE, "wrong"), (FILE, "right")],
    seconds: [1.5, 1.5],
    show,
};

const REQUESTS: u64 = 20;
const REASON: &str = "there is no reactor running";

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let further = ["--threads=2", "--calls=0.05,0.1"];
    let mut failed = [0; 2];
    let mut logs = [String::new(), String::new()];
    for (at, which) in ["wrong", "right"].into_iter().enumerate() {
        stage.say(&format!("{REQUESTS} requests to the {which} program"));
        let server = stage.serve("caveats", which, &backend, &further)?;
        let outcome = stage.hammer(server.port, REQUESTS, 2)?;
        let count =
            |status| outcome.statuses.get(&status).copied().unwrap_or(0);
        failed[at] = count(500);
        if count(200) + count(500) != REQUESTS {
            let failures = measure::failures(&outcome);
            bail!("the {which} program's failures are {failures:?}");
        }
        logs[at] = server.stop()?;
    }
    let [wrong, _] = &logs;
    let panics_on = |thread: &str| {
        let named = format!("thread: {thread} : the application panicked");
        wrong.lines().filter(|line| line.contains(&named)).count() as u64
    };
    let mut findings = Findings::default();
    findings.add(
        format!("requests that got 500, of {REQUESTS}"),
        [
            bad(
                "a runtime that the main thread entered",
                Value::Count(failed[0]),
                Must::AtLeast(1.0),
            ),
            good(
                "a runtime per thread",
                Value::Count(failed[1]),
                Must::Be(0.0),
            ),
        ],
    );
    findings.add(
        "those that the thread without a runtime answered",
        [bad(
            "worker-1-core-1",
            Value::Count(panics_on("worker-1-core-1")),
            Must::Be(failed[0] as f64),
        )],
    );
    findings.quote("its log", REASON, wrong);
    Ok(findings)
}
