//! Workers that are stuck, and masters that see it.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::http::{asked, exchange, get, read};
use crate::server::{
    Server, lives, send, wait_until, with_each, with_each_kind,
    with_each_of_many,
};

#[test]
fn a_request_that_takes_too_long_ends_its_worker_and_is_told() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = ["--calls=30", "--timeout=60", "--harakiri=0.5"];
        let server = Server::deploy(deployment, backend.port, &further);
        let mut stream = asked(server.port, "/?stuck");
        let answer = read(&mut stream);
        assert!(answer.is_none(), "{answer:?}");
        let told = " s: GET /?stuck; killing it";
        wait_until("its end in the log", || server.log().contains(told));
        wait_until("another in its place", || {
            server.log().contains("killed by SIGKILL; forking another")
        });
        assert_eq!(get(server.port, "/elsewhere").status, 404);
    });
}

#[test]
fn a_worker_that_does_not_come_round_is_replaced() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = ["--calls=0.01", "--heartbeat=3"];
        let server = Server::deploy(deployment, backend.port, &further);
        let worker = server.workers()[0];
        send(worker, Signal::SIGSTOP);
        wait_until("its end", || !lives(worker));
        assert!(server.log().contains("has not been heard of for "));
        assert_eq!(get(server.port, "/").status, 200);
    });
}

#[test]
fn a_thread_that_others_wait_for_may_not_compute_for_ever() {
    let backend = Server::backend(&[]);
    let folder = TempDir::new().unwrap();
    let workload = folder.path().join("heavy.toml");
    fs::write(&workload, "work = 60\ncalls = [{ delay = 0 }]\n").unwrap();
    let workload = format!("--workload={}", workload.display());
    with_each_of_many(|deployment| {
        let further = [&*workload, "--heartbeat=3"];
        let server = Server::deploy(deployment, backend.port, &further);
        let answer =
            exchange(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.is_none(), "{answer:?}");
        let told = "has not been heard of for ";
        wait_until("why in the log", || server.log().contains(told));
    });
}

#[test]
fn a_master_that_was_stopped_itself_blames_nobody() {
    let backend = Server::backend(&[]);
    with_each_kind(|deployment| {
        let limits = ["--calls=3.5", "--harakiri=4.5", "--heartbeat=3"];
        let server = Server::deploy(deployment, backend.port, &limits);
        let workers = server.workers();
        let mut stream = asked(server.port, "/");
        // All of it, as by Ctrl-Z, for longer than either limit.
        let all = || workers.iter().copied().chain([server.pid()]);
        all().for_each(|pid| send(pid, Signal::SIGSTOP));
        thread::sleep(Duration::from_secs(5));
        // The master first: it must not look at clocks that stood still.
        send(server.pid(), Signal::SIGCONT);
        thread::sleep(Duration::from_millis(300));
        all().for_each(|pid| send(pid, Signal::SIGCONT));
        let answer = read(&mut stream).expect("closed without an answer");
        // Its call may have run out of time meanwhile; its worker has not.
        assert!([200, 504].contains(&answer.status), "{answer:?}");
        assert_eq!(server.workers(), workers, "{}", server.log());
    });
}

#[test]
fn who_does_not_stop_in_time_is_killed() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = ["--calls=30", "--timeout=60", "--stop-limit=0.5"];
        let mut server = Server::deploy(deployment, backend.port, &further);
        let _stream = asked(server.port, "/");
        wait_until("a call under way", || {
            server.log().contains("start network call")
        });
        let workers = server.workers();
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), Some(0), "{}", server.log());
        assert!(server.log().contains("did not finish in time"));
        assert!(!workers.iter().any(|&worker| lives(worker)));
    });
}
