//! The slots of requests in hand, which their calls are tied to.
//!
//! A slot is not used again until its request and all of its calls have
//! ended, and rests for a while then.

use std::collections::VecDeque;
use std::iter;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::plan::Call;

/// Requests at a time, of the threads of a ring, whose calls are recorded;
/// of what goes beyond, only the request is.
pub(super) const SLOTS: usize = 4096;
/// They are made so many at a time: a worker that has few requests in hand
/// has no memory for many.
const CHUNK: usize = 64;
/// Slots rest for so many requests, lest a call that has not begun yet when
/// its request fails is taken for one of the next.
pub(super) const REST: usize = 8;

/// What the threads of a ring have for the requests that they accept, apart
/// from what others have.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Share {
    pub(super) requests: AtomicU32,
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
pub(super) struct Slot {
    pub(super) share: usize,
    pub(super) request: AtomicU32,
    /// Whether the request is in hand, and how many of its calls are under
    /// way.
    open: AtomicU32,
    /// Whether it waits for another request. Of a request that failed before
    /// one of its calls began, that call still uses it.
    rests: AtomicBool,
    pub(super) calls: OnceLock<Box<[Call]>>,
}

impl Share {
    pub(super) const fn new() -> Self {
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

    /// Gives a slot back, once.
    pub(super) fn put_back(&self, slot: &'static Slot) {
        if !slot.rests.swap(true, Ordering::AcqRel) {
            self.free().rested.push_back(slot);
        }
    }

    pub(super) fn take_slot(&'static self, at: usize) -> Option<&'static Slot> {
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

    /// Gives it to a request.
    pub(super) fn begin(&self, request: u32) {
        self.request.store(request, Ordering::Relaxed);
        self.open.store(1, Ordering::Relaxed);
        self.rests.store(false, Ordering::Release);
    }

    /// A call of its request begins.
    pub(super) fn enter(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// The request or one of its calls has ended; whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.open.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
