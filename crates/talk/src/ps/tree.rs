//! A sight as rows: masters, below them their workers, below them threads.

use std::cmp::Ordering;

use super::sight::{Cost, Master, Sight, Thread, Worker};

/// What the cells of a row are.
pub(super) const HEAD: [&str; COLUMNS] = [
    "what runs",
    "pid",
    "CPU %",
    "MB",
    "in hand",
    "conns",
    "served",
    "state",
];
pub(super) const COLUMNS: usize = 8;
/// The columns that a narrow terminal does without, in this order.
pub(super) const SPARED: [&str; 4] = ["conns", "served", "pid", "MB"];

/// By what rows are sorted; workers and threads stay below what they are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    /// As on the slides.
    Port,
    Name,
    Cpu,
    Memory,
    InHand,
}

/// Which row: it stays the same from sight to sight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) pid: u32,
    thread: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Master,
    Worker,
    Thread,
}

/// A row of the tree.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) kind: Kind,
    /// The pid of its master.
    pub(super) master: u32,
    /// Its name, and the branch that it hangs on.
    name: String,
    cpu: Option<f64>,
    memory: Option<u64>,
    counts: Option<Counts>,
    state: String,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    in_hand: u64,
    connections: usize,
    served: u64,
}

/// The rows from top to bottom, with or without threads.
pub(super) fn rows(sight: &Sight, order: Order, threads: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for master in sorted(&sight.masters, |a, b| order.of_masters(a, b)) {
        rows.push(Row::of_master(master));
        let workers = sorted(&master.workers, |a, b| order.of_workers(a, b));
        let last = workers.len().saturating_sub(1);
        for (at, worker) in workers.into_iter().enumerate() {
            let (branch, trunk) = match at == last {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            rows.push(Row::of_worker(master, worker, branch));
            if threads {
                rows.extend(thread_rows(master, worker, order, trunk));
            }
        }
    }
    rows
}

fn thread_rows(
    master: &Master,
    worker: &Worker,
    order: Order,
    trunk: &str,
) -> Vec<Row> {
    let threads = sorted(&worker.cost.threads, |a, b| order.of_threads(a, b));
    let last = threads.len().saturating_sub(1);
    let threads = threads.into_iter().enumerate().map(|(at, thread)| {
        let branch = if at == last { "└─" } else { "├─" };
        let name = format!("{trunk}{branch} {}", clean(&thread.name));
        Row {
            key: Key {
                pid: worker.status.pid,
                thread: Some(thread.tid),
            },
            kind: Kind::Thread,
            master: master.pid,
            name,
            cpu: thread.cpu_percent,
            memory: None,
            counts: None,
            state: String::new(),
        }
    });
    threads.collect()
}

fn sorted<T>(all: &[T], order: impl Fn(&T, &T) -> Ordering) -> Vec<&T> {
    let mut all: Vec<_> = all.iter().collect();
    // It keeps those that are equal in the order that they had.
    all.sort_by(|a, b| order(a, b));
    all
}

impl Order {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Port => Self::Name,
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::InHand,
            Self::InHand => Self::Port,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::InHand => "requests in hand",
        }
    }

    fn of_masters(self, a: &Master, b: &Master) -> Ordering {
        let by_port = || {
            let port = |master: &Master| master.http.map(|http| http.port());
            (port(a), a.pid).cmp(&(port(b), b.pid))
        };
        // With its workers, which do the work.
        let all = |master: &Master, figure: fn(&Cost) -> f64| -> f64 {
            let workers = master.workers.iter().map(|w| figure(&w.cost));
            workers.chain([figure(&master.cost)]).sum()
        };
        let by_cost = |figure| f64::total_cmp(&all(b, figure), &all(a, figure));
        let order = match self {
            Self::Port => Ordering::Equal,
            Self::Name => a.name.cmp(&b.name),
            Self::Cpu => by_cost(cpu),
            Self::Memory => by_cost(memory),
            Self::InHand => b.in_hand().cmp(&a.in_hand()),
        };
        order.then_with(by_port)
    }

    fn of_workers(self, a: &Worker, b: &Worker) -> Ordering {
        let by_cost = |figure: fn(&Cost) -> f64| {
            f64::total_cmp(&figure(&b.cost), &figure(&a.cost))
        };
        let order = match self {
            Self::Port | Self::Name => Ordering::Equal,
            Self::Cpu => by_cost(cpu),
            Self::Memory => by_cost(memory),
            Self::InHand => b.status.in_hand.cmp(&a.status.in_hand),
        };
        let number =
            |worker: &Worker| (worker.status.number, worker.status.pid);
        order.then_with(|| number(a).cmp(&number(b)))
    }

    /// Else as they started, which is as they are numbered.
    fn of_threads(self, a: &Thread, b: &Thread) -> Ordering {
        let share = |thread: &Thread| as_shown(thread.cpu_percent);
        match self {
            Self::Cpu => f64::total_cmp(&share(b), &share(a)),
            _ => Ordering::Equal,
        }
    }
}

fn cpu(cost: &Cost) -> f64 {
    as_shown(cost.cpu_percent)
}

/// Or what is idle would change places at every look.
fn as_shown(share: Option<f64>) -> f64 {
    (share.unwrap_or(0.0) * 10.0).round()
}

fn memory(cost: &Cost) -> f64 {
    cost.memory_bytes.unwrap_or(0) as f64
}

impl Row {
    fn of_master(master: &Master) -> Self {
        let Master {
            pid,
            state,
            generation,
            waiting,
            ..
        } = master;
        let mut state = clean(state);
        if *generation > 1 {
            state.push_str(&format!(", generation {generation}"));
        }
        if *waiting > 0 {
            state.push_str(&format!(", {waiting} wait"));
        }
        Self {
            key: Key {
                pid: *pid,
                thread: None,
            },
            kind: Kind::Master,
            master: *pid,
            name: title(master),
            cpu: master.cost.cpu_percent,
            memory: master.cost.memory_bytes,
            counts: Some(Counts {
                in_hand: master.in_hand(),
                connections: master.connections(),
                served: master.served(),
            }),
            state,
        }
    }

    fn of_worker(master: &Master, worker: &Worker, branch: &str) -> Self {
        let Worker {
            status,
            connections,
            cost,
        } = worker;
        let mut state = Vec::new();
        if status.state != "serving" {
            state.push(clean(&status.state));
        }
        if status.generation != master.generation {
            state.push(format!("generation {}", status.generation));
        }
        if let Some(oldest) = &status.oldest {
            let request = clean(&oldest.request);
            state.push(format!("{:.1} s {request}", oldest.age));
        }
        Self {
            key: Key {
                pid: status.pid,
                thread: None,
            },
            kind: Kind::Worker,
            master: master.pid,
            name: format!("{branch}worker {}", status.number),
            cpu: cost.cpu_percent,
            memory: cost.memory_bytes,
            counts: Some(Counts {
                in_hand: status.in_hand,
                connections: *connections,
                served: status.served,
            }),
            state: state.join(", "),
        }
    }

    pub(super) fn cells(&self) -> [String; COLUMNS] {
        let [in_hand, connections, served] = match self.counts {
            None => [const { String::new() }; 3],
            Some(Counts {
                in_hand,
                connections,
                served,
            }) => [
                in_hand.to_string(),
                connections.to_string(),
                served.to_string(),
            ],
        };
        let cpu = self.cpu.map(|cpu| format!("{cpu:.1}"));
        let memory = self.memory.map(|m| format!("{:.1}", m as f64 / 1e6));
        let unknown = match self.kind {
            Kind::Thread => "",
            _ => "–",
        };
        [
            self.name.clone(),
            self.key.thread.unwrap_or(self.key.pid).to_string(),
            cpu.unwrap_or_else(|| "–".to_owned()),
            memory.unwrap_or_else(|| unknown.to_owned()),
            in_hand,
            connections,
            served,
            self.state.clone(),
        ]
    }

    /// Whether requests are in hand.
    pub(super) fn is_at_work(&self) -> bool {
        self.counts.is_some_and(|counts| counts.in_hand > 0)
    }
}

/// A deployment's name and where it is.
pub(super) fn title(master: &Master) -> String {
    let name = clean(&master.name);
    match master.http {
        Some(http) if http.ip().is_loopback() && http.is_ipv4() => {
            format!("{name} :{}", http.port())
        }
        Some(http) => format!("{name} {http}"),
        None => name,
    }
}

/// What others wrote may hold what moves the cursor.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ps::example;
    use crate::table;

    #[track_caller]
    fn names(order: Order, threads: bool) -> Vec<String> {
        let rows = rows(&example::sight(), order, threads);
        rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn a_tree_has_masters_workers_and_threads() {
        let rows = rows(&example::sight(), Order::Port, true);
        let text = table::processes(
            &HEAD,
            rows.iter().map(Row::cells),
            &SPARED,
            usize::MAX,
        );
        assert_eq!(
            text,
            "\
what runs              pid  CPU %   MB  in hand  conns  served  state
thread :5002            30    0.0  3.0        0      0       7  serving
└─ worker 1             31   40.0  3.1        0      0       7
   ├─ worker-1-core-0   31    0.0
   ├─ worker-1-core-1   32    0.0
   ├─ worker-1-core-2   33    0.0
   └─ worker-1-core-3   34   40.0
async :5100             20    0.0  2.0        1      3      14  serving, 18 wait
├─ worker 1             21    1.0  2.1        1      3       7  \
0.4 s GET /\u{fffd}[2J
│  └─ worker-1-core-0   21    1.0
└─ worker 2             22    2.0  2.2        0      0       7
   └─ worker-2-core-0   22    2.0
slow-backend :7001      40    0.0  4.0        0      0       0  serving"
        );
    }

    #[test]
    fn rows_are_sorted_within_what_they_are_of() {
        let (thread, asynchronous) = ("thread :5002", "async :5100");
        let backend = "slow-backend :7001";
        let masters = |order| {
            let names = names(order, false).into_iter();
            names.filter(|n| n.contains(':')).collect::<Vec<_>>()
        };
        for (order, expected) in [
            (Order::Port, [thread, asynchronous, backend]),
            (Order::Name, [asynchronous, backend, thread]),
            (Order::Cpu, [thread, asynchronous, backend]),
            (Order::Memory, [asynchronous, thread, backend]),
            (Order::InHand, [asynchronous, thread, backend]),
        ] {
            assert_eq!(masters(order), expected, "{order:?}");
        }
        let by_cpu = names(Order::Cpu, true);
        assert!(by_cpu[2].ends_with("core-3"), "{by_cpu:?}");
        assert_eq!(by_cpu[7], "├─ worker 2", "{by_cpu:?}");
    }

    #[test]
    fn the_orders_go_round() {
        let mut order = Order::Port;
        for _ in 0..5 {
            order = order.next();
        }
        assert_eq!(order, Order::Port);
    }
}
