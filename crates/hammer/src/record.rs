//! What a thread counts while it runs. Nothing here is shared: a few times
//! a second the counts are moved out as a [`Batch`], which a channel brings
//! to the thread that sums up.

use std::ops::AddAssign;
use std::time::Duration;

use crate::counts::{Counts, Sparse};
use crate::load::{Load, Schedule};
use crate::outcome::{Each, ErrorKind};
use crate::verdict::LATE;

/// How often a thread hands over.
pub(crate) const TICK: u64 = 250_000_000;

/// What is measured of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// The latency of an answer of the class 1xx to 5xx.
    Class1,
    Class2,
    Class3,
    Class4,
    Class5,
    Connect,
    FirstByte,
    Service,
    Lag,
}

impl Measure {
    pub(crate) const ALL: [Self; 9] = [
        Self::Class1,
        Self::Class2,
        Self::Class3,
        Self::Class4,
        Self::Class5,
        Self::Connect,
        Self::FirstByte,
        Self::Service,
        Self::Lag,
    ];
    const CLASSES: [Self; 5] = [
        Self::Class1,
        Self::Class2,
        Self::Class3,
        Self::Class4,
        Self::Class5,
    ];

    /// The digit of its class, where it is a class.
    pub(crate) fn class(self) -> Option<u16> {
        let at = Self::CLASSES.iter().position(|&class| class == self)?;
        Some(at as u16 + 1)
    }
}

/// The moments of one request, in nanoseconds since the run's start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    /// When it should have started.
    pub(crate) due: u64,
    /// When it did.
    pub(crate) begun: u64,
    pub(crate) first_byte: u64,
}

/// Plain sums.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Requests that are not measured.
    pub(crate) warmed: u64,
    pub(crate) answered: u64,
    /// Answers that the rate counts, those to requests of the warm-up
    /// included.
    pub(crate) in_window: u64,
    pub(crate) failed: u64,
    pub(crate) errors: [u64; ErrorKind::ALL.len()],
    pub(crate) sent: u64,
    pub(crate) shed: u64,
    pub(crate) late: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.warmed += other.warmed;
        self.answered += other.answered;
        self.in_window += other.in_window;
        self.failed += other.failed;
        self.sent += other.sent;
        self.shed += other.shed;
        self.late += other.late;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for (mine, theirs) in self.errors.iter_mut().zip(other.errors) {
            *mine += theirs;
        }
    }
}

/// What a thread did in one tick.
pub(crate) struct Batch {
    pub(crate) thread: usize,
    /// Which tick, counted from the start of the run.
    pub(crate) tick: u64,
    pub(crate) tally: Tally,
    pub(crate) statuses: Vec<(u16, u64)>,
    pub(crate) counts: Vec<(Measure, Sparse)>,
    pub(crate) each: Vec<Each>,
    /// The ticks in which requests were due that are overdue now, and how
    /// many each.
    pub(crate) overdue: Vec<(u64, u64)>,
    pub(crate) in_flight: usize,
    /// Whether the thread has ended.
    pub(crate) last: bool,
}

/// One thread's measurements.
pub(crate) struct Recorder {
    open_loop: bool,
    /// From when on an answer to a request of the warm-up counts for the
    /// rate: what fills a run of that length from its first moment on. A
    /// run by count has no moments to fill.
    warm: u64,
    /// When the last request may start.
    end: u64,
    tally: Tally,
    counts: [Counts; Measure::ALL.len()],
    statuses: [u64; 600],
    /// `None` where nobody wants to know.
    each: Option<Vec<Each>>,
    /// As in a batch.
    overdue: Vec<(u64, u64)>,
    span: Span,
}

/// The first and the last moment of a thread's measured requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) first_due: u64,
    pub(crate) last_due: u64,
    pub(crate) last_begun: u64,
}

impl Span {
    pub(crate) const NONE: Self = Self {
        first: u64::MAX,
        last: 0,
        first_due: u64::MAX,
        last_due: 0,
        last_begun: 0,
    };

    pub(crate) fn join(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.first_due = self.first_due.min(other.first_due);
        self.last_due = self.last_due.max(other.last_due);
        self.last_begun = self.last_begun.max(other.last_begun);
    }
}

impl Recorder {
    pub(crate) fn new(load: &Load) -> Self {
        let nanos = |moment: Duration| moment.as_nanos() as u64;
        let (warm, end) = match load.window() {
            None => (u64::MAX, u64::MAX),
            Some(length) => (nanos(load.warmup), nanos(load.warmup + length)),
        };
        Self {
            open_loop: matches!(load.schedule, Schedule::Open { .. }),
            warm,
            end,
            tally: Tally::default(),
            counts: std::array::from_fn(|_| Counts::new()),
            statuses: [0; 600],
            each: load.tell_each.then(Vec::new),
            overdue: Vec::new(),
            span: Span::NONE,
        }
    }

    pub(crate) fn warmed(&mut self) {
        self.tally.warmed += 1;
    }

    /// An answer to a request of the warm-up.
    pub(crate) fn warm_answered(&mut self, now: u64) {
        let counts = (self.warm..=self.end).contains(&now);
        self.tally.in_window += u64::from(counts);
    }

    pub(crate) fn begun(&mut self, due: u64, begun: u64) {
        self.span.first = self.span.first.min(begun);
        self.tally.sent += 1;
        if self.open_loop {
            let lag = begun - due;
            self.count(Measure::Lag, lag);
            if u128::from(lag) > LATE.as_nanos() {
                self.tally.late += 1;
            }
            self.due(due);
            self.span.last_begun = begun;
        }
    }

    pub(crate) fn shed(&mut self, due: u64) {
        self.due(due);
        self.tally.shed += 1;
        self.tell(due, None);
    }

    fn due(&mut self, due: u64) {
        self.span.first_due = self.span.first_due.min(due);
        self.span.last_due = due;
    }

    pub(crate) fn connected(&mut self, took: u64) {
        self.count(Measure::Connect, took);
    }

    pub(crate) fn answered(&mut self, status: u16, at: &Moments, now: u64) {
        self.tally.answered += 1;
        self.tally.in_window += u64::from(now <= self.end);
        self.statuses[usize::from(status)] += 1;
        self.count(
            Measure::CLASSES[usize::from(status / 100 - 1)],
            now - at.due,
        );
        self.count(Measure::FirstByte, at.first_byte - at.due);
        if status >= 400 {
            self.tally.failed += 1;
            self.tell(at.due, None);
        } else {
            if self.open_loop {
                self.count(Measure::Service, now - at.begun);
            }
            self.tell(at.due, Some(now - at.due));
        }
        self.span.last = now;
    }

    pub(crate) fn failed(&mut self, kind: ErrorKind, due: u64, now: u64) {
        self.tell(due, None);
        self.tally.failed += 1;
        self.tally.errors[kind as usize] += 1;
        if kind.is_overdue() {
            self.overdue(due / TICK);
        }
        self.span.last = now;
    }

    fn overdue(&mut self, tick: u64) {
        // Those of a tick come to an end together, by and large.
        match self.overdue.last_mut() {
            Some((last, count)) if *last == tick => *count += 1,
            _ => self.overdue.push((tick, 1)),
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.tally.bytes_sent += bytes as u64;
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.tally.bytes_received += bytes as u64;
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    pub(crate) fn hand_over(
        &mut self,
        thread: usize,
        tick: u64,
        in_flight: usize,
        last: bool,
    ) -> Batch {
        let statuses = self.statuses.iter_mut().zip(0u16..);
        let counts = Measure::ALL.iter().zip(&mut self.counts);
        Batch {
            thread,
            tick,
            tally: std::mem::take(&mut self.tally),
            statuses: statuses
                .filter(|(count, _)| **count > 0)
                .map(|(count, status)| (status, std::mem::take(count)))
                .collect(),
            counts: counts
                .map(|(&measure, counts)| (measure, counts.take()))
                .filter(|(_, sparse)| *sparse != Sparse::default())
                .collect(),
            each: self.each.as_mut().map(std::mem::take).unwrap_or_default(),
            overdue: std::mem::take(&mut self.overdue),
            in_flight,
            last,
        }
    }

    fn tell(&mut self, due: u64, latency: Option<u64>) {
        if let Some(each) = &mut self.each {
            each.push(Each {
                due: Duration::from_nanos(due),
                latency: latency.map(Duration::from_nanos),
            });
        }
    }

    fn count(&mut self, measure: Measure, nanos: u64) {
        self.counts[measure as usize].record(nanos);
    }
}

/// The length of so many ticks.
pub(crate) fn ticks(count: u64) -> Duration {
    Duration::from_nanos(count * TICK)
}
