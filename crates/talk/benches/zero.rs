//! What the models cost where nobody waits: four calls a request that take
//! no time, connections kept, each app as one process beside a bare server
//! that does the same (`bare/mod.rs`) or beside another app.
//!
//! All take turns, in an order that moves on with each round, and a ratio is
//! taken within a round. Requests per CPU second are those of the app's own
//! processes; requests per second are as much the backend's and the
//! hammer's, which share the cores.
//!
//! `cargo bench --package talk --bench zero -- ROUNDS MILLISECONDS`

mod bare;
mod rounds;

use std::time::Duration;

use anyhow::Result;

use rounds::{Server, Spread, build, in_parentheses};

/// Who takes part: a name, a program, what it is told, and how many requests
/// at a time fill it; a blocking thread keeps to one connection.
const CONTENDERS: [(&str, &str, &[&str], usize); 13] = [
    ("bare hyper", BARE, &["hyper", "1"], LOADED),
    ("native, HTTP/1.1", "app-async", &["--client=hyper"], LOADED),
    (
        "native, HTTP/2",
        "app-async",
        &["--client=hyper", "--http2"],
        LOADED,
    ),
    (
        "coroutine",
        "app-coroutine",
        &["--coroutines=50", "--server=may_minihttp"],
        LOADED,
    ),
    (
        "coroutine-sockets",
        "app-coroutine",
        &["--coroutines=50"],
        LOADED,
    ),
    (
        "native, HTTP/1.1, one by one",
        "app-async",
        &["--client=hyper"],
        1,
    ),
    ("reqwest", "app-async", &[], LOADED),
    (
        "offload, one by one",
        "app-offload",
        &["--heavy=0", "--client=hyper"],
        1,
    ),
    (
        "offload",
        "app-offload",
        &["--heavy=0", "--client=hyper", "--threads=8"],
        8,
    ),
    ("bare loop", BARE, &["blocking", "1"], 1),
    ("sync", "app-sync", &[], 1),
    ("bare loop, 4 threads", BARE, &["blocking", "4"], 4),
    ("threaded", "app-threaded", &["--threads=4"], 4),
];

/// Who is held against whom, and the least that it has to reach in requests
/// per CPU second.
const PAIRS: [(&str, &str, f64); 7] = [
    ("native, HTTP/1.1", "bare hyper", 0.9),
    ("coroutine", "native, HTTP/1.1", 0.85),
    ("coroutine-sockets", "native, HTTP/1.1", 0.85),
    ("offload, one by one", "native, HTTP/1.1, one by one", 0.7),
    ("offload", "native, HTTP/1.1", 0.7),
    ("sync", "bare loop", 0.8),
    ("threaded", "bare loop, 4 threads", 0.8),
];

/// Whose p99 may be at most so many times their p50.
const TAILS: [(&str, f64); 2] =
    [("coroutine", 5.0), ("coroutine-sockets", 5.0)];

/// This program, as a bare server.
const BARE: &str = "bare";
/// Requests at a time that keep an event loop busy.
const LOADED: usize = 16;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == BARE) {
        return bare::serve(&arguments[1..]);
    }
    // `cargo test --all-targets` starts it too, and has no minutes to spare.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut numbers = arguments.iter().filter_map(|a| a.parse().ok());
    let count: usize = numbers.next().map_or(40, |count: u64| count as usize);
    let length = Duration::from_millis(numbers.next().unwrap_or(250));
    let rounds = measure(count, length)?;
    println!(
        "{count} rounds of {length:?} each, connections kept, four calls of \
         no time.\n"
    );
    report(&rounds);
    Ok(())
}

/// What a contender did in its turn.
#[derive(Clone, Copy, Default)]
struct Figures {
    per_second: f64,
    cpu_per_request: f64,
    p50: f64,
    p99: f64,
}

/// What every contender did in a round.
type Round = [Figures; CONTENDERS.len()];

fn measure(count: usize, length: Duration) -> Result<Vec<Round>> {
    let apps = CONTENDERS.map(|(_, program, ..)| program);
    let apps = apps.into_iter().filter(|program| *program != BARE);
    let packages: Vec<_> = apps.chain(["slow-backend"]).collect();
    let folder = build(&packages)?;
    let nothing: [&str; 0] = [];
    let backend = Server::start(&folder.join("slow-backend"), &nothing)?;
    let address = format!("127.0.0.1:{}", backend.port);
    let mut servers = Vec::new();
    for (_, program, options, at_once) in CONTENDERS {
        let server = if program == BARE {
            let itself = std::env::current_exe()?;
            let arguments = [&[BARE], options, &[&address]].concat();
            Server::start(&itself, &arguments)?
        } else {
            let address = format!("--backend={address}");
            let all = ["--quiet", "--keep-alive", "--calls=0,0,0,0", &address];
            Server::start(&folder.join(program), &[&all, options].concat())?
        };
        // Pages touched and connections made, in no figure.
        server.load(at_once, length)?;
        servers.push((server, at_once));
    }
    (0..count)
        .map(|round| turns(&servers, round, length))
        .collect()
}

/// Each contender once; another one begins each time.
fn turns(
    servers: &[(Server, usize)],
    round: usize,
    length: Duration,
) -> Result<Round> {
    let mut figures = [Figures::default(); CONTENDERS.len()];
    for turn in 0..servers.len() {
        let whose = (round + turn) % servers.len();
        let (server, at_once) = &servers[whose];
        let (outcome, cpu_per_request) = server.load(*at_once, length)?;
        figures[whose] = Figures {
            per_second: outcome.rate,
            cpu_per_request,
            p50: outcome.latency.median().as_secs_f64(),
            p99: outcome.latency.p99().as_secs_f64(),
        };
    }
    Ok(figures)
}

fn report(rounds: &[Round]) {
    let spread = |of: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(of));
    println!(
        "| who | at once | requests/s | CPU µs/request | p50 µs | p99 µs | \
         p99 × p50 |\n|---|---|---|---|---|---|---|"
    );
    for (at, (name, _, _, at_once)) in CONTENDERS.into_iter().enumerate() {
        let median = |of: fn(&Figures) -> f64| spread(&|r| of(&r[at])).median;
        println!(
            "| {name} | {at_once} | {:.0} | {:.1} | {:.0} | {:.0} | {} |",
            median(|figures| figures.per_second),
            median(|figures| figures.cpu_per_request * 1e6),
            median(|figures| figures.p50 * 1e6),
            median(|figures| figures.p99 * 1e6),
            spread(&|round| round[at].p99 / round[at].p50),
        );
    }
    println!(
        "\n| who beside whom | × requests per CPU second | × requests/s | \
         at least | |\n|---|---|---|---|---|"
    );
    for (name, beside, least) in PAIRS {
        let (one, other) = (place(name), place(beside));
        let by_cpu =
            spread(&|r| r[other].cpu_per_request / r[one].cpu_per_request);
        let by_time = spread(&|r| r[one].per_second / r[other].per_second);
        println!(
            "| {name} beside {beside} | {by_cpu} | {by_time} | {least} | {} |",
            verdict(by_cpu.median >= least),
        );
    }
    for (name, most) in TAILS {
        let at = place(name);
        let tail = spread(&|round| round[at].p99 / round[at].p50);
        println!(
            "\n{name}: p99 is {tail} × p50, at most {most}: {}",
            verdict(tail.median <= most),
        );
    }
    println!(
        "\nMedians; in parentheses, {}.",
        in_parentheses(rounds.len())
    );
}

fn place(name: &str) -> usize {
    let named = |contender: &(&str, _, _, _)| contender.0 == name;
    let place = CONTENDERS.iter().position(named);
    place.expect("who is compared takes part")
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "does not hold" }
}
