//! Requests that are too long, and those that are just not.

use super::case::{Case, answered, get, refused};

const KB: usize = 1 << 10;

pub(super) fn sizes() -> Vec<Case> {
    let line = "RFC 9112 §3: the limit of a line is 8 KiB";
    let head = "RFC 6585 §5: the limit of a head is 32 KiB";
    let count = "RFC 6585 §5: the limit is 100 headers";
    let header = |size| get(&format!("A: {}\r\n", "a".repeat(size)));
    let headers = |count| get(&"A: b\r\n".repeat(count));
    let target = |size| {
        let query = "a".repeat(size);
        format!("GET /?{query} HTTP/1.1\r\nHost: a\r\n\r\n")
    };
    vec![
        answered(
            "200",
            "a target of 8,000 bytes",
            "RFC 9112 §3: as long as everyone should take",
            target(7998),
        ),
        refused("414 closed", "a target of 9 KiB", line, target(9 * KB)),
        refused("414 closed", "a target of 30 KiB", line, target(30 * KB)),
        refused("414 closed", "a target of 40 KiB", line, target(40 * KB)),
        refused("414 closed", "a target of 1 MB", line, target(KB * KB))
            .hyper("431 closed"),
        refused("414 closed", "a method of 9 KiB", line, {
            let method = "A".repeat(9 * KB);
            format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")
        }),
        refused("414 closed", "a line of 1 MB without an end", line, {
            "a".repeat(KB * KB)
        })
        .minihttp("held")
        .hyper("431 closed"),
        answered("200", "a header of 8,000 bytes", head, header(8000)),
        answered("200", "a head of 31 KiB", head, header(31 * KB)),
        refused("431 closed", "a head of 33 KiB", head, header(33 * KB)),
        refused("431 closed", "a head of 1 MB in one header", head, {
            header(KB * KB)
        }),
        refused("431 closed", "a name of 1 MB", head, {
            get(&format!("{}: b\r\n", "A".repeat(KB * KB)))
        }),
        refused("431 closed", "a head of 1 MB in 100 headers", head, {
            get(&format!("A: {}\r\n", "a".repeat(10 * KB)).repeat(99))
        }),
        refused("431 closed", "a head of 1 MB of small headers", head, {
            headers(KB * KB / 6)
        }),
        answered("200", "16 headers", count, headers(15)),
        answered("200", "17 headers", count, headers(16)).minihttp("closed"),
        answered("200", "100 headers", count, headers(99)).minihttp("closed"),
        refused("431 closed", "101 headers", count, headers(100)),
        refused("431 closed", "10,000 headers", count, headers(9999)),
        refused("431 closed", "empty lines of 64 KiB first", head, {
            "\r\n".repeat(32 * KB) + &get("")
        })
        .hyper("431 closed or 200")
        .minihttp("200"),
    ]
}
