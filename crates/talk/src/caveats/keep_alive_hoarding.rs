//! Workers that take one request at a time, and connections that hold them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::backend::Backend;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::{PATIENCE, Stage, get};

const FILE: &str = "crates/caveats/src/bin/caveats/keep_alive_hoarding.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "keep-alive-hoarding",
    slide: "\"Serving requests to your app\": uWSGI's router takes the \
            connections, and hands on a request to a worker that is free. \
            Without it, what a worker accepts is its own.",
    runs: "basic with keep-alive, while a first client keeps a connection \
           that it does not use. Then two workers that take one request at \
           a time, under 20 requests: two that start half a request apart, \
           and 18 while both are busy.",
    code: &[
        ("crates/harness/src/http.rs", "serve"),
        (FILE, "wrong"),
        (FILE, "right"),
    ],
    seconds: [9.5, 5.0],
    show,
};

/// The talk's 20, for two workers.
const REQUESTS: u32 = 20;
const WORKERS: u32 = 2;

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let backend = stage.backend(&[])?;
    let mut findings = Findings::default();
    keep_alive(stage, &backend, &mut findings)?;
    hoarding(stage, &backend, &mut findings)?;
    Ok(findings)
}

fn keep_alive(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    let hold = stage.either(1.5, 1.0);
    let mut waits = [0.0; 2];
    for (at, keep_alive) in [true, false].into_iter().enumerate() {
        stage.say(&format!("a client idles for {hold} s"));
        let keep_alive = format!("--keep-alive={keep_alive}");
        let further = ["--calls=0.01", &keep_alive];
        let server = stage.deploy("basic", backend, &further)?;
        let first = first_client(server.port)?;
        waits[at] = thread::scope(|scope| {
            let second = begin(scope, server.port)?;
            let idle = stage.wait(Duration::from_secs_f64(hold));
            drop(first);
            idle?;
            match second.join() {
                Ok(answer) => Ok(answer?.1),
                Err(_) => bail!("a thread panicked"),
            }
        })?;
        server.stop()?;
    }
    let half = hold / 2.0;
    findings.add(
        format!(
            "a second client's request, where the first idles for {hold} s"
        ),
        [
            bad(
                "keep_alive = true",
                Value::Seconds(waits[0]),
                Must::AtLeast(half),
            ),
            good(
                "keep_alive = false",
                Value::Seconds(waits[1]),
                Must::AtMost(half),
            ),
        ],
    );
    Ok(())
}

/// A client that had its answer, and keeps its connection.
fn first_client(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.ends_with(b"calls.\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("no whole answer: {}", answer.escape_ascii());
        }
        answer.extend_from_slice(&buffer[..count]);
    }
    Ok(stream)
}

fn hoarding(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    // Long enough that a busy machine does not change who is free first.
    let round = 0.2;
    let bound = round * f64::from(REQUESTS / WORKERS);
    let mut busiest = [0; 2];
    let mut times = [0.0; 2];
    for (at, which) in ["wrong", "right"].into_iter().enumerate() {
        stage.say(&format!("{REQUESTS} requests to the {which} program"));
        let server = stage.serve(
            "caveats",
            which,
            backend,
            &["--processes=2", &format!("--calls={round}")],
        )?;
        let took = twenty(stage, server.port, backend, round)?;
        times[at] = took / bound;
        busiest[at] = busiest_worker(&server.stop()?);
    }
    let (eager, free) = ("accepts all that wait", "accepts when free");
    let half = f64::from(REQUESTS / WORKERS);
    findings.add(
        format!("requests that one of two workers took, of {REQUESTS}"),
        [
            bad(eager, Value::Count(busiest[0]), Must::AtLeast(1.5 * half)),
            good(free, Value::Count(busiest[1]), Must::AtMost(1.2 * half)),
        ],
    );
    findings.add(
        format!("all of them, whose bound is {bound} s"),
        [
            bad(eager, Value::TimesBound(times[0]), Must::AtLeast(1.5)),
            good(free, Value::TimesBound(times[1]), Must::AtMost(1.4)),
        ],
    );
    Ok(())
}

/// The 20 requests, and how long they take in seconds.
fn twenty(
    stage: &Stage<'_>,
    port: u16,
    backend: &Backend,
    round: f64,
) -> Result<f64> {
    backend.reset()?;
    let start = Instant::now();
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for busy in 0..u64::from(WORKERS) {
            clients.push(begin(scope, port)?);
            stage.wait_until("a busy worker", || {
                Ok(backend.waiting()? + backend.stats()?.calls > busy)
            })?;
            if busy == 0 {
                // So that one of them is free well before the other.
                stage.wait(Duration::from_secs_f64(round / 2.0))?;
            }
        }
        for _ in WORKERS..REQUESTS {
            clients.push(begin(scope, port)?);
        }
        while !clients.iter().all(|client| client.is_finished()) {
            stage.wait(Duration::from_millis(1))?;
        }
        let end = start.elapsed().as_secs_f64();
        for client in clients {
            match client.join() {
                Ok(answer) if answer.as_ref().is_ok_and(|a| a.0 == 200) => {}
                Ok(answer) => bail!("a request failed: {answer:?}"),
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(end)
    })
}

/// A request, on a thread of its own.
fn begin<'scope>(
    scope: &'scope Scope<'scope, '_>,
    port: u16,
) -> Result<ScopedJoinHandle<'scope, Result<(u16, f64)>>> {
    let asks = Builder::new().spawn_scoped(scope, move || get(port, "/"));
    asks.context("cannot start a thread")
}

/// How many calls the worker started that started most, by its log.
fn busiest_worker(log: &str) -> u64 {
    let calls = log
        .lines()
        .filter(|line| line.contains(" : start network "));
    let pids = calls.filter_map(|line| {
        let (_, rest) = line.split_once(" pid: ")?;
        rest.split(' ').next()
    });
    let mut counts = std::collections::HashMap::new();
    for pid in pids {
        *counts.entry(pid).or_insert(0) += 1;
    }
    counts.into_values().max().unwrap_or(0)
}
