//! What comes between the runner and its end: a user in a hurry, and nobody
//! who listens.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;

use nix::sys::signal::Signal;

use crate::bench::{free_base, talk};
use crate::http::{asked, read};
use crate::server::{lives, send, wait_until};

#[test]
fn a_second_ctrl_c_waits_for_no_request() {
    let base = free_base();
    let further = ["run", "basic", "--", "--calls=50", "--timeout=60"];
    let mut child =
        talk(base, &further).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut hear = |what: &str| {
        let mut text = String::new();
        while !text.contains(what) {
            assert_ne!(stderr.read_line(&mut text).unwrap(), 0, "{text}");
        }
    };
    hear("Ctrl-C stops it");
    let request = thread::spawn(move || {
        let mut stream = asked(base, "/");
        read(&mut stream).is_none()
    });
    hear("start network call");
    send(child.id(), Signal::SIGINT);
    hear("finishes what it has in hand; Ctrl-C once more");
    assert!(lives(child.id()));
    send(child.id(), Signal::SIGINT);
    assert!(request.join().unwrap(), "its request was answered");
    let mut ended = None;
    wait_until("its end", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
}

#[test]
fn where_nobody_listens_it_ends_all_the_same() {
    let full = || File::create("/dev/full").unwrap();
    let code = |stdout: Stdio, stderr: Stdio, arguments: &[&str]| {
        let mut command = talk(free_base(), arguments);
        command
            .stdout(stdout)
            .stderr(stderr)
            .status()
            .unwrap()
            .code()
    };
    let (null, closed) = (Stdio::null, || full().into());
    assert_eq!(code(null(), closed(), &["bench", "asink"]), Some(1));
    assert_eq!(code(null(), closed(), &["--nosuch"]), Some(2));
    assert_eq!(code(null(), null(), &["list"]), Some(0));
    assert_eq!(code(closed(), null(), &["list"]), Some(1));
}
