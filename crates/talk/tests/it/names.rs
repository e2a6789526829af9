//! Who does what: the processes and threads that serve, as the kernel counts
//! them, and the names that `ps`, `top` and the log show.

use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use crate::http::get;
use crate::server::{Deployment, Server, threads, with_each};

/// Far longer than threads take to name themselves.
const NAMED: Duration = Duration::from_secs(20);

fn expected_workers(deployment: Deployment) -> usize {
    match deployment.name {
        "basic" | "thread" => 1,
        "process" => 4,
        "native" => available_parallelism().unwrap().get(),
        _ => 2,
    }
}

/// The threads of a worker, as the log names them.
fn expected(deployment: Deployment, number: usize) -> Vec<String> {
    let core = |core: usize| format!("worker-{number}-core-{core}");
    let mut names = vec![core(0)];
    match deployment.name {
        "thread" => names.extend((1..4).map(core)),
        "mix" | "async-threads" => names.push(core(1)),
        "executor" => {
            let threads = 5 * available_parallelism().unwrap().get();
            let pool = |thread| format!("worker-{number}-pool-{thread}");
            names.extend((0..threads).map(pool));
        }
        "coroutine" | "coroutine-sockets" => {
            names.push(format!("worker-{number}"));
            names.push("may-timer".to_owned());
        }
        "offload" => names.push("reactor".to_owned()),
        _ => {}
    }
    names
}

#[test]
fn processes_and_threads_are_the_catalogues_and_say_their_part() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let calls = ["--calls=0.01,0.02,0.03,0.04"];
        let server = Server::deploy(deployment, backend.port, &calls);
        // What is started on demand only is there after that.
        for _ in 0..4 {
            assert_eq!(get(server.port, "/").status, 200);
        }
        assert_eq!(threads(server.pid()), ["master"]);
        let workers = server.workers();
        assert_eq!(workers.len(), expected_workers(deployment), "workers");
        let numbers = 1..=workers.len();
        let mut all: Vec<_> = numbers
            .map(|number| {
                let names = expected(deployment, number).into_iter();
                // The kernel keeps 15 bytes of a name.
                let names = names.map(|name| name.chars().take(15).collect());
                let mut names: Vec<String> = names.collect();
                names.sort();
                names
            })
            .collect();
        all.sort();
        let found = || {
            let names = workers.iter().map(|&worker| threads(worker));
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        // A thread takes its name as it begins, which may be after its worker
        // has said that it is ready.
        let start = Instant::now();
        while found() != all && start.elapsed() < NAMED {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(found(), all, "{}", deployment.name);
    });
}

#[test]
fn the_log_tells_which_thread_of_which_worker_calls() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let calls = ["--calls=0.01,0.02,0.03,0.04"];
        let server = Server::deploy(deployment, backend.port, &calls);
        assert_eq!(get(server.port, "/").status, 200);
        let workers = server.workers();
        let part = match deployment.name {
            "executor" => "-pool-",
            "offload" => "reactor",
            _ => "-core-",
        };
        let log = server.log();
        let calls = log.lines().filter(|line| line.contains(" network call "));
        let calls: Vec<_> = calls.collect();
        assert_eq!(calls.len(), 8, "{log}");
        for line in calls {
            let (pid, rest) = line
                .split_once(" pid: ")
                .and_then(|(_, rest)| rest.split_once(" : thread: "))
                .unwrap_or_else(|| panic!("not as on the slides: {line}"));
            assert!(workers.contains(&pid.parse().unwrap()), "{line}");
            let (thread, _) = rest.split_once(" : ").unwrap();
            assert!(thread.contains(part), "{line}");
            let all = (1..=workers.len()).flat_map(|n| expected(deployment, n));
            assert!(all.into_iter().any(|name| name == thread), "{line}");
        }
    });
}
