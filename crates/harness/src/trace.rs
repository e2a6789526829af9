//! A record of what a worker does: each request as it is accepted and
//! answered, and its calls in between.
//!
//! It is made to be left on. A worker writes 16 bytes an event into a file
//! that it has mapped, with no lock, no system call and no text, and what it
//! wrote is there for others at once, even where it is killed. The file is of
//! [`RINGS`] rings: it keeps the latest events and never grows. Threads take
//! rings in turn, since two that write to the same cache line would wait for
//! each other.
//!
//! A call is tied to its request by where it comes from, not by who makes
//! it: threads, tasks and coroutines take turns, and a call may run on any.
//! A request in hand has a slot of its own, the calls that it is given know
//! that slot, and a slot is not used again until all of them have ended.

mod lives;
mod rings;
mod slots;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::{fs, io, process};

use thiserror::Error;

use self::rings::{Kind, Rings};
pub use self::rings::{RECORDS, RINGS, THREADS};
use self::slots::{Share, Slot};
use crate::answer::Status;
use crate::plan::Call;

/// A trace cannot be kept.
#[derive(Debug, Error)]
#[error("cannot trace to {}", path.display())]
pub struct TraceError {
    path: PathBuf,
    source: io::Error,
}

impl TraceError {
    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            let path = path.clone();
            Self { path, source }
        }
    }
}

/// Makes the folder that traces go to.
pub(crate) fn make_folder(folder: &Path) -> Result<(), TraceError> {
    fs::create_dir_all(folder).map_err(TraceError::at(folder))
}

/// The record of one worker.
#[derive(Debug)]
pub struct Trace {
    rings: Rings,
    shares: [Share; RINGS],
}

thread_local! {
    /// The slot whose request asks for its calls in the same breath. Nothing
    /// may yield between setting and taking it.
    static NEXT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
}

impl Trace {
    /// Begins the record of the calling process in `folder`. It lives as
    /// long as the process, as all do that write to it.
    ///
    /// # Errors
    ///
    /// The system's, where the file cannot be made.
    pub(crate) fn begin(
        folder: &Path,
        deployment: &str,
        worker: usize,
    ) -> Result<&'static Self, TraceError> {
        lives::forget_old(folder, worker);
        let pid = process::id();
        let path = folder.join(format!("worker-{worker}-{pid}.trace"));
        let rings = Rings::create(&path, deployment, worker)
            .map_err(TraceError::at(&path))?;
        Ok(Box::leak(Box::new(Self {
            rings,
            shares: [const { Share::new() }; RINGS],
        })))
    }

    /// Records that a request is accepted.
    pub(crate) fn accept(&'static self) -> Traced {
        let thread = self.rings.thread();
        let at = thread % RINGS;
        let share = &self.shares[at];
        // The shares' numbers do not meet.
        let nth = share.requests.fetch_add(1, Ordering::Relaxed);
        let request = nth.wrapping_mul(RINGS as u32) + at as u32 + 1;
        self.rings.write(thread, request, Kind::Accepted, 0);
        let slot = share.take_slot(at);
        if let Some(slot) = slot {
            slot.begin(request);
        }
        Traced {
            trace: self,
            request,
            slot,
        }
    }

    /// The calls of the request that asks for them in this breath, where
    /// there is one.
    pub(crate) fn calls(
        &'static self,
        plan: &[Call],
    ) -> Option<&'static [Call]> {
        let slot = NEXT.take()?;
        let calls = slot.calls.get_or_init(|| {
            let calls = plan.iter().enumerate();
            calls
                .map(|(nth, call)| call.traced(self.call(slot, nth)))
                .collect()
        });
        Some(calls)
    }

    fn call(&'static self, slot: &'static Slot, nth: usize) -> TracedCall {
        TracedCall {
            trace: self,
            slot,
            nth: u16::try_from(nth).unwrap_or(u16::MAX),
        }
    }

    /// Says that one of those who use a slot does so no longer.
    fn leave(&self, slot: &'static Slot) {
        if slot.leave() {
            self.free(slot);
        }
    }

    fn free(&self, slot: &'static Slot) {
        self.shares[slot.share].put_back(slot);
    }
}

/// A request in hand that is recorded.
#[derive(Debug)]
pub(crate) struct Traced {
    trace: &'static Trace,
    request: u32,
    slot: Option<&'static Slot>,
}

impl Traced {
    /// Makes the calls that the plan gives out next, on this thread and
    /// before anything yields, those of this request.
    pub(crate) fn asks_for_calls(&self) {
        NEXT.set(self.slot);
    }

    pub(crate) fn answered(&self, status: Status) {
        self.write(Kind::Answered, status.code);
        if let Some(slot) = self.slot {
            self.trace.leave(slot);
        }
    }

    /// The request is dropped, and with it all of its calls.
    pub(crate) fn given_up(&self) {
        self.write(Kind::GivenUp, 0);
        if let Some(slot) = self.slot {
            self.trace.free(slot);
        }
    }

    fn write(&self, kind: Kind, more: u16) {
        let rings = &self.trace.rings;
        rings.write(rings.thread(), self.request, kind, more);
    }
}

/// A call that is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TracedCall {
    trace: &'static Trace,
    slot: &'static Slot,
    nth: u16,
}

impl TracedCall {
    pub(crate) fn started(&self) {
        self.slot.enter();
        self.write(Kind::Started);
    }

    pub(crate) fn ended(&self, well: bool) {
        self.write(if well { Kind::Ended } else { Kind::Failed });
        self.trace.leave(self.slot);
    }

    fn write(&self, kind: Kind) {
        let rings = &self.trace.rings;
        let request = self.slot.request.load(Ordering::Relaxed);
        rings.write(rings.thread(), request, kind, self.nth);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::TempDir;

    use super::rings::{COUNTS, FIRST_RING, LINE, RING, WORDS};
    use super::slots::{REST, SLOTS};
    use super::*;

    fn trace() -> (&'static Trace, TempDir) {
        let folder = TempDir::new().unwrap();
        let trace = Trace::begin(folder.path(), "app", 1).unwrap();
        (trace, folder)
    }

    fn plan(count: usize) -> Vec<Call> {
        let backend = ([127, 0, 0, 1], 7001).into();
        vec![Call::lasting(backend, 0.5); count]
    }

    fn count(trace: &Trace, ring: usize) -> usize {
        let count = &trace.rings.words[COUNTS + ring * LINE];
        count.load(Ordering::Relaxed) as usize
    }

    /// Request, kind and more of every event, in their order.
    fn events(trace: &Trace) -> Vec<(u32, u64, u64)> {
        let rings = 0..RINGS;
        let places = rings.flat_map(|ring| {
            let count = count(trace, ring).min(RECORDS);
            let first = FIRST_RING + ring * RING;
            (0..count).map(move |at| first + 2 * at)
        });
        let word =
            |place: usize| trace.rings.words[place].load(Ordering::Relaxed);
        let mut places: Vec<_> = places.collect();
        places.sort_by_key(|&place| word(place));
        let events = places.into_iter().map(|place| word(place + 1));
        events
            .map(|event| {
                ((event >> 32) as u32, event >> 16 & 0xf, event & 0xffff)
            })
            .collect()
    }

    /// The calls of a request, as the plan gives them out.
    fn calls_of(request: &Traced, plan: &[Call]) -> &'static [Call] {
        request.asks_for_calls();
        request.trace.calls(plan).unwrap()
    }

    #[test]
    fn calls_know_their_request_on_whatever_thread_they_run() {
        let (trace, _folder) = trace();
        let plan = plan(2);
        let (one, two) = (trace.accept(), trace.accept());
        let (of_one, of_two) = (calls_of(&one, &plan), calls_of(&two, &plan));
        thread::scope(|scope| {
            scope.spawn(|| of_two[1].start()).join().unwrap();
            scope.spawn(|| of_one[0].start()).join().unwrap();
        });
        let answer: Result<(), crate::answer::Failure> = Ok(());
        of_two[1].end(answer).unwrap();
        one.answered(Status::OK);
        let (one, two) = (one.request, two.request);
        let expected = [
            (one, 1, 0),
            (two, 1, 0),
            (two, 2, 1),
            (one, 2, 0),
            (two, 3, 1),
            (one, 5, 200),
        ];
        assert_eq!(events(trace), expected);
    }

    #[test]
    fn who_asks_for_no_request_gets_calls_that_nobody_records() {
        let (trace, _folder) = trace();
        assert!(trace.calls(&plan(2)).is_none());
        let request = trace.accept();
        request.asks_for_calls();
        assert!(trace.calls(&plan(2)).is_some());
        assert!(trace.calls(&plan(2)).is_none());
    }

    fn same(one: &Traced, other: &Traced) -> bool {
        one.slot.unwrap().calls.get().map(|calls| calls.as_ptr())
            == other.slot.unwrap().calls.get().map(|calls| calls.as_ptr())
    }

    #[test]
    fn a_call_that_outlives_its_request_keeps_its_slot() {
        let (trace, _folder) = trace();
        let plan = plan(1);
        let first = trace.accept();
        let late = &calls_of(&first, &plan)[0];
        late.start();
        first.answered(Status::BAD_GATEWAY);
        for _ in 0..10 * REST {
            let request = trace.accept();
            assert!(!same(&request, &first), "{request:?}");
            request.answered(Status::OK);
        }
        let answer: Result<(), crate::answer::Failure> = Ok(());
        late.end(answer).unwrap();
        assert_eq!(events(trace).last(), Some(&(first.request, 3, 0)));
        let again = (0..2 * REST).any(|_| {
            let request = trace.accept();
            request.answered(Status::OK);
            same(&request, &first)
        });
        assert!(again, "a slot is lost");
    }

    #[test]
    fn requests_past_the_slots_are_recorded_without_their_calls() {
        let (trace, _folder) = trace();
        let all: Vec<_> = (0..SLOTS).map(|_| trace.accept()).collect();
        let beyond = trace.accept();
        beyond.asks_for_calls();
        assert!(trace.calls(&plan(1)).is_none());
        beyond.answered(Status::OK);
        all.iter().for_each(Traced::given_up);
        assert!(trace.accept().slot.is_some());
        let events = events(trace);
        assert_eq!(events[SLOTS], (beyond.request, 1, 0));
        assert_eq!(events[SLOTS + 1], (beyond.request, 5, 200));
    }

    #[test]
    fn the_ring_keeps_the_latest_and_the_file_its_size() {
        let (trace, folder) = trace();
        let requests = RECORDS / 2 + 5;
        let numbers = (0..requests).map(|_| {
            let request = trace.accept();
            request.answered(Status::OK);
            request.request
        });
        let last = numbers.last().unwrap();
        assert_eq!(count(trace, 0), 2 * requests);
        let events = events(trace);
        assert_eq!(events.len(), RECORDS);
        assert!(events.ends_with(&[(last, 1, 0), (last, 5, 200)]));
        let file = fs::read_dir(folder.path()).unwrap().next().unwrap();
        let size = file.unwrap().metadata().unwrap().len();
        assert_eq!(size as usize, WORDS * 8);
    }
}
