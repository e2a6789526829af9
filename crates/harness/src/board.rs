//! What a worker has in hand, in memory that it shares with its master.
//!
//! A worker that is stuck cannot say so. It writes down when a request
//! begins and ends, and that its threads still come round; the master reads
//! it. Nothing here is locked across processes, so that a worker that is
//! killed in the middle leaves nothing behind that holds up another.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::shared::Counters;

/// Threads that tell of themselves; more than these are not watched.
const THREADS: usize = 128;
/// Requests at a time that are written down one by one; what goes beyond is
/// counted only.
const REQUESTS: usize = 16_384;
/// Words of a request: when it began, and its line.
const WORDS: usize = 8;
/// Bytes of a request's line that are kept.
const LINE: usize = (WORDS - 1) * 8;

const SERVED: usize = 0;
const CONNECTIONS: usize = 1;
const IN_HAND: usize = 2;
/// How many places for requests have ever been used.
const USED: usize = 3;
const BEATS: usize = 4;
const FIRST: usize = BEATS + THREADS;

/// A moment that is the same in all processes: nanoseconds of the clock that
/// never goes back. Zero is no moment.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn now() -> Self {
        // This clock cannot fail.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        let nanos = now.map_or(0, |now| {
            now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
        });
        Self(nanos.max(1))
    }

    /// The time since an `earlier` moment; zero where that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The shared memory of one worker.
#[derive(Debug)]
pub(crate) struct Board(Counters);

/// A request that a worker has in hand.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Request {
    pub(crate) began: Moment,
    /// Its method and target, as far as there was room.
    pub(crate) line: String,
}

impl Board {
    pub(crate) fn new() -> nix::Result<Self> {
        let size = NonZeroUsize::MIN.saturating_add(FIRST + REQUESTS * WORDS);
        Counters::new(size).map(Self)
    }

    /// Requests answered so far.
    pub(crate) fn served(&self) -> u64 {
        self.0[SERVED].load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> u64 {
        self.0[CONNECTIONS].load(Ordering::Relaxed)
    }

    /// Requests that have begun and not ended.
    pub(crate) fn in_hand(&self) -> u64 {
        self.0[IN_HAND].load(Ordering::Relaxed)
    }

    /// When the thread that is longest out of sight last came round; those
    /// that may be so are left out.
    pub(crate) fn oldest_beat(&self) -> Option<Moment> {
        let beats = self.0[BEATS..FIRST].iter();
        let beats = beats.map(|beat| beat.load(Ordering::Relaxed));
        beats.filter(|&beat| beat != 0).min().map(Moment)
    }

    /// The request that has been in hand for the longest time.
    pub(crate) fn oldest(&self) -> Option<Request> {
        let used = self.0[USED].load(Ordering::Acquire);
        let used = usize::try_from(used).unwrap_or(REQUESTS).min(REQUESTS);
        let began =
            |place: &usize| self.word(*place, 0).load(Ordering::Acquire);
        let places = (0..used).filter(|place| began(place) != 0);
        let place = places.min_by_key(|place| began(place))?;
        let began = began(&place);
        if began == 0 {
            // It ended meanwhile: whatever is the oldest is young.
            return None;
        }
        let mut line = [0; LINE];
        for (at, bytes) in line.chunks_exact_mut(8).enumerate() {
            let word = self.word(place, at + 1).load(Ordering::Relaxed);
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        let end = line.iter().position(|&byte| byte == 0).unwrap_or(LINE);
        Some(Request {
            began: Moment(began),
            line: String::from_utf8_lossy(&line[..end]).into_owned(),
        })
    }

    pub(crate) fn opened(&self) {
        self.0[CONNECTIONS].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.0[CONNECTIONS].fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn began(&self) {
        self.0[IN_HAND].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many had been served before.
    pub(crate) fn ended(&self) -> u64 {
        self.0[IN_HAND].fetch_sub(1, Ordering::Relaxed);
        self.0[SERVED].fetch_add(1, Ordering::Relaxed)
    }

    /// Where a thread tells that it comes round.
    pub(crate) fn beat(&self, thread: usize) -> Option<&AtomicU64> {
        self.0[BEATS..FIRST].get(thread)
    }

    /// A place that no request has had yet.
    pub(crate) fn new_place(&self) -> Option<usize> {
        let next = |used| (used < REQUESTS as u64).then_some(used + 1);
        let used = self.0[USED]
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, next)
            .ok()?;
        usize::try_from(used).ok()
    }

    /// Writes a request down, as having begun now.
    pub(crate) fn write(&self, place: usize, line: &[u8]) {
        let line = &line[..line.len().min(LINE)];
        for at in 0..WORDS - 1 {
            let mut word = [0; 8];
            let from = line.len().min(at * 8);
            let part = &line[from..line.len().min(from + 8)];
            word[..part.len()].copy_from_slice(part);
            let word = u64::from_ne_bytes(word);
            self.word(place, at + 1).store(word, Ordering::Relaxed);
        }
        let now = Moment::now();
        self.word(place, 0).store(now.0, Ordering::Release);
    }

    /// Strikes a request out.
    pub(crate) fn strike(&self, place: usize) {
        self.word(place, 0).store(0, Ordering::Release);
    }

    fn word(&self, place: usize, word: usize) -> &AtomicU64 {
        &self.0[FIRST + place * WORDS + word]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_request_is_told_with_its_line() {
        let board = Board::new().unwrap();
        assert_eq!(board.oldest(), None);
        let (one, two) = (board.new_place(), board.new_place());
        let (one, two) = (one.unwrap(), two.unwrap());
        let long = "GET /".to_owned() + &"x".repeat(100);
        board.write(one, long.as_bytes());
        let first = board.oldest().unwrap();
        assert_eq!(first.line, long[..LINE]);
        std::thread::sleep(Duration::from_millis(1));
        board.write(two, b"GET /a");
        assert_eq!(board.oldest(), Some(first));
        board.strike(one);
        assert_eq!(board.oldest().unwrap().line, "GET /a");
        board.strike(two);
        assert_eq!(board.oldest(), None);
    }

    #[test]
    fn places_come_to_an_end() {
        let board = Board::new().unwrap();
        for place in 0..REQUESTS {
            assert_eq!(board.new_place(), Some(place));
        }
        assert_eq!(board.new_place(), None);
        board.write(REQUESTS - 1, b"GET /last");
        assert_eq!(board.oldest().unwrap().line, "GET /last");
    }

    #[test]
    fn a_thread_that_may_be_out_of_sight_is_left_out() {
        let board = Board::new().unwrap();
        assert_eq!(board.oldest_beat(), None);
        let now = Moment::now();
        board.beat(1).unwrap().store(now.0, Ordering::Relaxed);
        assert_eq!(board.oldest_beat(), Some(now));
        assert!(board.beat(THREADS).is_none());
    }
}
