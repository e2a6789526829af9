//! The pre-forking master: it forks workers, replaces those that die or are
//! stuck, exchanges them for others, and stops them.
//!
//! It is one loop over signals, what workers say, and clocks, and stays
//! single-threaded for life, since a fork copies only the thread that forks:
//! a lock that another thread held would be held in the worker for ever.
//!
//! 1. child.rs: one worker, from its fork to its end;
//! 2. place.rs: a worker's place, which its successor takes over;
//! 3. clocks.rs: when a worker is stuck; ended.rs: how one ended;
//! 4. status.rs: what is told to those who ask; notify.rs: and to a service
//!    manager, unasked.

mod child;
mod clocks;
mod ended;
mod notify;
mod place;
mod status;

use std::io;
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use sd_notify::NotifyState;
use thiserror::Error;
use tracing::{error, info, warn};

use self::child::{Child, Forked, Newborn};
use self::clocks::Clocks;
use self::ended::Ended;
use self::notify::{notify, notify_booted};
use self::place::{Heard, Place};
use self::status::StatusSocket;
use crate::files;
use crate::log;
use crate::signals::Signals;
use crate::worker::Worker;

/// Signals that come so soon after the first are the same stop: timeout(1)
/// sends one to its command, and one to the group that it is in.
const ONE_STOP: Duration = Duration::from_millis(100);

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
    #[error("{what}")]
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

fn workers(count: usize) -> String {
    match count {
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
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
    if let Err(error) = files::allow_all() {
        warn!("cannot raise the limit on open files: {error}");
    }
    let mut master = Master {
        signals,
        listener,
        places: Place::vacant(service.processes),
        leaving: Vec::new(),
        clocks: Clocks::start(service.limits),
        service,
        generation: 1,
        loaded: 1,
        booted: false,
        exchanging: false,
        fallback: None,
        stopping: None,
        status: StatusSocket::open(),
    };
    match master.look_after_workers(&reload) {
        Ok(End::Stopped) => Ok(()),
        Ok(End::Forked(newborn)) => {
            // What the master has is not the worker's, but for its socket:
            // above all not the stops of the others.
            let Master {
                signals,
                listener,
                service,
                places,
                leaving,
                status,
                ..
            } = master;
            drop((signals, places, leaving, status));
            process::exit(newborn.live(listener, service.work))
        }
        Err(error) => {
            master.kill_all();
            Err(error)
        }
    }
}

/// How a master's loop ends.
enum End {
    /// All workers are gone, as they were told to.
    Stopped,
    /// In this process, which is a worker that was just forked.
    Forked(Newborn),
}

struct Master<'a> {
    signals: Signals,
    listener: TcpListener,
    service: Service<'a>,
    /// Tells the workers of this service from those of others.
    generation: u64,
    /// How many services were loaded so far.
    loaded: u64,
    places: Vec<Place>,
    /// Workers that were told to stop, and finish what they have in hand.
    leaving: Vec<Child>,
    clocks: Clocks,
    /// Whether all workers have been ready once.
    booted: bool,
    /// Whether workers of other generations are being exchanged.
    exchanging: bool,
    /// What to go back to where the new service does not start, and its
    /// generation.
    fallback: Option<(Service<'a>, u64)>,
    /// Since when.
    stopping: Option<Instant>,
    status: Option<StatusSocket>,
}

type Reload<'r, 'a> = &'r dyn Fn() -> anyhow::Result<Service<'a>>;

impl<'a> Master<'a> {
    fn look_after_workers(
        &mut self,
        reload: Reload<'_, 'a>,
    ) -> Result<End, MasterError> {
        loop {
            if self.stopping.is_some() {
                if self.leaving.is_empty() {
                    info!("all workers are gone");
                    return Ok(End::Stopped);
                }
            } else {
                self.go_on_exchanging();
                if let Some(newborn) = self.fork_who_is_due()? {
                    return Ok(End::Forked(newborn));
                }
            }
            self.wait_for_events()?;
            self.hear_workers();
            while let Some(signal) =
                self.signals.next().map_err(system("cannot read signals"))?
            {
                self.obey(signal, reload)?;
            }
            self.look_at_clocks();
            if let Some(mut status) = self.status.take() {
                status.answer(|| self.status());
                self.status = Some(status);
            }
        }
    }

    fn wait_for_events(&self) -> Result<(), MasterError> {
        let pipes = self.children().filter_map(Child::pipe);
        let files = pipes.chain([self.signals.as_fd()]);
        let status = self.status.as_ref();
        let files = files.chain(status.and_then(StatusSocket::awaits));
        let mut files: Vec<_> = files
            .map(|file| PollFd::new(file, PollFlags::POLLIN))
            .collect();
        let moments = self.places.iter().filter_map(|place| place.fork_at);
        let leaving = self.leaving.iter().filter_map(Child::leave_by);
        let moments = moments.chain(leaving);
        let moments = moments.chain(status.and_then(StatusSocket::rests_until));
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
        for child in &mut self.leaving {
            child.hear();
        }
        let is_up = self.places.iter().all(Place::is_ready);
        if self.stopping.is_none() && !self.booted && is_up {
            self.booted = true;
            let workers = workers(self.places.len());
            match self.listener.local_addr() {
                Ok(address) => info!("ready: {workers} on {address}"),
                Err(error) => info!("ready: {workers} ({error})"),
            }
            notify_booted();
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
            _ if self.stopping.is_some() => {}
            Signal::SIGHUP => self.reload(reload),
            Signal::SIGTTIN => self.resize(self.places.len() + 1),
            Signal::SIGTTOU if self.places.len() > 1 => {
                self.resize(self.places.len() - 1);
            }
            Signal::SIGTTOU => warn!("the last worker stays"),
            _ => {}
        }
        Ok(())
    }

    /// Takes note of every child that has ended; as process 1 of a container,
    /// also of those that are not its own.
    fn reap(&mut self) -> Result<(), MasterError> {
        while let Some(ended) = Ended::next().map_err(system("cannot reap"))? {
            self.bury(&ended)?;
        }
        Ok(())
    }

    fn bury(&mut self, ended: &Ended) -> Result<(), MasterError> {
        let pid = ended.pid();
        if let Some(at) = self.leaving.iter().position(|c| c.pid() == pid) {
            let child = self.leaving.remove(at);
            if !ended.went_well() && !child.was_killed() {
                let number = child.number();
                error!("worker {number} (pid {pid}) ended as it left: {ended}");
            }
            return Ok(());
        }
        let mut places = self.places.iter_mut();
        let found = places.find_map(|place| {
            let child = place.take(pid)?;
            Some((place, child))
        });
        let Some((place, mut child)) = found else {
            return Ok(());
        };
        // What it wrote before it died may not have been read yet.
        child.hear();
        let number = child.number();
        let how = ended.to_string();
        let is_new = child.generation() == self.generation;
        if child.is_ready() {
            let pause = place.replace_after(child.age(), ended.was_killed());
            warn!(
                "worker {number} (pid {pid}) ended: {how}; forking another{}",
                pause.map_or(String::new(), |pause| format!(" in {pause:?}"))
            );
        } else if !self.booted && self.fallback.is_none() {
            return Err(MasterError::Boot { number, how });
        } else if !is_new {
            place.replace_at_once();
        } else if self.fallback.is_some() {
            place.replace_if_empty();
            error!(
                "reload given up: worker {number} (pid {pid}) of the new \
                 generation ended before it was ready: {how}; the old workers \
                 go on"
            );
            self.fall_back();
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
        if let Some(since) = self.stopping {
            if since.elapsed() >= ONE_STOP {
                warn!("stopping at once");
                self.leaving.iter_mut().for_each(Child::kill);
            }
            return;
        }
        info!("stopping: workers finish what they have in hand");
        notify(&[NotifyState::Stopping]);
        self.stopping = Some(Instant::now());
        for place in mem::take(&mut self.places) {
            self.dismiss(place);
        }
    }

    /// Lets the workers of a place go.
    fn dismiss(&mut self, place: Place) {
        let limit = self.service.limits.stop;
        let children = place.into_children();
        self.leaving
            .extend(children.map(|child| child.leave(limit)));
    }

    /// Has so many workers from now on.
    fn resize(&mut self, processes: usize) {
        self.service.processes = processes;
        info!("{} become {processes}", workers(self.places.len()));
        while self.places.len() > processes {
            if let Some(place) = self.places.pop() {
                self.dismiss(place);
            }
        }
        let missing = processes - self.places.len();
        self.places.extend(Place::vacant(missing));
    }

    fn reload(&mut self, reload: Reload<'_, 'a>) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => warn!("cannot tell the time: {error}"),
        }
        let service = match reload() {
            Ok(service) => service,
            Err(error) => {
                error!("reload refused: {error:#}; the old workers go on");
                notify(&[NotifyState::Ready]);
                return;
            }
        };
        info!("reloading: workers are exchanged one by one");
        let old = mem::replace(&mut self.service, service);
        // What has not started yet is nothing to go back to.
        self.fallback.get_or_insert((old, self.generation));
        self.loaded += 1;
        self.generation = self.loaded;
        self.begin_exchange();
    }

    /// Goes back to the service before the reload, which does not start.
    fn fall_back(&mut self) {
        if let Some((service, generation)) = self.fallback.take() {
            self.service = service;
            self.generation = generation;
            self.begin_exchange();
        }
    }

    fn begin_exchange(&mut self) {
        self.exchanging = true;
        self.clocks.set_limits(self.service.limits);
        for place in &mut self.places {
            // It would only be exchanged in its turn. It may take requests
            // already, and not have been heard to say so.
            if let Some(successor) = place.take_successor() {
                let limit = self.service.limits.stop;
                self.leaving.push(successor.leave(limit));
            }
        }
        if self.places.len() < self.service.processes {
            self.resize(self.service.processes);
        }
    }

    /// Has the next worker of another generation replaced, once the one
    /// before it was.
    fn go_on_exchanging(&mut self) {
        if !self.exchanging || !self.places.iter().all(Place::is_settled) {
            return;
        }
        let generation = self.generation;
        let wanted = self.service.processes;
        let mut places = self.places.iter_mut().take(wanted);
        match places.find(|place| !place.is_of(generation)) {
            Some(place) => place.replace_at_once(),
            None => {
                if self.places.len() > wanted {
                    self.resize(wanted);
                }
                let workers = workers(wanted);
                match self.fallback.take() {
                    Some(_) => info!("reloaded: {workers}"),
                    None => info!("as before the reload: {workers}"),
                }
                self.exchanging = false;
                notify(&[NotifyState::Ready]);
            }
        }
    }

    /// Forks all workers that are due; in a worker, returns what it is.
    fn fork_who_is_due(&mut self) -> Result<Option<Newborn>, MasterError> {
        let now = Instant::now();
        for index in 0..self.places.len() {
            if !self.places[index].is_due(now) {
                continue;
            }
            match self.fork_worker(index + 1) {
                Ok(Forked::Master(child)) => self.places[index].settle(child),
                Ok(Forked::Worker(newborn)) => return Ok(Some(newborn)),
                Err(error @ MasterError::System { .. }) if self.booted => {
                    // The others can serve meanwhile.
                    let pause = self.places[index].replace_after_a_pause();
                    let error = anyhow::Error::from(error);
                    error!("{error:#}; trying again in {pause:?}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
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
            if let Some(stuck) = self.clocks.has_stuck_request(child) {
                error!("{stuck}; killing it");
                child.kill();
            } else if child.leave_by().is_some_and(|moment| moment <= now) {
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
            self.dismiss(place);
        }
        self.leaving.iter_mut().for_each(Child::kill);
        self.leaving.iter().for_each(Child::wait);
    }
}
