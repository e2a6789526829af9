//! Connections over a socket that is a script: what comes in, in pieces.

use std::time::Duration;

use super::script::Script;
use super::*;

const KEPT_ALIVE: Settings = Settings {
    keep_alive: true,
    head_timeout: Duration::from_secs(1),
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn served(script: &mut Script, settings: &Settings) -> (usize, String) {
    let mut requests = 0;
    serve(script, settings, |_| {
        requests += 1;
        Answer::from(Ok("served\n".to_owned()))
    })
    .unwrap();
    (requests, String::from_utf8(script.output.clone()).unwrap())
}

fn script(pieces: &[&str]) -> Script {
    let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec());
    Script::of(pieces)
}

#[test]
fn requests_are_served_however_they_arrive() {
    let pipelined = GET.repeat(3);
    let bytes: Vec<_> = pipelined.split("").filter(|b| !b.is_empty()).collect();
    for pieces in [&[pipelined.as_str()][..], &[GET; 3], &bytes] {
        let (requests, output) = served(&mut script(pieces), &KEPT_ALIVE);
        assert_eq!(requests, 3);
        assert_eq!(output.matches("HTTP/1.1 200 OK\r\n").count(), 3);
        assert!(output.ends_with("\r\n\r\nserved\n"), "{output}");
        assert!(!output.contains("connection: close"), "{output}");
    }
}

#[test]
fn without_keep_alive_there_is_one_request_a_connection() {
    let settings = Settings {
        keep_alive: false,
        ..KEPT_ALIVE
    };
    let mut script = script(&[GET, GET]);
    let (requests, output) = served(&mut script, &settings);
    assert_eq!(requests, 1);
    assert!(output.contains("connection: close\r\n"), "{output}");
    // A close with the second one unread would be a reset.
    assert!(script.finished.get());
}

#[test]
fn a_connection_carries_so_many_requests_and_says_so() {
    let most = MOST_REQUESTS as usize;
    let mut script = script(&[&GET.repeat(most + 1)]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, most);
    assert_eq!(output.matches("connection: close\r\n").count(), 1);
}

#[test]
fn head_is_answered_without_its_body() {
    let mut script = script(&["HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, 1);
    assert!(output.contains("content-length: 7\r\n"), "{output}");
    assert!(output.ends_with("\r\n\r\n"), "{output}");
}

#[test]
fn a_body_is_never_taken_for_a_request() {
    let smuggled = GET;
    let length = smuggled.len();
    let text = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n\
         {smuggled}"
    );
    let mut script = script(&[&text]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, 1);
    assert_eq!(output.matches("HTTP/1.1 ").count(), 1, "{output}");
    assert!(output.contains("connection: close\r\n"), "{output}");
    assert!(script.finished.get());
}

#[test]
fn a_refusal_closes_and_says_why() {
    let mut script = script(&["GARBAGE\r\n\r\n", GET]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, 0);
    assert!(
        output.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{output}"
    );
    assert!(output.ends_with("cannot be understood\n"), "{output}");
    assert_eq!(output.matches("HTTP/1.1 ").count(), 1, "{output}");
}

#[test]
fn a_slow_head_is_told_so_and_a_silent_client_is_not() {
    for (pieces, start) in [(&["GET /"][..], "HTTP/1.1 408"), (&[], "")] {
        let mut script = script(pieces);
        script.hangs = true;
        let (requests, output) = served(&mut script, &KEPT_ALIVE);
        assert_eq!(requests, 0);
        assert!(output.starts_with(start), "{output}");
        assert_eq!(output.is_empty(), start.is_empty(), "{output}");
    }
}

#[test]
fn a_client_that_closes_early_gets_nothing() {
    let (requests, output) = served(&mut script(&["GET / HT"]), &KEPT_ALIVE);
    assert_eq!((requests, output.as_str()), (0, ""));
}

#[test]
fn the_other_method_is_told_which_are_served() {
    let mut script = script(&["PUT / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    let (_, output) = served(&mut script, &KEPT_ALIVE);
    assert!(output.starts_with("HTTP/1.1 405 "), "{output}");
    assert!(output.contains("\r\nallow: GET,HEAD\r\n"), "{output}");
}

#[test]
fn another_protocol_is_refused_before_its_time_is_over() {
    let mut script = script(&["\x16\x03\x01\x00"]);
    script.hangs = true;
    let (_, output) = served(&mut script, &KEPT_ALIVE);
    assert!(output.starts_with("HTTP/1.1 400 "), "{output}");
}

#[test]
fn a_refused_head_gets_no_body() {
    let mut script = script(&["HEAD / HTTP/1.1\r\n\r\n"]);
    let (_, output) = served(&mut script, &KEPT_ALIVE);
    assert!(output.starts_with("HTTP/1.1 400 "), "{output}");
    assert!(output.ends_with("\r\n\r\n"), "{output}");
}

#[test]
fn a_client_of_http_1_0_is_told_that_the_connection_goes_on() {
    let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut script = script(&[request, request]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, 2);
    let told = output.matches("\r\nconnection: keep-alive\r\n").count();
    assert_eq!(told, 2, "{output}");
}

#[test]
fn empty_lines_before_a_request_mean_nothing_while_they_are_few() {
    let few = "\r\n".repeat(HEAD_LIMIT / 2);
    let (requests, _) = served(&mut script(&[&few, GET]), &KEPT_ALIVE);
    assert_eq!(requests, 1);
    let mut script = script(&[&few, "\n", GET]);
    let (requests, output) = served(&mut script, &KEPT_ALIVE);
    assert_eq!(requests, 0);
    assert!(output.starts_with("HTTP/1.1 431 "), "{output}");
}
