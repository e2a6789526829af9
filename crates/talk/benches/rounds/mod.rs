//! Servers that take turns under load, and figures that are compared within
//! a round: a machine that is busier now than later does not decide.

use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hammer::{Load, Outcome, Schedule, Stop, Target};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

// As a sweep has it of its repeats.
#[path = "../../src/order.rs"]
mod order;

use order::{left_out, median};

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts `program` on a free port, which it is told as an app is.
    pub(crate) fn start(
        program: &Path,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(arguments)
            .args(["--http", &format!(":{port}"), "--die-with-parent"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let server = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("{} does not answer", program.display());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Keeps `at_once` connections busy for so long; what came of it, and the
    /// server's processor time for a request, in seconds.
    pub(crate) fn load(
        &self,
        at_once: usize,
        length: Duration,
    ) -> Result<(Outcome, f64)> {
        let load = Load {
            targets: vec![Target::get(format!(
                "http://127.0.0.1:{}/",
                self.port
            ))],
            stop: Stop::After(length),
            schedule: Schedule::Closed {
                concurrency: at_once,
            },
            keep_alive: true,
            ..Load::default()
        };
        let before = self.cpu()?;
        let outcome = hammer::run(&load, |_| ControlFlow::Continue(()))?;
        let cpu = self.cpu()? - before;
        ensure!(outcome.failed == 0, "requests failed: {:?}", outcome.errors);
        let each = cpu.as_secs_f64() / outcome.answered as f64;
        Ok((outcome, each))
    }

    /// Of its workers; of itself where it has none.
    fn cpu(&self) -> Result<Duration> {
        let pid = self.child.id();
        let file = format!("/proc/{pid}/task/{pid}/children");
        let workers = fs::read_to_string(file)?;
        let itself = pid.to_string();
        let mut serving: Vec<_> = workers.split_ascii_whitespace().collect();
        if serving.is_empty() {
            serving.push(&itself);
        }
        let mut all = Duration::ZERO;
        for process in serving {
            for task in fs::read_dir(format!("/proc/{process}/task"))? {
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

/// Builds some packages; where their programs are then.
pub(crate) fn build(packages: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet"]);
    for name in packages {
        command.args(["--package", name]);
    }
    let built = command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    ensure!(built.success(), "the apps do not build");
    let talk = Path::new(env!("CARGO_BIN_EXE_talk"));
    let folder = talk.parent().context("talk is nowhere")?;
    Ok(folder.to_owned())
}

/// A figure of many rounds: its median, and the range that holds that with a
/// confidence of 95%; of fewer than six rounds, their whole range.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let out = left_out(sorted.len()).unwrap_or(0);
        Self {
            median: median(&sorted).expect("there are rounds"),
            from: sorted[out],
            to: sorted[sorted.len() - 1 - out],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, from, to } = self;
        write!(f, "{median:.3} ({from:.3}–{to:.3})")
    }
}

/// What a figure of so many rounds has in parentheses.
pub(crate) fn in_parentheses(rounds: usize) -> &'static str {
    match left_out(rounds) {
        Some(_) => "the range that holds the median with a confidence of 95%",
        None => "the whole range",
    }
}
