//! The pre-forking master: it forks workers, replaces those that die, and
//! stops them.
//!
//! It is one loop over two kinds of events, signals and workers that tell
//! that they are ready, and stays single-threaded for life, since a fork
//! copies only the thread that forks: a lock that another thread held would
//! be held in the worker for ever.

use std::fs;
use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid, pipe2, read};
use sd_notify::NotifyState;
use thiserror::Error;
use tracing::{error, info, warn};

use crate::log;
use crate::signals::{self, Signals, Stop, StopTeller};
use crate::worker::{Ready, Worker};

/// Why a master gave up.
#[derive(Debug, Error)]
pub enum MasterError {
    /// A thread was started before the fork.
    #[error(
        "refused to fork: {0} threads run in the master, and only the \
         forking one would live on in a worker; start threads in the worker"
    )]
    Threads(usize),
    /// A worker of the first generation ended before it was ready.
    #[error("worker {number} ended before it was ready: {how}")]
    Boot {
        /// Which worker.
        number: usize,
        /// How it ended.
        how: String,
    },
    /// The system refused something that a master cannot be without.
    #[error("{what}: {source}")]
    System {
        /// What was refused.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> MasterError {
    move |source| {
        let source = source.into();
        MasterError::System { what, source }
    }
}

/// How long workers may take to finish what they have in hand.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a place stays empty after a worker died before it was ready:
/// twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Forks `processes` workers that each run `work`, and looks after them
/// until SIGTERM or SIGINT: then they finish what they have in hand. A
/// second signal, or [`STOP_LIMIT`], ends them at once.
///
/// Where NOTIFY_SOCKET is set, as under systemd, the master says READY=1
/// once all workers take requests.
///
/// # Errors
///
/// A [`MasterError`]. No worker is left behind.
pub fn run(
    listener: TcpListener,
    processes: usize,
    work: impl Fn(Worker) -> anyhow::Result<()>,
) -> Result<(), MasterError> {
    let signals = Signals::block().map_err(system("cannot block signals"))?;
    log::name_thread("master".to_owned());
    let places = (0..processes).map(|_| Place::default()).collect();
    let mut master = Master {
        signals,
        listener,
        work,
        places,
        booted: false,
        stopping: None,
    };
    let result = master.look_after_workers();
    if result.is_err() {
        master.kill_workers();
        master.wait_for_all();
    }
    result
}

struct Master<W> {
    signals: Signals,
    listener: TcpListener,
    work: W,
    places: Vec<Place>,
    /// Whether all workers have been ready once.
    booted: bool,
    /// When workers that still run are to be killed.
    stopping: Option<Instant>,
}

/// A worker's place, which its successor takes over.
#[derive(Default)]
struct Place {
    pid: Option<Pid>,
    /// Gone once the worker was told to stop.
    stop: Option<StopTeller>,
    /// Readable once the worker is ready, or has died; gone from then on.
    becomes_ready: Option<OwnedFd>,
    /// Whether the worker has said that it is ready.
    is_ready: bool,
    /// How many workers died here, one after the other, before ready.
    early_deaths: u32,
    /// When to fork again.
    fork_at: Option<Instant>,
}

impl<W: Fn(Worker) -> anyhow::Result<()>> Master<W> {
    fn look_after_workers(&mut self) -> Result<(), MasterError> {
        for index in 0..self.places.len() {
            self.fork_worker(index)?;
        }
        loop {
            self.wait_for_events()?;
            self.note_who_is_ready();
            while let Some(signal) =
                self.signals.next().map_err(system("cannot read signals"))?
            {
                match signal {
                    Signal::SIGCHLD => self.reap()?,
                    _ => self.stop(),
                }
            }
            let now = Instant::now();
            if self.stopping.is_some_and(|limit| limit <= now) {
                self.kill_workers();
                self.stopping = Some(now + STOP_LIMIT);
            }
            if self.stopping.is_some() {
                if self.places.iter().all(|place| place.pid.is_none()) {
                    info!("all workers are gone");
                    return Ok(());
                }
                continue;
            }
            for index in 0..self.places.len() {
                if self.places[index].fork_at.is_some_and(|at| at <= now) {
                    self.fork_worker(index)?;
                }
            }
        }
    }

    fn wait_for_events(&self) -> Result<(), MasterError> {
        let pipes = self.places.iter().filter_map(|p| p.becomes_ready.as_ref());
        let files = pipes.map(|pipe| pipe.as_fd());
        let files = files.chain([self.signals.as_fd()]);
        let mut files: Vec<_> = files
            .map(|file| PollFd::new(file, PollFlags::POLLIN))
            .collect();
        let moments = self.places.iter().filter_map(|place| place.fork_at);
        let timeout = match moments.chain(self.stopping).min() {
            Some(moment) => {
                let left = moment.saturating_duration_since(Instant::now());
                // A millisecond more: poll rounds down, and would spin.
                let left = left + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        match poll(&mut files, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(system("cannot wait for workers")(errno)),
        }
    }

    fn note_who_is_ready(&mut self) {
        for place in &mut self.places {
            let Some(pipe) = &place.becomes_ready else {
                continue;
            };
            let mut byte = [0];
            match read(pipe, &mut byte) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                // The end of the pipe: it died, and SIGCHLD says the rest.
                // That may come later, so the place is not ready till then.
                Ok(0) | Err(_) => place.becomes_ready = None,
                Ok(_) => {
                    place.becomes_ready = None;
                    place.is_ready = true;
                    place.early_deaths = 0;
                }
            }
        }
        let ready = |place: &Place| place.pid.is_some() && place.is_ready;
        if !self.booted && self.places.iter().all(ready) {
            self.booted = true;
            let count = self.places.len();
            match self.listener.local_addr() {
                Ok(address) => info!("ready: {count} workers on {address}"),
                Err(error) => info!("ready: {count} workers ({error})"),
            }
            if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
                warn!("cannot tell NOTIFY_SOCKET: {error}");
            }
        }
    }

    /// Takes note of every child that has ended.
    fn reap(&mut self) -> Result<(), MasterError> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) => status,
                Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(system("cannot reap")(errno)),
            };
            let Some(pid) = status.pid() else {
                return Ok(());
            };
            let ended = |place: &Place| place.pid == Some(pid);
            let Some(index) = self.places.iter().position(ended) else {
                continue;
            };
            self.bury(index, pid, status)?;
        }
    }

    fn bury(
        &mut self,
        index: usize,
        pid: Pid,
        status: WaitStatus,
    ) -> Result<(), MasterError> {
        let number = index + 1;
        let place = &mut self.places[index];
        // What it wrote before it died may not have been read yet.
        let was_ready = match place.becomes_ready.take() {
            Some(pipe) => matches!(read(pipe, &mut [0]), Ok(1)),
            None => place.is_ready,
        };
        place.pid = None;
        if self.stopping.is_some() {
            return Ok(());
        }
        let how = match status {
            WaitStatus::Exited(_, code) => format!("exit status {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("killed by {signal}"),
            other => format!("{other:?}"),
        };
        if was_ready {
            warn!("worker {number} (pid {pid}) ended: {how}; forking another");
            place.fork_at = Some(Instant::now());
        } else if self.booted {
            let pause = FIRST_PAUSE * 2u32.saturating_pow(place.early_deaths);
            let pause = pause.min(LONGEST_PAUSE);
            place.early_deaths = place.early_deaths.saturating_add(1).min(16);
            place.fork_at = Some(Instant::now() + pause);
            error!(
                "worker {number} (pid {pid}) ended before it was ready: \
                 {how}; forking another in {pause:?}"
            );
        } else {
            return Err(MasterError::Boot { number, how });
        }
        Ok(())
    }

    fn stop(&mut self) {
        match self.stopping {
            None => {
                info!("stopping: workers finish what they have in hand");
                self.stopping = Some(Instant::now() + STOP_LIMIT);
                for place in &mut self.places {
                    place.stop = None;
                    place.fork_at = None;
                }
            }
            Some(_) => {
                warn!("stopping at once");
                self.stopping = Some(Instant::now());
            }
        }
    }

    fn kill_workers(&self) {
        for pid in self.places.iter().filter_map(|place| place.pid) {
            // Not reaped yet, so the pid is still its own.
            kill(pid, Signal::SIGKILL).ok();
        }
    }

    fn wait_for_all(&self) {
        for pid in self.places.iter().filter_map(|place| place.pid) {
            while waitpid(pid, None) == Err(Errno::EINTR) {}
        }
    }

    #[allow(unsafe_code)]
    fn fork_worker(&mut self, index: usize) -> Result<(), MasterError> {
        let threads = fs::read_dir("/proc/self/task")
            .map_err(system("cannot count the master's threads"))?
            .count();
        if threads != 1 {
            return Err(MasterError::Threads(threads));
        }
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (becomes_ready, ready) =
            pipe2(flags).map_err(system("cannot make a pipe"))?;
        let (teller, stop) =
            Stop::pair().map_err(system("cannot make a pipe"))?;
        let listener =
            self.listener.try_clone().map_err(system("cannot share"))?;
        let master = Pid::this();
        // SAFETY: this process has one thread, so no lock and no structure
        // is in another thread's hands while it is copied.
        match unsafe { fork() }.map_err(system("cannot fork"))? {
            ForkResult::Parent { child } => {
                self.places[index] = Place {
                    pid: Some(child),
                    stop: Some(teller),
                    becomes_ready: Some(becomes_ready),
                    is_ready: false,
                    early_deaths: self.places[index].early_deaths,
                    fork_at: None,
                };
                Ok(())
            }
            ForkResult::Child => {
                // The other workers' pipes are not this worker's.
                drop(teller);
                drop(mem::take(&mut self.places));
                process::exit(self.become_worker(
                    master,
                    Worker {
                        number: index + 1,
                        listener,
                        stop,
                        ready: Ready(ready),
                    },
                ));
            }
        }
    }

    /// The life of a worker, after the fork; its exit status.
    fn become_worker(&self, master: Pid, worker: Worker) -> i32 {
        let number = worker.number;
        let serve = || -> anyhow::Result<()> {
            log::name_thread(format!("worker-{number}"));
            signals::unblock_sigchld()?;
            // A worker never outlives its master, however that ended.
            signals::follow_parent(Signal::SIGKILL)?;
            if getppid() != master {
                return Ok(());
            }
            (self.work)(worker)
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
