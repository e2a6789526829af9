//! A sight for tests: two deployments and the backend.

use super::sight::{Cost, Master, Sight, Thread, Worker};
use crate::masters::{Oldest, WorkerStatus};

/// `async` has a request in hand, and `thread` is the one that computes.
pub(super) fn sight() -> Sight {
    let mut busy = worker(1, 21, &["worker-1-core-0"], 1.0);
    busy.status.in_hand = 1;
    busy.connections = 3;
    busy.status.oldest = Some(Oldest {
        request: "GET /\u{1b}[2J".to_owned(),
        age: 0.43,
    });
    let pool: Vec<_> =
        (0..4).map(|core| format!("worker-1-core-{core}")).collect();
    let pool: Vec<_> = pool.iter().map(String::as_str).collect();
    let idle = worker(2, 22, &["worker-2-core-0"], 2.0);
    Sight {
        seconds: 0.2,
        masters: vec![
            master("slow-backend", 40, 7001, vec![]),
            master("async", 20, 5100, vec![busy, idle]),
            master("thread", 30, 5002, vec![worker(1, 31, &pool, 40.0)]),
        ],
        unheard: Vec::new(),
    }
}

fn master(name: &str, pid: u32, port: u16, workers: Vec<Worker>) -> Master {
    Master {
        name: name.to_owned(),
        pid,
        http: Some(([127, 0, 0, 1], port).into()),
        state: "serving".to_owned(),
        generation: 1,
        waiting: if name == "async" { 18 } else { 0 },
        cost: cost(pid, &["master"], 0.0),
        workers,
    }
}

fn worker(number: usize, pid: u32, threads: &[&str], cpu: f64) -> Worker {
    Worker {
        status: WorkerStatus {
            number,
            pid,
            state: "serving".to_owned(),
            generation: 1,
            age: 1.0,
            served: 7,
            in_hand: 0,
            oldest: None,
            silent: None,
        },
        connections: 0,
        cost: cost(pid, threads, cpu),
    }
}

fn cost(pid: u32, threads: &[&str], cpu: f64) -> Cost {
    let last = threads.len() - 1;
    let threads = threads.iter().enumerate().zip(pid..);
    let threads = threads.map(|((at, &name), tid)| Thread {
        tid,
        name: name.to_owned(),
        // The last one does all the work.
        cpu_percent: Some(if at == last { cpu } else { 0.0 }),
    });
    Cost {
        cpu_percent: Some(cpu),
        memory_bytes: Some(u64::from(pid) * 100_000),
        threads: threads.collect(),
    }
}
