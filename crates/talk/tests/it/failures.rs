//! A backend that is down, or too slow.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write, pipe};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bench::{descendants, hasty_backend};
use crate::http::{connect, get, is_taken};
use crate::server::{
    Server, binary, lives, send, spawn, wait_until, with_each, with_each_kind,
    with_each_of_many,
};

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
fn who_waits_too_long_is_told_before_others_have_waited_as_long() {
    const LIMIT: Duration = Duration::from_secs(1);
    let backend = Server::backend(&[]);
    with_each_of_many(|deployment| {
        let further = ["--calls=30", "--timeout=1", "--processes=1"];
        let server = Server::deploy(deployment, backend.port, &further);
        let ask = || {
            let asked = Instant::now();
            assert_eq!(get(server.port, "/").status, 504);
            (asked, Instant::now())
        };
        let times: Vec<_> = thread::scope(|scope| {
            let asking: Vec<_> = (0..3)
                .map(|_| {
                    thread::sleep(LIMIT / 3);
                    scope.spawn(ask)
                })
                .collect();
            asking.into_iter().map(|who| who.join().unwrap()).collect()
        });
        for (told, next) in times.iter().zip(&times[1..]) {
            let late = told.1.saturating_duration_since(next.0 + LIMIT);
            assert!(late.is_zero(), "{late:?} after the next: {times:?}");
        }
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
fn a_connection_that_has_gone_silent_is_not_shared_for_ever() {
    for (client, patience) in [
        ("--client=hyper", 5000),
        ("--client=reqwest", 5000),
        // Less than a call's own: those who ask hang up before it is over.
        ("--client=hyper", 200),
    ] {
        let backend = Server::backend(&["--processes=2"]);
        let address = format!("--backend=127.0.0.1:{}", backend.port);
        let calls = ["--calls=0", "--timeout=1", "--processes=1"];
        let http2 = [client, "--http2"];
        let arguments = [&[&*address], &calls[..], &http2[..]].concat();
        let app = Server::start("app-async", &arguments);
        let ask = || {
            let mut stream = connect(app.port);
            let patience = Duration::from_millis(patience);
            stream.set_read_timeout(Some(patience)).unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            let mut head = [0; 12];
            match stream.read_exact(&mut head) {
                Ok(()) => head[9..].to_vec(),
                Err(_) => b"504".to_vec(),
            }
        };
        assert_eq!(ask(), b"200");
        let workers = backend.workers();
        // One of the two has the connection, and the other takes new ones.
        send(workers[0], Signal::SIGSTOP);
        let stopped = match &ask()[..] {
            b"504" => workers[0],
            _ => {
                send(workers[0], Signal::SIGCONT);
                send(workers[1], Signal::SIGSTOP);
                assert_eq!(ask(), b"504", "{client}");
                workers[1]
            }
        };
        wait_until("a new connection", || ask() == b"200");
        send(stopped, Signal::SIGCONT);
    }
}

#[test]
fn an_answer_without_an_end_is_given_up_before_memory_is() {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = backend.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in backend.incoming().flatten() {
            thread::spawn(move || {
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
                let _ = stream.read(&mut [0; 4096]);
                let begun = stream.write_all(head.as_bytes());
                let part = [b'x'; 1 << 16];
                // Until nobody reads it any more.
                while begun.is_ok() && stream.write_all(&part).is_ok() {}
            });
        }
    });
    with_each_kind(|deployment| {
        let mut further = vec!["--calls=0", "--timeout=30"];
        if ["app-async", "app-offload"].contains(&deployment.app) {
            further.push("--http2=false");
        }
        let further = deployment.light(&further);
        let server = Server::deploy(deployment, port, &further);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 502, "{deployment:?}: {answer:?}");
        for worker in server.workers() {
            let status = fs::read_to_string(format!("/proc/{worker}/status"));
            let status = status.unwrap();
            let peak = status.lines().find_map(|line| {
                let kilobytes = line.strip_prefix("VmHWM:")?.trim();
                kilobytes.strip_suffix(" kB")?.parse::<u64>().ok()
            });
            let peak = peak.unwrap() / 1000;
            assert!(peak < 100, "{deployment:?}: {peak} MB");
        }
    });
}

#[test]
fn a_log_that_cannot_be_written_holds_nobody_up() {
    for app in ["app-sync", "app-async", "app-coroutine"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut logging = Logging::to(full, app);
        // That the call fails is logged, too.
        logging.fails_to_call();
        logging.replaces_a_worker();
        logging.fails_to_call();
        logging.stops();
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    for app in ["app-sync", "app-async", "app-coroutine"] {
        let (reader, writer) = pipe().unwrap();
        let mut logging = Logging::to(writer, app);
        // Each has two lines and more; the pipe has room for some hundred.
        (0..500).for_each(|_| logging.fails_to_call());
        logging.replaces_a_worker();
        // Who reads on is told what is missing.
        let mut log = BufReader::new(File::from(OwnedFd::from(reader)));
        let mut line = String::new();
        for _ in 0..2000 {
            logging.fails_to_call();
            line.clear();
            log.read_line(&mut line).unwrap();
            if line.contains(" lines are missing here") {
                break;
            }
        }
        assert!(line.contains(" lines are missing here"), "{line}");
        logging.stops();
    }
}

/// An app whose log goes somewhere, and whose calls go nowhere.
struct Logging {
    child: Child,
    port: u16,
}

impl Logging {
    fn to(log: impl Into<Stdio>, app: &str) -> Self {
        let port = free_port();
        let mut command = Command::new(binary(app));
        command
            .args(["--calls=0", "--backend=127.0.0.1:1", "--die-with-parent"])
            .arg(format!("--http=:{port}"))
            .stderr(log);
        // A worker that is killed before it is ready ends the start.
        let child = spawn(&mut command);
        assert!(is_taken(port), "nobody listens");
        Self { child, port }
    }

    #[track_caller]
    fn fails_to_call(&self) {
        assert_eq!(get(self.port, "/").status, 502);
    }

    fn replaces_a_worker(&self) {
        let workers = || descendants(self.child.id());
        let worker = workers()[0];
        send(worker, Signal::SIGKILL);
        wait_until("a successor", || {
            workers().first().is_some_and(|pid| *pid != worker)
        });
        wait_until("its socket", || is_taken(self.port));
    }

    #[track_caller]
    fn stops(&mut self) {
        send(self.child.id(), Signal::SIGTERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
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
