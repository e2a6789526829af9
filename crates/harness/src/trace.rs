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
//!
//! The file `worker-NUMBER-PID.trace`, in 64-bit words of this machine:
//!
//! 1. a page: a line of JSON that says what this is, zeros, and at its end,
//!    eight words apart, how many events each ring ever had;
//! 2. [`THREADS`] entries of four words: a thread's id, then its name;
//! 3. the rings, two words an event. The first is its moment, in nanoseconds
//!    of the clock that all processes share (CLOCK_MONOTONIC), zero while it
//!    is being written. The second has, from its high bits to its low ones,
//!    the request's number (32 bits), the thread's entry (12), the kind (4)
//!    and what the kind says more (16).

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{iter, process};

use nix::fcntl::posix_fallocate;
use nix::unistd::gettid;
use serde_json::json;
use thiserror::Error;

use crate::answer::Status;
use crate::board::Moment;
use crate::log;
use crate::plan::Call;
use crate::shared::Counters;

/// Raised when the file is laid out anew.
const VERSION: u32 = 1;
/// How many threads write without waiting for each other.
pub const RINGS: usize = 4;
/// Events that a ring keeps: of some 6500 requests that make four calls.
pub const RECORDS: usize = 1 << 16;
/// Threads that are told apart; what others do is put down to the last.
pub const THREADS: usize = 512;

/// Words of the first page.
const PAGE: usize = 512;
/// Where the counts of the rings are, each in a cache line of its own.
const COUNTS: usize = PAGE - RINGS * LINE;
const LINE: usize = 8;
/// Words of a thread: its id, and 24 bytes of its name.
const ENTRY: usize = 4;
const FIRST_RING: usize = PAGE + THREADS * ENTRY;
const RING: usize = 2 * RECORDS;
const WORDS: usize = FIRST_RING + RINGS * RING;

/// Requests at a time, of the threads of a ring, whose calls are recorded;
/// of what goes beyond, only the request is.
const SLOTS: usize = 4096;
/// They are made so many at a time: a worker that has few requests in hand
/// has no memory for many.
const CHUNK: usize = 64;
/// Slots rest for so many requests, lest a call that has not begun yet when
/// its request fails is taken for one of the next.
const REST: usize = 8;
/// Files of a worker's predecessors that are kept.
const LIVES: usize = 8;

/// What happened, in the order of the numbers in the file.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A request's head has been read.
    Accepted = 1,
    /// A call begins; which one, in plan order.
    Started = 2,
    /// A call was answered.
    Ended = 3,
    /// A call failed.
    Failed = 4,
    /// The answer is handed over to be sent; its status.
    Answered = 5,
    /// The client went away before there was an answer.
    GivenUp = 6,
}

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
    words: Counters,
    threads: AtomicUsize,
    shares: [Share; RINGS],
}

/// What the threads of a ring have for the requests that they accept, apart
/// from what others have.
#[derive(Debug)]
#[repr(align(128))]
struct Share {
    requests: AtomicU32,
    slots: [OnceLock<Box<[Slot]>>; SLOTS / CHUNK],
    free: Mutex<Free>,
}

/// The slots that no request has.
#[derive(Debug, Default)]
struct Free {
    /// Those that had one, the longest ago first.
    rested: VecDeque<&'static Slot>,
    /// How many have ever had one.
    used: usize,
}

/// What a request in hand has for its calls.
#[derive(Debug)]
struct Slot {
    share: usize,
    request: AtomicU32,
    /// Whether the request is in hand, and how many of its calls are under
    /// way.
    open: AtomicU32,
    /// Whether it waits for another request. Of a request that failed before
    /// one of its calls began, that call still uses it.
    rests: AtomicBool,
    calls: OnceLock<Box<[Call]>>,
}

thread_local! {
    /// The slot whose request asks for its calls in the same breath. Nothing
    /// may yield between setting and taking it.
    static NEXT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    /// The entry of the calling thread.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
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
        forget_old_lives(folder, worker);
        let pid = process::id();
        let path = folder.join(format!("worker-{worker}-{pid}.trace"));
        let make = || -> io::Result<Counters> {
            // Whoever had this pid before keeps what it has mapped.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error);
                }
                _ => {}
            }
            let mut file = File::create_new(&path)?;
            let size = WORDS * size_of::<u64>();
            // Taken now: a disk that is full then would be a fault of
            // memory later.
            let all = i64::try_from(size).unwrap_or(i64::MAX);
            posix_fallocate(&file, 0, all)?;
            let head = json!({
                "talk_trace": VERSION,
                "deployment": deployment,
                "worker": worker,
                "pid": pid,
            });
            writeln!(file, "{head}")?;
            let count = NonZeroUsize::MIN.saturating_add(WORDS - 1);
            Counters::of_file(&file, count).map_err(io::Error::from)
        };
        let words = make().map_err(TraceError::at(&path))?;
        Ok(Box::leak(Box::new(Self {
            words,
            threads: AtomicUsize::new(0),
            shares: [const { Share::new() }; RINGS],
        })))
    }

    /// Records that a request is accepted.
    pub(crate) fn accept(&'static self) -> Traced {
        let thread = self.thread();
        let at = thread % RINGS;
        let share = &self.shares[at];
        // The shares' numbers do not meet.
        let nth = share.requests.fetch_add(1, Ordering::Relaxed);
        let request = nth.wrapping_mul(RINGS as u32) + at as u32 + 1;
        self.write(thread, request, Kind::Accepted, 0);
        let slot = share.take_slot(at);
        if let Some(slot) = slot {
            slot.request.store(request, Ordering::Relaxed);
            slot.open.store(1, Ordering::Relaxed);
            slot.rests.store(false, Ordering::Release);
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
        if slot.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.free(slot);
        }
    }

    fn free(&self, slot: &'static Slot) {
        if !slot.rests.swap(true, Ordering::AcqRel) {
            self.shares[slot.share].free().rested.push_back(slot);
        }
    }

    fn thread(&self) -> usize {
        THREAD.get().unwrap_or_else(|| self.enter_thread())
    }

    fn write(&self, thread: usize, request: u32, kind: Kind, more: u16) {
        let event = u64::from(request) << 32
            | (thread as u64) << 20
            | (kind as u64) << 16
            | u64::from(more);
        let ring = thread % RINGS;
        let count = &self.words[COUNTS + ring * LINE];
        let count = count.fetch_add(1, Ordering::Relaxed) as usize;
        let place = FIRST_RING + ring * RING + 2 * (count % RECORDS);
        let moment = &self.words[place];
        moment.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.words[place + 1].store(event, Ordering::Relaxed);
        moment.store(Moment::now().0, Ordering::Release);
    }

    /// Enters the calling thread with its id and name.
    fn enter_thread(&self) -> usize {
        let entered = self.threads.fetch_add(1, Ordering::Relaxed);
        let thread = entered.min(THREADS - 1);
        let entry = &self.words[PAGE + thread * ENTRY..][..ENTRY];
        let mut name = [0; (ENTRY - 1) * 8];
        log::with_thread_name(|told| {
            let told = told.as_bytes();
            let length = told.len().min(name.len());
            name[..length].copy_from_slice(&told[..length]);
        });
        for (word, bytes) in entry[1..].iter().zip(name.chunks_exact(8)) {
            let mut part = [0; 8];
            part.copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(part), Ordering::Relaxed);
        }
        let id = u64::try_from(gettid().as_raw()).unwrap_or(0);
        entry[0].store(id, Ordering::Release);
        THREAD.set(Some(thread));
        thread
    }
}

impl Share {
    const fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            slots: [const { OnceLock::new() }; SLOTS / CHUNK],
            free: Mutex::new(Free {
                rested: VecDeque::new(),
                used: 0,
            }),
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        // A list of places is whole whoever panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_slot(&'static self, at: usize) -> Option<&'static Slot> {
        let mut free = self.free();
        if free.rested.len() > REST || free.used == SLOTS {
            return free.rested.pop_front();
        }
        free.used += 1;
        let slot = free.used - 1;
        let chunk = self.slots[slot / CHUNK].get_or_init(|| {
            iter::repeat_with(|| Slot::of(at)).take(CHUNK).collect()
        });
        Some(&chunk[slot % CHUNK])
    }
}

impl Slot {
    fn of(share: usize) -> Self {
        Self {
            share,
            request: AtomicU32::new(0),
            open: AtomicU32::new(0),
            rests: AtomicBool::new(false),
            calls: OnceLock::new(),
        }
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
        let thread = self.trace.thread();
        self.trace.write(thread, self.request, kind, more);
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
        self.slot.open.fetch_add(1, Ordering::Relaxed);
        self.write(Kind::Started);
    }

    pub(crate) fn ended(&self, well: bool) {
        self.write(if well { Kind::Ended } else { Kind::Failed });
        self.trace.leave(self.slot);
    }

    fn write(&self, kind: Kind) {
        let thread = self.trace.thread();
        let request = self.slot.request.load(Ordering::Relaxed);
        self.trace.write(thread, request, kind, self.nth);
    }
}

/// Removes the oldest files of those who had this worker's number before.
fn forget_old_lives(folder: &Path, worker: usize) {
    let prefix = format!("worker-{worker}-");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut lives: Vec<_> = files
        .filter(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.strip_prefix(&prefix)
                .and_then(|rest| rest.strip_suffix(".trace"))
                .is_some_and(|pid| pid.parse::<u32>().is_ok())
        })
        .filter_map(|file| {
            let made = file.metadata().ok()?.created().ok()?;
            Some((made, file.path()))
        })
        .collect();
    lives.sort();
    let many = lives.len().saturating_sub(LIVES);
    for (_, path) in &lives[..many] {
        // What stays costs room, and nothing else.
        fs::remove_file(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tempfile::TempDir;

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
        let count = &trace.words[COUNTS + ring * LINE];
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
        let word = |place: usize| trace.words[place].load(Ordering::Relaxed);
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

    #[test]
    fn a_worker_that_ends_often_does_not_fill_the_disk() {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| folder.path().join(name);
        for pid in 1..=20 {
            File::create(file(&format!("worker-1-{pid}.trace"))).unwrap();
            // So that each is younger than the one before.
            thread::sleep(Duration::from_millis(2));
        }
        for other in ["worker-2-1.trace", "worker-1-x.trace", "mine"] {
            File::create(file(other)).unwrap();
        }
        forget_old_lives(folder.path(), 1);
        for (name, stays) in [
            ("worker-1-12.trace", false),
            ("worker-1-13.trace", true),
            ("worker-2-1.trace", true),
            ("worker-1-x.trace", true),
            ("mine", true),
        ] {
            assert_eq!(file(name).exists(), stays, "{name}");
        }
    }
}
