//! Too many requests, too few files, and backends that misbehave.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Answer, Answers, asked, connect, get, read};
use crate::server::{
    ALL, Server, wait_until, with_each, with_each_kind, with_each_of_many,
};

#[test]
fn who_would_wait_too_long_is_sent_away() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let slots = match deployment.name {
            "native" => 0,
            // Per process.
            "coroutine" | "coroutine-sockets" => 4,
            _ => deployment.slots,
        };
        let mut further = vec!["--calls=0.5", "--shed-above=2"];
        if deployment.app == "app-coroutine" {
            further.push("--coroutines=2");
        }
        let server = Server::deploy(deployment, backend.port, &further);
        let streams: Vec<_> =
            (0..slots + 20).map(|_| asked(server.port, "/")).collect();
        let answers = streams.into_iter().map(|mut stream| {
            read(&mut stream).expect("closed without an answer")
        });
        let answers: Vec<Answer> = answers.collect();
        let name = deployment.name;
        let with = |status| answers.iter().filter(move |a| a.status == status);
        let (served, shed) = (with(200).count(), with(503).count());
        assert_eq!(served + shed, answers.len(), "{name}: {answers:?}");
        assert!(served >= 1, "{name} served {served}");
        assert!(shed >= 5, "{name} sent {shed} away");
        for answer in with(503) {
            assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
        }
        // Two may wait, however many are served.
        let streams: Vec<_> = (0..2).map(|_| asked(server.port, "/")).collect();
        for mut stream in streams {
            let answer = read(&mut stream).expect("closed in silence");
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        }
    });
}

/// A backend that does what `misbehave` says to each connection.
fn backend(misbehave: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let misbehave = misbehave.clone();
            thread::spawn(move || misbehave(stream));
        }
    });
    port
}

fn say(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.read(&mut [0; 4096]);
    stream.write_all(answer).ok();
    stream.shutdown(Shutdown::Write).ok();
    // Until the client has gone, too: an early end would be a reset.
    stream.read_to_end(&mut Vec::new()).ok();
}

#[test]
fn a_backend_that_misbehaves_is_told_of_and_holds_nobody() {
    let hangs = backend(|stream| {
        thread::sleep(Duration::from_secs(300));
        drop(stream);
    });
    let resets = backend(|mut stream| {
        // What is unread at the end of a connection resets it.
        let _ = stream.read(&mut [0; 1]);
    });
    let closes = backend(|stream| say(stream, b""));
    let garbage = backend(|stream| say(stream, b"\x16\x03garbage\r\n\r\n"));
    let short = backend(|stream| {
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
    });
    let errs = backend(|stream| {
        say(stream, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    });
    let moves = backend(|stream| {
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\
                         Content-Length: 0\r\n\r\n";
        say(stream, elsewhere.as_bytes());
    });
    with_each(|deployment| {
        for (kind, port, status) in [
            ("hangs", hangs, 504),
            ("resets", resets, 502),
            ("closes", closes, 502),
            ("sends garbage", garbage, 502),
            ("stops short", short, 502),
            ("errs", errs, 502),
            ("moves", moves, 502),
        ] {
            let further = ["--calls=0.25", "--timeout=0.5"];
            let further = deployment.light(&further);
            let server = Server::deploy(deployment, port, &further);
            let what = format!("{} whose backend {kind}", deployment.name);
            let workers = server.workers();
            // More than it has threads to be held up.
            let streams: Vec<_> =
                (0..8).map(|_| asked(server.port, "/")).collect();
            for mut stream in streams {
                let answer = read(&mut stream).unwrap_or_else(|| {
                    panic!("{what}: closed without an answer")
                });
                assert_eq!(answer.status, status, "{what}: {answer:?}");
                let named = "network call with duration 0.25 failed: ";
                assert!(answer.body.starts_with(named), "{what}: {answer:?}");
            }
            assert_eq!(server.workers(), workers, "{what}");
        }
    });
}

#[test]
fn a_head_that_a_client_has_no_room_for_is_called_so() {
    let wordy = backend(|stream| {
        let long = "x".repeat(5000);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {long}\r\n\r\n"
        );
        say(stream, head.as_bytes());
    });
    for name in ["basic", "coroutine-sockets"] {
        let deployment = *ALL.iter().find(|one| one.name == name).unwrap();
        let server = Server::deploy(deployment, wordy, &["--calls=0"]);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 502, "{name}: {answer:?}");
        let says = "response header is too big";
        assert!(answer.body.contains(says), "{name}: {answer:?}");
    }
}

/// Processor time of a process so far, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    let fields: Vec<_> = rest.split_whitespace().collect();
    let number = |at: usize| fields[at].parse::<u64>().unwrap();
    number(11) + number(12)
}

#[test]
fn without_files_it_waits_for_some_and_recovers() {
    let backend = Server::backend(&[]);
    with_each_kind(|deployment| {
        if deployment.name == "coroutine" {
            // may_minihttp tries again at once, which holds its only thread.
            return;
        }
        let options = deployment.light(&["--calls=0.2"]);
        let server = Server::deploy(deployment, backend.port, &options);
        assert_eq!(get(server.port, "/").status, 200);
        let workers = server.workers();
        // It keeps what it has open.
        workers.iter().for_each(|&worker| limit_files(worker, 3));
        let before: u64 = workers.iter().copied().map(ticks).sum();
        let streams: Vec<_> =
            (0..20).map(|_| asked(server.port, "/")).collect();
        wait_until("a word on it", || {
            server.log().contains("cannot accept a connection")
        });
        thread::sleep(Duration::from_secs(1));
        let burnt: u64 =
            workers.iter().copied().map(ticks).sum::<u64>() - before;
        // A loop that tries again at once burns 100 a second.
        assert!(burnt < 40, "{} burnt {burnt} ticks", deployment.name);
        workers.iter().for_each(|&worker| limit_files(worker, 1000));
        for mut stream in streams {
            let answer = read(&mut stream).expect("closed without an answer");
            assert_eq!(answer.status, 200, "{}: {answer:?}", deployment.name);
        }
        assert_eq!(server.workers(), workers, "{}", server.log());
    });
}

/// Lets another process have so many files, and no more.
fn limit_files(pid: u32, files: usize) {
    let status = std::process::Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg(format!("--nofile={files}:"))
        .status()
        .expect("prlimit(1) is part of util-linux");
    assert!(status.success());
}

#[test]
fn one_who_always_asks_again_leaves_room_for_others() {
    const LONGEST: Duration = Duration::from_secs(8);
    let backend = Server::backend(&[]);
    with_each_of_many(|deployment| {
        let further = ["--calls=0.01", "--processes=1", "--keep-alive"];
        let server = Server::deploy(deployment, backend.port, &further);
        let requests = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
        let over = AtomicBool::new(false);
        let begun = Instant::now();
        let goes_on =
            || !over.load(Ordering::Relaxed) && begun.elapsed() < LONGEST;
        thread::scope(|scope| {
            scope.spawn(|| {
                while goes_on() {
                    let mut stream = connect(server.port);
                    let mut answers = stream.try_clone().unwrap();
                    scope.spawn(move || {
                        io::copy(&mut answers, &mut io::sink()).ok();
                    });
                    while goes_on() && stream.write_all(&requests).is_ok() {}
                    stream.shutdown(Shutdown::Both).ok();
                }
            });
            thread::sleep(Duration::from_millis(200));
            for _ in 0..3 {
                assert_eq!(get(server.port, "/").status, 200);
            }
            let told = begun.elapsed();
            over.store(true, Ordering::Relaxed);
            assert!(told < LONGEST, "answered once the other was done");
        });
    });
}

#[test]
fn answers_that_share_a_connection_do_not_wait_for_each_other() {
    let backend = Server::backend(&[]);
    with_each_kind(|deployment| {
        let server =
            Server::deploy(deployment, backend.port, &["--keep-alive"]);
        let request = &b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"[..];
        let mut stream = connect(server.port);
        let mut take = |count: usize| {
            let begun = Instant::now();
            stream.write_all(&request.repeat(count)).unwrap();
            let mut answers = Answers::of(&mut stream);
            for _ in 0..count {
                assert_eq!(answers.next().unwrap().status, 404);
            }
            begun.elapsed()
        };
        // Not the first, and the best of some: it is others' machine, too.
        let mut best = |count| (0..8).map(|_| take(count)).min().unwrap();
        let (one, two) = (best(1), best(2));
        // Held back until the first is acknowledged, it takes 40 ms.
        assert!(two < one * 20, "{two:?} beside {one:?}");
    });
}
