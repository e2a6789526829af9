//! What the apps answer, and what the backend sees of it.

use std::thread;

use crate::http::{ask, get};
use crate::server::{Deployment, Server, with_each};

const CALLS: &str = "--calls=0.01,0.02,0.03,0.04";
const HEAVY: &str = "--heavy=0.05";

fn further(deployment: Deployment, calls: &str) -> Vec<&str> {
    match deployment.app {
        "app-offload" => vec![calls, HEAVY],
        _ => vec![calls],
    }
}

fn stats(backend: &Server) -> (u64, u64) {
    let stats = backend.stats();
    let figure = |name: &str| stats[name].as_u64().unwrap();
    (figure("calls"), figure("peak"))
}

#[test]
fn the_answers_are_the_slides() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let further = further(deployment, CALLS);
        let server = Server::deploy(deployment, backend.port, &further);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        let (before, after) = match deployment.app {
            "app-sync" => ("This call lasted ", "synchronous calls"),
            "app-threaded" if deployment.name == "executor" => {
                ("This call lasted ", "synchronous calls on a pool")
            }
            "app-threaded" => ("This call lasted ", "synchronous calls"),
            "app-async" => ("This lasted ", "async calls using tokio"),
            "app-coroutine" => ("This lasted ", "async calls using may"),
            _ => ("This call lasted ", "offloaded asynchronous calls"),
        };
        let (start, end) = answer.body.split_once(" seconds with ").unwrap();
        let seconds: f64 = start.strip_prefix(before).unwrap().parse().unwrap();
        assert_eq!(end, format!("{after}.\n"));
        let least = match (deployment.app, deployment.open_calls) {
            ("app-offload", _) => 0.05,
            (_, 1) => 0.1,
            _ => 0.04,
        };
        assert!(seconds >= least, "{seconds} s of at least {least} s");

        let answer = get(server.port, "/elsewhere");
        assert_eq!(answer.status, 404, "{answer:?}");
        let answer = ask(server.port, "POST", "/");
        assert_eq!(answer.status, 405, "{answer:?}");
        let allowed = answer.header("allow").unwrap();
        assert!(allowed.contains("GET"), "{answer:?}");

        // Start and end of every call, by whom, as on the slides.
        let log = server.log();
        for what in ["start", "end"] {
            let line = format!(" : {what} network call with duration 0.03");
            let line = log.lines().find(|l| l.contains(&line)).unwrap();
            assert!(line.contains(" pid: "), "{line}");
            assert!(line.contains(" : thread: "), "{line}");
        }
    });
}

#[test]
fn the_backend_sees_the_calls_that_a_model_claims() {
    with_each(|deployment| {
        let backend = Server::backend(&[]);
        // Long enough that all that can be at once is.
        let further = further(deployment, "--calls=0.4,0.4,0.4,0.4");
        let server = Server::deploy(deployment, backend.port, &further);
        let requests = 5;
        thread::scope(|scope| {
            for _ in 0..requests {
                scope.spawn(|| {
                    let answer = get(server.port, "/");
                    assert_eq!(answer.status, 200, "{answer:?}");
                });
            }
        });
        let at_once = requests.min(deployment.slots) as u64;
        let expected = (4 * requests as u64, at_once * deployment.open_calls);
        assert_eq!(stats(&backend), expected, "calls, and at once");
    });
}
