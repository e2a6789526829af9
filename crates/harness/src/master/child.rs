//! One worker as its master sees it, from the fork to its end.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getppid, pipe2, read};
use tracing::error;

use super::{Limits, Master, MasterError, system};
use crate::board::Board;
use crate::log;
use crate::requests::{READY, RELIEVE_ME, Requests};
use crate::signals::{self, Stop, StopTeller};
use crate::worker::Worker;

/// A worker that has not been reaped.
#[derive(Debug)]
pub(super) struct Child {
    number: usize,
    pid: Pid,
    generation: u64,
    began: Instant,
    /// How long it may not be heard of, since it knows of no other limit.
    heartbeat: Option<Duration>,
    board: Arc<Board>,
    /// What it says; gone once it has ended.
    pipe: Option<OwnedFd>,
    /// Gone once it was told to stop.
    stop: Option<StopTeller>,
    is_ready: bool,
    wants_relief: bool,
    leave_by: Option<Instant>,
    was_killed: bool,
}

impl Child {
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// How long ago it was forked.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long it may not be heard of.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Whether it has said that it takes requests.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether it has served as many requests as it should.
    pub(super) fn wants_relief(&self) -> bool {
        self.wants_relief
    }

    /// Takes note of what it has said.
    pub(super) fn hear(&mut self) {
        let mut bytes = [0; 8];
        while let Some(pipe) = &self.pipe {
            match read(pipe, &mut bytes) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // The end: it died, and SIGCHLD says the rest.
                Ok(0) | Err(_) => self.pipe = None,
                Ok(count) => {
                    let said = &bytes[..count];
                    self.is_ready |= said.contains(&READY);
                    self.wants_relief |= said.contains(&RELIEVE_ME);
                }
            }
        }
    }

    /// Tells it to stop, for which it has so long.
    pub(super) fn leave(mut self, limit: Duration) -> Self {
        self.stop = None;
        self.leave_by = Some(Instant::now() + limit);
        self
    }

    /// By when it should be gone, where it was told to stop.
    pub(super) fn leave_by(&self) -> Option<Instant> {
        self.leave_by
    }

    /// Whether it was killed, and only has to be reaped.
    pub(super) fn was_killed(&self) -> bool {
        self.was_killed
    }

    pub(super) fn kill(&mut self) {
        // Not reaped yet, so the pid is still its own.
        kill(self.pid, Signal::SIGKILL).ok();
        self.was_killed = true;
        self.leave_by = None;
    }

    /// Waits for its end.
    pub(super) fn wait(&self) {
        while waitpid(self.pid, None) == Err(Errno::EINTR) {}
    }
}

impl Limits {
    /// The number of requests after which one worker is to be relieved.
    fn most_requests(&self) -> Option<u64> {
        let random = RandomState::new().hash_one(());
        let more = random % self.max_requests_jitter.saturating_add(1);
        self.max_requests.map(|most| most.saturating_add(more))
    }

    /// How often a worker's threads say that they come round: six
    /// times within the limit, since a busy machine has them late.
    fn beats(&self) -> Duration {
        const SELDOM: Duration = Duration::from_secs(30);
        self.heartbeat.map_or(SELDOM, |limit| SELDOM.min(limit / 6))
    }
}

impl Master<'_> {
    #[allow(unsafe_code)]
    pub(super) fn fork_worker(
        &self,
        number: usize,
    ) -> Result<Forked, MasterError> {
        let threads = fs::read_dir("/proc/self/task")
            .map_err(system("cannot count the master's threads"))?
            .count();
        if threads != 1 {
            return Err(MasterError::Threads(threads));
        }
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (pipe, to_master) =
            pipe2(flags).map_err(system("cannot make a pipe"))?;
        let (teller, stop) =
            Stop::pair().map_err(system("cannot make a pipe"))?;
        let board = Board::new().map_err(system("cannot share memory"))?;
        let board = Arc::new(board);
        let limits = &self.service.limits;
        let (most, beats) = (limits.most_requests(), limits.beats());
        let master = Pid::this();
        // SAFETY: this process has one thread, so no lock and no structure
        // is in another thread's hands while it is copied.
        match unsafe { fork() }.map_err(system("cannot fork"))? {
            ForkResult::Parent { child } => Ok(Forked::Master(Child {
                number,
                pid: child,
                generation: self.generation,
                began: Instant::now(),
                heartbeat: limits.heartbeat,
                board,
                pipe: Some(pipe),
                stop: Some(teller),
                is_ready: false,
                wants_relief: false,
                leave_by: None,
                was_killed: false,
            })),
            ForkResult::Child => Ok(Forked::Worker(Newborn {
                number,
                master,
                stop,
                requests: Requests::new(board, most, beats, to_master),
            })),
        }
    }
}

/// Who one is after a fork.
pub(super) enum Forked {
    /// The master, which has this worker now.
    Master(Child),
    /// The worker.
    Worker(Newborn),
}

/// A worker that was just forked, and is still to leave its master's code.
pub(super) struct Newborn {
    number: usize,
    master: Pid,
    stop: Stop,
    requests: Requests,
}

impl Newborn {
    /// The life of a worker; its exit status.
    pub(super) fn live(
        self,
        listener: TcpListener,
        work: impl Fn(Worker) -> anyhow::Result<()>,
    ) -> i32 {
        let Self {
            number,
            master,
            stop,
            requests,
        } = self;
        let serve = || -> anyhow::Result<()> {
            log::name_thread(format!("worker-{number}"));
            signals::unblock_sigchld()?;
            // A worker never outlives its master, however that ended.
            signals::follow_parent(Signal::SIGKILL)?;
            if getppid() != master {
                return Ok(());
            }
            work(Worker {
                number,
                listener,
                stop,
                requests,
            })
        };
        match catch_unwind(AssertUnwindSafe(serve)) {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                error!("worker {number} failed: {error:#}");
                1
            }
            Err(_) => 101,
        }
    }
}
