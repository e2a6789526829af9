//! How servers die, and what is left of them: nothing.

use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::bench::descendants;
use crate::http::{asked, get, is_taken, read};
use crate::server::{Server, binary, lives, send, wait_until, with_each};

const CALLS: &str = "--calls=0.01,0.02";

#[test]
fn a_worker_that_is_killed_comes_back() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let server = Server::deploy(deployment, backend.port, &[CALLS]);
        let before = server.workers();
        send(before[0], Signal::SIGKILL);
        wait_until("another worker in its place", || {
            let now = server.workers();
            now.len() == before.len()
                && !now.contains(&before[0])
                && now.iter().all(|&worker| lives(worker))
        });
        for _ in 0..2 * before.len() {
            let answer = get(server.port, "/");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        // The others were left alone.
        let now = server.workers();
        assert!(before[1..].iter().all(|worker| now.contains(worker)));
    });
}

#[test]
fn whatever_signal_ends_a_worker_it_comes_back() {
    let backend = Server::backend(&[]);
    let process = crate::server::ALL[1];
    let server = Server::deploy(process, backend.port, &[CALLS]);
    // None that who runs the tests in the background has ignored; the last one
    // is a real-time signal.
    for signal in ["ABRT", "TRAP", "34"] {
        let before = server.workers();
        let victim = before[0].to_string();
        let kill = Command::new("kill").args(["-s", signal, &victim]).status();
        assert!(kill.unwrap().success());
        wait_until("another worker in its place", || {
            let now = server.workers();
            now.len() == before.len() && !now.contains(&before[0])
        });
    }
    assert_eq!(get(server.port, "/").status, 200);
}

#[test]
fn a_request_in_hand_is_answered_before_the_stop() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let further = ["--calls=0.5,0.5"];
            let mut server = Server::deploy(deployment, backend.port, &further);
            let workers = server.workers();
            let mut stream = asked(server.port, "/");
            wait_until("a call under way", || {
                server.log().contains("start network call")
            });
            // As by timeout(1), which tells its command and its group.
            server.signal(signal);
            thread::sleep(Duration::from_millis(5));
            server.signal(signal);
            let answer = read(&mut stream).expect("no answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(server.wait(), Some(0), "{}", server.log());
            for worker in workers {
                assert!(!lives(worker), "worker {worker} is left");
            }
            assert!(!is_taken(server.port), "somebody still listens");
        }
    });
}

#[test]
fn a_second_signal_stops_at_once() {
    let backend = Server::backend(&[]);
    let basic = crate::server::ALL[0];
    let further = ["--calls=30", "--timeout=60"];
    let mut server = Server::deploy(basic, backend.port, &further);
    let port = server.port;
    let request = thread::spawn(move || {
        let mut stream = asked(port, "/");
        read(&mut stream).is_none()
    });
    wait_until("a call under way", || {
        server.log().contains("start network call")
    });
    server.signal(Signal::SIGTERM);
    wait_until("the stop", || server.log().contains("stopping"));
    // Longer than what counts as one stop.
    thread::sleep(Duration::from_millis(150));
    server.signal(Signal::SIGTERM);
    server.wait();
    assert!(request.join().unwrap(), "its request was answered");
}

#[test]
fn a_start_that_is_stopped_is_never_called_ready() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new(binary("app-sync"))
        .args(["--http=:0", "--backend=127.0.0.1:1", "--processes=300"])
        .arg("--die-with-parent")
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    wait_until("a worker", || !descendants(child.id()).is_empty());
    send(child.id(), Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(&log).unwrap();
    let (_, rest) = log.split_once(" : stopping").unwrap();
    assert!(!rest.contains(" : ready: "), "{log}");
}

#[test]
fn workers_die_with_their_master() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let mut server = Server::deploy(deployment, backend.port, &[CALLS]);
        let workers = server.workers();
        assert!(!workers.is_empty());
        server.signal(Signal::SIGKILL);
        server.wait();
        wait_until("no worker and no listener left", || {
            !workers.iter().any(|&worker| lives(worker))
                && !is_taken(server.port)
        });
    });
}

#[test]
fn nobody_is_a_zombie_for_long() {
    let backend = Server::backend(&[]);
    let process = crate::server::ALL[1];
    let server = Server::deploy(process, backend.port, &[CALLS]);
    for _ in 0..5 {
        let workers = server.workers();
        workers.iter().for_each(|&w| send(w, Signal::SIGKILL));
        wait_until("four workers that live", || {
            let now = server.workers();
            now.len() == 4
                && now.iter().all(|w| lives(*w) && !workers.contains(w))
        });
    }
    assert_eq!(get(server.port, "/").status, 200);
}
