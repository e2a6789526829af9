//! A thread that was started before the fork, and is missing after it.

use anyhow::{Context, Result};

use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::{Stage, get};
use crate::procfs::Family;

const FILE: &str = "crates/caveats/src/bin/caveats/fork_after_threads.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "fork-after-threads",
    slide: "lazy-apps = 1 in the offload app's uwsgi.ini: the app, and with \
            it the thread that its calls run on, is loaded after the fork.",
    runs: "A program that starts its reactor and forks, one that forks and \
           starts its reactor, and the first under the harness's master, \
           which refuses. Calls have a deadline.",
    code: &[
        (FILE, "wrong"),
        (FILE, "right"),
        ("crates/harness/src/master/child.rs", "fork_worker"),
        ("crates/app-offload/src/reactor.rs", "start"),
    ],
    seconds: [2.5, 2.0],
    show,
};

const REQUESTS: u64 = 3;
const REASON: &str = "refused to fork: 2 threads run in the master";

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let timeout = format!("--timeout={}", stage.either(0.5, 0.3));
    let further = ["--calls=0.01,0.02,0.03,0.04", &timeout];
    let mut out_of_time = [0, 0];
    let mut answered = [0, 0];
    let mut threads = [0, 0];
    for (at, which) in ["wrong", "right"].into_iter().enumerate() {
        stage.say(&format!("{REQUESTS} requests to the {which} program"));
        let server = stage.serve("caveats", which, &backend, &further)?;
        for _ in 0..REQUESTS {
            match get(server.port, "/")?.0 {
                504 => out_of_time[at] += 1,
                200 => answered[at] += 1,
                _ => {}
            }
            stage.check()?;
        }
        threads[at] = Family::of(server.pid()).threads() as u64;
        server.stop()?;
    }
    stage.say("the harness is asked to fork with a thread running");
    let port = stage.site.ports.of(crate::caveats::stage::PORT)?;
    let refused = stage.run(
        "caveats",
        &[
            "fork-after-threads",
            "wrong",
            "--with-harness",
            &format!("--http=:{port}"),
            &format!("--backend={}", backend.address),
        ],
    )?;
    refused.code().context("killed")?;

    let (before, after) =
        ("the reactor, then the fork", "the fork, then the reactor");
    let mut findings = Findings::default();
    findings.add(
        format!("requests that got 504, of {REQUESTS}"),
        [
            bad(
                before,
                Value::Count(out_of_time[0]),
                Must::Be(REQUESTS as f64),
            ),
            good(after, Value::Count(out_of_time[1]), Must::Be(0.0)),
        ],
    );
    findings.add(
        format!("requests that got 200, of {REQUESTS}"),
        [
            bad(before, Value::Count(answered[0]), Must::Be(0.0)),
            good(after, Value::Count(answered[1]), Must::Be(REQUESTS as f64)),
        ],
    );
    findings.add(
        "threads of the worker",
        [
            bad(before, Value::Count(threads[0]), Must::Be(1.0)),
            good(after, Value::Count(threads[1]), Must::Be(2.0)),
        ],
    );
    findings.quote("the harness", REASON, &refused.stderr);
    Ok(findings)
}
