//! What is left of a server that ended: a port that serves again at once.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{process, thread};

use nix::sys::signal::Signal;

use crate::http::{asked, get, read};
use crate::server::{Server, lives, wait_until, with_each};

const CALLS: &str = "--calls=0.01";

/// A free port that no connection of another test is given meanwhile: it is
/// below those that the kernel hands out by itself.
fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 24_000 + (process::id() % 400) as u16 * 20;
    let mut ports = (0..20)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 20)
        .filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    ports.next().expect("no free port")
}

#[test]
fn the_port_serves_again_at_once_however_the_server_ended() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let start = |port| {
            let further = [CALLS, "--keep-alive"];
            Server::deploy_at(port, deployment, backend.port, &further)
        };
        let port = lasting_port();
        let mut server = start(port);
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
            let workers = server.workers();
            // The server's end of this one closes first, and is kept for a
            // minute by the kernel.
            let mut client = asked(port, "/");
            let answer = read(&mut client).expect("no answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            server.signal(signal);
            server.wait();
            wait_until("no worker left", || {
                !workers.iter().any(|&worker| lives(worker))
            });
            drop(client);
            server = start(port);
            assert_eq!(server.port, port);
            assert_eq!(get(port, "/").status, 200);
        }
    });
}

#[test]
fn who_is_asked_to_dies_with_the_thread_that_started_it() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let port = backend.port;
        let further = [CALLS, "--die-with-parent"];
        let (mut server, workers) = thread::scope(|scope| {
            let starter = scope.spawn(move || {
                let server = Server::deploy(deployment, port, &further);
                let workers = server.workers();
                (server, workers)
            });
            starter.join().unwrap()
        });
        assert_eq!(server.wait(), Some(0), "{}", server.log());
        for worker in workers {
            assert!(!lives(worker), "worker {worker} is left");
        }
    });
}
