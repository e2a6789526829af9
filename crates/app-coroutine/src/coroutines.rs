//! may, told to run all coroutines of a worker on one thread, as gevent does,
//! and what it takes to begin them, to wait for them and to let them sleep.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::panic::resume_unwind;
use std::time::Duration;

use harness::{Plan, Requests, Worker, log};
use may::coroutine::{self, Builder, JoinHandle};
use may::go;

/// Room for a call on ureq; may's own default is too small for it.
const STACK_BYTES: usize = 256 << 10;

/// After how long may looks around by itself where nothing happens. A signal
/// makes it forget until when it was to wait (SIGCONT, a debugger): time-outs
/// are so late then.
const IDLE: Duration = Duration::from_secs(1);

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

/// Begins `what` in a coroutine of its own, and comes back once that waits:
/// `gevent.spawn`.
///
/// `go!` would put it into a queue that other threads may reach, and wake the
/// event loop for it: a system call for each call.
#[allow(unsafe_code)]
pub(crate) fn spawn<T: Send + 'static>(
    what: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    // SAFETY: as with `go!`, what runs keeps nothing in a thread-local across
    // a call that yields, and the stack is large enough for it. Nobody cancels
    // it: its handle goes to `join` or is dropped.
    let coroutine = unsafe { Builder::new().spawn_local(what) };
    coroutine.expect("a coroutine has no name that could be bad")
}

/// Waits for a coroutine: `gevent.joinall`. Where it panicked, so does the
/// caller.
pub(crate) fn join<T>(coroutine: JoinHandle<T>) -> T {
    coroutine
        .join()
        .unwrap_or_else(|panic: Box<dyn Any + Send>| resume_unwind(panic))
}
