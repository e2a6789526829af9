//! Requests, good and bad, as bytes: one list, to which every app is held.
//!
//! Each case is sent whole and a byte at a time. What comes back is read to
//! the end of the connection, so that an answer too many cannot hide: where
//! the connection should go on, a last request has to be answered, and no
//! other.

mod case;
mod connection;
mod fields;
mod framing;
mod line;
mod size;
mod table;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::http::{Answer, Answers, connect, get};
use crate::server::{Deployment, PATIENCE, Server, with_each_kind};

use case::{Case, End, Outcome, Reader, Then};

/// The list, by subject.
fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Request lines", line::lines()),
        ("Methods", line::methods()),
        ("Targets", line::targets()),
        ("Versions", line::versions()),
        ("Header lines", fields::fields()),
        ("Line ends", fields::line_ends()),
        ("Hosts", fields::hosts()),
        ("Lengths", framing::lengths()),
        ("Transfer codings", framing::codings()),
        ("Chunks", framing::chunks()),
        ("Bodies", framing::bodies()),
        ("Pipelining and smuggling", framing::pipelining()),
        ("Connection options", connection::options()),
        ("Expectations", connection::expectations()),
        ("Sizes", size::sizes()),
        ("Other protocols", connection::protocols()),
        ("Clients that do not finish", connection::unfinished()),
    ]
}

fn cases() -> Vec<Case> {
    groups().into_iter().flat_map(|(_, cases)| cases).collect()
}

/// How the bytes of a case arrive.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Whole,
    ByteByByte,
}

#[test]
fn every_app_answers_as_the_list_says_however_the_bytes_arrive() {
    let cases = cases();
    let backend = Server::backend(&[]);
    let wrong = Mutex::new(Vec::new());
    with_each_kind(|deployment| {
        let trial = Trial {
            deployment,
            wrong: &wrong,
        };
        trial.with_time(&cases, backend.port);
        trial.in_a_hurry(&cases, backend.port);
    });
    let wrong = wrong.into_inner().unwrap();
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} wrong:\n{}", wrong.join("\n"));
}

/// A deployment is tried; what goes wrong is told in a line each.
struct Trial<'a> {
    deployment: Deployment,
    wrong: &'a Mutex<Vec<String>>,
}

impl Trial<'_> {
    /// Most cases: a head may take longer than it ever does here.
    fn with_time(&self, cases: &[Case], backend: u16) {
        let cases = cases.iter().filter(|case| case.then != Then::Waits);
        // No more than are served at a time, so that none waits while its
        // bytes become one piece.
        let at_once = self.deployment.slots.min(8);
        let further = ["--head-timeout=60"];
        self.run(cases, backend, &further, at_once);
    }

    /// Those that wait for the time of a head to be over. More workers than
    /// the deployment has let several of them wait at once.
    fn in_a_hurry(&self, cases: &[Case], backend: u16) {
        let cases = cases.iter().filter(|case| case.then == Then::Waits);
        let further = ["--head-timeout=0.5", "--processes=8"];
        self.run(cases, backend, &further, 8);
    }

    fn run<'a>(
        &self,
        cases: impl Iterator<Item = &'a Case>,
        backend: u16,
        further: &[&str],
        at_once: usize,
    ) {
        let Deployment { name, app, .. } = self.deployment;
        let mut flags = vec!["--calls=0", "--keep-alive"];
        if app == "app-offload" {
            flags.push("--heavy=0");
        }
        flags.extend(further);
        let server = Server::deploy(self.deployment, backend, &flags);
        let workers = server.workers();
        let tries: Vec<_> = cases
            .flat_map(|case| {
                [Pace::Whole, Pace::ByteByByte].map(|pace| (case, pace))
            })
            .collect();
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    let next = || next.fetch_add(1, Ordering::Relaxed);
                    while let Some((case, pace)) = tries.get(next()) {
                        self.try_one(server.port, case, *pace);
                    }
                });
            }
        });
        assert_eq!(server.workers(), workers, "{name} lost a worker");
        assert!(!server.log().contains("panicked"), "{name} panicked");
        for _ in 0..8 {
            assert_eq!(get(server.port, "/").status, 200, "{name}, afterwards");
        }
    }

    fn try_one(&self, port: u16, case: &Case, pace: Pace) {
        let name = self.deployment.name;
        let reader = Reader::of(name);
        let expected = case.outcomes(reader);
        let told = send(port, case, pace, &expected);
        if !expected.contains(&told) {
            let line = format!(
                "{name}, {}, {pace:?}: {told}, not {}",
                case.name,
                case.answer(reader)
            );
            self.wrong.lock().unwrap().push(line);
        }
    }
}

/// Sends a case on a connection of its own; what comes back.
fn send(port: u16, case: &Case, pace: Pace, expected: &[Outcome]) -> Outcome {
    let any = |end| expected.iter().any(|outcome| outcome.end == end);
    let mut stream = connect(port);
    // Refused before all of it was read, a request cannot be sent whole.
    match pace {
        Pace::Whole => stream.write_all(&case.bytes).ok(),
        Pace::ByteByByte => trickle(&mut stream, &case.bytes),
    };
    if case.then == Then::HalfCloses {
        stream.shutdown(Shutdown::Write).ok();
    }
    let mut answers = Answers::of(&mut stream);
    answers.without_body = case.is_head();
    let most = expected.iter().map(|outcome| outcome.statuses.len()).max();
    let status = |answer: Answer| answer.status;
    let mut statuses: Vec<_> =
        answers.by_ref().take(most.unwrap()).map(status).collect();
    if any(End::Open) {
        // This has to be answered, and nothing else.
        answers.ask(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
        answers.without_body = false;
        statuses.extend(answers.by_ref().take(1).map(status));
        answers.finish();
        statuses.extend(answers.map(status));
        let end = match statuses.pop_if(|status| *status == 404) {
            Some(_) => End::Open,
            None => End::Closed,
        };
        return Outcome { statuses, end };
    }
    let (limit, otherwise) = match any(End::Held) {
        true => (Duration::from_millis(50), End::Held),
        false => (PATIENCE, End::Open),
    };
    answers.wait_for(limit);
    statuses.extend(answers.by_ref().map(status));
    let end = match answers.timed_out {
        true => otherwise,
        false => End::Closed,
    };
    Outcome { statuses, end }
}

/// Sends bytes one at a time; past what a limit could be waiting for, more.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    const ALONE: usize = 2048;
    const TOGETHER: usize = 61;
    stream.set_nodelay(true).unwrap();
    let (first, rest) = bytes.split_at(bytes.len().min(ALONE));
    for piece in first.chunks(1).chain(rest.chunks(TOGETHER)) {
        stream.write_all(piece).ok()?;
    }
    Some(())
}

#[test]
fn the_list_is_long_and_every_name_is_one_of_a_kind() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(names.insert(case.name), "{} is there twice", case.name);
        assert!(!case.why.is_empty(), "{} has no reason", case.name);
    }
}
