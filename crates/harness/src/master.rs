//! The pre-forking master: it forks workers, replaces those that die or are
//! stuck, exchanges them for others, and stops them.
//!
//! It is one loop over signals, what workers say, and clocks, and stays
//! single-threaded for life, since a fork copies only the thread that forks:
//! a lock that another thread held would be held in the worker for ever.
//!
//! 1. child.rs: one worker, from its fork to its end;
//! 2. place.rs: a worker's place, which its successor takes over;
//! 3. clocks.rs: when a worker is stuck;
//! 4. status.rs: what is told to those who ask.

mod child;
mod clocks;
mod place;
mod status;

use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use thiserror::Error;
use tracing::{error, info, warn};

use self::child::Child;
use self::clocks::Clocks;
use self::place::{Heard, Place};
use self::status::StatusSocket;
use crate::log;
use crate::signals::Signals;
use crate::worker::Worker;

/// What a master deploys.
pub struct Service<'a> {
    /// The deployment's name, for those who ask.
    pub name: String,
    /// How many workers to fork.
    pub processes: usize,
    /// When workers are to go.
    pub limits: Limits,
    /// What each worker does, from the fork to its end.
    pub work: Box<dyn Fn(Worker) -> anyhow::Result<()> + 'a>,
}

/// When workers are to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How long a worker that was told to stop may take to finish what it
    /// has in hand.
    pub stop: Duration,
    /// How long a worker may have a request in hand.
    pub harakiri: Option<Duration>,
    /// How long a thread that waits for requests may be out of sight.
    pub heartbeat: Option<Duration>,
    /// How many requests a worker serves before another takes over.
    pub max_requests: Option<u64>,
    /// By how many more, at random, so that workers do not go all at once.
    pub max_requests_jitter: u64,
}

impl Default for Limits {
    /// A worker has 30 s to finish and to come round, and all the requests
    /// and the time for them that it likes.
    fn default() -> Self {
        Self {
            stop: Duration::from_secs(30),
            harakiri: None,
            heartbeat: Some(Duration::from_secs(30)),
            max_requests: None,
            max_requests_jitter: 0,
        }
    }
}

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

/// Forks the workers of `service` and looks after them until SIGTERM or
/// SIGINT: then they finish what they have in hand. A second signal, or
/// [`Limits::stop`], ends them at once.
///
/// SIGHUP exchanges the workers one by one for those of the service that
/// `reload` gives, each only once its successor is ready; where there is an
/// error, the old ones go on. SIGTTIN adds a worker and SIGTTOU takes one.
/// SIGUSR1 logs what the workers do.
///
/// Where NOTIFY_SOCKET is set, as under systemd, the master says READY=1
/// once all workers take requests.
///
/// # Errors
///
/// A [`MasterError`]. No worker is left behind.
pub fn run<'a>(
    listener: TcpListener,
    service: Service<'a>,
    reload: impl Fn() -> anyhow::Result<Service<'a>>,
) -> Result<(), MasterError> {
    let signals = Signals::block().map_err(system("cannot block signals"))?;
    log::name_thread("master".to_owned());
    let mut master = Master {
        signals,
        listener,
        places: Place::empty(service.processes),
        leaving: Vec::new(),
        clocks: Clocks::start(&service.limits),
        service,
        generation: 1,
        booted: false,
        reloading: None,
        stopping: false,
        status: StatusSocket::open(),
    };
    let result = master.look_after_workers(&reload);
    if result.is_err() {
        master.kill_all();
    }
    result
}

struct Master<'a> {
    signals: Signals,
    listener: TcpListener,
    service: Service<'a>,
    /// Counts the reloads.
    generation: u64,
    places: Vec<Place>,
    /// Workers that were told to stop, and finish what they have in hand.
    leaving: Vec<Child>,
    clocks: Clocks,
    /// Whether all workers have been ready once.
    booted: bool,
    /// Where workers are being exchanged: what to go back to.
    reloading: Option<Service<'a>>,
    stopping: bool,
    /// Gone in workers.
    status: Option<StatusSocket>,
}

type Reload<'r, 'a> = &'r dyn Fn() -> anyhow::Result<Service<'a>>;

impl<'a> Master<'a> {
    fn look_after_workers(
        &mut self,
        reload: Reload<'_, 'a>,
    ) -> Result<(), MasterError> {
        loop {
            if self.stopping {
                if self.leaving.is_empty() {
                    info!("all workers are gone");
                    return Ok(());
                }
            } else {
                self.go_on_reloading();
                self.fork_who_is_due()?;
            }
            self.wait_for_events()?;
            self.hear_workers();
            while let Some(signal) =
                self.signals.next().map_err(system("cannot read signals"))?
            {
                self.obey(signal, reload)?;
            }
            self.look_at_clocks();
            if let Some(status) = &self.status {
                status.answer(|| self.status());
            }
        }
    }

    fn wait_for_events(&self) -> Result<(), MasterError> {
        let pipes = self.children().filter_map(Child::pipe);
        let files = pipes.chain([self.signals.as_fd()]);
        let files = files.chain(self.status.as_ref().map(AsFd::as_fd));
        let mut files: Vec<_> = files
            .map(|file| PollFd::new(file, PollFlags::POLLIN))
            .collect();
        let moments = self.places.iter().filter_map(|place| place.fork_at);
        let moments = moments.chain(self.leaving.iter().map(|c| c.leave_by()));
        let timeout = match moments.chain(self.clocks.next_look()).min() {
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

    fn children(&self) -> impl Iterator<Item = &Child> {
        let placed = self.places.iter().flat_map(Place::children);
        placed.chain(&self.leaving)
    }

    fn hear_workers(&mut self) {
        for place in &mut self.places {
            if let Heard::TakenOver(old) = place.hear() {
                let number = old.number();
                info!("worker {number} (pid {}) is relieved", old.pid());
                self.leaving.push(old.leave(self.service.limits.stop));
            }
        }
        self.leaving.iter_mut().for_each(Child::hear);
        if !self.booted && self.places.iter().all(Place::is_ready) {
            self.booted = true;
            let count = self.places.len();
            match self.listener.local_addr() {
                Ok(address) => info!("ready: {count} workers on {address}"),
                Err(error) => info!("ready: {count} workers ({error})"),
            }
            notify(&[NotifyState::Ready]);
        }
    }

    fn obey(
        &mut self,
        signal: Signal,
        reload: Reload<'_, 'a>,
    ) -> Result<(), MasterError> {
        match signal {
            Signal::SIGCHLD => self.reap()?,
            Signal::SIGUSR1 => self.status().log(),
            Signal::SIGTERM | Signal::SIGINT => self.stop(),
            _ if self.stopping => {}
            Signal::SIGHUP => self.reload(reload),
            Signal::SIGTTIN => self.resize(self.places.len() + 1),
            Signal::SIGTTOU => self.resize(self.places.len() - 1),
            _ => {}
        }
        Ok(())
    }

    /// Takes note of every child that has ended; as process 1 of a container,
    /// also of those that are not its own.
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
            self.bury(pid, status)?;
        }
    }

    fn bury(
        &mut self,
        pid: Pid,
        status: WaitStatus,
    ) -> Result<(), MasterError> {
        if let Some(at) = self.leaving.iter().position(|c| c.pid() == pid) {
            self.leaving.remove(at);
            return Ok(());
        }
        let mut places = self.places.iter_mut();
        let Some((place, mut child)) = places
            .find_map(|place| Some((place.take(pid)?, place)))
            .map(|(child, place)| (place, child))
        else {
            return Ok(());
        };
        // What it wrote before it died may not have been read yet.
        child.hear();
        let number = child.number();
        let how = match status {
            WaitStatus::Exited(_, code) => format!("exit status {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("killed by {signal}"),
            other => format!("{other:?}"),
        };
        if child.is_ready() {
            warn!("worker {number} (pid {pid}) ended: {how}; forking another");
            place.replace_at_once();
        } else if !self.booted {
            return Err(MasterError::Boot { number, how });
        } else if let Some(old) = self.reloading.take() {
            error!(
                "reload given up: worker {number} (pid {pid}) of the new \
                 generation ended before it was ready: {how}; the old workers \
                 go on"
            );
            self.clocks = Clocks::start(&old.limits);
            self.service = old;
            place.replace_if_empty();
            notify(&[NotifyState::Ready]);
        } else {
            let pause = place.replace_after_a_pause();
            error!(
                "worker {number} (pid {pid}) ended before it was ready: \
                 {how}; forking another in {pause:?}"
            );
        }
        Ok(())
    }

    fn stop(&mut self) {
        if self.stopping {
            warn!("stopping at once");
            self.leaving.iter_mut().for_each(Child::kill);
            return;
        }
        info!("stopping: workers finish what they have in hand");
        notify(&[NotifyState::Stopping]);
        self.stopping = true;
        for place in mem::take(&mut self.places) {
            self.empty(place);
        }
    }

    /// Lets the workers of a place go.
    fn empty(&mut self, place: Place) {
        let limit = self.service.limits.stop;
        let children = place.into_children();
        self.leaving
            .extend(children.map(|child| child.leave(limit)));
    }

    fn resize(&mut self, processes: usize) {
        if processes == 0 {
            warn!("the last worker stays");
            return;
        }
        info!("{} workers become {processes}", self.places.len());
        while self.places.len() > processes {
            if let Some(place) = self.places.pop() {
                self.empty(place);
            }
        }
        let missing = processes - self.places.len();
        self.places.extend(Place::empty(missing));
    }

    fn reload(&mut self, reload: Reload<'_, 'a>) {
        let service = match reload() {
            Ok(service) => service,
            Err(error) => {
                error!("reload refused: {error:#}; the old workers go on");
                return;
            }
        };
        info!("reloading: workers are exchanged one by one");
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => warn!("cannot tell the time: {error}"),
        }
        self.clocks = Clocks::start(&service.limits);
        let processes = service.processes;
        let old = mem::replace(&mut self.service, service);
        self.reloading = Some(old);
        self.generation += 1;
        if processes != self.places.len() {
            self.resize(processes);
        }
    }

    /// Has the next worker of an older generation replaced, once the one
    /// before it was.
    fn go_on_reloading(&mut self) {
        if self.reloading.is_none()
            || !self.places.iter().all(Place::is_settled)
        {
            return;
        }
        let generation = self.generation;
        let mut places = self.places.iter_mut();
        match places.find(|place| place.is_older_than(generation)) {
            Some(place) => place.replace_at_once(),
            None => {
                info!("reloaded: {} workers", self.places.len());
                self.reloading = None;
                notify(&[NotifyState::Ready]);
            }
        }
    }

    fn fork_who_is_due(&mut self) -> Result<(), MasterError> {
        let now = Instant::now();
        for index in 0..self.places.len() {
            if self.places[index].is_due(now) {
                let child = self.fork_worker(index + 1)?;
                self.places[index].settle(child);
            }
        }
        Ok(())
    }

    fn look_at_clocks(&mut self) {
        let now = Instant::now();
        self.clocks.look(now);
        for place in &mut self.places {
            for child in place.children_mut() {
                if let Some(stuck) = self.clocks.is_stuck(child) {
                    error!("{stuck}; killing it");
                    child.kill();
                }
            }
        }
        for child in &mut self.leaving {
            if child.leave_by() <= now {
                let (number, pid) = (child.number(), child.pid());
                warn!(
                    "worker {number} (pid {pid}) did not finish in time; \
                     killing it"
                );
                child.kill();
            }
        }
    }

    fn kill_all(&mut self) {
        for place in mem::take(&mut self.places) {
            self.empty(place);
        }
        self.leaving.iter_mut().for_each(Child::kill);
        self.leaving.iter().for_each(Child::wait);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("cannot tell NOTIFY_SOCKET: {error}");
    }
}
