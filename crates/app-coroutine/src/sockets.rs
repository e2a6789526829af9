//! The blocking client on sockets that yield: `monkey.patch_all()`, said
//! out loud.
//!
//! ureq knows nothing of coroutines. It is given a connector that opens
//! may's sockets, whose reads and writes look as if they blocked: where they
//! would, may switches to another coroutine of the thread. A resolver that
//! knows the answer keeps names from blocking it, too.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use harness::client::blocking::Client;
use harness::{Plan, Requests, Worker, grain, log};
use may::coroutine::{self, Builder, JoinHandle};
use may::go;
use may::net::TcpStream;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Room for a call on ureq; may's own default is too small for it.
const STACK_BYTES: usize = 256 << 10;

/// How exact the time limits of a socket are.
const GRAIN: Duration = Duration::from_millis(50);

/// After how long may looks around by itself where nothing happens. A signal
/// makes it forget until when it was to wait (SIGCONT, a debugger): time-outs
/// are so late then.
const IDLE: Duration = Duration::from_secs(1);

/// How long a client may be at rest before its connections are closed.
const REST: Duration = Duration::from_secs(60);

/// Coroutines that are kept for the next who need one, at the most.
const SPARE: usize = 1024;

/// Sets may up for a worker: one thread for all coroutines, as gevent has,
/// and stacks that are kept, up to as many as `requests` requests need.
///
/// The thread is not pinned to a core: may would pin the one of every worker
/// to the same. may adds a thread of its own, for timers.
pub(crate) fn use_one_thread(worker: &Worker, requests: usize, plan: &Plan) {
    let config = may::config();
    config.set_workers(1);
    config.set_worker_pin(false);
    config.set_stack_size(STACK_BYTES / size_of::<usize>());
    let coroutines = 1 + plan.calls_at_once();
    // may goes round all that it keeps, however few are needed, and few that
    // are warm are better: those of one request to begin with.
    config.set_pool_capacity(coroutines.min(SPARE));
    // By itself it looks around a hundred times a second. With `heed_timeout`
    // nothing waits for that.
    config.set_timeout_ns(IDLE.as_nanos() as u64);
    // may's threads start here, and the one for timers keeps this name.
    log::name_thread("may-timer".to_owned());
    let number = worker.number;
    let core = format!("worker-{number}-core-0");
    go!(move || log::name_thread(core));
    log::name_thread(format!("worker-{number}"));
    config.set_pool_capacity((requests * coroutines).min(SPARE));
}

/// Tells the master that the thread of the coroutines comes round.
pub(crate) fn beat(requests: Requests) {
    requests.beat(0);
    go!(move || loop {
        requests.beat(0);
        sleep(requests.beats());
    });
}

/// Lets others run meanwhile, and goes on where they do: may itself goes on
/// in its thread for timers.
pub(crate) fn sleep(time: Duration) {
    coroutine::sleep(time);
    coroutine::yield_now();
}

/// Tells may that there is something to do, where a wait ran out of time.
///
/// may resumes such a coroutine as the last thing before it sleeps: another
/// that it wakes in turn, as by the end of a call, would sleep with may until
/// something else happens. A coroutine that begins is noticed at once.
pub(crate) fn heed_timeout<T>(waited: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &waited
        && error.kind() == ErrorKind::TimedOut
    {
        go!(|| {});
    }
    waited
}

/// Clients for the calls of any number of requests, each with a client of
/// its own while it is in hand: ureq looks through all the connections that
/// a client has at rest, several times for a call.
pub(crate) struct Clients {
    plan: &'static Plan,
    /// Those of the longest rest first.
    at_rest: Mutex<VecDeque<(Instant, Client)>>,
}

impl Clients {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        let at_rest = Mutex::default();
        Self { plan, at_rest }
    }

    /// Does `what` with a client that nobody else has meanwhile.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&Client) -> T) -> T {
        let at_rest = self.at_rest().pop_back();
        let client = at_rest.map(|(_, client)| client);
        let client = client.unwrap_or_else(|| self.client());
        let done = what(&client);
        let now = Instant::now();
        let mut at_rest = self.at_rest();
        at_rest.push_back((now, client));
        let is_old = |(since, _): &(Instant, _)| now - *since > REST;
        let old = at_rest.iter().take_while(|rest| is_old(rest)).count();
        // Closed once the list is free again.
        let old: Vec<_> = at_rest.drain(..old).collect();
        drop(at_rest);
        drop(old);
        done
    }

    fn client(&self) -> Client {
        let calls = self.plan.calls_at_once();
        Client::with_connector(self.plan, calls, YieldingConnector)
    }

    /// Held for no longer than a list takes, and by no coroutine that yields.
    fn at_rest(&self) -> MutexGuard<'_, VecDeque<(Instant, Client)>> {
        // A list of clients is whole whoever panicked.
        self.at_rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins `what` in a coroutine of its own, and comes back once that waits.
///
/// `go!` would put it into a queue that other threads may reach, and wake the
/// event loop for it: a system call for each call.
#[allow(unsafe_code)]
pub(crate) fn begin<T: Send + 'static>(
    what: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    // SAFETY: as with `go!`, what runs keeps nothing in a thread-local across
    // a call that yields, and the stack is large enough for it.
    let begun = unsafe { Builder::new().spawn_local(what) };
    begun.expect("a coroutine has no name that could be bad")
}

/// Waits for a coroutine; where it panicked, so does the caller.
pub(crate) fn join<T>(coroutine: JoinHandle<T>) -> T {
    coroutine
        .join()
        .unwrap_or_else(|panic: Box<dyn Any + Send>| resume_unwind(panic))
}

#[derive(Debug)]
struct YieldingConnector;

impl<In: Transport> Connector<In> for YieldingConnector {
    type Out = YieldingTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let address = details.addrs.first().ok_or(Error::HostNotFound)?;
        let timeout = details.timeout;
        let stream = match limit(&timeout) {
            Some(limit) => TcpStream::connect_timeout(address, limit),
            None => TcpStream::connect(address),
        };
        let stream =
            heed_timeout(stream).map_err(|error| translate(error, &timeout))?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let (input, output) =
            (config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(YieldingTransport {
            stream,
            buffers: LazyBuffers::new(input, output),
            is_drained: false,
        }))
    }
}

struct YieldingTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// Whether the read before has taken all that there was.
    is_drained: bool,
}

impl Transport for YieldingTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        amount: usize,
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        let limit = limit(&timeout);
        if self.stream.write_timeout()? != limit {
            self.stream.set_write_timeout(limit)?;
        }
        let output = &self.buffers.output()[..amount];
        let written = self.stream.write_all(output);
        heed_timeout(written).map_err(|error| translate(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = limit(&timeout);
        if self.stream.read_timeout()? != limit {
            self.stream.set_read_timeout(limit)?;
        }
        let room = self.buffers.input_append_buf();
        let size = room.len();
        let read = self.stream.read(room);
        let amount =
            heed_timeout(read).map_err(|error| translate(error, &timeout))?;
        self.is_drained = amount > 0 && amount < size;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // ureq asks after an answer, and again before the next request. What
        // comes in between is seen then.
        if mem::take(&mut self.is_drained) {
            return true;
        }
        // The socket underneath never blocks: nothing to read is the sign of
        // life, and bytes that nobody asked for are none.
        let mut byte = [0];
        let read = self.stream.inner().peek(&mut byte);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for YieldingTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("YieldingTransport")
            .field(&self.stream)
            .finish()
    }
}

/// The time that is left, in whole [`GRAINS`](GRAIN).
///
/// may has a list for each length of a wait, and wakes its event loop for
/// the first wait of each. What is left of a call is never twice the same to
/// the nanosecond; rounded up, it nearly always is.
pub(crate) fn coarse(left: Duration) -> Duration {
    grain::coarse(left, GRAIN)
}

fn limit(timeout: &NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| coarse(*left))
}

fn translate(error: io::Error, timeout: &NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            Error::Timeout(timeout.reason)
        }
        _ => Error::Io(error),
    }
}
