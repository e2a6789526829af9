//! How many processes and threads serve, as the kernel counts them.

use std::thread::available_parallelism;

use crate::http::get;
use crate::server::{Server, threads, with_each};

#[test]
fn processes_and_threads_are_the_catalogues() {
    let cores = available_parallelism().unwrap().get();
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let calls = ["--calls=0.01,0.02,0.03,0.04"];
        let server = Server::deploy(deployment, backend.port, &calls);
        // What is started on demand only would be seen after that.
        for _ in 0..4 {
            assert_eq!(get(server.port, "/").status, 200);
        }
        let workers = match deployment.name {
            "basic" | "thread" => 1,
            "process" => 4,
            "native" => cores,
            _ => 2,
        };
        assert_eq!(server.workers().len(), workers, "workers");
        assert_eq!(threads(server.pid()).len(), 1, "threads of the master");
        for worker in server.workers() {
            let threads = threads(worker);
            let named = |part: &str| {
                threads.iter().filter(|name| name.contains(part)).count()
            };
            let others = match deployment.name {
                "thread" => 3,
                "mix" | "async-threads" => 1,
                "executor" => {
                    assert_eq!(named("-pool-"), 5 * cores, "{threads:?}");
                    5 * cores
                }
                "offload" => {
                    assert_eq!(named("reactor"), 1, "{threads:?}");
                    1
                }
                // may's own: the coroutines run on a thread beside the main
                // one, which waits for the stop, and timers have another.
                "coroutine" | "coroutine-sockets" => {
                    assert_eq!(named("may-timer"), 1, "{threads:?}");
                    assert_eq!(named("-core-"), 1, "{threads:?}");
                    2
                }
                _ => 0,
            };
            assert_eq!(threads.len(), 1 + others, "{threads:?}");
        }
    });
}
