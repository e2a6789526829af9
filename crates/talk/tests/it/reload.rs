//! Workers that are exchanged while requests come in.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hammer::{Arrivals, Load, Outcome, Rate, Schedule, Stop, Target};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::http::{asked, get, read};
use crate::server::{Deployment, Server, root, wait_until, with_each};

const CALLS: &str = "--calls=0.005";

/// New connections at a constant rate, until the result says stop.
pub(crate) fn load(port: u16, length: Duration) -> JoinHandle<Outcome> {
    let load = Load {
        targets: vec![Target::get(format!("http://127.0.0.1:{port}/"))],
        stop: Stop::After(length),
        schedule: Schedule::Open {
            rate: Rate::constant(60.0),
            arrivals: Arrivals::Constant,
            max_connections: 1000,
        },
        ..Load::default()
    };
    thread::spawn(move || {
        hammer::run(&load, |_| ControlFlow::Continue(())).unwrap()
    })
}

#[track_caller]
pub(crate) fn assert_none_failed(outcome: &Outcome, what: &str) {
    let Outcome {
        errors, statuses, ..
    } = outcome;
    let asked = outcome.requests;
    assert!(asked > 20, "{what}: only {asked} requests");
    assert_eq!(outcome.failed, 0, "{what}: {errors:?} {statuses:?}");
}

fn log_count(server: &Server, what: &str) -> usize {
    server.log().matches(what).count()
}

#[test]
fn a_reload_exchanges_all_workers_and_fails_no_request() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = deployment.light(&[CALLS]);
        let server = Server::deploy(deployment, backend.port, &further);
        let load = load(server.port, Duration::from_secs(2));
        for reload in 1..=3 {
            let before = server.workers();
            server.signal(Signal::SIGHUP);
            wait_until("the end of a reload", || {
                log_count(&server, "reloaded: ") == reload
            });
            wait_until("the end of the old workers", || {
                let now = server.workers();
                now.len() == before.len()
                    && !now.iter().any(|worker| before.contains(worker))
            });
        }
        // Who heard that it was ready listens no longer.
        assert_eq!(log_count(&server, "NOTIFY_SOCKET"), 0);
        let outcome = load.join().unwrap();
        if deployment.name == "coroutine" {
            // Its workers have queues of their own, which end with them.
            assert!(outcome.failed <= 3, "{:?}", outcome.errors);
        } else {
            assert_none_failed(&outcome, deployment.name);
        }
    });
}

#[test]
fn the_last_answer_on_a_kept_connection_says_so() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = ["--calls=2", "--keep-alive"];
        let server = Server::deploy(deployment, backend.port, &further);
        let mut stream = asked(server.port, "/");
        wait_until("a call under way", || {
            server.log().contains("start network call")
        });
        server.signal(Signal::SIGHUP);
        wait_until("the successors", || log_count(&server, "reloaded: ") == 1);
        let answer = read(&mut stream).expect("closed without an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let name = deployment.name;
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
    });
}

#[test]
fn a_reload_that_cannot_start_changes_nothing() {
    let backend = Server::backend(&[]);
    let folder = TempDir::new().unwrap();
    let file = copy(&crate::server::ALL[2], folder.path());
    let backend = format!("--backend=127.0.0.1:{}", backend.port);
    let server = Server::start("app-threaded", &[&file, &backend, CALLS]);
    let workers = server.workers();
    // More threads than a worker can have.
    fs::write(&file, "http = \":0\"\nprocesses = 3\nthreads = 90000\n")
        .unwrap();
    limit_processes(server.pid());
    server.signal(Signal::SIGHUP);
    wait_until("the end of the reload", || {
        log_count(&server, "reload given up: ") == 1
            && log_count(&server, "as before the reload: 1 worker") == 1
    });
    wait_until("the workers of before, alone", || {
        server.workers() == workers
    });
    assert_eq!(get(server.port, "/").status, 200);
}

/// Where no coroutine is free, the one that accepts ends in the midst of a
/// stop: its socket lives on in the master, and must not in may's epoll.
#[test]
fn a_reload_amid_more_requests_than_coroutines_harms_none() {
    let backend = Server::backend(&[]);
    let deployment = crate::server::ALL
        .into_iter()
        .find(|one| one.name == "coroutine-sockets")
        .unwrap();
    let further = ["--calls=0.01,0.02", "--coroutines=4"];
    let server = Server::deploy(deployment, backend.port, &further);
    let load = Load {
        targets: vec![Target::get(format!(
            "http://127.0.0.1:{}/",
            server.port
        ))],
        stop: Stop::After(Duration::from_secs(3)),
        schedule: Schedule::Closed { concurrency: 8 },
        ..Load::default()
    };
    let load = thread::spawn(move || {
        hammer::run(&load, |_| ControlFlow::Continue(())).unwrap()
    });
    for reload in 1..=40 {
        server.signal(Signal::SIGHUP);
        wait_until("the end of a reload", || {
            log_count(&server, "reloaded: ") == reload
        });
    }
    assert_none_failed(&load.join().unwrap(), "coroutine-sockets");
    assert_eq!(
        log_count(&server, "ended as it left"),
        0,
        "{}",
        server.log()
    );
}

/// Takes the memory for so many threads from a process and those it forks.
fn limit_processes(pid: u32) {
    let status = std::process::Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg("--as=4000000000:")
        .status()
        .expect("prlimit(1) is part of util-linux");
    assert!(status.success());
}

/// A copy of a deployment's file, to be changed.
fn copy(deployment: &Deployment, folder: &Path) -> String {
    let Deployment { name, app, .. } = deployment;
    let file = root().join(format!("crates/{app}/{name}.toml"));
    let copy = folder.join(format!("{name}.toml"));
    fs::copy(file, &copy).unwrap();
    copy.to_str().unwrap().to_owned()
}

#[test]
fn a_reload_reads_the_file_again() {
    let backend = Server::backend(&[]);
    let folder = TempDir::new().unwrap();
    let process = crate::server::ALL[1];
    let file = copy(&process, folder.path());
    let backend = format!("--backend=127.0.0.1:{}", backend.port);
    // The server's own socket has its port, since ":0" never changes.
    let server = Server::start("app-sync", &[&file, &backend, CALLS]);
    fs::write(&file, "http = \":0\"\nprocesses = 2\n").unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("two workers", || {
        log_count(&server, "reloaded: 2 workers") == 1
            && server.workers().len() == 2
    });
    assert_eq!(get(server.port, "/").status, 200);
    // What cannot be read changes nothing.
    let workers = server.workers();
    for (broken, why) in [
        ("processes = two", "reload refused: "),
        ("procesess = 2", "unknown field `procesess`"),
        ("listen = 5", "http, listen and server change only with"),
    ] {
        fs::write(&file, broken).unwrap();
        server.signal(Signal::SIGHUP);
        wait_until("a refusal", || server.log().contains(why));
    }
    assert_eq!(server.workers(), workers);
    assert_eq!(get(server.port, "/").status, 200);
}

#[test]
fn workers_are_added_and_taken() {
    let backend = Server::backend(&[]);
    let basic = crate::server::ALL[0];
    let server = Server::deploy(basic, backend.port, &[CALLS]);
    let is = |count| {
        wait_until("the number of workers", || server.workers().len() == count);
    };
    server.signal(Signal::SIGTTIN);
    is(2);
    server.signal(Signal::SIGTTIN);
    is(3);
    wait_until("a third worker that is named", || {
        let workers = server.workers().into_iter();
        let mut names = workers.flat_map(crate::server::threads);
        names.any(|name| name.starts_with("worker-3"))
    });
    server.signal(Signal::SIGTTOU);
    is(2);
    server.signal(Signal::SIGTTOU);
    is(1);
    server.signal(Signal::SIGTTOU);
    wait_until("a word on the last one", || {
        server.log().contains("the last worker stays")
    });
    is(1);
    assert_eq!(get(server.port, "/").status, 200);
}

#[test]
fn a_worker_that_has_served_enough_is_relieved_and_fails_no_request() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let limits = ["--max-requests=10", "--max-requests-jitter=5", CALLS];
        let further = deployment.light(&limits);
        let server = Server::deploy(deployment, backend.port, &further);
        let outcome = load(server.port, Duration::from_secs(2));
        let outcome = outcome.join().unwrap();
        let name = deployment.name;
        if name == "coroutine" {
            assert!(outcome.failed <= 3, "{:?}", outcome.errors);
        } else {
            assert_none_failed(&outcome, name);
        }
        let relieved = log_count(&server, " is relieved");
        // 120 requests, 10 to 15 each; a few more while the next one starts.
        assert!(relieved >= 2, "{name}: {relieved} were relieved");
        assert_eq!(log_count(&server, "ended: "), 0, "{name}");
    });
}
