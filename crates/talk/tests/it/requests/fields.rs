//! Header lines: how they are written, where they end, and which host they
//! name.

use super::case::{Case, answered, get, refused};

pub(super) fn fields() -> Vec<Case> {
    let no =
        |name, why, lines: &str| refused("400 closed", name, why, get(lines));
    let is = |name, why, lines: &str| answered("200", name, why, get(lines));
    let token = "RFC 9110 §5.1: a name is a token";
    let control = "RFC 9110 §5.5: control bytes are invalid";
    let fold = "RFC 9112 §5.2: refused, or the fold replaced";
    vec![
        no(
            "a space before the colon",
            "RFC 9112 §5.1: has to be refused with 400",
            "A : b\r\n",
        ),
        no(
            "a tab before the colon",
            "RFC 9112 §5.1: has to be refused with 400",
            "A\t: b\r\n",
        ),
        no("no colon", "RFC 9112 §5", "A\r\n"),
        no("no name", token, ": b\r\n"),
        no("a colon alone", token, ":\r\n"),
        no("a space within the name", token, "A b: c\r\n"),
        no("a slash within the name", token, "A/b: c\r\n"),
        no("brackets around the name", token, "(A): b\r\n"),
        no("a quoted name", token, "\"A\": b\r\n"),
        no("NUL within the name", token, "A\0: b\r\n"),
        no("UTF-8 within the name", token, "\u{c4}: b\r\n"),
        no("a folded line", fold, "A: b\r\n c\r\n"),
        no("a line folded with a tab", fold, "A: b\r\n\tc\r\n"),
        no("a line folded to nothing", fold, "A: b\r\n \r\n"),
        no("NUL within the value", control, "A: b\0c\r\n"),
        no("NUL as the value", control, "A: \0\r\n"),
        no("a control byte within the value", control, "A: b\x01c\r\n"),
        no("ESC within the value", control, "A: \x1b[31mb\r\n"),
        no("DEL within the value", control, "A: b\x7f\r\n"),
        refused(
            "400 closed",
            "a space before the first header",
            "RFC 9112 §2.2: refused, or the line dropped",
            "GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n",
        ),
        refused(
            "400 closed",
            "a folded line before any header",
            "RFC 9112 §2.2: refused, or the line dropped",
            "GET / HTTP/1.1\r\n A\r\nHost: a\r\n\r\n",
        ),
        is("no value", "RFC 9112 §5", "A:\r\n"),
        is("no space before the value", "RFC 9112 §5", "A:b\r\n"),
        is("tabs around the value", "RFC 9112 §5.1", "A:\t\tb\t\r\n"),
        is("a tab within the value", "RFC 9110 §5.5", "A: b\tc\r\n"),
        is("a colon within the value", "RFC 9110 §5.5", "A: b: c\r\n"),
        is("UTF-8 within the value", "RFC 9110 §5.5", "A: \u{fc}\r\n"),
        is("a name of odd tokens", token, "!#$%&'*+-.^_`|~0: b\r\n"),
        is("the same name twice", "RFC 9110 §5.2", "A: b\r\nA: c\r\n"),
        answered(
            "200",
            "bytes within the value that are no UTF-8",
            "RFC 9110 §5.5: opaque",
            b"GET / HTTP/1.1\r\nHost: a\r\nA: \xff\x80\r\n\r\n",
        ),
    ]
}

pub(super) fn line_ends() -> Vec<Case> {
    let cr = "RFC 9112 §2.2: a CR alone is invalid, or a space";
    let lf = "RFC 9112 §2.2: an LF alone may end a line";
    let empty = "RFC 9112 §2.2: empty lines before a request mean nothing";
    let no = |name, bytes: &str| refused("400 closed", name, cr, bytes);
    let is = |name, why, bytes: &str| answered("200", name, why, bytes);
    vec![
        is("LF alone", lf, "GET / HTTP/1.1\nHost: a\n\n"),
        is("LF after the line", lf, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        is("LF after a header", lf, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        is("LF at the end", lf, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        no("CR alone", "GET / HTTP/1.1\rHost: a\r\r")
            .hyper("400 closed or closed")
            .waits(),
        no("CR after the line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        no(
            "CR after a header",
            "GET / HTTP/1.1\r\nHost: a\rA: b\r\n\r\n",
        ),
        no("CR within a value", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
        no(
            "CR within a name",
            "GET / HTTP/1.1\r\nHost: a\r\nA\rB: c\r\n\r\n",
        ),
        no(
            "CR within the target",
            "GET /\ra HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        no(
            "two CRs after the line",
            "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        ),
        no(
            "two CRs after a header",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        ),
        no("two CRs at the end", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n")
            .waits()
            .hyper("400 closed or closed"),
        no("CR before the line", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        no(
            "CR and a letter at the end",
            "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n",
        ),
        is(
            "an empty line first",
            empty,
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        is(
            "five empty lines first",
            empty,
            "\r\n\r\n\n\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        refused(
            "400 closed",
            "a line of a space first",
            "RFC 9112 §2.2: it is not empty",
            " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ]
}

pub(super) fn hosts() -> Vec<Case> {
    let no = |name, lines: &str| {
        let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let why = "RFC 9112 §3.2: has to get 400";
        refused("400 closed", name, why, bytes)
    };
    let is = |name, why, line: &str| {
        let bytes = format!("GET / HTTP/1.1\r\n{line}\r\n");
        answered("200", name, why, bytes)
    };
    let host = "RFC 9110 §7.2";
    vec![
        no("no host", ""),
        no("no host, and other headers", "A: b\r\n"),
        no("two hosts", "Host: a\r\nHost: b\r\n"),
        no("the same host twice", "Host: a\r\nHost: a\r\n"),
        no("two hosts, one in upper case", "Host: a\r\nHOST: b\r\n"),
        no("two hosts in one line", "Host: a, b\r\n"),
        no("a host with a space", "Host: a b\r\n"),
        no("a host with a path", "Host: a/b\r\n"),
        no("a host with a user", "Host: u@a\r\n"),
        no("a host that is a URL", "Host: http://a\r\n"),
        no("a host with a bad port", "Host: a:b\r\n"),
        no("a host with two ports", "Host: a:80:80\r\n"),
        no("a host with a bracket", "Host: [::1\r\n"),
        no("brackets around no address", "Host: [a]\r\n"),
        no("a host with a bad escape", "Host: %zz\r\n"),
        no("a host that is quoted", "Host: \"a\"\r\n"),
        no("a host that is no ASCII", "Host: \u{fc}\r\n"),
        is("an empty host", "RFC 9112 §3.2: valid", "Host:\r\n"),
        is("a host with a port", host, "Host: a:80\r\n"),
        is("a host with an empty port", host, "Host: a:\r\n"),
        is("a host that is IPv6", host, "Host: [::1]:80\r\n"),
        is("a host in upper case", host, "HOST: A\r\n"),
        refused(
            "400 closed",
            "HTTP/1.0 with two hosts",
            "RFC 9112 §3.2: any request has to get 400",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        refused(
            "400 closed",
            "absolute form without a host header",
            "RFC 9112 §3.2: the header is needed all the same",
            "GET http://a/ HTTP/1.1\r\n\r\n",
        ),
    ]
}
