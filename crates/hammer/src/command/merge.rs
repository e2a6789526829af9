//! Adds up the logs of several machines or runs.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use anyhow::anyhow;
use hammer::Latency;
use hdrhistogram::Histogram;

use super::args::Merge;
use super::exit::Exit;
use super::hlog::{self, Hlog, Interval};
use super::report;

pub(crate) fn run(options: &Merge) -> anyhow::Result<Exit> {
    let mut intervals = Vec::new();
    for path in &options.logs {
        intervals.extend(hlog::read(path)?);
    }
    intervals.sort_by_key(|interval| interval.start);
    if let Some(path) = &options.hlog {
        let start = intervals.first().map(|first| first.start);
        let start = UNIX_EPOCH + start.unwrap_or_default();
        let mut log = Hlog::create_at(path, start)?;
        for interval in &intervals {
            log.copy(interval)?;
        }
    }
    let sums = sums(&intervals)?;
    let columns: Vec<_> = sums
        .iter()
        .map(|(tag, sum)| (tag.map_or("all", String::as_str), sum))
        .collect();
    report::print(&report::latencies(&columns))?;
    Ok(Exit::Fine)
}

/// What has different tags does not add up.
fn sums(
    intervals: &[Interval],
) -> anyhow::Result<BTreeMap<Option<&String>, Latency>> {
    let mut sums: BTreeMap<_, Histogram<u64>> = BTreeMap::new();
    for interval in intervals {
        match sums.get_mut(&interval.tag.as_ref()) {
            Some(sum) => {
                sum.auto(true);
                sum.add(&interval.histogram)
                    .map_err(|error| anyhow!("cannot add up: {error}"))?;
            }
            None => {
                let first = interval.histogram.clone();
                sums.insert(interval.tag.as_ref(), first);
            }
        }
    }
    Ok(sums
        .into_iter()
        .map(|(tag, sum)| (tag, Latency::from(sum)))
        .collect())
}
