//! Clients that go away, and the calls that are made for them all the same.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use crate::backend::Backend;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::Stage;

pub(super) const CAVEAT: Caveat = Caveat {
    name: "abandoned-requests",
    slide: "Nothing: its hammer waits for every answer. Users do not.",
    runs: "Each model gets one request of four calls, whose client goes away \
           while they are made. The backend says how many of them it \
           answered in the end.",
    code: &[
        ("crates/app-async/src/accept.rs", "hold"),
        ("crates/harness/src/worker.rs", "serve"),
    ],
    seconds: [10.0, 7.0],
    show,
};

const CALLS: usize = 4;
/// Those that drop a request with its connection, and its calls with it.
const STOPS: [&str; 2] = ["async", "native"];
/// Those that hear of it when they write the answer.
const CARRIES_ON: [&str; 6] = [
    "basic",
    "thread",
    "executor",
    "coroutine",
    "coroutine-sockets",
    "offload",
];
/// No model is longer between one call and the next.
const QUIET: Duration = Duration::from_millis(250);

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let call = stage.either(0.3, 0.2).to_string();
    let calls = format!("--calls={}", [&*call; CALLS].join(","));
    let mut figures = Vec::new();
    for model in CARRIES_ON {
        let answered = Value::Count(abandon(stage, model, &backend, &calls)?);
        figures.push(bad(model, answered, Must::Be(CALLS as f64)));
    }
    for model in STOPS {
        let answered = Value::Count(abandon(stage, model, &backend, &calls)?);
        figures.push(good(model, answered, Must::AtMost(1.0)));
    }
    let mut findings = Findings::default();
    let what = format!("calls made to their end for nobody, of {CALLS}");
    findings.add(what, figures);
    Ok(findings)
}

/// How many calls the backend answered of a request that was given up.
fn abandon(
    stage: &Stage<'_>,
    model: &str,
    backend: &Backend,
    calls: &str,
) -> Result<u64> {
    stage.say(&format!("{model}'s client goes away"));
    let mut further = vec![calls];
    if model == "offload" {
        further.push("--heavy=0.1");
    }
    let server = stage.deploy(model, backend, &further)?;
    backend.reset()?;
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    stage.wait_until("its calls", || Ok(backend.waiting()? > 0))?;
    drop(client);
    let mut quiet = Duration::ZERO;
    stage.wait_until("the end of its calls", || {
        let step = Duration::from_millis(10);
        stage.wait(step)?;
        quiet = match backend.waiting()? {
            0 => quiet + step,
            _ => Duration::ZERO,
        };
        Ok(quiet >= QUIET)
    })?;
    let answered = backend.stats()?.calls;
    server.stop()?;
    Ok(answered)
}
