//! The file of a trace, and how an event gets into it.
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
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use nix::fcntl::posix_fallocate;
use nix::unistd::gettid;
use serde_json::json;

use crate::board::Moment;
use crate::log;
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
pub(super) const COUNTS: usize = PAGE - RINGS * LINE;
pub(super) const LINE: usize = 8;
/// Words of a thread: its id, and 24 bytes of its name.
const ENTRY: usize = 4;
pub(super) const FIRST_RING: usize = PAGE + THREADS * ENTRY;
pub(super) const RING: usize = 2 * RECORDS;
pub(super) const WORDS: usize = FIRST_RING + RINGS * RING;

/// What happened, in the order of the numbers in the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
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

thread_local! {
    /// The entry of the calling thread.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The file, as it is mapped.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) words: Counters,
    threads: AtomicUsize,
}

impl Rings {
    /// Makes the file of the calling process.
    pub(super) fn create(
        path: &Path,
        deployment: &str,
        worker: usize,
    ) -> io::Result<Self> {
        // Whoever had this pid before keeps what it has mapped.
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error);
            }
            _ => {}
        }
        let mut file = File::create_new(path)?;
        let size = WORDS * size_of::<u64>();
        // Taken now: a disk that is full then would be a fault of
        // memory later.
        let all = i64::try_from(size).unwrap_or(i64::MAX);
        posix_fallocate(&file, 0, all)?;
        let head = json!({
            "talk_trace": VERSION,
            "deployment": deployment,
            "worker": worker,
            "pid": process::id(),
        });
        writeln!(file, "{head}")?;
        let count = NonZeroUsize::MIN.saturating_add(WORDS - 1);
        Ok(Self {
            words: Counters::of_file(&file, count)?,
            threads: AtomicUsize::new(0),
        })
    }

    /// The calling thread's entry, which its first event makes.
    pub(super) fn thread(&self) -> usize {
        THREAD.get().unwrap_or_else(|| self.enter_thread())
    }

    /// Writes what happened to a request on a thread.
    pub(super) fn write(
        &self,
        thread: usize,
        request: u32,
        kind: Kind,
        more: u16,
    ) {
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
