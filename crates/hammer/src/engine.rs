//! The loop: one thread, one epoll, a table of connections.
//!
//! What makes it cheap: a connection is registered once, edge-triggered; a
//! request's bytes are ready; one buffer serves all reads. A request on a
//! kept connection costs one send, one receive, and its share of a wait.
//!
//! What makes it true: a turn reads all answers that are there before it
//! starts the requests that take their places, since a send costs several
//! receives, and an answer that waited for sends would look late. The clock
//! is read after every receive and before every start, so that nothing is
//! timed by the turn that it came in. And the loop asks only the pacer
//! whether to start a request, whatever the schedule.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{
    Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};

use crate::Error;
use crate::connection::{Connection, Phase, Watch};
use crate::load::Schedule;
use crate::outcome::{Cpu, ErrorKind};
use crate::pacer::{Next, Pacer};
use crate::plan::Plan;
use crate::record::{Batch, Moments, Recorder, Span, TICK};
use crate::response::Fed;
use crate::usage::Usage;
use crate::verdict::SHORTEST;

/// So many requests are started before the answers get their turn, or as
/// many as the turn before had events, so that a loop stays as full as asked.
const BURST: usize = 64;
const EVENTS: usize = 512;
const BUFFER: usize = 64 * 1024;
/// The timer's token; a connection's has its place in the lower half.
const TIMER: u64 = u64::MAX;

/// One thread's part of a run.
pub(crate) struct Engine<'a> {
    plan: &'a Plan<'a>,
    thread: usize,
    epoll: Epoll,
    /// Wakes a loop that has a schedule. Unlike a timeout of epoll it is
    /// exact to microseconds, and the kernel adds no slack.
    timer: Option<TimerFd>,
    armed: u64,
    epoch: Instant,
    pacer: Pacer,
    recorder: Recorder,
    /// A connection's number is its place here.
    table: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections that wait for a request, for each server; an entry whose
    /// generation is over is void.
    idle: Vec<Vec<(usize, u32)>>,
    generation: u32,
    open: usize,
    most: usize,
    in_flight: usize,
    buffer: Vec<u8>,
    /// No request's time is up before.
    next_deadline: u64,
    next_tick: u64,
    timeout: u64,
    connect_timeout: u64,
    warm: u64,
    /// What the thread had used when its last request had started: the
    /// wait for stragglers is no rest.
    load_done: Option<Usage>,
}

/// How a thread ended.
pub(crate) struct Ended {
    pub(crate) cpu: Cpu,
    /// How long it had that to do.
    pub(crate) loaded: Duration,
    pub(crate) span: Span,
    /// For how long each request that it gave up had been due.
    pub(crate) waiting: Vec<Duration>,
    /// When it was through.
    pub(crate) at: u64,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(
        plan: &'a Plan<'a>,
        thread: usize,
        epoch: Instant,
    ) -> Result<Self, Error> {
        let load = plan.load;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(Error::system("create an epoll instance"))?;
        let open_loop = matches!(load.schedule, Schedule::Open { .. });
        let timer = match open_loop || !load.stagger.is_zero() {
            true => Some(timer(&epoll)?),
            false => None,
        };
        let threads = load.threads;
        let extra = usize::from(thread < plan.connections % threads);
        let timeout = nanos(load.timeout);
        Ok(Self {
            plan,
            thread,
            epoll,
            timer,
            armed: 0,
            epoch,
            pacer: Pacer::new(load, thread),
            recorder: Recorder::new(load),
            table: Vec::new(),
            free: Vec::new(),
            idle: vec![Vec::new(); plan.servers.len()],
            generation: 0,
            open: 0,
            most: plan.connections / threads + extra,
            in_flight: 0,
            buffer: vec![0; BUFFER],
            next_deadline: 0,
            next_tick: TICK,
            timeout,
            connect_timeout: nanos(load.connect_timeout).min(timeout),
            warm: nanos(load.warmup),
            load_done: None,
        })
    }

    /// Runs to the end of the load, or until `stop` is set.
    pub(crate) fn run(
        mut self,
        stop: &AtomicBool,
        batches: &Sender<Batch>,
    ) -> Result<Ended, Error> {
        let mut started = Usage::of_this_thread();
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut count = 0;
        loop {
            let (next, now) = self.start_due(count.max(BURST));
            // Even at the end: what came in a tick belongs to it.
            if now >= self.next_tick {
                self.hand_over(batches, self.next_tick / TICK - 1, false);
                self.next_tick = (now / TICK + 1) * TICK;
                if now < self.warm {
                    started = Usage::of_this_thread();
                }
            }
            let over = next == Next::Done && self.in_flight == 0;
            if next == Next::Done && self.load_done.is_none() {
                self.load_done = Some(Usage::of_this_thread());
            }
            if over || stop.load(Ordering::Relaxed) {
                self.hand_over(batches, now / TICK, true);
                // But a burst is all work, and no less true for it.
                let loaded = match self.load_done {
                    Some(usage) if usage.since(&started) >= SHORTEST => usage,
                    _ => Usage::of_this_thread(),
                };
                return Ok(Ended {
                    cpu: started.cpu_until(&loaded),
                    loaded: loaded.since(&started),
                    waiting: self.waiting(now),
                    span: self.recorder.span(),
                    at: now,
                });
            }
            if now >= self.next_deadline && self.end_overdue(now) {
                continue;
            }
            let patience = self.patience(next, now)?;
            count = match self
                .epoll
                .wait(&mut events, EpollTimeout::from(patience))
            {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => {
                    return Err(Error::system("wait for events")(error));
                }
            };
            for event in &events[..count] {
                self.on_event(event.data(), event.events());
            }
        }
    }

    /// Starts what is due, but no more than so many; says what comes after,
    /// and the time.
    fn start_due(&mut self, most: usize) -> (Next, u64) {
        let targets = self.plan.requests.len() as u64;
        let mut started = 0;
        loop {
            let now = self.now();
            let next = self.pacer.next(now, self.in_flight);
            let Next::Due { index, at } = next else {
                return (next, now);
            };
            self.start((index % targets) as usize, at, now);
            started += 1;
            if started == most {
                return (next, now);
            }
        }
    }

    /// Starts a request on a connection that is idle, or on a new one, or
    /// sheds it.
    fn start(&mut self, request: usize, due: u64, now: u64) {
        let measured = due >= self.warm;
        let server = self.plan.requests[request].server;
        let idle = self.take_idle(server);
        if idle.is_none() && self.open >= self.most && !self.evict(server) {
            if measured {
                self.recorder.shed(due);
            }
            return;
        }
        match measured {
            true => self.recorder.begun(due, now),
            false => self.recorder.warmed(),
        }
        let place = match idle {
            Some(place) => place,
            None => match self.open(server) {
                Ok(place) => place,
                Err(kind) => {
                    if measured {
                        self.recorder.failed(kind, due, self.now());
                    }
                    return;
                }
            },
        };
        self.in_flight += 1;
        if let Some(connection) = &mut self.table[place] {
            connection.request = request;
            connection.written = 0;
            connection.measured = measured;
            connection.at = Moments {
                due,
                begun: now,
                first_byte: 0,
            };
            let bodiless = self.plan.requests[request].bodiless;
            connection.reader.reset(bodiless);
            if connection.phase == Phase::Idle {
                connection.phase = Phase::Busy;
            }
        }
        // On the loopback a connection is open as soon as it was asked for,
        // so the request is tried at once, and opening needs no event.
        self.send(place);
        self.watch(place);
    }

    fn take_idle(&mut self, server: usize) -> Option<usize> {
        while let Some((place, generation)) = self.idle[server].pop() {
            if self.is(place, generation) {
                return Some(place);
            }
        }
        None
    }

    /// Closes an idle connection to another server to make room.
    fn evict(&mut self, server: usize) -> bool {
        for other in (0..self.idle.len()).filter(|&other| other != server) {
            if let Some(place) = self.take_idle(other) {
                self.close(place);
                return true;
            }
        }
        false
    }

    fn is(&self, place: usize, generation: u32) -> bool {
        self.table[place]
            .as_ref()
            .is_some_and(|connection| connection.generation == generation)
    }

    fn open(&mut self, server: usize) -> Result<usize, ErrorKind> {
        let keep_alive = self.plan.load.keep_alive;
        let address = &self.plan.servers[server];
        let mut connection = Connection::open(address, server, keep_alive)
            .map_err(|error| ErrorKind::of(&error))?;
        self.generation = self.generation.wrapping_add(1);
        connection.generation = self.generation;
        self.open += 1;
        Ok(match self.free.pop() {
            Some(place) => {
                self.table[place] = Some(connection);
                place
            }
            None => {
                self.table.push(Some(connection));
                self.table.len() - 1
            }
        })
    }

    fn close(&mut self, place: usize) {
        // The kernel forgets a closed file's registration by itself.
        self.table[place] = None;
        self.free.push(place);
        self.open -= 1;
    }

    /// Sees to it that the connection's next step is told of.
    fn watch(&mut self, place: usize) {
        let Some(connection) = &mut self.table[place] else {
            return;
        };
        let request = &self.plan.requests[connection.request];
        let wanted = match connection.written < request.bytes.len() {
            true => Watch::Both,
            false => Watch::Input,
        };
        if connection.watch >= wanted {
            return;
        }
        let mut flags =
            EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        if wanted == Watch::Both {
            flags |= EpollFlags::EPOLLOUT;
        }
        let token = u64::from(connection.generation) << 32 | place as u64;
        let mut event = EpollEvent::new(flags, token);
        let result = match connection.watch {
            Watch::Nothing => self.epoll.add(connection.fd(), event),
            _ => self.epoll.modify(connection.fd(), &mut event),
        };
        connection.watch = wanted;
        if result.is_err() {
            self.fail(place, ErrorKind::Other, self.now());
        }
    }

    /// Sends what the kernel takes of the request.
    fn send(&mut self, place: usize) {
        let Some(connection) = &mut self.table[place] else {
            return;
        };
        let bytes = &self.plan.requests[connection.request].bytes;
        while connection.written < bytes.len() {
            let sent = match connection.send(bytes) {
                Ok(Some(sent)) => sent,
                Ok(None) => return,
                Err(error) => {
                    let kind = ErrorKind::of(&error);
                    if connection.phase == Phase::Connecting {
                        self.fail(place, kind, self.now());
                    } else {
                        // A server may answer and hang up before it has
                        // read all, and the answer counts.
                        self.receive(place, true, Some(kind));
                    }
                    return;
                }
            };
            if connection.phase == Phase::Connecting {
                connection.phase = Phase::Busy;
                if connection.measured {
                    let now = nanos(self.epoch.elapsed());
                    self.recorder.connected(now - connection.at.begun);
                }
            }
            connection.written += sent;
            if connection.measured {
                self.recorder.sent(sent);
            }
        }
    }

    fn on_event(&mut self, token: u64, flags: EpollFlags) {
        if token == TIMER {
            // The moment is over; `start_due` sees to it.
            self.armed = 0;
            return;
        }
        let place = (token & u64::from(u32::MAX)) as usize;
        // Its connection may be gone since the event was fetched.
        if !self.is(place, (token >> 32) as u32) {
            return;
        }
        let Some(connection) = &mut self.table[place] else {
            return;
        };
        let down =
            flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
        if connection.phase == Phase::Connecting && down {
            let error = connection.error();
            let kind = error.map_or(ErrorKind::Other, |e| ErrorKind::of(&e));
            self.fail(place, kind, self.now());
        } else if flags.contains(EpollFlags::EPOLLOUT) {
            self.send(place);
        }
        let hangup = down || flags.contains(EpollFlags::EPOLLRDHUP);
        let readable = hangup || flags.contains(EpollFlags::EPOLLIN);
        if readable && self.is(place, (token >> 32) as u32) {
            self.receive(place, hangup, None);
        }
    }

    /// Reads what there is. `broken` is why no more can be sent.
    fn receive(
        &mut self,
        place: usize,
        hangup: bool,
        broken: Option<ErrorKind>,
    ) {
        let Some(connection) = &mut self.table[place] else {
            return;
        };
        loop {
            let received = connection.receive(&mut self.buffer);
            let now = nanos(self.epoch.elapsed());
            if connection.phase == Phase::Idle {
                // Whatever a server says unasked, there is no request that
                // it could answer: most often it has hung up.
                if !matches!(received, Ok(None)) {
                    self.close(place);
                }
                return;
            }
            let kind = match received {
                Ok(None) => match broken {
                    None => return,
                    Some(kind) => kind,
                },
                Ok(Some(0)) => match connection.reader.end() {
                    None => {
                        return self.finish(place, false, now);
                    }
                    Some(kind) => broken.unwrap_or(kind),
                },
                Ok(Some(count)) => {
                    if connection.at.first_byte == 0 {
                        connection.at.first_byte = now;
                    }
                    if connection.measured {
                        self.recorder.received(count);
                    }
                    match connection.reader.feed(&self.buffer[..count]) {
                        // A short read has emptied the socket; but the end
                        // of the stream, once told, is not told again.
                        Fed::More if count < BUFFER && !hangup => return,
                        Fed::More => continue,
                        Fed::Whole { used } if used == count => {
                            return self.finish(place, !hangup, now);
                        }
                        // Nobody asked for what follows the answer.
                        Fed::Whole { .. } => ErrorKind::Garbage,
                        Fed::Bad(kind) => kind,
                    }
                }
                Err(error) => broken.unwrap_or(match ErrorKind::of(&error) {
                    ErrorKind::ConnectTimeout => ErrorKind::Timeout,
                    kind => kind,
                }),
            };
            self.fail(place, kind, now);
            return;
        }
    }

    /// Counts a whole answer.
    fn finish(&mut self, place: usize, stays: bool, now: u64) {
        let Some(connection) = &mut self.table[place] else {
            return;
        };
        self.in_flight -= 1;
        if connection.measured {
            let status = connection.reader.status();
            self.recorder.answered(status, &connection.at, now);
        } else {
            self.recorder.warm_answered(now);
        }
        let request = &self.plan.requests[connection.request];
        if stays
            && self.plan.load.keep_alive
            && !connection.reader.close()
            && connection.written == request.bytes.len()
        {
            connection.phase = Phase::Idle;
            let entry = (place, connection.generation);
            self.idle[connection.server].push(entry);
        } else {
            self.close(place);
        }
    }

    /// Counts a request without an answer. Its connection is of no more use.
    fn fail(&mut self, place: usize, kind: ErrorKind, now: u64) {
        if let Some(connection) = &self.table[place] {
            self.in_flight -= 1;
            if connection.measured {
                self.recorder.failed(kind, connection.at.due, now);
            }
            self.close(place);
        }
    }

    /// Ends the requests whose time is up. All have the same time, so none
    /// that starts later is up before the earliest found here, and the
    /// table is looked through once per timeout, not once per request.
    fn end_overdue(&mut self, now: u64) -> bool {
        let mut earliest = now.saturating_add(self.connect_timeout);
        let in_flight = self.in_flight;
        for place in 0..self.table.len() {
            let Some(connection) = &self.table[place] else {
                continue;
            };
            let (timeout, kind) = match connection.phase {
                Phase::Idle => continue,
                Phase::Connecting => {
                    (self.connect_timeout, ErrorKind::ConnectTimeout)
                }
                Phase::Busy => (self.timeout, ErrorKind::Timeout),
            };
            let deadline = connection.at.begun.saturating_add(timeout);
            if deadline <= now {
                self.fail(place, kind, now);
            } else {
                earliest = earliest.min(deadline);
            }
        }
        self.next_deadline = earliest;
        self.in_flight < in_flight
    }

    /// For how long each request under way has been due.
    fn waiting(&self, now: u64) -> Vec<Duration> {
        let open = self.table.iter().flatten();
        open.filter(|connection| connection.phase != Phase::Idle)
            .map(|connection| now.saturating_sub(connection.at.due))
            .map(Duration::from_nanos)
            .collect()
    }

    /// How long to wait for events: until the next tick or deadline. The
    /// timer sees to the schedule.
    fn patience(&mut self, next: Next, now: u64) -> Result<u16, Error> {
        match next {
            Next::Due { .. } => return Ok(0),
            Next::At(at) if at <= now => return Ok(0),
            Next::At(at) if at != self.armed => {
                self.arm(at - now)?;
                self.armed = at;
            }
            Next::At(_) | Next::Busy | Next::Done => {}
        }
        let until = self.next_tick.min(self.next_deadline);
        let millis = until.saturating_sub(now).div_ceil(1_000_000);
        Ok(u16::try_from(millis).unwrap_or(u16::MAX))
    }

    fn arm(&self, nanos: u64) -> Result<(), Error> {
        let Some(timer) = &self.timer else {
            return Ok(());
        };
        let wait = TimeSpec::from_duration(Duration::from_nanos(nanos));
        timer
            .set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())
            .map_err(Error::system("set a timer"))
    }

    fn hand_over(&mut self, batches: &Sender<Batch>, tick: u64, last: bool) {
        let (thread, in_flight) = (self.thread, self.in_flight);
        let batch = self.recorder.hand_over(thread, tick, in_flight, last);
        // Where nobody sums up any more, nobody misses it.
        let _ = batches.send(batch);
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

fn timer(epoll: &Epoll) -> Result<TimerFd, Error> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)
        .map_err(Error::system("create a timer"))?;
    // Edge-triggered, it need not be read: each expiry is an edge.
    let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    epoll
        .add(&timer, EpollEvent::new(edge, TIMER))
        .map_err(Error::system("watch a timer"))?;
    Ok(timer)
}

/// Of no more than a year and what has passed: centuries fit.
fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}
