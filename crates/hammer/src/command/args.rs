//! What can be asked for on the command line, and the load that it makes.

use std::path::PathBuf;
use std::slice::from_ref;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use hammer::{Arrivals, Family, Load, Rate, Schedule, Stage, Stop, Target};

use super::report;
use super::threshold::Threshold;
use super::units::{parse_duration, parse_header, parse_rate, parse_stages};

/// More connections than one machine's ports last for.
const MOST_CONNECTIONS: usize = 10_000;
/// More threads than any machine has cores.
const MOST_THREADS: i64 = 1024;

/// A load generator for HTTP/1.1 that says when not to trust it.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 80,
    after_help = AFTERWORD,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    group = ArgGroup::new("open loop").args(["rate", "stages"]).multiple(true)
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What to ask for, in turn, as in http://host:port/path; without one,
    /// the root of the port below on this machine
    #[arg(value_name = "URL", conflicts_with = "port")]
    urls: Vec<String>,

    /// The same as an option
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    url: Vec<String>,

    /// The port of 127.0.0.1 to ask
    #[arg(
        long,
        default_value_t = 5000,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,

    /// Requests in all (default: 20)
    #[arg(short, long = "nb_requests", alias = "requests", value_name = "N")]
    nb_requests: Option<u64>,

    /// Start requests for this long, as in 30s, instead of counting them
    #[arg(
        short = 'z',
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        conflicts_with = "nb_requests"
    )]
    duration: Option<Duration>,

    /// Run for this long before anything is measured; of --stages it is the
    /// first part, otherwise it comes on top
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    warmup: Option<Duration>,

    /// Closed loop: requests at once, each started when another was answered
    #[arg(
        short = 'c',
        long = "max_concurrency",
        alias = "concurrency",
        value_name = "N",
        default_value_t = 50,
        conflicts_with_all = ["rate", "stages"],
        help_heading = "When requests start"
    )]
    max_concurrency: u32,

    /// Open loop: requests a second, as in 500/s, whatever the server does
    #[arg(
        long,
        value_parser = parse_rate,
        help_heading = "When requests start"
    )]
    rate: Option<f64>,

    /// Open loop: ramps from the rate (or from rest) to others, as in
    /// 10s:100,30s:500
    #[arg(
        long,
        value_name = "TIME:RATE,…",
        value_parser = parse_stages,
        help_heading = "When requests start"
    )]
    stages: Option<Stages>,

    /// How an open loop spreads its requests
    #[arg(
        long,
        value_enum,
        default_value_t,
        requires = "open loop",
        help_heading = "When requests start"
    )]
    arrivals: Spread,

    /// The same seed gives the same Poisson arrivals; the runs of --runs have
    /// this one, the next, and so on
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "open loop",
        help_heading = "When requests start"
    )]
    seed: u64,

    /// Open loop: shed requests past this many connections, shared out evenly
    /// to the threads (default: 10000, or what the limit on open files allows)
    #[arg(
        long,
        value_name = "N",
        requires = "open loop",
        help_heading = "When requests start"
    )]
    max_connections: Option<u32>,

    /// Threads that share the load
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS),
        help_heading = "When requests start"
    )]
    threads: u16,

    /// The method (default: GET, or POST where there is a body)
    #[arg(short = 'X', long, help_heading = "The request")]
    method: Option<String>,

    /// A header, as in 'Accept: text/html'
    #[arg(
        short = 'H',
        long,
        value_name = "NAME: VALUE",
        value_parser = parse_header,
        help_heading = "The request"
    )]
    header: Vec<(String, String)>,

    /// The body
    #[arg(
        short = 'd',
        long = "data",
        value_name = "TEXT",
        conflicts_with = "body_file",
        help_heading = "The request"
    )]
    data: Option<String>,

    /// A file with the body
    #[arg(long, value_name = "FILE", help_heading = "The request")]
    body_file: Option<PathBuf>,

    /// Let a connection carry one request after the other
    #[arg(short = 'k', long, help_heading = "Connections")]
    keep_alive: bool,

    /// The longest that a request may take
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        default_value = "120s",
        help_heading = "Connections"
    )]
    timeout: Duration,

    /// The longest that opening a connection may take
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        default_value = "10s",
        help_heading = "Connections"
    )]
    connect_timeout: Duration,

    /// Use IPv4 only
    #[arg(
        short = '4',
        long,
        conflicts_with = "ipv6",
        help_heading = "Connections"
    )]
    ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, help_heading = "Connections")]
    ipv6: bool,

    /// Do it all so many times, to see how much it varies
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Reports"
    )]
    pub(crate) runs: u32,

    /// Write the outcome as JSON, for programs and for `hammer compare`
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) json: Option<PathBuf>,

    /// Write a line of CSV for each second
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) csv: Option<PathBuf>,

    /// Write the latencies of each second as an HdrHistogram log, for
    /// `hammer merge`
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub(crate) hlog: Option<PathBuf>,

    /// Fail where this holds, as in 'p99>300ms', 'errors>1%', 'rate<900/s'; who
    /// was shed or not answered in time was slower than all others
    #[arg(
        long,
        value_name = "CONDITION",
        value_parser = Threshold::parse,
        help_heading = "Reports"
    )]
    pub(crate) fail_if: Vec<Threshold>,

    /// Print the last line only
    #[arg(short, long, help_heading = "Reports")]
    pub(crate) quiet: bool,

    /// Print completions for a shell and do nothing else
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,
}

/// What there is besides a load.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add up the HdrHistogram logs of several machines or runs
    Merge(Merge),
    /// Tell whether two outcomes differ by more than noise
    Compare(Compare),
}

/// What to add up.
#[derive(Debug, clap::Args)]
pub(crate) struct Merge {
    /// Logs that --hlog wrote, or other HdrHistogram logs of nanoseconds
    #[arg(required = true, value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,

    /// Write all of them as one
    #[arg(long, value_name = "FILE")]
    pub(crate) hlog: Option<PathBuf>,
}

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// What --json wrote of one service and of the other, best with --runs 5;
    /// with --after, all of the one
    #[arg(required = true, value_name = "FILE")]
    before: Vec<PathBuf>,

    /// The files of the other, where there are more: of two that took turns,
    /// as in `hammer compare a*.json --after b*.json`
    #[arg(long, value_name = "FILE", num_args = 1..)]
    after: Vec<PathBuf>,
}

impl Compare {
    /// The files of the one and of the other.
    pub(crate) fn sides(&self) -> Result<(&[PathBuf], &[PathBuf]), Usage> {
        match (&self.before[..], &self.after[..]) {
            ([before, after], []) => Ok((from_ref(before), from_ref(after))),
            (before, after @ [_, ..]) => Ok((before, after)),
            _ => {
                let why = "give two files, or some with --after and others";
                Err(Usage(why.to_owned()))
            }
        }
    }
}

const AFTERWORD: &str = "\
Examples:
  Twenty requests at once to port 5000 of this machine, as on the slides:
    hammer --port 5000 --nb_requests 20
  How slow is it for users who come at 500 a second, whether it keeps up or
  not? Half a minute, after five seconds to warm up:
    hammer --rate 500/s -z 30s --warmup 5s --keep-alive http://host:8080/
  In a pipeline: fail where the service is slow or errs, and keep the figures:
    hammer -z 10s --fail-if 'p99>300ms' --fail-if 'errors>0' \\
      --json out.json http://host:8080/

Exit codes:
    0  every request was answered, with a status below 400
    1  a request failed or was shed (unless a --fail-if is about that), or the
       run could not go on
    2  the command makes no sense
    3  a --fail-if holds
    4  the measurement is not to be trusted; the report says why
  130  Ctrl-C or SIGTERM ended the run early; the report tells of the rest";

type Stages = Vec<Stage>;

/// How an open loop spreads its requests.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Spread {
    /// At even distances.
    #[default]
    Constant,
    /// As independent users come.
    Poisson,
}

/// A command that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

impl Args {
    /// Reads the command line; help and the like end the process.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let args = Self::try_parse().map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
            _ => Usage(one_line(&error)),
        })?;
        if let Some(shell) = args.completions {
            let mut command = Self::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "hammer", &mut script);
            report::print(&String::from_utf8_lossy(&script))?;
            std::process::exit(0);
        }
        Ok(args)
    }

    pub(crate) fn load(&self) -> anyhow::Result<Load> {
        let mut urls = [&self.urls[..], &self.url[..]].concat();
        if urls.is_empty() {
            urls.push(format!("http://127.0.0.1:{}/", self.port));
        }
        let body = self.body()?;
        let method = match &self.method {
            Some(method) => method,
            None if body.is_some() => "POST",
            None => "GET",
        };
        let target = |url| Target {
            method: method.to_owned(),
            url,
            headers: self.header.clone(),
            body: body.clone().unwrap_or_default(),
        };
        Ok(Load {
            targets: urls.into_iter().map(target).collect(),
            stop: self.stop()?,
            schedule: self.schedule()?,
            keep_alive: self.keep_alive,
            warmup: self.warmup.unwrap_or_default(),
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            family: match (self.ipv4, self.ipv6) {
                (true, _) => Family::V4,
                (_, true) => Family::V6,
                _ => Family::Any,
            },
            threads: self.threads.into(),
            ..Load::default()
        })
    }

    fn body(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = &self.body_file else {
            return Ok(self.data.as_ref().map(|text| text.clone().into()));
        };
        match std::fs::read(path) {
            Ok(body) => Ok(Some(body)),
            Err(error) => {
                let path = path.display();
                Err(Usage(format!("cannot read {path}: {error}")).into())
            }
        }
    }

    fn stop(&self) -> Result<Stop, Usage> {
        Ok(match (self.duration, self.nb_requests, &self.stages) {
            (Some(duration), ..) => Stop::After(duration),
            (_, Some(requests), _) => Stop::Requests(requests),
            (_, _, Some(stages)) => {
                let length: Duration =
                    stages.iter().map(|stage| stage.length).sum();
                let warmup = self.warmup.unwrap_or_default();
                let left = length.checked_sub(warmup);
                let left = left.filter(|left| !left.is_zero());
                Stop::After(left.ok_or_else(|| {
                    let why = "--warmup is as long as all --stages, of which \
                               it is the first part";
                    Usage(why.to_owned())
                })?)
            }
            _ => Stop::Requests(20),
        })
    }

    fn schedule(&self) -> anyhow::Result<Schedule> {
        if self.rate.is_none() && self.stages.is_none() {
            return Ok(Schedule::Closed {
                concurrency: self.max_concurrency as usize,
            });
        }
        let max_connections = match self.max_connections {
            Some(most) => most as usize,
            None => {
                let most = hammer::most_connections(self.threads.into())?;
                most.min(MOST_CONNECTIONS)
            }
        };
        Ok(Schedule::Open {
            rate: Rate {
                start: self.rate.unwrap_or_default(),
                stages: self.stages.clone().unwrap_or_default(),
            },
            arrivals: match self.arrivals {
                Spread::Constant => Arrivals::Constant,
                Spread::Poisson => Arrivals::Poisson { seed: self.seed },
            },
            max_connections,
        })
    }
}

/// What is wrong and what to do about it, without the page that clap makes
/// of it.
fn one_line(error: &clap::Error) -> String {
    let page = error.to_string();
    let mut paragraphs = page.split("\n\n");
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").unwrap_or(what);
    let words: Vec<_> = what.split_whitespace().collect();
    let mut line = words.join(" ");
    for paragraph in paragraphs {
        for tip in paragraph.lines() {
            if let Some(tip) = tip.trim().strip_prefix("tip: ") {
                line.push_str("; ");
                line.push_str(tip);
            }
        }
    }
    line
}
