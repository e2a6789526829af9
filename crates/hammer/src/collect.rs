//! Sums up what the threads hand over, into what a run led to.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::counts::{self, Sparse};
use crate::engine::Ended;
use crate::latency::Latency;
use crate::load::{Load, Schedule, Stop};
use crate::outcome::{Cpu, Each, ErrorKind, Open, Outcome, Series, Slice};
use crate::record::{Batch, Measure, Span, TICK, Tally, ticks};
use crate::snapshot::{Second, Snapshot};
use crate::verdict::{self, SHORTEST};

/// Slices are joined in pairs once there are more, so that memory does not
/// grow with the length of the run.
const SLICES: usize = 120;
const TICKS_PER_SECOND: u64 = 1_000_000_000 / TICK;

/// Sums up what the threads hand over.
pub(crate) struct Collector<'a> {
    load: &'a Load,
    first_tick: u64,
    tally: Tally,
    statuses: BTreeMap<u16, u64>,
    each: Vec<Each>,
    latencies: [Latency; Measure::ALL.len()],
    /// How many ticks each thread is through with (all, once it has
    /// ended), and what it had under way then.
    threads: Vec<(u64, usize)>,
    latest: u64,
    slices: Vec<Summed>,
    ticks_per_slice: u64,
    /// The ticks that no second was made of yet, and the second before.
    recent: Vec<Summed>,
    seconds: u64,
    scratch: Histogram<u64>,
}

#[derive(Clone, Default)]
struct Summed {
    answered: u64,
    in_window: u64,
    failed: u64,
    overdue: u64,
    shed: u64,
    bytes: u64,
    good: Sparse,
}

impl Summed {
    fn is_void(&self) -> bool {
        let Self {
            answered,
            in_window,
            failed,
            shed,
            bytes,
            ..
        } = self;
        answered + in_window + failed + shed + bytes == 0
    }

    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.in_window += other.in_window;
        self.failed += other.failed;
        self.overdue += other.overdue;
        self.shed += other.shed;
        self.bytes += other.bytes;
        self.good.add(&other.good);
    }
}

impl<'a> Collector<'a> {
    pub(crate) fn new(load: &'a Load) -> Self {
        Self {
            load,
            first_tick: load.warmup.as_nanos() as u64 / TICK,
            tally: Tally::default(),
            statuses: BTreeMap::new(),
            each: Vec::new(),
            latencies: std::array::from_fn(|_| Latency::default()),
            threads: vec![(0, 0); load.threads],
            latest: 0,
            slices: Vec::new(),
            ticks_per_slice: 1,
            recent: Vec::new(),
            seconds: 0,
            scratch: counts::histogram(),
        }
    }

    /// Takes in what a thread did. Whether all threads are through with
    /// another tick.
    pub(crate) fn absorb(&mut self, batch: &Batch) -> bool {
        let before = self.ticks();
        let through = batch.tick + 1;
        self.latest = self.latest.max(through);
        self.threads[batch.thread] = match batch.last {
            true => (u64::MAX, 0),
            false => (through, batch.in_flight),
        };
        self.tally += &batch.tally;
        self.each.extend_from_slice(&batch.each);
        for &(status, count) in &batch.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        let mut summed = Summed {
            answered: batch.tally.answered,
            in_window: batch.tally.in_window,
            failed: batch.tally.failed,
            shed: batch.tally.shed,
            bytes: batch.tally.bytes_received,
            ..Summed::default()
        };
        for (measure, sparse) in &batch.counts {
            sparse.add_to(self.latencies[*measure as usize].histogram_mut());
            if measure.class().is_some_and(|class| class < 4) {
                summed.good.add(sparse);
            }
        }
        // What a turn reads that ends after the warm-up is handed over with
        // the tick that it began in.
        let is_void = batch.last && summed.is_void();
        let measured = batch.tick >= self.first_tick || summed.in_window > 0;
        if measured && !is_void {
            let tick = batch.tick.saturating_sub(self.first_tick);
            self.add_to_second(tick, &summed);
            summed.good = summed.good.coarse();
            self.add_to_slice(tick, &summed);
        }
        for &(tick, overdue) in &batch.overdue {
            let summed = Summed {
                overdue,
                ..Summed::default()
            };
            self.add_to_slice(tick - self.first_tick, &summed);
        }
        self.ticks() > before
    }

    /// Ticks that all threads are through with.
    fn ticks(&self) -> u64 {
        let ticks = self.threads.iter().map(|&(ticks, _)| ticks);
        ticks.min().unwrap_or(0).min(self.latest)
    }

    fn add_to_slice(&mut self, tick: u64, summed: &Summed) {
        while (tick / self.ticks_per_slice) as usize >= SLICES {
            self.ticks_per_slice *= 2;
            let pairs = self.slices.chunks(2);
            self.slices = pairs
                .map(|pair| {
                    let mut sum = pair[0].clone();
                    pair[1..].iter().for_each(|other| sum.add(other));
                    sum
                })
                .collect();
        }
        let at = (tick / self.ticks_per_slice) as usize;
        if at >= self.slices.len() {
            self.slices.resize(at + 1, Summed::default());
        }
        self.slices[at].add(summed);
    }

    fn add_to_second(&mut self, tick: u64, summed: &Summed) {
        // A thread that was kept from running hands over late, but never
        // for a tick that all were through with.
        let at = tick.saturating_sub(self.seconds * TICKS_PER_SECOND);
        let at = at as usize;
        if at >= self.recent.len() {
            self.recent.resize(at + 1, Summed::default());
        }
        self.recent[at].add(summed);
    }

    /// The state of things, with the seconds that have passed since the
    /// last one.
    pub(crate) fn snapshot(&mut self, last: bool) -> Snapshot {
        let passed = self.ticks();
        let measured = passed.saturating_sub(self.first_tick);
        let mut seconds = Vec::new();
        let length = TICKS_PER_SECOND as usize;
        while self.seconds * TICKS_PER_SECOND + TICKS_PER_SECOND <= measured
            || (last && !self.recent.is_empty())
        {
            let count = length.min(self.recent.len());
            seconds.push(self.second(self.seconds, count));
            self.recent.drain(..count);
            self.seconds += 1;
        }
        let elapsed = ticks(passed);
        let done = self.tally.answered
            + self.tally.errors.iter().sum::<u64>()
            + self.tally.shed;
        let progress = match self.load.stop {
            Stop::Requests(total) => done as f64 / total as f64,
            Stop::After(length) => {
                let length = self.load.window().unwrap_or(length);
                elapsed.div_duration_f64(self.load.warmup + length)
            }
        };
        Snapshot {
            elapsed,
            warming: passed <= self.first_tick && self.first_tick > 0,
            progress: progress.min(1.0),
            answered: self.tally.answered,
            failed: self.tally.failed,
            shed: self.tally.shed,
            in_flight: self.threads.iter().map(|&(_, count)| count).sum(),
            seconds,
        }
    }

    fn second(&mut self, number: u64, count: usize) -> Second {
        self.scratch.reset();
        let mut sum = Summed::default();
        for tick in &self.recent[..count] {
            sum.answered += tick.answered;
            sum.failed += tick.failed;
            sum.shed += tick.shed;
            sum.bytes += tick.bytes;
            sum.good.add(&tick.good);
        }
        sum.good.add_to(&mut self.scratch);
        let quantile = |quantile| {
            Duration::from_nanos(self.scratch.value_at_quantile(quantile))
        };
        Second {
            number,
            answered: sum.answered,
            failed: sum.failed,
            shed: sum.shed,
            bytes_received: sum.bytes,
            latency: sum.good.counted(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            max: Duration::from_nanos(self.scratch.max()),
        }
    }

    pub(crate) fn outcome(
        mut self,
        began: Duration,
        threads: &[Ended],
        interrupted: bool,
    ) -> Outcome {
        let mut span = Span::NONE;
        threads.iter().for_each(|ended| span.join(&ended.span));
        let last = match interrupted {
            true => threads.iter().map(|ended| ended.at).max().unwrap_or(0),
            false => span.last,
        };
        let elapsed = Duration::from_nanos(last.saturating_sub(span.first));
        let waiting: Vec<_> =
            threads.iter().flat_map(|t| &t.waiting).copied().collect();
        let cpu = cpu(threads);
        let open = self.open(&span);
        self.each.sort_by_key(|each| each.due);
        let answered = self.tally.answered;
        let flaws = verdict::flaws(elapsed, answered, &cpu, open.as_ref());
        let warm = self.load.warmup;
        let window = match self.load.window() {
            Some(length) if !interrupted => length,
            // The first measured request may be long after the warm-up,
            // whose answers count meanwhile.
            Some(length) if !warm.is_zero() => {
                Duration::from_nanos(last).saturating_sub(warm).min(length)
            }
            Some(length) => elapsed.min(length),
            None => elapsed,
        };
        let errors: BTreeMap<_, _> = ErrorKind::ALL
            .into_iter()
            .zip(self.tally.errors)
            .filter(|&(_, count)| count > 0)
            .collect();
        Outcome {
            began,
            elapsed,
            requests: self.tally.answered + errors.values().sum::<u64>(),
            answered: self.tally.answered,
            failed: self.tally.failed,
            rate: per_second(self.tally.in_window, window),
            window,
            statuses: std::mem::take(&mut self.statuses),
            errors,
            shed: self.tally.shed,
            bytes_received: self.tally.bytes_received,
            bytes_sent: self.tally.bytes_sent,
            latency: self.good(),
            latency_by_class: Measure::ALL
                .into_iter()
                .filter_map(|measure| Some((measure.class()?, measure)))
                .map(|(class, m)| (format!("{class}xx"), self.take(m)))
                .filter(|(_, latency)| latency.count() > 0)
                .collect(),
            connect: self.take(Measure::Connect),
            first_byte: self.take(Measure::FirstByte),
            open,
            cpu,
            flaws,
            interrupted,
            series: Series {
                slice: ticks(self.ticks_per_slice),
                slices: self.slices.iter().map(slice).collect(),
            },
            unfinished: waiting.len() as u64,
            waiting,
            warmed: self.tally.warmed,
            each: self.each,
        }
    }

    fn take(&mut self, measure: Measure) -> Latency {
        std::mem::take(&mut self.latencies[measure as usize])
    }

    fn good(&self) -> Latency {
        let mut good = Latency::default();
        for class in [Measure::Class1, Measure::Class2, Measure::Class3] {
            let class = self.latencies[class as usize].histogram();
            good.histogram_mut()
                .add(class)
                .expect("both histograms have the same bounds");
        }
        good
    }

    fn open(&mut self, span: &Span) -> Option<Open> {
        if !matches!(self.load.schedule, Schedule::Open { .. }) {
            return None;
        }
        let (sent, due) = (self.tally.sent, self.tally.sent + self.tally.shed);
        let until =
            |end: u64| Duration::from_nanos(end.saturating_sub(span.first_due));
        // So many requests have one gap less.
        let rate =
            |count: u64, length| per_second(count.saturating_sub(1), length);
        Some(Open {
            due,
            sent,
            late: self.tally.late,
            wanted_rate: rate(due, until(span.last_due)),
            sent_rate: rate(sent, until(span.last_due.max(span.last_begun))),
            lag: self.take(Measure::Lag),
            service: self.take(Measure::Service),
        })
    }
}

fn slice(summed: &Summed) -> Slice {
    Slice {
        answered: summed.answered,
        in_window: summed.in_window,
        failed: summed.failed,
        overdue: summed.overdue,
        latency: summed.good.counted(),
    }
}

fn cpu(threads: &[Ended]) -> Cpu {
    let mut sum = Cpu::default();
    let longest = threads.iter().map(|ended| ended.loaded).max();
    let long = longest.unwrap_or_default().min(SHORTEST);
    for Ended { cpu, loaded, .. } in threads {
        sum.user += cpu.user;
        sum.system += cpu.system;
        // A thread without a share of the load is all work while it lives.
        if *loaded >= long {
            sum.busy = sum.busy.max(cpu.busy);
        }
    }
    sum
}

fn per_second(count: u64, length: Duration) -> f64 {
    match length.is_zero() {
        true => 0.0,
        false => count as f64 / length.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(millis: u64, busy: f64) -> Ended {
        let cpu = Cpu {
            busy,
            ..Cpu::default()
        };
        Ended {
            cpu,
            loaded: Duration::from_millis(millis),
            waiting: Vec::new(),
            span: Span::NONE,
            at: 0,
        }
    }

    #[test]
    fn a_thread_that_had_nothing_to_do_is_not_the_busiest() {
        assert_eq!(cpu(&[thread(0, 1.0), thread(900, 0.2)]).busy, 0.2);
        // Of a burst, each is a measure.
        assert_eq!(cpu(&[thread(3, 0.7), thread(3, 0.9)]).busy, 0.9);
    }
}
