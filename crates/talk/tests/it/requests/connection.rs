//! What a client asks of the connection, other protocols, and clients that
//! do not finish.

use super::case::{Case, answered, get, post, refused};

pub(super) fn options() -> Vec<Case> {
    let close = "RFC 9112 §9.6";
    let is = |answer, name, why, lines: &str| {
        answered(answer, name, why, get(lines))
    };
    let old = |answer, name, why, lines: &str| {
        let bytes = format!("GET / HTTP/1.0\r\nHost: a\r\n{lines}\r\n");
        answered(answer, name, why, bytes)
    };
    vec![
        is("200 closed", "close", close, "Connection: close\r\n")
            .minihttp("200"),
        is(
            "200 closed",
            "close in upper case",
            close,
            "Connection: CLOSE\r\n",
        )
        .minihttp("200"),
        is(
            "200 closed",
            "close in a list",
            close,
            "Connection: a, close\r\n",
        )
        .minihttp("200"),
        is(
            "200 closed",
            "close in a second line",
            "RFC 9110 §5.3: the lines are one list",
            "Connection: a\r\nConnection: close\r\n",
        )
        .minihttp("200"),
        is(
            "200 closed",
            "close, then keep-alive",
            "RFC 9112 §9.3: close comes first",
            "Connection: close, keep-alive\r\n",
        )
        .minihttp("200"),
        is(
            "200 closed",
            "keep-alive, then close",
            "RFC 9112 §9.3: close comes first",
            "Connection: keep-alive\r\nConnection: close\r\n",
        )
        .minihttp("200"),
        is(
            "200",
            "keep-alive",
            "RFC 9112 §9.3",
            "Connection: keep-alive\r\n",
        ),
        is(
            "200",
            "an unknown option",
            "RFC 9110 §7.6.1",
            "Connection: a\r\n",
        ),
        is("200", "no option", "RFC 9110 §5.6.1", "Connection:\r\n"),
        is(
            "200",
            "nearly close",
            "RFC 9110 §7.6.1: an unknown option",
            "Connection: closed\r\n",
        ),
        old(
            "200",
            "HTTP/1.0, keep-alive",
            "RFC 9112 §9.3",
            "Connection: keep-alive\r\n",
        ),
        old(
            "200",
            "HTTP/1.0, Keep-Alive in a list",
            "RFC 9112 §9.3",
            "Connection: a, Keep-Alive\r\n",
        ),
        old(
            "200 closed",
            "HTTP/1.0, keep-alive and close",
            "RFC 9112 §9.3: close comes first",
            "Connection: keep-alive, close\r\n",
        )
        .minihttp("200"),
        is(
            "200",
            "an upgrade to WebSocket",
            "RFC 9110 §7.8: may be ignored",
            "Connection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        is(
            "200",
            "an upgrade to HTTP/2",
            "RFC 9113 §3.1: not done any more",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        is("200", "an upgrade to TLS", "RFC 9110 §7.8", {
            "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"
        }),
    ]
}

pub(super) fn expectations() -> Vec<Case> {
    let continues = "RFC 9110 §10.1.1: the final answer at once, without 100";
    let unknown = "RFC 9110 §10.1.1: may be 417, and may be ignored";
    vec![
        answered(
            "405 closed",
            "100-continue, and the body held back",
            continues,
            post("Content-Length: 5\r\nExpect: 100-continue\r\n", ""),
        )
        .minihttp("closed"),
        answered(
            "405 closed",
            "100-continue, and the body sent",
            continues,
            post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"),
        )
        .minihttp("closed"),
        answered("405 closed", "100-continue with chunks", continues, {
            post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "")
        })
        .minihttp("closed"),
        answered(
            "200 closed",
            "100-continue on GET with a body",
            continues,
            get("Content-Length: 5\r\nExpect: 100-Continue\r\n"),
        )
        .minihttp("closed"),
        answered("200", "100-continue without a body", continues, {
            get("Expect: 100-continue\r\n")
        }),
        answered(
            "200 closed",
            "100-continue on HTTP/1.0",
            "RFC 9110 §10.1.1: has to be ignored",
            "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
        )
        .minihttp("200"),
        answered("200", "an unknown expectation", unknown, {
            get("Expect: brew\r\n")
        }),
        answered("405 closed", "an unknown one, and a body", unknown, {
            post("Content-Length: 5\r\nExpect: brew\r\n", "hello")
        })
        .minihttp("closed"),
    ]
}

pub(super) fn protocols() -> Vec<Case> {
    let why = "not of HTTP/1";
    let no = |name, bytes: &[u8]| refused("400 closed", name, why, bytes);
    vec![
        no(
            "the hello of TLS",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\
              \xcb\x34\xec\xb1\xe7\x81\x63\xba\x1c\x38\xc6\xda\xcb\x19\x6a\x6d\
              \xff\xa2\x1a\x8d\x99\x12\xec\x18\xa2\xef\x62\x83\x02\x4d\xec\xe7\
              \x00\x00\x06\x13\x01\x13\x02\x13\x03\x01\x00\x00\x00",
        )
        .waits(),
        no("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .hyper("closed or 400 closed"),
        no(
            "the preface of HTTP/2, and settings",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
              \x00\x00\x00\x04\x00\x00\x00\x00\x00",
        )
        .hyper("closed or 400 closed"),
        no("the banner of SSH", b"SSH-2.0-OpenSSH_9.9\r\n")
            .waits()
            .hyper("400 closed or closed"),
        no("the greeting of SMTP", b"EHLO a\r\n")
            .waits()
            .hyper("400 closed or closed"),
        no("a command of Redis", b"*1\r\n$4\r\nPING\r\n")
            .waits()
            .hyper("400 closed or closed"),
        no("an answer of HTTP", b"HTTP/1.1 200 OK\r\n\r\n"),
        no("a line of the PROXY protocol", {
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n\
              GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        }),
        no("zeros", &[0; 64]).waits(),
        no("ones", &[0xff; 64]).waits(),
    ]
}

pub(super) fn unfinished() -> Vec<Case> {
    let slow = "RFC 9110 §15.5.9: after the time for a head";
    let gone = "RFC 9112 §8: not whole, and nobody waits for an answer";
    let half = "RFC 9112 §9.6: it still reads";
    let slow_case = |answer, name, bytes: &str| {
        answered(answer, name, slow, bytes)
            .waits()
            .hyper("closed")
            .minihttp("held")
    };
    let gone_case =
        |name, bytes: &str| answered("closed", name, gone, bytes).half_closes();
    vec![
        slow_case("closed", "nothing", ""),
        slow_case("closed", "an empty line", "\r\n"),
        slow_case("408 closed", "a letter", "G"),
        slow_case("408 closed", "half a line", "GET / HT"),
        slow_case("408 closed", "a line", "GET / HTTP/1.1\r\n"),
        slow_case("408 closed", "half a header", "GET / HTTP/1.1\r\nHos"),
        slow_case(
            "408 closed",
            "all but the last byte",
            "GET / HTTP/1.1\r\nHost: a\r\n\r",
        ),
        slow_case("200 408 closed", "a request and half of one", {
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"
        })
        .hyper("200 closed")
        .minihttp("200 held"),
        gone_case("nothing, and the end", ""),
        gone_case("a letter, and the end", "G"),
        gone_case("half a line, and the end", "GET / HT"),
        gone_case("half a head, and the end", "GET / HTTP/1.1\r\nHost: a\r\n"),
        refused("400 closed", "garbage, and the end", half, "GARB@GE")
            .hyper("400 closed or closed")
            .half_closes(),
        answered("200 closed", "a request, and the end", half, get(""))
            .hyper("closed or 200 closed")
            .minihttp("closed or 200 closed")
            .half_closes(),
        answered("200 200 closed", "two requests, and the end", half, {
            get("").repeat(2)
        })
        .hyper("closed or 200 closed or 200 200 closed")
        .minihttp("closed or 200 closed or 200 200 closed")
        .half_closes(),
        answered("405 closed", "part of a body, and the end", half, {
            post("Content-Length: 9\r\n", "hello")
        })
        .half_closes()
        .minihttp("closed"),
    ]
}
