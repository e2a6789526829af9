//! What it costs to leave the trace on: the same app twice, once with
//! `--trace` and once without, at full load and with calls that take no
//! time.
//!
//! The two take turns, and a ratio is taken within a round, so that a
//! machine that is busier now than later does not decide. CPU is that of the
//! app's own processes.
//!
//! `cargo bench --package talk --bench trace -- ROUNDS MILLISECONDS`

mod rounds;

use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use rounds::{Server, Spread, build, in_parentheses};

/// Apps whose paths through the trace differ, and how many requests at a
/// time fill them: a blocking thread keeps to one connection.
const APPS: [(&str, usize, &[&str]); 4] = [
    ("app-sync", 1, &[]),
    ("app-threaded", 4, &["--threads=4"]),
    ("app-async", 16, &[]),
    ("app-coroutine", 16, &["--coroutines=50"]),
];

fn main() -> Result<()> {
    // `cargo test --all-targets` starts it too, and has no minutes to spare.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let rounds: u64 = numbers.next().unwrap_or(60);
    let length = Duration::from_millis(numbers.next().unwrap_or(250));
    let apps = APPS.map(|(app, ..)| app).into_iter();
    let folder = build(&apps.chain(["slow-backend"]).collect::<Vec<_>>())?;
    let traces = TempDir::new()?;
    let nothing: [&str; 0] = [];
    let backend = Server::start(&folder.join("slow-backend"), &nothing)?;
    println!(
        "{rounds} rounds of {length:?} each way, connections kept, calls of \
         no time.\n"
    );
    println!(
        "| app | requests/s | CPU µs/request | with --trace: × requests/s | \
         × CPU |\n|---|---|---|---|---|"
    );
    let mut all = Vec::new();
    for (app, at_once, further) in APPS {
        let backend = format!("--backend=127.0.0.1:{}", backend.port);
        let mut arguments =
            vec!["--quiet", "--keep-alive", "--calls=0,0,0,0", &backend];
        arguments.extend_from_slice(further);
        let off = Server::start(&folder.join(app), &arguments)?;
        let trace = format!("--trace={}", traces.path().join(app).display());
        arguments.push(&trace);
        let on = Server::start(&folder.join(app), &arguments)?;
        // Pages touched and connections made, in neither figure.
        load(&off, at_once, length)?;
        load(&on, at_once, length)?;
        let mut figures = Vec::new();
        for round in 0..rounds {
            let (off, on) = if round % 2 == 0 {
                let off = load(&off, at_once, length)?;
                (off, load(&on, at_once, length)?)
            } else {
                let on = load(&on, at_once, length)?;
                (load(&off, at_once, length)?, on)
            };
            figures.push((off, on));
        }
        report(app, &figures);
        all.extend(figures);
    }
    report("all of them", &all);
    println!(
        "\nMedians; in parentheses, {}.",
        in_parentheses(rounds as usize)
    );
    Ok(())
}

/// What one stretch of load came to.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    cpu_per_request: f64,
}

fn load(server: &Server, at_once: usize, length: Duration) -> Result<Figures> {
    let (outcome, cpu_per_request) = server.load(at_once, length)?;
    let per_second = outcome.rate;
    Ok(Figures {
        per_second,
        cpu_per_request,
    })
}

fn report(app: &str, figures: &[(Figures, Figures)]) {
    let spread = |figure: fn(&(Figures, Figures)) -> f64| {
        Spread::of(figures.iter().map(figure))
    };
    println!(
        "| {app} | {:.0} | {:.1} | {} | {} |",
        spread(|(off, _)| off.per_second).median,
        spread(|(off, _)| off.cpu_per_request).median * 1e6,
        spread(|(off, on)| on.per_second / off.per_second),
        spread(|(off, on)| on.cpu_per_request / off.cpu_per_request),
    );
}
