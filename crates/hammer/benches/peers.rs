//! The hammer side by side with wrk and oha, where they are installed, in
//! the same minutes on the same machine against the same server.
//!
//! What is compared is requests per second of CPU time of the load
//! generator's own: a rate alone is mostly the server's. Rounds are
//! interleaved and a ratio is taken within a round, so that a machine that
//! is busier now than later does not decide.
//!
//! `cargo bench --package hammer --bench peers -- ROUNDS SECONDS`

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HAMMER: &str = env!("CARGO_BIN_EXE_hammer");

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` starts it too, and has no minutes to spare.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse().ok());
    let rounds: u64 = numbers.next().unwrap_or(5);
    let seconds: u64 = numbers.next().unwrap_or(3);
    let server = Server::start()?;
    for (peer, flag) in [("wrk", "-v"), ("oha", "--version")] {
        if !installed(peer, flag) {
            println!("{peer} is not installed, so it is not compared.");
        }
    }
    println!("{rounds} rounds of {seconds} s each, 50 at once.");
    compare("Connections kept", &kept(&server, seconds), rounds)?;
    compare("A new connection each", &fresh(&server, seconds), rounds)?;
    if installed("script", "--version") {
        compare("The live view", &live(&server, seconds), rounds)?;
    } else {
        println!("\nscript(1) is not installed: the live view is not tried.");
    }
    open_loop(&server, seconds)
}

/// slow-backend, asked not to be slow.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--release", "--quiet"])
            .args(["--package", "slow-backend"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()?;
        ensure!(built.success(), "slow-backend does not build");
        let path = binary("slow-backend");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&path)
            .args(["--http", &format!(":{port}"), "--die-with-parent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let url = format!("http://127.0.0.1:{port}/?duration=0");
        let server = Self { child, url };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("slow-backend does not answer");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It stops its own workers where it is asked to.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A program that was built beside the hammer.
fn binary(name: &str) -> PathBuf {
    Path::new(HAMMER).with_file_name(name)
}

fn installed(program: &str, flag: &str) -> bool {
    let mut command = Command::new(program);
    let command = command.arg(flag).stdout(Stdio::null());
    command.stderr(Stdio::null()).status().is_ok()
}

/// A command line, and where it says how many requests it did.
struct Contender {
    name: &'static str,
    command: Vec<String>,
    count: fn(&str) -> Option<u64>,
}

impl Contender {
    fn new(
        name: &'static str,
        command: &str,
        server: &Server,
        count: fn(&str) -> Option<u64>,
    ) -> Self {
        let words = command.split(' ').map(str::to_owned);
        let url = server.url.clone();
        let command = words.chain([url]).collect();
        Self {
            name,
            command,
            count,
        }
    }

    fn run(&self) -> anyhow::Result<Round> {
        let (cpu, begun) = (children_cpu()?, Instant::now());
        let output = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::null())
            .output()?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = children_cpu()? - cpu;
        let text = String::from_utf8_lossy(&output.stdout);
        let count = (self.count)(&text).with_context(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{} did not say how many: {text}{error}", self.name)
        })?;
        Ok(Round {
            rate: count as f64 / seconds,
            per_cpu: count as f64 / cpu,
        })
    }
}

#[derive(Clone, Copy)]
struct Round {
    rate: f64,
    per_cpu: f64,
}

/// What all children that ended have used, in seconds.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum())
}

fn kept(server: &Server, seconds: u64) -> Vec<Contender> {
    let hammer = format!("{HAMMER} -q -k -c50 -z{seconds}s");
    let mut all = vec![Contender::new("hammer", &hammer, server, did)];
    if installed("wrk", "-v") {
        let wrk = format!("wrk -t1 -c50 -d{seconds}");
        all.push(Contender::new("wrk", &wrk, server, wrk_count));
    }
    if installed("oha", "--version") {
        let oha = oha(seconds);
        all.push(Contender::new("oha", &oha, server, oha_count));
    }
    all
}

fn fresh(server: &Server, seconds: u64) -> Vec<Contender> {
    let hammer = format!("{HAMMER} -q -c50 -z{seconds}s");
    let mut all = vec![Contender::new("hammer", &hammer, server, did)];
    if installed("oha", "--version") {
        let oha = oha(seconds) + " --disable-keepalive";
        all.push(Contender::new("oha", &oha, server, oha_count));
    }
    all
}

fn live(server: &Server, seconds: u64) -> Vec<Contender> {
    let quiet = format!("{HAMMER} -q -k -c50 -z{seconds}s");
    let shown = format!("{HAMMER} -k -c50 -z{seconds}s {}", server.url);
    let mut all = vec![
        Contender::new("shown", "script -qec", server, did),
        Contender::new("quiet", &quiet, server, did),
    ];
    // It gives what it runs a terminal.
    all[0].command.truncate(2);
    all[0].command.extend([shown, "/dev/null".to_owned()]);
    all
}

fn oha(seconds: u64) -> String {
    format!("oha --no-tui --output-format json -c 50 -z {seconds}s")
}

/// We did N requests in …
fn did(text: &str) -> Option<u64> {
    let last = text.trim_end().lines().last()?;
    last.split(' ').nth(2)?.parse().ok()
}

///   N requests in …
fn wrk_count(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}

fn oha_count(text: &str) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let statuses = json["statusCodeDistribution"].as_object()?;
    statuses.values().map(|count| count.as_u64()).sum()
}

/// Runs all in turn, so often, and prints what the first is to the others.
fn compare(
    title: &str,
    contenders: &[Contender],
    rounds: u64,
) -> anyhow::Result<()> {
    let mut results = vec![Vec::new(); contenders.len()];
    for round in 0..rounds as usize {
        for at in 0..contenders.len() {
            // Another one is first each time.
            let at = (at + round) % contenders.len();
            results[at].push(contenders[at].run()?);
        }
    }
    println!("\n{title:<24}  requests/s  per CPU second  the first's to it");
    for (contender, rounds) in contenders.iter().zip(&results) {
        let rate = median(rounds.iter().map(|round| round.rate));
        let per_cpu = median(rounds.iter().map(|round| round.per_cpu));
        let pairs = results[0].iter().zip(rounds);
        let ratios: Vec<_> = pairs
            .map(|(first, round)| first.per_cpu / round.per_cpu)
            .collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        let ratio = median(ratios.iter().copied());
        println!(
            "  {:<22}  {rate:>10.0}  {per_cpu:>14.0}  \
             × {ratio:.2} ({least:.2} to {most:.2})",
            contender.name
        );
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Ten thousand a second: how late, and how far from the rate.
fn open_loop(server: &Server, seconds: u64) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("out.json");
    Command::new(HAMMER)
        .args(["-q", "-k", "--rate", "10000/s"])
        .args(["-z", &format!("{seconds}s"), "--json"])
        .arg(&path)
        .arg(&server.url)
        .output()?;
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path)?)?;
    let run = &json["runs"][0];
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    let (open, cpu) = (&run["open"], &run["cpu"]);
    let (wanted, sent) =
        (number(&open["wanted_rate"]), number(&open["sent_rate"]));
    println!("\nAn open loop of 10,000/s");
    println!(
        "  sent late by             {:.0} µs in the median, {:.0} µs at p99",
        number(&open["lag"]["p50"]) * 1e6,
        number(&open["lag"]["p99"]) * 1e6,
    );
    println!(
        "  rate                     {sent:.1}/s, {:+.3}% off",
        (sent - wanted) / wanted * 100.0
    );
    println!(
        "  its core was busy        {:.0}% of the time",
        number(&cpu["busy"]) * 100.0
    );
    Ok(())
}
