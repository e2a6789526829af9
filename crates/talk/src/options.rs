//! The runner's command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use workload::{Delay, MOST_CALLS};

use crate::catalogue::CONCURRENCY;
use crate::sweep::Target;

/// In seconds; clocks end somewhere, too.
const YEAR: u64 = 365 * 24 * 3600;

/// Runs the talk: every concurrency model, started, hammered and judged.
#[derive(Debug, Parser)]
#[command(
    version,
    bin_name = "cargo talk",
    after_help = "\
Examples:
  cargo talk bench                  all that the talk measures, in two minutes
  cargo talk bench async coroutine  some of it
  cargo talk run-all                every server at once, to play with
  cargo talk run process            one of them
  cargo talk ps --watch             what runs now, live
  cargo talk caveats                the slides' warnings, each shown here
  cargo talk sweep --workload FILE  which model fits your workload
  cargo talk bench --port-base 15000    where 5000 or 7001 is taken"
)]
pub(crate) struct Options {
    /// Move all ports, so that 5000 becomes this one
    #[arg(
        long,
        global = true,
        value_name = "PORT",
        default_value_t = 5000,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) port_base: u16,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    RunAll(RunAll),
    Bench(Bench),
    Run(Run),
    Torture(Torture),
    Soak(Soak),
    Scale(Scale),
    Ps(Ps),
    Caveats(Caveats),
    Trace(Trace),
    Report(Report),
    Answer(Answered),
    Serve(Serve),
    Sweep(Sweep),
    /// List the deployments, their ports and slides
    List,
}

/// Start the backend and every deployment, and show their logs until Ctrl-C
#[derive(Args, Debug)]
pub(crate) struct RunAll {
    /// Only these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// Start each deployment, measure its runs, and hold them against their bounds
///
/// Each deployment first gets one request per slot that is not measured.
/// A run is refused, with the reasons, where a request failed, where it was
/// faster than arithmetic allows, where the backend did not see the calls
/// that the model claims to make, or where the measurement itself is in doubt:
/// a worker was replaced, or the hammer does not trust itself. Exit status: 0
/// where every run was whole, 1 where one was refused or something else went
/// wrong, 130 after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Only these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Fewer requests, the same checks
    #[arg(long)]
    pub(crate) quick: bool,
    /// Do each run so often, in turn, and tell median and spread
    #[arg(
        long,
        value_name = "TIMES",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) repeat: u32,
    /// Where results.json, results.md and report.html are written
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Use the backend that runs there instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) backend: Option<String>,
}

/// Kill and exchange workers, kill masters, and connect slowly, under load
///
/// Each deployment is asked at a constant rate meanwhile, and every request
/// that was in no killed worker's hands has to be answered. Takes about three
/// minutes. Exit status: 0 where all held, 1 where something did not, 130
/// after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Torture {
    /// Only these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// A thousand kills and three hundred reloads in all
    #[arg(long)]
    pub(crate) long: bool,
    /// Kills for each deployment [default: 25, or 100 if long]
    #[arg(long, value_name = "N")]
    pub(crate) kills: Option<u32>,
    /// Reloads for each deployment [default: 20, or 30 if long]
    #[arg(long, value_name = "N")]
    pub(crate) reloads: Option<u32>,
    /// Do the same to uWSGI, gunicorn and nginx, where they are installed
    #[arg(long)]
    pub(crate) peers: bool,
    /// Write what came of it there, too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Load deployments for minutes, and see that they neither fail nor grow
///
/// Each gets half of the rate at which a hundred requests at a time are
/// answered. Exit status: 0 where no request failed and memory, files and
/// threads are level, 1 otherwise, 130 after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    /// These deployments [default: native and thread]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// All deployments, two at a time
    #[arg(long, conflicts_with = "names")]
    pub(crate) long: bool,
    /// How long each is loaded; the first minute, or half, is not compared
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(2..=YEAR))]
    pub(crate) seconds: u64,
}

/// Keep thousands of requests in flight in the models that have no limit
///
/// Their starts are spread, and the first seconds are not measured. Where a
/// model's client can, calls share connections over HTTP/2; where it cannot,
/// there are more processes and more addresses of the backend. Exit status:
/// 0 where every request was answered, 1 otherwise, 130 after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Scale {
    /// These deployments [default: native and coroutine]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// So many requests at a time, one after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          default_values_t = [1000, 5000, 10_000], value_parser = positive)]
    pub(crate) in_flight: Vec<usize>,
    /// How long each is measured, once it has settled
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0,
          value_parser = length)]
    pub(crate) seconds: f64,
    /// Write what came of it there, too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Record every request and call of a run, for Perfetto to show
///
/// The deployments record themselves: when the head of a request has been
/// read, when each of its calls starts and ends, and when it is answered, with
/// process and thread.
#[derive(Args, Debug)]
pub(crate) struct Trace {
    /// The deployments
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// How many requests [default: those of the deployment's largest run]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) requests: Option<u64>,
    /// So many of them at once
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY,
          value_parser = positive)]
    pub(crate) concurrency: usize,
    /// Draw a picture of it, too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Where to write the trace
    #[arg(long, short, value_name = "FILE", default_value = "trace.json")]
    pub(crate) output: PathBuf,
}

/// Run one deployment in the foreground, with a backend
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The deployment
    pub(crate) name: String,
    /// Use the backend that runs there instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) backend: Option<String>,
    /// Options of the app, which override the deployment's file
    #[arg(last = true, value_name = "OPTIONS")]
    pub(crate) options: Vec<String>,
}

/// Show what runs now: masters, workers and threads, and what they cost
///
/// It shows the servers of this user (of everybody, for root), from whichever
/// checkout and on whichever port. A process's CPU is that of its threads, and
/// 100 is one core; MB is memory that is resident, which processes share in
/// part; what a master has in hand is what its workers have. "3 wait" are
/// connections in its backlog, which no worker has taken yet.
#[derive(Args, Debug)]
pub(crate) struct Ps {
    /// For machines
    #[arg(long, conflicts_with = "watch")]
    pub(crate) json: bool,
    /// Live, with keys to sort and to hammer a deployment
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Show each warning of the slides on this machine, bad beside good
///
/// The caveats are no-reactor, dns, fork-after-threads, blocking-the-loop,
/// pool-exhaustion, keep-alive-hoarding, backend-limit and
/// abandoned-requests; docs/caveats.md tells of each. Exit status: 0 where
/// all were shown, 1 where one was not or something else went wrong, 130
/// after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Caveats {
    /// Only these
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Shorter calls, the same evidence
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the evidence there as well, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Make a page of what a bench measured
///
/// The page is one file that needs no network. A bench makes it, too.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// What the bench wrote
    #[arg(value_name = "FILE", default_value = "results.json")]
    pub(crate) results: PathBuf,
    /// Where to write the page
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    pub(crate) output: PathBuf,
}

/// Tell again which model fits, from what a sweep kept
///
/// It shows the table and the recommendation, and writes sweep.md and
/// sweep.html beside what was measured. A sweep does so at its end; of one
/// that was stopped this tells as much as is known. Exit status: 0, or 1
/// where --fail-if-not names another model or something went wrong.
#[derive(Args, Debug)]
pub(crate) struct Answered {
    /// Where the sweep kept its steps.jsonl [default: target/talk/sweep]
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Exit with 1 unless this is the model to take
    #[arg(long, value_name = "NAME")]
    pub(crate) fail_if_not: Option<String>,
    /// For machines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Start every deployment, and a page that shows what they do, live
///
/// The page is for this machine alone. It has a button for each deployment
/// that hammers it as the slides do.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Only these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The page's port [default: 5999, moved as the others; 0: a free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) page: Option<u16>,
}

/// A length of time, in seconds.
fn length(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.5..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is no number of seconds from 0.5 to 3600".to_owned()),
    }
}

/// Find out which model fits a workload, and what it costs
///
/// Each model gets rising load, at so many requests at a time and at so many
/// a second; the knee is the highest rate at which the target is held, found
/// within 5%. It is looked for several times, in shuffled order. Models that
/// wait for most of their time are measured side by side. What was measured
/// is kept as soon as it is, so that Ctrl-C loses nothing and --resume goes
/// on. docs/sweep.md tells how it is measured, docs/answer.md how it is
/// judged. Exit status: 0 where an answer was found, 1 where something went
/// wrong or --fail-if-not names another model, 130 after Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct Sweep {
    /// Only these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The file of your workload [default: the slides' calls]
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "calls", "delay", "order", "fails", "hangs", "work", "size",
    ])]
    pub(crate) workload: Option<PathBuf>,
    /// Calls of a request, which are all alike [default: 1]
    #[arg(long, value_name = "N", value_parser = calls)]
    pub(crate) calls: Option<usize>,
    /// How long each call takes: 0.125, 0.05..0.1, median:0.05,p99:0.4 or
    /// file:latencies.txt [default: 0.125]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) delay: Option<Delay>,
    /// Whether the calls can be made at once [default: at_once]
    #[arg(long, value_name = "ORDER")]
    pub(crate) order: Option<Order>,
    /// The share of calls that fail [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub(crate) fails: Option<f64>,
    /// The share of calls that are never answered [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub(crate) hangs: Option<f64>,
    /// Processor time of a request beside its calls [default: 0]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) work: Option<f64>,
    /// Bytes of a call's answer [default: a line]
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: Option<usize>,
    /// The latency to hold [default: p99 in twice the time that requests
    /// take with one call after the other]
    #[arg(long, value_name = "p99=800ms")]
    pub(crate) target: Option<Target>,
    /// Try this rate alone, instead of looking for the highest
    #[arg(long, value_name = "R/s", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Shorter steps and fewer rounds: a first answer, in minutes
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each model is measured [default: 6, or 3 if quick]
    #[arg(long, value_name = "N", value_parser =
          clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,
    /// Of the order of the models and of the moments of the requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Go on with the sweep that was stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Where all of it is kept [default: target/talk/sweep]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Exit with 1 unless this is the model to take
    #[arg(long, value_name = "NAME")]
    pub(crate) fail_if_not: Option<String>,
    /// Also find the processes and threads that a blocking model needs
    #[arg(long)]
    pub(crate) sizing: bool,
    /// Leave out the drill in which the backend freezes
    #[arg(long)]
    pub(crate) no_stall: bool,
    /// For machines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether the calls of a request need each other.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Order {
    AtOnce,
    InSequence,
}

/// `50/s`, or 50.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match number.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("try 50/s, or another rate above 0".to_owned()),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "it is no number".to_owned())?;
    match number {
        0 => Err("there has to be one".to_owned()),
        number => Ok(number),
    }
}

fn calls(text: &str) -> Result<usize, String> {
    match positive(text)? {
        count if count > MOST_CALLS => {
            Err(format!("give {MOST_CALLS} at most"))
        }
        count => Ok(count),
    }
}
