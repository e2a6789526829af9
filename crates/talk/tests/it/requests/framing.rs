//! Where a request ends: lengths, chunks, bodies, and the next request.

use super::case::{Case, answered, get, post, refused};

pub(super) fn lengths() -> Vec<Case> {
    let no = |name, why, lines: &str| {
        refused("400 closed", name, why, get(lines) + "hello")
    };
    let number = "RFC 9110 §8.6: a length is digits, in one place";
    let twice = "RFC 9110 §8.6: refused, or replaced where equal";
    vec![
        no("a negative length", number, "Content-Length: -5\r\n"),
        no("a length with a plus", number, "Content-Length: +5\r\n"),
        no("a length in hex", number, "Content-Length: 0x5\r\n"),
        no("a length with hex digits", number, "Content-Length: 5a\r\n"),
        no("a length with a point", number, "Content-Length: 5.0\r\n"),
        no(
            "a length with an exponent",
            number,
            "Content-Length: 5e0\r\n",
        ),
        no("a length with a space", number, "Content-Length: 1 5\r\n"),
        no("a length with a unit", number, "Content-Length: 5b\r\n"),
        no("a quoted length", number, "Content-Length: \"5\"\r\n"),
        no("a length that is empty", number, "Content-Length:\r\n"),
        no(
            "a length that is a word",
            number,
            "Content-Length: five\r\n",
        ),
        no(
            "a length in digits of another script",
            number,
            "Content-Length: \u{ff15}\r\n",
        ),
        no(
            "a length of 2^64",
            number,
            "Content-Length: 18446744073709551616\r\n",
        ),
        no(
            "a length of 100 digits",
            number,
            &format!("Content-Length: {}\r\n", "9".repeat(100)),
        ),
        no("a list of lengths", twice, "Content-Length: 5, 6\r\n"),
        no("a list of equal lengths", twice, "Content-Length: 5, 5\r\n"),
        no(
            "a list with an empty member",
            twice,
            "Content-Length: 5,\r\n",
        ),
        no(
            "two lengths",
            twice,
            "Content-Length: 5\r\nContent-Length: 6\r\n",
        ),
        no(
            "two lengths, one of them zero",
            twice,
            "Content-Length: 5\r\nContent-Length: 0\r\n",
        ),
        no(
            "two equal lengths",
            twice,
            "Content-Length: 5\r\nContent-Length: 5\r\n",
        )
        .hyper("200 closed"),
        no(
            "a length behind a space and a colon",
            "RFC 9112 §5.1",
            "Content-Length : 5\r\n",
        ),
        no(
            "a length that is folded",
            "RFC 9112 §5.2",
            "Content-Length:\r\n 5\r\n",
        ),
        answered(
            "200 closed",
            "a length of 2^63",
            "RFC 9110 §8.6: any number of digits; no body is wanted",
            get("Content-Length: 9223372036854775808\r\n"),
        )
        .minihttp("closed"),
        answered(
            "200 closed",
            "a length with zeros before it",
            "RFC 9110 §8.6: digits",
            get("Content-Length: 005\r\n") + "hello",
        )
        .minihttp("closed"),
        answered(
            "200",
            "a length of zero",
            "RFC 9112 §6.3: no body follows",
            get("Content-Length: 0\r\n"),
        ),
    ]
}

pub(super) fn codings() -> Vec<Case> {
    let both = "RFC 9112 §6.3: may be smuggling; the connection has to close";
    let last = "RFC 9112 §6.3: chunked has to be last, or 400";
    let once = "RFC 9112 §6.1: chunked only once";
    let no = |name, why, lines: &str| {
        let bytes = get(lines) + "0\r\n\r\n";
        refused("400 closed", name, why, bytes)
    };
    let unknown = |name, lines: &str| {
        let why = "RFC 9112 §6.1: a coding that is not known";
        refused("501 closed", name, why, get(lines) + "0\r\n\r\n")
    };
    let chunked = |name, why, lines: &str| {
        answered("200 closed", name, why, get(lines) + "0\r\n\r\n")
            .minihttp("closed")
    };
    vec![
        no(
            "chunks and a length",
            both,
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        )
        .hyper("200 closed"),
        no(
            "a length and chunks",
            both,
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        )
        .hyper("200 closed"),
        no(
            "chunks and a length of zero",
            both,
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        )
        .hyper("200 closed"),
        no(
            "a length between two codings",
            both,
            "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\
             Transfer-Encoding: chunked\r\n",
        )
        .hyper("501 closed"),
        no("no coding", last, "Transfer-Encoding:\r\n"),
        no("gzip alone", last, "Transfer-Encoding: gzip\r\n"),
        no("identity", last, "Transfer-Encoding: identity\r\n"),
        no(
            "chunked, then gzip",
            last,
            "Transfer-Encoding: chunked, gzip\r\n",
        ),
        no(
            "chunked, then identity",
            last,
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        no(
            "chunked, then gzip, in two lines",
            last,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        ),
        no("nearly chunked", last, "Transfer-Encoding: xchunked\r\n"),
        no("chunked and more", last, "Transfer-Encoding: chunkedx\r\n"),
        no(
            "chunked in quotes",
            last,
            "Transfer-Encoding: \"chunked\"\r\n",
        ),
        no(
            "chunked with a colon",
            last,
            "Transfer-Encoding: :chunked\r\n",
        ),
        no(
            "chunked with a parameter",
            "RFC 9112 §7.1: an error",
            "Transfer-Encoding: chunked;a=b\r\n",
        ),
        no(
            "chunked twice",
            once,
            "Transfer-Encoding: chunked, chunked\r\n",
        ),
        no(
            "chunked in two lines",
            once,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        no(
            "chunked behind a vertical tab",
            "RFC 9110 §5.5: control bytes are invalid",
            "Transfer-Encoding: \x0bchunked\r\n",
        ),
        no(
            "chunked behind a space and a colon",
            "RFC 9112 §5.1",
            "Transfer-Encoding : chunked\r\n",
        ),
        no(
            "chunked that is folded",
            "RFC 9112 §5.2",
            "Transfer-Encoding:\r\n chunked\r\n",
        ),
        unknown("gzip, then chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        unknown(
            "gzip, then chunked, in two lines",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        unknown(
            "an unknown coding, then chunked",
            "Transfer-Encoding: brew, chunked\r\n",
        ),
        refused(
            "400 closed",
            "chunks on HTTP/1.0",
            "RFC 9112 §6.1: faulty; the connection has to close",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "400 closed",
            "gzip on HTTP/1.0",
            "RFC 9112 §6.1: faulty; the connection has to close",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\
             Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        chunked(
            "chunked",
            "RFC 9112 §7.1: no body is wanted",
            "Transfer-Encoding: chunked\r\n",
        ),
        chunked(
            "chunked in upper case",
            "RFC 9112 §7: case does not count",
            "Transfer-Encoding: CHUNKED\r\n",
        ),
        chunked(
            "chunked in a list with empty members",
            "RFC 9110 §5.6.1: they mean nothing",
            "Transfer-Encoding: , chunked ,\r\n",
        )
        .hyper("400 closed"),
        chunked(
            "chunked, and trailers announced",
            "RFC 9110 §6.6.2",
            "Trailer: A\r\nTransfer-Encoding: chunked\r\n",
        ),
    ]
}

/// No body is read, so that whatever its chunks are, the answer is the same,
/// and the connection closes.
pub(super) fn chunks() -> Vec<Case> {
    let case = |name, chunks: &str| {
        let why = "no body is read: answered at once, and closed";
        let bytes = get("Transfer-Encoding: chunked\r\n") + chunks;
        answered("200 closed", name, why, bytes).minihttp("closed")
    };
    vec![
        case("a chunk", "5\r\nhello\r\n0\r\n\r\n"),
        case("a chunk in upper-case hex", "A\r\nhellohello\r\n0\r\n\r\n"),
        case("a size with zeros before it", "0005\r\nhello\r\n0\r\n\r\n"),
        case("a chunk with an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        case(
            "an extension with a line end in quotes",
            "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        ),
        case("a trailer", "0\r\nA: b\r\n\r\n"),
        case(
            "a trailer that frames",
            "0\r\nContent-Length: 5\r\n\r\nhello",
        ),
        case("a size that is negative", "-5\r\nhello\r\n0\r\n\r\n"),
        case("a size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        case("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        case("a size that is a word", "five\r\nhello\r\n0\r\n\r\n"),
        case("a size that is empty", "\r\nhello\r\n0\r\n\r\n"),
        case("a size behind a space", " 5\r\nhello\r\n0\r\n\r\n"),
        case("a size before a space", "5 \r\nhello\r\n0\r\n\r\n"),
        case("a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        case("a size of 2^64 - 1", "ffffffffffffffff\r\nhello"),
        case("a size that is too small", "3\r\nhello\r\n0\r\n\r\n"),
        case("a size that is too large", "9\r\nhello\r\n0\r\n\r\n"),
        case("a size that ends with LF", "5\nhello\r\n0\r\n\r\n"),
        case("a size that ends with CR", "5\rhello\r\n0\r\n\r\n"),
        case("no line end after a chunk", "5\r\nhello0\r\n\r\n"),
        case("no last chunk", "5\r\nhello\r\n"),
        case("nothing where chunks should be", ""),
        case(
            "a chunk that is a request",
            "1c\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ),
    ]
}

pub(super) fn bodies() -> Vec<Case> {
    let why = "no body is read: answered at once, and closed";
    let none = "RFC 9112 §6.3: without a length there is no body";
    let get_case = |name, lines: &str, body: &str| {
        let bytes = get(lines) + body;
        answered("200 closed", name, why, bytes).minihttp("closed")
    };
    let post_case = |name, lines: &str, body: &str| {
        answered("405 closed", name, why, post(lines, body)).minihttp("closed")
    };
    vec![
        get_case("GET with a body", "Content-Length: 5\r\n", "hello"),
        get_case("GET with part of a body", "Content-Length: 9\r\n", "hello"),
        get_case("GET that owes its body", "Content-Length: 9\r\n", ""),
        get_case("GET with a longer body", "Content-Length: 4\r\n", "hello"),
        get_case(
            "GET with a body of 100 KB",
            "Content-Length: 100000\r\n",
            &"a".repeat(100_000),
        ),
        answered(
            "200 closed",
            "HEAD with a body",
            why,
            "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )
        .minihttp("closed"),
        post_case("POST with a body", "Content-Length: 5\r\n", "hello"),
        post_case("POST with part of a body", "Content-Length: 9\r\n", "hello"),
        post_case("POST that owes its body", "Content-Length: 9\r\n", ""),
        post_case("POST with a longer body", "Content-Length: 4\r\n", "hello"),
        post_case(
            "POST with chunks",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        post_case(
            "POST with a body of 1 MB",
            "Content-Length: 1048576\r\n",
            &"a".repeat(1 << 20),
        ),
        post_case(
            "POST of a form",
            "Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 3\r\n",
            "a=b",
        ),
        refused("405 400 closed", "POST with no length", none, {
            post("", "hello\r\n\r\n")
        })
        .minihttp("closed or 405 closed"),
        refused("200 400 closed", "GET with no length", none, {
            get("") + "hello\r\n\r\n"
        })
        .minihttp("closed or 200 closed"),
        answered(
            "404 closed",
            "a body for another path",
            why,
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        )
        .minihttp("closed"),
    ]
}

/// One connection, several requests, or what looks like them.
pub(super) fn pipelining() -> Vec<Case> {
    let order = "RFC 9112 §9.3.2: answered in order";
    let body = "a body is no request, and nothing comes after it";
    let close = "RFC 9112 §9.6: nothing comes after close";
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    let size = format!("{length:x}");
    vec![
        answered("200 200", "two requests", order, get("").repeat(2)),
        answered("200 200 200 200 200", "five requests", order, {
            get("").repeat(5)
        }),
        answered("200 404 405", "three of a kind each", order, {
            get("") + smuggled + &post("", "")
        }),
        answered("200 200", "an empty line between two", order, {
            get("") + "\r\n" + &get("")
        }),
        answered("200 200", "a HEAD among them", order, {
            let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
            head.repeat(2)
        })
        .minihttp("405 405"),
        answered("200 closed", "close, and another request", close, {
            get("Connection: close\r\n") + smuggled
        })
        .minihttp("200 404"),
        answered("200 closed", "HTTP/1.0, and another request", close, {
            format!("GET / HTTP/1.0\r\n\r\n{smuggled}")
        })
        .minihttp("200 404"),
        answered("200 closed", "a body that is a request", body, {
            get(&format!("Content-Length: {length}\r\n")) + smuggled
        })
        .minihttp("closed"),
        answered("200 closed", "a body that is half a request", body, {
            let half = length / 2;
            get(&format!("Content-Length: {half}\r\n")) + smuggled
        })
        .minihttp("closed"),
        answered("405 closed", "a body of POST that is a request", body, {
            post(&format!("Content-Length: {length}\r\n"), smuggled)
        })
        .minihttp("closed"),
        answered("200 closed", "chunks that are a request", body, {
            get("Transfer-Encoding: chunked\r\n")
                + &format!("{size}\r\n{smuggled}\r\n0\r\n\r\n")
        })
        .minihttp("closed"),
        answered("200 closed", "a request after the chunks", body, {
            get("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + smuggled
        })
        .minihttp("closed"),
        answered("200 closed", "a request after the body", body, {
            get("Content-Length: 5\r\n") + "hello" + smuggled
        })
        .minihttp("closed"),
        refused("400 closed", "smuggling by length and chunks", body, {
            get(&format!(
                "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"
            )) + "0\r\n\r\n"
                + smuggled
        })
        .hyper("200 closed"),
        refused("400 closed", "smuggling by two lengths", body, {
            get(&format!(
                "Content-Length: 0\r\nContent-Length: {length}\r\n"
            )) + smuggled
        }),
        refused("400 closed", "smuggling by two equal lengths", body, {
            get("Content-Length: 5\r\nContent-Length: 5\r\n")
                + "hello"
                + smuggled
        })
        .hyper("200 closed"),
        refused("400 closed", "smuggling by an unknown coding", body, {
            get("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + smuggled
        }),
        refused("400 closed", "smuggling by a CR in a name", body, {
            get("A: b\rContent-Length: 5\r\n") + smuggled
        }),
        refused("400 closed", "a refusal, and another request", close, {
            format!("GARBAGE\r\n\r\n{smuggled}")
        }),
        refused("200 400 closed", "a request, and a refusal", order, {
            get("") + "GARBAGE\r\n\r\n"
        })
        .minihttp("closed or 200 closed"),
    ]
}
