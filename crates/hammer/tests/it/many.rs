//! Ten thousand connections at once, and what they cost.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::server::OK;
use crate::shell::{assert_last_line, assert_line, command};

/// This many at once, and no more memory than so many kilobytes.
#[track_caller]
fn assert_at_once(count: usize, most_kilobytes: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    if hard < count as u64 + 500 {
        eprintln!("skipped: {soft} and at most {hard} files are allowed");
        return;
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    // The kernel's own limit may be less.
    socket.listen(10_000).unwrap();
    let listener = TcpListener::from(socket);
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let number = count.to_string();
    let child = command(&["-n", &number, "-c", &number, &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // None is answered before all are open.
    let streams: Vec<_> =
        (0..count).map(|_| listener.accept().unwrap().0).collect();
    let path = format!("/proc/{}/status", child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    for mut stream in streams {
        stream.write_all(OK.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    // Where other tests have the core, it does not trust itself.
    assert!(matches!(output.status.code(), Some(0 | 4)));
    assert_line(&output, "failed 0");
    assert_last_line(&output, count as u64);
    let kilobytes: u64 = kilobytes.parse().unwrap();
    assert!(kilobytes <= most_kilobytes, "{kilobytes} kB for {count}");
}

#[test]
fn a_thousand_connections_take_little_memory() {
    assert_at_once(1_000, 20 * 1024);
}

#[test]
fn ten_thousand_connections_take_little_more() {
    assert_at_once(10_000, 64 * 1024);
}
