//! Clients that hold a connection and do nothing with it: they must not
//! hold a server for ever.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use crate::http::{connect, get, read};
use crate::server::{Deployment, Server, with_each, with_each_kind};

#[test]
fn a_head_that_never_ends_does_not_hold_a_server_for_ever() {
    hold_with("GET / HTTP/1.1\r\nHo", |deployment, stream| {
        match read(stream) {
            Some(answer) => assert_eq!(answer.status, 408, "{answer:?}"),
            // hyper closes without a word.
            None => assert_eq!(deployment.app, "app-async"),
        }
    });
}

#[test]
fn a_client_that_says_nothing_does_not_hold_a_server_for_ever() {
    hold_with("", |_, stream| {
        let answer = read(stream);
        assert!(answer.is_none(), "nobody asked: {answer:?}");
    });
}

/// Holds all that take requests with clients that send `bytes` and no more,
/// asks for an answer, and shows what those clients are told.
fn hold_with(bytes: &str, told: impl Fn(Deployment, &mut TcpStream) + Sync) {
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
                stream.write_all(bytes.as_bytes()).unwrap();
                stream
            })
            .collect();
        // Where all that take requests are held up, this one waits for them.
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        for stream in &mut slow {
            told(deployment, stream);
        }
    });
}

#[test]
fn a_client_that_never_reads_does_not_hold_a_server_for_ever() {
    let backend = Server::backend(&[]);
    with_each_kind(|deployment| {
        let further = ["--calls=0.01", "--keep-alive"];
        let server = Server::deploy(deployment, backend.port, &further);
        let workers = server.workers();
        // may_minihttp never stops reading, and keeps all that it has to say.
        let limit = match deployment.name {
            "coroutine" => 1 << 20,
            _ => 32 << 20,
        };
        let unread = thread::scope(|scope| {
            let clients: Vec<_> = (0..deployment.slots.min(4))
                .map(|_| scope.spawn(|| ask_and_never_read(server.port, limit)))
                .collect();
            let clients = clients.into_iter();
            clients.map(|c| c.join().unwrap()).collect::<Vec<_>>()
        });
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.workers(), workers, "a worker died");
        drop(unread);
    });
}

/// Sends requests until nobody takes them any more, or `limit` bytes, or until
/// the connection has had as many as it may.
fn ask_and_never_read(port: u16, limit: usize) -> TcpStream {
    const PAUSE: Duration = Duration::from_secs(1);
    let mut stream = connect(port);
    // The less this end takes, the sooner the other has to wait.
    setsockopt(&stream, sockopt::RcvBuf, &4096).unwrap();
    stream.set_nonblocking(true).unwrap();
    let requests = "GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let mut sent = 0;
    let mut taken = Instant::now();
    while sent < limit && taken.elapsed() < PAUSE {
        // Requests are cut where one could not be sent whole: they follow
        // each other all the same.
        let from = sent % requests.len();
        match stream.write(&requests.as_bytes()[from..]) {
            Ok(count) => {
                sent += count;
                taken = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{sent} bytes sent, then: {error}"),
        }
    }
    assert!(sent > 100_000, "only {sent} bytes of requests were taken");
    stream
}
