//! A backend that is down, or too slow.

use crate::http::get;
use crate::server::{Server, with_each};

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
