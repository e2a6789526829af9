//! A backend that is down, or too slow.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bench::hasty_backend;
use crate::http::get;
use crate::server::{Server, lives, send, wait_until, with_each};

#[test]
fn without_a_backend_a_request_gets_502_and_the_reason() {
    with_each(|deployment| {
        // Nobody listens on port 1.
        let server = Server::deploy(deployment, 1, &["--calls=0.01,0.02"]);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 502, "{answer:?}");
        let named = "network call with duration 0.01 failed: ";
        assert!(answer.body.starts_with(named), "{answer:?}");
        assert!(answer.body.contains("refused"), "{answer:?}");
    });
}

#[test]
fn a_backend_that_is_too_slow_gets_504_and_the_call_is_named() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = ["--calls=0.01,30", "--timeout=0.5"];
        let server = Server::deploy(deployment, backend.port, &further);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 504, "{answer:?}");
        let named = "network call with duration 30 failed: timed out\n";
        assert_eq!(answer.body, named, "{answer:?}");
        // And it is none the worse for it.
        assert_eq!(get(server.port, "/elsewhere").status, 404);
    });
}

#[test]
fn a_backend_that_comes_back_is_called_again() {
    with_each(|deployment| {
        let backend = Server::backend(&["--processes=1"]);
        let calls = deployment.light(&["--calls=0.01,0.02"]);
        let server = Server::deploy(deployment, backend.port, &calls);
        assert_eq!(get(server.port, "/").status, 200);
        // The connections that are kept are of no use from now on.
        let [worker] = backend.workers()[..] else {
            panic!("one worker was expected");
        };
        send(worker, Signal::SIGKILL);
        wait_until("the backend's worker is gone", || !lives(worker));
        wait_until("another serves", || {
            get(backend.port, "/?duration=0").status == 200
        });
        for _ in 0..4 {
            let answer = get(server.port, "/");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    });
}

#[test]
fn calls_that_are_given_up_are_no_harm_to_others_of_their_connection() {
    let backend = Server::backend(&["--processes=1"]);
    let address = format!("--backend=127.0.0.1:{}", backend.port);
    let calls = ["--calls=0,0,0,0", "--timeout=1", "--processes=1"];
    let http2 = ["--client=hyper", "--http2"];
    let arguments = [&[&*address], &calls[..], &http2[..]].concat();
    let app = Server::start("app-async", &arguments);
    let ask = || get(app.port, "/").status;
    assert_eq!(ask(), 200);
    let worker = backend.workers()[0];
    send(worker, Signal::SIGSTOP);
    thread::scope(|scope| {
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        for status in asked {
            assert_eq!(status.join().unwrap(), 504);
        }
        // The backend finds these four among four hundred that it is told to
        // forget: h2 takes that for an attack, unless it is told otherwise.
        let last = scope.spawn(ask);
        thread::sleep(Duration::from_millis(100));
        send(worker, Signal::SIGCONT);
        assert_eq!(last.join().unwrap(), 200);
    });
}

#[test]
fn a_backend_without_http2_gets_502_and_what_to_do() {
    let backend = hasty_backend("200 OK");
    let address = format!("--backend={backend}");
    let http2 = ["--client=hyper", "--http2"];
    let app = Server::start("app-async", &[&[&*address], &http2[..]].concat());
    let answer = get(app.port, "/");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.ends_with("needs http2 = false\n"), "{answer:?}");
}
