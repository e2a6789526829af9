//! Requests that nobody should send.
//!
//! may_minihttp (on coroutine) closes without an answer on what it cannot
//! read; all others say what is wrong.

use std::io::Write;

use crate::http::{Answer, connect, exchange, get, read};
use crate::server::{Server, with_each};

#[track_caller]
fn is(answer: Option<Answer>, name: &str, statuses: &[u16]) {
    match answer {
        None => assert_eq!(name, "coroutine", "closed without an answer"),
        Some(answer) => {
            assert!(statuses.contains(&answer.status), "{name}: {answer:?}");
        }
    }
}

/// may_minihttp says nothing; all others say what is wrong.
#[track_caller]
fn is_refused(answer: Option<Answer>, name: &str, status: u16) {
    if name == "coroutine" {
        assert!(answer.is_none(), "{name} spoke: {answer:?}");
        return;
    }
    let answer = answer.unwrap_or_else(|| panic!("{name} closed in silence"));
    assert_eq!(answer.status, status, "{name}: {answer:?}");
}

#[test]
fn bad_requests_are_refused_and_do_no_harm() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let name = deployment.name;
        let calls = ["--calls=0.01"];
        let server = Server::deploy(deployment, backend.port, &calls);
        for line in ["GARBAGE", "GET / HTTP/9.9", "GET  HTTP/1.1", " / ?"] {
            let request = format!("{line}\r\nHost: localhost\r\n\r\n");
            is_refused(exchange(server.port, request.as_bytes()), name, 400);
        }
        let bad_name = b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n";
        is_refused(exchange(server.port, bad_name), name, 400);
        let many = "A: b\r\n".repeat(101);
        let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
        is_refused(exchange(server.port, many.as_bytes()), name, 431);
        let two = b"GET / HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Length: 1\r\nContent-Length: 2\r\n\r\n";
        is_refused(exchange(server.port, two), name, 400);

        let long = "x".repeat(200_000);
        let huge =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {long}\r\n\r\n");
        let answer = exchange(server.port, huge.as_bytes());
        match name {
            // It takes any head that has no more than 16 lines.
            "coroutine" => is(answer, name, &[200]),
            _ => is(answer, name, &[431]),
        }

        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}

#[test]
fn a_head_that_never_ends_does_not_hold_a_server_for_ever() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        if deployment.name == "coroutine" {
            // may_minihttp has no deadline for a head.
            return;
        }
        let further = ["--calls=0.01", "--head-timeout=0.5"];
        let server = Server::deploy(deployment, backend.port, &further);
        let mut slow: Vec<_> = (0..deployment.slots.min(8))
            .map(|_| {
                let mut stream = connect(server.port);
                stream.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
                stream
            })
            .collect();
        // Where all that take requests are held up, this one waits for them.
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        for stream in &mut slow {
            match read(stream) {
                Some(answer) => assert_eq!(answer.status, 408, "{answer:?}"),
                // hyper closes without a word.
                None => assert_eq!(deployment.app, "app-async"),
            }
        }
    });
}
