//! What it costs to leave the trace on: the same app twice, once with
//! `--trace` and once without, at full load and with calls that take no
//! time.
//!
//! The two take turns, and a ratio is taken within a round, so that a
//! machine that is busier now than later does not decide. CPU is that of the
//! app's own processes.
//!
//! `cargo bench --package talk --bench trace -- ROUNDS MILLISECONDS`

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hammer::{Load, Schedule, Stop, Target};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

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
    let folder = build()?;
    let traces = TempDir::new()?;
    let backend = Server::start(&folder, "slow-backend", 0, &[])?;
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
        let off = Server::start(&folder, app, at_once, &arguments)?;
        let trace = format!("--trace={}", traces.path().join(app).display());
        arguments.push(&trace);
        let on = Server::start(&folder, app, at_once, &arguments)?;
        // Pages touched and connections made, in neither figure.
        off.load(length)?;
        on.load(length)?;
        let mut figures = Vec::new();
        for round in 0..rounds {
            let (off, on) = if round % 2 == 0 {
                let off = off.load(length)?;
                (off, on.load(length)?)
            } else {
                let on = on.load(length)?;
                (off.load(length)?, on)
            };
            figures.push((off, on));
        }
        report(app, &figures);
        all.extend(figures);
    }
    report("all of them", &all);
    println!(
        "\nMedians; in parentheses, the range that holds the median with a \
         confidence of 95%."
    );
    Ok(())
}

/// What one stretch of load came to.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    cpu_per_request: f64,
}

fn report(app: &str, figures: &[(Figures, Figures)]) {
    let sorted = |figure: fn(&(Figures, Figures)) -> f64| {
        let mut sorted: Vec<_> = figures.iter().map(figure).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let rate = sorted(|(off, _)| off.per_second);
    let cpu = sorted(|(off, _)| off.cpu_per_request);
    let rates = sorted(|(off, on)| on.per_second / off.per_second);
    let cpus = sorted(|(off, on)| on.cpu_per_request / off.cpu_per_request);
    println!(
        "| {app} | {:.0} | {:.1} | {} | {} |",
        median(&rate),
        median(&cpu) * 1e6,
        spread(&rates),
        spread(&cpus),
    );
}

fn median(sorted: &[f64]) -> f64 {
    let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    f64::midpoint(sorted[low], sorted[high])
}

/// By the order statistics of a sign test.
fn spread(sorted: &[f64]) -> String {
    let count = sorted.len() as f64;
    let out = (count / 2.0 - 0.98 * count.sqrt()).floor().max(0.0) as usize;
    format!(
        "{:.3} ({:.3}–{:.3})",
        median(sorted),
        sorted[out],
        sorted[sorted.len() - 1 - out],
    )
}

/// Builds what is needed; where it is then.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet"]);
    for name in APPS.map(|(app, ..)| app).iter().chain(&["slow-backend"]) {
        command.args(["--package", name]);
    }
    let built = command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(built.success(), "the apps do not build");
    let talk = Path::new(env!("CARGO_BIN_EXE_talk"));
    let folder = talk.parent().context("talk is nowhere")?;
    Ok(folder.to_owned())
}

/// A server that runs until this is dropped.
struct Server {
    child: Child,
    port: u16,
    at_once: usize,
}

impl Server {
    fn start(
        folder: &Path,
        name: &str,
        at_once: usize,
        arguments: &[&str],
    ) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(folder.join(name))
            .args(["--http", &format!(":{port}"), "--die-with-parent"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let server = Self {
            child,
            port,
            at_once,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("{name} does not answer");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn load(&self, length: Duration) -> Result<Figures> {
        let load = Load {
            targets: vec![Target::get(format!(
                "http://127.0.0.1:{}/",
                self.port
            ))],
            stop: Stop::After(length),
            schedule: Schedule::Closed {
                concurrency: self.at_once,
            },
            keep_alive: true,
            ..Load::default()
        };
        let before = self.cpu()?;
        let outcome = hammer::run(&load, |_| ControlFlow::Continue(()))?;
        let cpu = self.cpu()? - before;
        ensure!(outcome.failed == 0, "requests failed: {:?}", outcome.errors);
        Ok(Figures {
            per_second: outcome.rate,
            cpu_per_request: cpu.as_secs_f64() / outcome.answered as f64,
        })
    }

    /// Of its workers.
    fn cpu(&self) -> Result<Duration> {
        let pid = self.child.id();
        let file = format!("/proc/{pid}/task/{pid}/children");
        let mut all = Duration::ZERO;
        for worker in fs::read_to_string(file)?.split_ascii_whitespace() {
            for task in fs::read_dir(format!("/proc/{worker}/task"))? {
                let text = fs::read_to_string(task?.path().join("schedstat"))?;
                let nanos = text.split_ascii_whitespace().next();
                let nanos = nanos.context("schedstat is empty")?.parse()?;
                all += Duration::from_nanos(nanos);
            }
        }
        Ok(all)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, Signal::SIGTERM).ok();
        self.child.wait().ok();
    }
}
