//! The command as a shell sees it: what it prints, and how it exits.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::{OK, Peer, Server};
use crate::shell::{
    assert_exit, assert_last_line, assert_line, assert_usage, command, hammer,
    stderr, stdout,
};

#[test]
fn it_does_what_the_slides_did() {
    let server = Server::answering(OK);
    let port = server.port();
    let output = hammer(&[
        "--port",
        &port,
        "--nb_requests",
        "30",
        "--max_concurrency",
        "10",
    ]);
    assert_exit(&output, 0);
    assert_last_line(&output, 30);
    assert_line(&output, "requests 30");
    assert_line(&output, "failed 0");
    assert_eq!(server.requests(), 30);
    assert_eq!(stderr(&output), "");
}

#[test]
fn twenty_requests_are_the_default() {
    let server = Server::answering(OK);
    for args in [&[&*server.url()][..], &["--url", &server.url()]] {
        assert_last_line(&hammer(args), 20);
    }
    assert_eq!(server.requests(), 40);
}

#[test]
fn quiet_leaves_the_last_line() {
    let server = Server::answering(OK);
    let output = hammer(&["-q", "-n3", &server.url()]);
    assert_exit(&output, 0);
    assert_last_line(&output, 3);
    assert_eq!(stdout(&output).lines().count(), 1);
    assert_eq!(stderr(&output), "");
}

#[test]
fn an_error_status_is_a_failed_request() {
    let server =
        Server::answering("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops");
    let output = hammer(&["-n", "7", &server.url()]);
    assert_exit(&output, 1);
    assert_last_line(&output, 7);
    assert_line(&output, "failed 7");
    assert_line(&output, "status 500 7");
}

#[test]
fn nobody_listening_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let output = hammer(&["-n", "5", "--port", &port]);
    assert_exit(&output, 1);
    assert_last_line(&output, 5);
    assert_line(&output, "connection refused 5");
}

/// What a server does instead of answering, and what it is counted as.
#[track_caller]
fn assert_error<S>(line: &str, script: S)
where
    S: Fn(&mut Peer<'_>) -> std::io::Result<()> + Send + Sync + 'static,
{
    let server = Server::start(script);
    let output = hammer(&["-n6", "-c3", "--timeout=500ms", &server.url()]);
    assert_exit(&output, 1);
    assert_last_line(&output, 6);
    assert_line(&output, "failed 6");
    assert_line(&output, &format!("{line} 6"));
}

#[test]
fn a_reset_is_counted_as_one() {
    assert_error("connection reset", |peer| {
        peer.request()?;
        peer.reset()
    });
}

#[test]
fn a_server_that_closes_early_is_counted_as_one() {
    assert_error("closed before an answer", |peer| peer.request().map(drop));
}

#[test]
fn a_server_that_hangs_is_given_up() {
    assert_error("not answered in time", |peer| {
        peer.request()?;
        peer.hang()
    });
}

#[test]
fn garbage_is_no_answer() {
    assert_error("answer is no HTTP/1", |peer| {
        peer.request()?;
        peer.say("SSH-2.0-OpenSSH_9.2\r\n")?;
        peer.hang()
    });
}

#[test]
fn a_head_without_end_is_no_answer() {
    assert_error("head of the answer over 64 KiB", |peer| {
        peer.request()?;
        peer.say("HTTP/1.1 200 OK\r\n")?;
        loop {
            peer.say("X-More: and more of the same, without end\r\n")?;
        }
    });
}

#[test]
fn an_answer_that_is_cut_short_is_no_answer() {
    assert_error("answer cut short", |peer| {
        peer.request()?;
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    });
    assert_error("answer cut short", |peer| {
        peer.request()?;
        peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh")
    });
}

#[test]
fn a_server_may_keep_a_connection_that_the_hammer_closes() {
    let server = Server::start(|peer| {
        assert!(peer.request()?.unwrap().contains("Connection: close"));
        peer.say(OK)?;
        // Not until the hammer hung up does this server.
        peer.hang()
    });
    let output = hammer(&["-n9", "-c2", &server.url()]);
    assert_exit(&output, 0);
    assert_line(&output, "failed 0");
}

#[test]
fn a_command_that_makes_no_sense_is_refused_in_one_line() {
    assert_usage(&["-n", "0"], &["zero requests", "--help"]);
    assert_usage(&["-c", "0"], &["concurrency of zero"]);
    assert_usage(&["--port", "0"], &["--port", "1..=65535"]);
    assert_usage(&["--port", "x"], &["--port", "x"]);
    assert_usage(&["--prot", "80"], &["--prot", "--port"]);
    assert_usage(&["--timeout", "soon"], &["--timeout", "30s"]);
    assert_usage(&["localhost:5000"], &["localhost:5000", "http://"]);
    assert_usage(&["https://localhost/"], &["https"]);
    assert_usage(&["http://127.0.0.1:99999/"], &["port"]);
    assert_usage(&["--timeout", "9999999999h"], &["--timeout", "year"]);
    assert_usage(&["--threads", "9999"], &["--threads", "1024"]);
    assert_usage(&["-c", "99999999999"], &["--max_concurrency"]);
    assert_usage(&["-n1", "-z1s"], &["--duration"]);
    assert_usage(&["-c1", "--rate=5"], &["--rate"]);
    assert_usage(&["--rate=fast"], &["--rate", "500/s"]);
    assert_usage(&["--stages=10s"], &["--stages", "10s:100"]);
    assert_usage(&["--stages=1s:0"], &["rate of zero"]);
    assert_usage(
        &["--stages=1s:9", "--warmup=1s"],
        &["as long as all --stages"],
    );
    assert_usage(&["compare", "a", "b", "c"], &["--after"]);
    assert_usage(&["--arrivals=poisson"], &["--rate", "--stages"]);
    assert_usage(&["--max-connections=9"], &["--rate", "--stages"]);
    let few = ["--rate=9", "--max-connections=2", "--threads=3"];
    assert_usage(&few, &["2 connections", "3 threads", "one each"]);
    assert_usage(&["-H", "nothing"], &["--header", "colon"]);
    assert_usage(&["--body-file=/nowhere"], &["/nowhere"]);
    assert_usage(&["--json=/nowhere/at/all"], &["/nowhere/at/all"]);
}

#[test]
fn a_host_without_an_address_is_said_so() {
    let output = hammer(&["http://nowhere.invalid/"]);
    assert_exit(&output, 1);
    assert_eq!(stderr(&output).lines().count(), 1);
    assert!(stderr(&output).contains("nowhere.invalid"));
}

#[test]
fn a_reader_that_leaves_early_is_nobodys_fault() {
    let server = Server::answering(OK);
    for args in [&["--completions", "bash"][..], &["-n3", &server.url()]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(args).stdout(writer).output().unwrap();
        assert_exit(&output, 0);
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn where_nobody_can_be_told_it_ends_all_the_same() {
    let output = command(&["--nosuch"])
        .stderr(File::create("/dev/full").unwrap())
        .output();
    assert_exit(&output.unwrap(), 2);
}

#[test]
fn ctrl_c_ends_a_run_that_still_reports() {
    assert_ends_and_reports(Signal::SIGINT);
}

#[test]
fn sigterm_ends_a_run_that_still_reports() {
    assert_ends_and_reports(Signal::SIGTERM);
}

#[track_caller]
fn assert_ends_and_reports(signal: Signal) {
    let server = Server::start(|peer| {
        peer.request()?;
        if peer.count() == 1 {
            return peer.say(OK);
        }
        peer.hang()
    });
    let child = command(&["-n100", "-c4", &server.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // All of them under way: one was answered, and four hang.
    while server.requests() < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_exit(&output, 130);
    assert_last_line(&output, 1);
    assert!(stdout(&output).contains("4 requests under way"));
}
