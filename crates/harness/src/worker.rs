//! A worker: what it is given, and the blocking way to serve.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
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
use crate::http::{self, Socket};
use crate::log;
use crate::signals::Stop;

/// A forked process that serves.
#[derive(Debug)]
pub struct Worker {
    /// Its place among the workers, from 1; its successor takes it over.
    pub number: usize,
    /// The master's socket; it does not block.
    pub listener: TcpListener,
    /// Tells when to stop.
    pub stop: Stop,
    /// Tells the master that requests are taken now.
    pub ready: Ready,
}

/// The way to tell the master that a worker takes requests now.
#[derive(Debug)]
pub struct Ready(pub(crate) OwnedFd);

impl Ready {
    /// Tells the master.
    pub fn tell(self) {
        // A master that is gone takes its workers with it: nothing to mend.
        nix::unistd::write(self.0, b"r").ok();
    }
}

/// How long a client may take to read an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
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
    /// # Errors
    ///
    /// The system's, where waiting or accepting fails for good.
    pub fn serve(
        self,
        deployment: &Deployment,
        application: impl Fn() -> Result<String, CallError> + Sync,
    ) -> anyhow::Result<()> {
        let Self {
            number,
            listener,
            stop,
            ready,
        } = self;
        let settings = http::Settings::of(deployment);
        let take_requests = |core: usize| {
            log::name_thread(format!("worker-{number}-core-{core}"));
            take_requests(&listener, &stop, &settings, &application)
        };
        thread::scope(|scope| {
            let mut others = Vec::new();
            for core in 1..deployment.threads {
                let thread = thread::Builder::new();
                others.push(
                    thread.spawn_scoped(scope, move || take_requests(core))?,
                );
            }
            ready.tell();
            take_requests(0)?;
            for thread in others {
                match thread.join() {
                    Ok(result) => result?,
                    Err(_) => anyhow::bail!("a thread panicked"),
                }
            }
            Ok(())
        })
    }
}

fn take_requests(
    listener: &TcpListener,
    stop: &Stop,
    settings: &http::Settings,
    application: &impl Fn() -> Result<String, CallError>,
) -> io::Result<()> {
    const CONNECTION: u64 = 0;
    const STOP: u64 = 1;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    // A connection wakes one of those who wait for it, not all.
    let one_of_us = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
    epoll.add(listener, EpollEvent::new(one_of_us, CONNECTION))?;
    epoll.add(stop.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
    loop {
        let mut events = [EpollEvent::empty(); 2];
        match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => {
                if events[..count].iter().any(|event| event.data() == STOP) {
                    return Ok(());
                }
            }
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match listener.accept() {
            Ok((stream, _)) => {
                serve_client(stream, stop, settings, application)
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

fn serve_client(
    stream: TcpStream,
    stop: &Stop,
    settings: &http::Settings,
    application: &impl Fn() -> Result<String, CallError>,
) {
    let mut client = Client { stream, stop };
    // What remains is a client that went away, and its own affair.
    client.stream.set_write_timeout(Some(WRITE_LIMIT)).ok();
    http::serve(&mut client, settings, || answer(application)).ok();
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
        self.stream.set_read_timeout(Some(timeout))
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
        let [stop, stream] = files;
        Ok(stop.any() == Some(false) && stream.any() == Some(true))
    }
}
