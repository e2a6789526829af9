//! The requests that a worker has in hand, as it tells its master of them.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::unistd::write;

use crate::answer::{Answer, CallError};
use crate::board::{Board, Moment};
use crate::trace::{Trace, Traced};
use crate::worker;

/// What a worker says to its master, a byte each.
pub(crate) const READY: u8 = b'r';
pub(crate) const RELIEVE_ME: u8 = b'm';

/// Where a worker keeps account of its connections and requests.
///
/// Its master reads it: to kill a worker that is stuck, to replace one that
/// has served enough, and to tell whoever asks what goes on.
#[derive(Clone, Debug)]
pub struct Requests {
    account: Arc<Account>,
    trace: Option<&'static Trace>,
}

#[derive(Debug)]
struct Account {
    board: Arc<Board>,
    /// Places on the board that are free again.
    free: Mutex<Vec<usize>>,
    /// How many requests to serve; then another worker takes over.
    most: Option<u64>,
    beats: Duration,
    master: OwnedFd,
}

impl Requests {
    pub(crate) fn new(
        board: Arc<Board>,
        most: Option<u64>,
        beats: Duration,
        master: OwnedFd,
    ) -> Self {
        let free = Mutex::default();
        let account = Arc::new(Account {
            board,
            free,
            most,
            beats,
            master,
        });
        let trace = None;
        Self { account, trace }
    }

    /// The same account, which also records what it hears of.
    pub(crate) fn traced(self, trace: &'static Trace) -> Self {
        let trace = Some(trace);
        Self { trace, ..self }
    }

    /// Tells the master that requests are taken now. Every thread that waits
    /// for them has to have told its first [`beat`](Self::beat) before, or
    /// one that never comes round would not be missed.
    pub fn ready(&self) {
        self.account.tell(READY);
    }

    /// Counts a connection as open until the result is dropped.
    pub fn connection(&self) -> Connection {
        self.account.board.opened();
        Connection(self.account.clone())
    }

    /// Counts a request as in hand until the result is dropped. `line` is
    /// what it asks for.
    pub fn begin(&self, line: &[u8]) -> InHand {
        let account = &self.account;
        account.board.began();
        let free = account.free().pop();
        let place = free.or_else(|| account.board.new_place());
        if let Some(place) = place {
            account.board.write(place, line);
        }
        InHand {
            account: account.clone(),
            place,
            trace: self.trace.map(Trace::accept),
        }
    }

    /// How many requests are in hand.
    pub fn in_hand(&self) -> u64 {
        self.account.board.in_hand()
    }

    /// How often a thread that waits for requests has to [`beat`](Self::beat):
    /// seldom, since each time wakes a worker that may have nothing to do.
    pub fn beats(&self) -> Duration {
        self.account.beats
    }

    /// Says that the `thread` of this index comes round; it should do so
    /// again within [`beats`](Self::beats), or [`rest`](Self::rest).
    pub fn beat(&self, thread: usize) {
        self.set_beat(thread, Moment::now().0);
    }

    /// Says that the `thread` of this index may be out of sight for as long
    /// as it likes: it has a request in hand, which has a clock of its own.
    pub fn rest(&self, thread: usize) {
        self.set_beat(thread, 0);
    }

    fn set_beat(&self, thread: usize, value: u64) {
        if let Some(beat) = self.account.board.beat(thread) {
            beat.store(value, Ordering::Relaxed);
        }
    }
}

impl Account {
    fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        // A list of numbers is whole whoever panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: u8) {
        // A master that is gone takes its workers with it: nothing to mend.
        write(&self.master, &[what]).ok();
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection(Arc<Account>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.board.closed();
    }
}

/// A request in hand.
#[derive(Debug)]
pub struct InHand {
    account: Arc<Account>,
    place: Option<usize>,
    trace: Option<Traced>,
}

impl InHand {
    /// Says that the application begins: the calls that the plan gives out
    /// next, on this thread and before anything yields, are this request's.
    pub fn begins(&self) {
        if let Some(trace) = &self.trace {
            trace.asks_for_calls();
        }
    }

    /// The application's answer, given on this thread; 500 where it panics.
    pub fn answer(
        &self,
        application: impl Fn() -> Result<String, CallError>,
    ) -> Answer {
        self.begins();
        worker::answer(application)
    }

    /// Ends with the answer, which is to be sent now. A request that is
    /// dropped without it was given up by its client.
    pub fn ends_with(mut self, answer: Answer) -> Answer {
        if let Some(trace) = self.trace.take() {
            trace.answered(answer.status);
        }
        answer
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(trace) = &self.trace {
            trace.given_up();
        }
        if let Some(place) = self.place {
            self.account.board.strike(place);
            self.account.free().push(place);
        }
        let before = self.account.board.ended();
        if self.account.most == Some(before + 1) {
            self.account.tell(RELIEVE_ME);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use nix::unistd::pipe;

    use super::*;

    fn requests(most: Option<u64>) -> (Requests, Arc<Board>, File) {
        let (master, worker) = pipe().unwrap();
        let board = Arc::new(Board::new().unwrap());
        let beats = Duration::from_secs(1);
        let requests = Requests::new(board.clone(), most, beats, worker);
        (requests, board, File::from(master))
    }

    #[test]
    fn what_is_in_hand_is_on_the_board_until_it_ends() {
        let (requests, board, _) = requests(None);
        let connection = requests.connection();
        let one = requests.begin(b"GET /1");
        let two = requests.begin(b"GET /2");
        assert_eq!((board.connections(), board.in_hand()), (1, 2));
        assert_eq!(board.oldest().unwrap().line, "GET /1");
        drop(one);
        assert_eq!((board.in_hand(), board.served()), (1, 1));
        assert_eq!(board.oldest().unwrap().line, "GET /2");
        drop((two, connection));
        assert_eq!((board.connections(), board.in_hand()), (0, 0));
        assert_eq!(board.oldest(), None);
        // A place is used again.
        drop(requests.begin(b"GET /3"));
        assert_eq!(board.new_place(), Some(2));
    }

    #[test]
    fn a_worker_that_has_served_enough_says_so_once() {
        let (requests, _, mut master) = requests(Some(2));
        requests.ready();
        for _ in 0..5 {
            drop(requests.begin(b"GET /"));
        }
        drop(requests);
        let mut said = Vec::new();
        master.read_to_end(&mut said).unwrap();
        assert_eq!(said, [READY, RELIEVE_ME]);
    }
}
