//! How the backend dies and comes back, and what it then knows.

use std::net::TcpStream;
use std::thread;

use nix::sys::signal::Signal;

use crate::http::{ask, asked, get, is_taken, read};
use crate::server::{Server, lives, send, wait_until};

fn stat(backend: &Server, name: &str) -> u64 {
    backend.stats()[name].as_u64().unwrap()
}

/// Asks for an answer after `duration`, and does not wait for it.
fn ask_for(backend: &Server, duration: &str) -> TcpStream {
    asked(backend.port, &format!("/?duration={duration}"))
}

#[test]
fn a_caller_that_goes_away_waits_no_longer_and_was_not_served() {
    let backend = Server::backend(&[]);
    let calls = [(); 3].map(|()| ask_for(&backend, "30"));
    wait_until("three that wait", || stat(&backend, "waiting") == 3);
    drop(calls);
    wait_until("none that waits", || stat(&backend, "waiting") == 0);
    assert_eq!((stat(&backend, "calls"), stat(&backend, "peak")), (0, 3));
}

#[test]
fn those_who_wait_at_a_reset_are_the_first_of_the_new_peak() {
    let backend = Server::backend(&[]);
    let calls = [(); 3].map(|()| ask_for(&backend, "30"));
    wait_until("three that wait", || stat(&backend, "waiting") == 3);
    calls[0].shutdown(std::net::Shutdown::Both).unwrap();
    wait_until("two that wait", || stat(&backend, "waiting") == 2);
    assert_eq!(ask(backend.port, "POST", "/stats/reset").status, 204);
    assert_eq!((stat(&backend, "waiting"), stat(&backend, "peak")), (2, 2));
    // Looking resets nothing.
    assert_eq!(get(backend.port, "/stats/reset").status, 405);
    assert_eq!(stat(&backend, "peak"), 2);
}

#[test]
fn the_limit_holds_in_each_of_its_processes() {
    let backend = Server::backend(&["--processes=2", "--max-waiting=2"]);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let answer = get(backend.port, "/?duration=0.1");
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
    assert_eq!(stat(&backend, "calls"), 16);
    // How the kernel shares the connections out is its own affair.
    let peak = stat(&backend, "peak");
    assert!((2..=4).contains(&peak), "{peak} waited at once");
}

#[test]
fn a_worker_that_is_killed_comes_back_and_the_counts_stay() {
    let backend = Server::backend(&["--processes=1"]);
    assert_eq!(get(backend.port, "/?duration=0").status, 200);
    let mut lost = ask_for(&backend, "30");
    wait_until("one that waits", || stat(&backend, "waiting") == 1);
    let before = backend.workers();
    send(before[0], Signal::SIGKILL);
    assert!(read(&mut lost).is_none(), "a dead worker answered");
    wait_until("another worker in its place", || {
        let now = backend.workers();
        now.len() == 1 && now != before && lives(now[0])
    });
    assert_eq!(get(backend.port, "/?duration=0").status, 200);
    assert_eq!((stat(&backend, "calls"), stat(&backend, "waiting")), (2, 0));
}

#[test]
fn a_stop_lets_those_who_wait_have_their_answer() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut backend = Server::backend(&[]);
        let workers = backend.workers();
        let mut call = ask_for(&backend, "0.5");
        wait_until("one that waits", || stat(&backend, "waiting") == 1);
        backend.signal(signal);
        let answer = read(&mut call).expect("no answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(backend.wait(), Some(0), "{}", backend.log());
        assert!(!workers.iter().any(|&w| lives(w)), "a worker is left");
        assert!(!is_taken(backend.port), "somebody still listens");
    }
}

#[test]
fn its_workers_die_with_their_master() {
    let mut backend = Server::backend(&[]);
    let workers = backend.workers();
    assert_eq!(workers.len(), 2);
    backend.signal(Signal::SIGKILL);
    backend.wait();
    wait_until("no worker and no listener left", || {
        !workers.iter().any(|&w| lives(w)) && !is_taken(backend.port)
    });
}
