//! A worker: what it is given, and the blocking way to serve.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{
    Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout,
};
use tracing::warn;

use crate::answer::{Answer, CallError};
use crate::deployment::Deployment;
use crate::grain::coarse;
use crate::http::{self, Socket};
use crate::log;
use crate::overload::Overload;
use crate::requests::Requests;
use crate::signals::Stop;
use crate::threads;

/// A forked process that serves.
#[derive(Debug)]
pub struct Worker {
    /// Its place among the workers, from 1; its successor takes it over.
    pub number: usize,
    /// The master's socket; it does not block.
    pub listener: TcpListener,
    /// Tells when to stop.
    pub stop: Stop,
    /// What it has in hand, for its master to see.
    pub requests: Requests,
}

/// How long a client may take to read an answer.
pub const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How exact the limit of a read is.
const LIMIT_GRAIN: Duration = Duration::from_millis(10);
/// How long to wait where the system has no file left for a connection.
const FILES_PAUSE: Duration = Duration::from_millis(100);

impl Worker {
    /// Serves with the deployment's threads, each of which takes one request
    /// at a time, until the master says stop.
    ///
    /// A thread accepts only when it is free, so that the kernel's queue
    /// shares the requests out among all that are. The main thread is one of
    /// them.
    ///
    /// Where waiting for them fails for good, the process ends.
    ///
    /// # Errors
    ///
    /// None: the result is that of the other ways to serve.
    pub fn serve(
        self,
        deployment: &Deployment,
        application: impl Fn() -> Result<String, CallError> + Sync,
    ) -> anyhow::Result<()> {
        let Self {
            number,
            listener,
            stop,
            requests,
        } = self;
        let settings = http::Settings::of(deployment);
        let overload = Overload::of(deployment);
        // Those of its threads that do not wait for requests yet.
        let starting = AtomicUsize::new(deployment.threads);
        let take_requests = |core: usize| {
            log::name_thread(format!("worker-{number}-core-{core}"));
            let door = Door {
                listener: &listener,
                stop: &stop,
                requests: &requests,
                core,
            };
            let is_ready = || {
                requests.beat(core);
                if starting.fetch_sub(1, Ordering::Relaxed) == 1 {
                    requests.ready();
                }
            };
            let served = door.take_connections(is_ready, |stream| {
                let refuses = overload.refuses(&listener);
                let mut client = Client {
                    stream,
                    stop: &stop,
                    read_limit: Cell::default(),
                };
                client.stream.set_write_timeout(Some(WRITE_LIMIT)).ok();
                let settings = settings.when(refuses);
                let served = http::serve(&mut client, &settings, |line| {
                    let in_hand = requests.begin(line);
                    let answer = match refuses {
                        true => Answer::overloaded(),
                        false => in_hand.answer(&application),
                    };
                    in_hand.ends_with(answer)
                });
                // What remains is a client that went away, and its own
                // affair.
                served.ok();
            });
            Ok(served?)
        };
        threads::run(deployment.threads, take_requests);
        Ok(())
    }
}

/// Where a thread waits for connections.
struct Door<'a> {
    listener: &'a TcpListener,
    stop: &'a Stop,
    requests: &'a Requests,
    core: usize,
}

impl Door<'_> {
    /// Accepts connections, one after the other, until the stop.
    fn take_connections(
        &self,
        is_ready: impl FnOnce(),
        serve: impl Fn(TcpStream),
    ) -> io::Result<()> {
        const CONNECTION: u64 = 0;
        const STOP: u64 = 1;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // A connection wakes one of those who wait for it, not all.
        let one_of_us = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        epoll.add(self.listener, EpollEvent::new(one_of_us, CONNECTION))?;
        let stop = EpollEvent::new(EpollFlags::EPOLLIN, STOP);
        epoll.add(self.stop.as_fd(), stop)?;
        is_ready();
        let beats = EpollTimeout::try_from(self.requests.beats())
            .unwrap_or(EpollTimeout::MAX);
        loop {
            self.requests.beat(self.core);
            let mut events = [EpollEvent::empty(); 2];
            let events = match epoll.wait(&mut events, beats) {
                Ok(count) => &events[..count],
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let has = |data| events.iter().any(|event| event.data() == data);
            // Even before a stop: nobody else was woken for it.
            if has(CONNECTION) {
                self.take_connection(&serve);
            }
            if has(STOP) {
                return Ok(());
            }
        }
    }

    fn take_connection(&self, serve: impl Fn(TcpStream)) {
        match self.listener.accept() {
            Ok((stream, _)) => {
                self.requests.rest(self.core);
                let _connection = self.requests.connection();
                serve(stream);
            }
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    thread::sleep(pause);
                }
            }
        }
    }
}

/// What to do after a connection was not accepted: nothing where that is of
/// no interest, and otherwise to wait, since trying again at once would only
/// burn the processor. Logs the reason.
pub fn pause_after(error: &io::Error) -> Option<Duration> {
    match error.kind() {
        io::ErrorKind::WouldBlock
        | io::ErrorKind::Interrupted
        | io::ErrorKind::ConnectionAborted => None,
        _ => {
            warn!("cannot accept a connection: {error}");
            Some(FILES_PAUSE)
        }
    }
}

/// The application's answer; 500 where it panics.
pub fn answer(application: impl Fn() -> Result<String, CallError>) -> Answer {
    let outcome = catch_unwind(AssertUnwindSafe(application));
    outcome.map_or_else(|_| Answer::panicked(), Answer::from)
}

/// A connection of a blocking worker.
struct Client<'a> {
    stream: TcpStream,
    stop: &'a Stop,
    /// As the socket has it.
    read_limit: Cell<Duration>,
}

impl Read for Client<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Socket for Client<'_> {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        let limit = coarse(timeout, LIMIT_GRAIN);
        if self.read_limit.replace(limit) == limit {
            return Ok(());
        }
        self.stream.set_read_timeout(Some(limit))
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn next_request(&self, timeout: Duration) -> io::Result<bool> {
        let mut files = [
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.stream.as_fd(), PollFlags::POLLIN),
        ];
        let limit = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        poll(&mut files, limit)?;
        // A client that has asked before the stop is answered.
        let [_, stream] = files;
        Ok(stream.any() == Some(true))
    }

    fn has_more(&self) -> bool {
        is_readable(self.stream.as_fd())
    }

    fn should_stop(&self) -> bool {
        is_readable(self.stop.as_fd())
    }
}

fn is_readable(file: BorrowedFd<'_>) -> bool {
    let mut files = [PollFd::new(file, PollFlags::POLLIN)];
    poll(&mut files, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}
