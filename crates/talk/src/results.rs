//! What a bench found out: data first, and every view is made from it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use hammer::Latency;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::catalogue::cores;
use crate::made::Made;
use crate::measure::Evidence;
use crate::order::median;
use crate::put::{put, put_json};
use crate::size_watch::Look;
use crate::trace::timeline::Timeline;
use crate::verdict::Fault;

/// Raised when a field changes its meaning, comes or goes.
const VERSION: u32 = 3;

/// All of a bench. Times are in seconds and sizes in bytes.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    version: u32,
    /// Seconds since 1970.
    began: u64,
    pub(crate) machine: Machine,
    pub(crate) made: Made,
    /// Whether the runs had fewer requests than the talk's.
    pub(crate) quick: bool,
    /// How often each run was to be done.
    pub(crate) repeat: u32,
    /// Whether all of that was done.
    pub(crate) complete: bool,
    pub(crate) rows: Vec<Row>,
}

/// Where it was measured.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

/// One deployment under one run.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) deployment: String,
    pub(crate) app: String,
    pub(crate) model: String,
    pub(crate) run: String,
    pub(crate) requests: u64,
    pub(crate) concurrency: usize,
    /// The least that arithmetic allows.
    pub(crate) bound: f64,
    /// The slide's figure.
    pub(crate) talk: Option<f64>,
    /// What the talk's own code takes today.
    pub(crate) uwsgi: Option<f64>,
    pub(crate) uwsgi_cpu_per_request: Option<f64>,
    pub(crate) uwsgi_memory: Option<u64>,
    pub(crate) measurements: Vec<Measurement>,
    /// What was seen the last time that it was done.
    pub(crate) seen: Option<Seen>,
    /// `null` where one of the measurements was refused, or none was made.
    pub(crate) summary: Option<Summary>,
}

/// What is drawn rather than told in a figure.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    pub(crate) latency: Latency,
    #[serde(serialize_with = "on_one_line")]
    pub(crate) timeline: Timeline,
    #[serde(serialize_with = "on_one_line")]
    pub(crate) looks: Vec<Look>,
}

/// Writes what has many numbers without a line for each.
fn on_one_line<T: Serialize, S: Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    let raw: Box<RawValue> =
        to_raw_value(value).map_err(serde::ser::Error::custom)?;
    raw.serialize(to)
}

/// One time that a run was done.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measurement {
    /// It is what it claims to be.
    Whole(Figures),
    /// It is not, and these are the reasons.
    Refused(Vec<String>),
}

/// The figures of one time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    /// From the first request to the last answer.
    seconds: f64,
    /// Processor time of the app's processes, for each request.
    cpu_per_request: Option<f64>,
    /// The most that one worker ever had resident.
    peak_memory: Option<u64>,
    workers: usize,
    /// Of one worker.
    threads: usize,
    backend_calls: u64,
    backend_peak: u64,
}

/// The figures of a row.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) seconds: Spread,
    /// The median as a multiple of the bound.
    pub(crate) times_bound: f64,
    pub(crate) cpu_per_request: Option<Spread>,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
}

/// How a figure varied.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Results {
    pub(crate) fn new(
        made: Made,
        quick: bool,
        repeat: u32,
        rows: Vec<Row>,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            version: VERSION,
            began: now.unwrap_or_default().as_secs(),
            machine: Machine::this(),
            made,
            quick,
            repeat,
            complete: false,
            rows,
        }
    }

    /// Reads what was written.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let parse = || {
            let text = fs::read(path).map_err(|error| {
                anyhow!("{error}; cargo talk bench writes it")
            })?;
            let head: Head = serde_json::from_slice(&text)
                .context("no results of a bench")?;
            if head.version != VERSION {
                bail!(
                    "they are of version {}, and this program reads {VERSION}; \
                     measure again: cargo talk bench",
                    head.version
                );
            }
            serde_json::from_slice(&text).context("no whole results")
        };
        parse().with_context(|| format!("cannot read {}", path.display()))
    }

    /// Whether every run was done as often as it was to be, and was whole.
    pub(crate) fn whole(&self) -> bool {
        self.complete && self.rows.iter().all(|row| row.summary.is_some())
    }

    /// When it began, as HTTP writes a date.
    pub(crate) fn date(&self) -> String {
        let began = UNIX_EPOCH + Duration::from_secs(self.began);
        httpdate::fmt_http_date(began)
    }

    /// Writes `results.json` and, made from the same, `results.md`.
    pub(crate) fn write(&self, folder: &Path, markdown: &str) -> Result<()> {
        put_json(&folder.join("results.json"), self)?;
        put(&folder.join("results.md"), markdown)
    }
}

/// What the results of any version have.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Row {
    /// Adds what one time led to.
    pub(crate) fn add(&mut self, evidence: &Evidence, faults: &[Fault]) {
        self.measurements.push(if faults.is_empty() {
            Measurement::Whole(Figures::of(evidence))
        } else {
            let faults = faults.iter().map(ToString::to_string);
            Measurement::Refused(faults.collect())
        });
        self.seen = Some(Seen {
            latency: evidence.latency.clone(),
            timeline: evidence.timeline.clone().sampled(),
            looks: evidence.looks.clone(),
        });
        self.summary = self.sum_up();
    }

    /// Why it was refused, where it was.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = &str> {
        let reasons =
            self.measurements
                .iter()
                .map(|measurement| match measurement {
                    Measurement::Whole(_) => &[][..],
                    Measurement::Refused(reasons) => reasons,
                });
        reasons.flatten().map(String::as_str)
    }

    fn sum_up(&self) -> Option<Summary> {
        let figures =
            self.measurements
                .iter()
                .map(|measurement| match measurement {
                    Measurement::Whole(figures) => Some(figures),
                    Measurement::Refused(_) => None,
                });
        let figures: Vec<_> = figures.collect::<Option<_>>()?;
        let spread = |figure: fn(&Figures) -> Option<f64>| {
            let all = figures.iter().map(|figures| figure(figures));
            Spread::of(all.collect::<Option<_>>()?)
        };
        let seconds = spread(|figures| Some(figures.seconds))?;
        let peaks = figures.iter().filter_map(|figures| figures.peak_memory);
        let threads = figures.iter().map(|figures| figures.threads);
        let workers = figures.iter().map(|figures| figures.workers);
        Some(Summary {
            seconds,
            times_bound: seconds.median / self.bound,
            cpu_per_request: spread(|figures| figures.cpu_per_request),
            peak_memory: peaks.max(),
            workers: workers.max().unwrap_or(0),
            threads: threads.max().unwrap_or(0),
        })
    }
}

impl Figures {
    fn of(evidence: &Evidence) -> Self {
        let cpu = evidence.cpu_per_request;
        Self {
            seconds: evidence.elapsed.as_secs_f64(),
            cpu_per_request: cpu.map(|cpu| cpu.as_secs_f64()),
            peak_memory: evidence.peak_memory,
            workers: evidence.workers,
            threads: evidence.threads,
            backend_calls: evidence.stats.calls,
            backend_peak: evidence.stats.peak,
        }
    }
}

impl Spread {
    /// `None` where there is nothing to sum up.
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        Some(Self {
            median: median(&figures)?,
            min: figures[0],
            max: figures[figures.len() - 1],
        })
    }
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .and_then(|rest| rest.split_once(':'))
            .map_or("an unnamed processor", |(_, name)| name.trim());
        Self {
            processor: model.to_owned(),
            cores: cores(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn half_lies_on_either_side_of_a_median(
            figures in proptest::collection::vec(0.0..100.0f64, 1..20),
        ) {
            let spread = Spread::of(figures.clone()).unwrap();
            let below = figures.iter().filter(|f| **f < spread.median);
            let above = figures.iter().filter(|f| **f > spread.median);
            prop_assert!(below.count() <= figures.len() / 2);
            prop_assert!(above.count() <= figures.len() / 2);
            prop_assert!(spread.min <= spread.median);
            prop_assert!(spread.median <= spread.max);
        }
    }

    #[test]
    fn nothing_has_no_spread() {
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
