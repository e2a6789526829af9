//! The request line and its parts: method, target, version.

use super::case::{Case, answered, get, refused};

pub(super) fn lines() -> Vec<Case> {
    let refused = |name, line: &str| {
        let bytes = format!("{line}\r\nHost: a\r\n\r\n");
        let why = "RFC 9112 §3: a line is method, target, version";
        refused("400 closed", name, why, bytes)
    };
    vec![
        answered("200", "the slides' request", "RFC 9112 §3", get("")),
        refused("a word alone", "GARBAGE"),
        refused("a method alone", "GET"),
        refused("a method and a space", "GET "),
        refused("no method", " / HTTP/1.1"),
        refused("no target", "GET HTTP/1.1"),
        refused("no target, two spaces", "GET  HTTP/1.1"),
        refused("two spaces before the target", "GET  / HTTP/1.1"),
        refused("two spaces before the version", "GET /  HTTP/1.1"),
        refused("a space after the version", "GET / HTTP/1.1 "),
        refused("a word after the version", "GET / HTTP/1.1 a"),
        refused("a space before the method", " GET / HTTP/1.1"),
        refused("tabs for spaces", "GET\t/\tHTTP/1.1"),
        refused("a space within the target", "GET /a b HTTP/1.1"),
        refused("a form feed for a space", "GET\x0c/ HTTP/1.1"),
        refused("NUL within the method", "GE\0T / HTTP/1.1"),
        refused("NUL within the target", "GET /\0 HTTP/1.1"),
        refused("NUL after the version", "GET / HTTP/1.1\0"),
        refused("a control byte within the target", "GET /\x01 HTTP/1.1"),
        refused("DEL within the target", "GET /\x7f HTTP/1.1"),
        refused("an at-sign within the method", "G@T / HTTP/1.1"),
        refused("a colon after the method", "GET: / HTTP/1.1"),
        refused("a header for a line", "Host: a"),
    ]
}

pub(super) fn methods() -> Vec<Case> {
    let method = |answer, name, why, method: &str| {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        answered(answer, name, why, bytes)
    };
    let known = "RFC 9110 §15.5.6: known, and not for this target";
    let unknown = "RFC 9110 §9.1 would have 501 as well";
    vec![
        method("200", "HEAD", "RFC 9110 §9.3.2: no body comes", "HEAD")
            .minihttp("405"),
        method("405", "POST without a body", known, "POST"),
        method("405", "PUT without a body", known, "PUT"),
        method("405", "DELETE", known, "DELETE"),
        method("405", "OPTIONS", known, "OPTIONS"),
        method("405", "TRACE", known, "TRACE"),
        method("405", "PATCH", known, "PATCH"),
        method("405", "an unknown method", unknown, "BREW"),
        method(
            "405",
            "get in lower case",
            "RFC 9110 §9.1: case counts",
            "get",
        ),
        method("405", "a method of odd tokens", unknown, "!#$%&'*+-.^_`|~0"),
        method(
            "405",
            "a method of 1,000 letters",
            unknown,
            &"A".repeat(1000),
        ),
    ]
}

pub(super) fn targets() -> Vec<Case> {
    let is = |answer, name, why, line: &str| {
        let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        answered(answer, name, why, bytes)
    };
    let no = |name, why, line: &str| {
        let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        refused("400 closed", name, why, bytes)
    };
    let origin = "RFC 9112 §3.2.1";
    let absolute = "RFC 9112 §3.2.2: a server has to accept it";
    let strict = "RFC 9112 §3.2: an invalid line gets 400";
    vec![
        is("200", "origin form with a query", origin, "GET /?a=b&c=/?d"),
        is("404", "origin form of another path", origin, "GET /a"),
        is("404", "two slashes", origin, "GET //"),
        is("404", "two slashes and a name", origin, "GET //a/"),
        is("404", "dots are not resolved", origin, "GET /a/.."),
        is("404", "an encoded slash", origin, "GET /%2F"),
        is("404", "an encoded NUL", origin, "GET /%00"),
        is("404", "an encoded line end", origin, "GET /%0d%0aA:b"),
        is("200", "absolute form", absolute, "GET http://a/"),
        is(
            "200",
            "absolute form without a path",
            absolute,
            "GET http://a",
        ),
        is(
            "200",
            "absolute form, query only",
            absolute,
            "GET http://a?b",
        ),
        is(
            "404",
            "absolute form, another path",
            absolute,
            "GET http://a/b",
        ),
        is(
            "200",
            "absolute form in upper case",
            absolute,
            "GET HTTP://A/",
        ),
        is(
            "200",
            "absolute form of a port",
            absolute,
            "GET http://a:80/",
        ),
        is(
            "200",
            "absolute form of IPv6",
            absolute,
            "GET http://[::1]/",
        ),
        is("200", "absolute form, HEAD", absolute, "HEAD http://a/")
            .minihttp("405"),
        is(
            "200",
            "absolute form of another host",
            "RFC 9112 §3.2.2: Host is ignored then",
            "GET http://b/",
        ),
        no(
            "absolute form without a host",
            "RFC 9110 §4.2.1: invalid, has to be refused",
            "GET http:///",
        ),
        no(
            "absolute form of a port alone",
            "RFC 9110 §4.2.1: invalid, has to be refused",
            "GET http://:80/",
        ),
        no(
            "absolute form with a user",
            "RFC 9110 §4.2.4: an error",
            "GET http://u:p@a/",
        ),
        is(
            "404",
            "asterisk form",
            "RFC 9110 §9.3.7: of the server; nothing is told of it",
            "OPTIONS *",
        ),
        no("asterisk form with GET", "RFC 9112 §3.2.4", "GET *"),
        is(
            "404",
            "authority form",
            "RFC 9110 §9.3.6: no tunnel is made",
            "CONNECT a:80",
        ),
        no("CONNECT to a path", "RFC 9112 §3.2.3", "CONNECT /"),
        no("CONNECT without a port", "RFC 9112 §3.2.3", "CONNECT a"),
        no("authority form with GET", "RFC 9112 §3.2.3", "GET a:80"),
        no("a path without its slash", strict, "GET a"),
        no("a path of the parent", strict, "GET ../a"),
        no("a query alone", strict, "GET ?a"),
        no("a fragment", strict, "GET /#a")
            .hyper("200")
            .minihttp("closed"),
        no("a scheme without an authority", strict, "GET http:/a"),
        no("angle brackets", strict, "GET /<a>"),
        no("a quotation mark", strict, "GET /\"a"),
        no("a pipe", strict, "GET /a|b"),
        no("a backslash", strict, "GET /\\a"),
        no("curly brackets", strict, "GET /{a}"),
        no("a grave accent", strict, "GET /`a"),
        no("a percent sign alone", strict, "GET /%"),
        no("a percent sign and no digits", strict, "GET /%zz"),
        no("UTF-8 that is not encoded", strict, "GET /\u{fc}"),
        refused(
            "400 closed",
            "a byte that is no UTF-8",
            strict,
            b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ]
}

pub(super) fn versions() -> Vec<Case> {
    let no = |name, why, version: &str| {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        refused("400 closed", name, why, bytes)
    };
    let major = "RFC 9110 §15.6.6 would have 505 as well";
    let case = "RFC 9112 §2.3: case counts";
    let digits = "RFC 9112 §2.3: one digit, a dot, one digit";
    vec![
        answered(
            "200 closed",
            "HTTP/1.0",
            "RFC 9112 §9.3: it closes unless asked not to",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        )
        .minihttp("200"),
        answered(
            "200 closed",
            "HTTP/1.0 without a header",
            "RFC 9112 §3.2: only HTTP/1.1 needs Host",
            "GET / HTTP/1.0\r\n\r\n",
        )
        .minihttp("200"),
        answered(
            "200 closed",
            "HTTP/1.0, HEAD",
            "RFC 9110 §9.3.2",
            "HEAD / HTTP/1.0\r\n\r\n",
        )
        .minihttp("405"),
        refused(
            "400 closed",
            "HTTP/0.9",
            "RFC 9112 §3: no version, no HTTP/1",
            "GET /\r\n",
        )
        .waits()
        .hyper("400 closed or closed"),
        refused(
            "400 closed",
            "HTTP/0.9 with headers",
            "RFC 9112 §3: no version, no HTTP/1",
            "GET /\r\nHost: a\r\n\r\n",
        ),
        no("a space for a version", "RFC 9112 §3", ""),
        no(
            "HTTP/1.2",
            "RFC 9110 §6.2 would have it as 1.1; the parser knows two",
            "HTTP/1.2",
        ),
        no("HTTP/1.9", "as 1.2", "HTTP/1.9"),
        no("HTTP/0.9 by name", major, "HTTP/0.9"),
        no("HTTP/2.0", major, "HTTP/2.0"),
        no("HTTP/2", digits, "HTTP/2"),
        no("HTTP/3.0", major, "HTTP/3.0"),
        no("HTTP/9.9", major, "HTTP/9.9"),
        no("HTTP/1.10", digits, "HTTP/1.10"),
        no("HTTP/01.1", digits, "HTTP/01.1"),
        no("HTTP/1", digits, "HTTP/1"),
        no("HTTP/1.", digits, "HTTP/1."),
        no("HTTP/1,1", digits, "HTTP/1,1"),
        no("HTTP/-1.1", digits, "HTTP/-1.1"),
        no("HTTP 1.1", digits, "HTTP 1.1"),
        no("http/1.1", case, "http/1.1"),
        no("Http/1.1", case, "Http/1.1"),
        no("HTTPS/1.1", "RFC 9112 §2.3", "HTTPS/1.1"),
        no("ICY/1.0", "RFC 9112 §2.3", "ICY/1.0"),
    ]
}
