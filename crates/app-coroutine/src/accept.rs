//! Requests from the master's socket, each connection in a coroutine: the
//! harness's HTTP code, which app-sync runs on std's sockets, runs here on
//! may's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use harness::answer::Answer;
use harness::deployment::Deployment;
use harness::http::{self, Settings, Socket};
use harness::overload::Overload;
use harness::{CallError, Requests, Worker, worker};
use may::go;
use may::io::{CoIo, WaitIo};
use may::sync::Semphore;

use crate::coroutines::{self, heed_timeout};
use crate::sockets::coarse;

/// How often an idle connection asks whether its worker should stop.
const STOP_CHECK: Duration = Duration::from_secs(1);

/// Serves with as many coroutines as the deployment has, until the master
/// says stop. A connection is accepted only for a coroutine that is free.
pub(crate) fn serve(
    worker: Worker,
    deployment: &Deployment,
    application: impl Fn() -> Result<String, CallError> + Send + Sync + 'static,
) -> Result<()> {
    let coroutines = deployment.coroutines;
    let server = Arc::new(Server {
        permits: Semphore::new(coroutines),
        stopping: AtomicBool::new(false),
        requests: worker.requests.clone(),
        overload: Overload::of(deployment),
        settings: Settings::of(deployment),
        application,
    });
    let listener = CoIo::new(worker.listener).map_err(io::Error::from)?;
    // Never closed: the master and others have this socket, too, so that it
    // would stay in may's epoll and tell of itself to memory that was given
    // back.
    let listener: &'static _ = Box::leak(Box::new(listener));
    coroutines::beat(worker.requests.clone());
    // Said before it serves: a worker that dies unready ends the start.
    worker.requests.ready();
    let accepting = server.clone();
    go!(move || accepting.accept(listener));
    worker.stop.wait()?;
    server.stopping.store(true, Ordering::Relaxed);
    // With every permit taken, no request is in hand, and none will be
    // accepted.
    for _ in 0..coroutines {
        server.permits.wait();
    }
    Ok(())
}

struct Server<A> {
    permits: Semphore,
    stopping: AtomicBool,
    requests: Requests,
    overload: Overload,
    settings: Settings,
    application: A,
}

impl<A> Server<A>
where
    A: Fn() -> Result<String, CallError> + Send + Sync + 'static,
{
    fn accept(self: Arc<Self>, listener: &CoIo<TcpListener>) {
        loop {
            self.permits.wait();
            let permit = Permit(self.clone());
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            match listener.inner().accept() {
                Ok((stream, _)) => {
                    let refused = self.overload.refuses(listener.inner());
                    // A worker serves what it has just accepted before it
                    // accepts more, which another worker may do.
                    coroutines::spawn(move || {
                        permit.0.serve_client(stream, refused)
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    drop(permit);
                    listener.wait_io();
                }
                Err(error) => {
                    if let Some(pause) = worker::pause_after(&error) {
                        coroutines::sleep(pause);
                    }
                }
            }
        }
    }

    fn serve_client(&self, stream: TcpStream, refused: bool) {
        let _connection = self.requests.connection();
        let Ok(stream) = CoIo::new(stream) else {
            return;
        };
        stream.set_write_timeout(Some(worker::WRITE_LIMIT)).ok();
        let stopping = &self.stopping;
        let mut client = Client { stream, stopping };
        let settings = self.settings.when(refused);
        let served = http::serve(&mut client, &settings, |line| {
            let in_hand = self.requests.begin(line);
            let answer = match refused {
                true => Answer::overloaded(),
                false => in_hand.answer(&self.application),
            };
            in_hand.ends_with(answer)
        });
        // What remains is a client that went away, and its own affair.
        served.ok();
    }
}

/// One of the coroutines that may serve; free again once it is dropped.
struct Permit<A>(Arc<Server<A>>);

impl<A> Drop for Permit<A> {
    fn drop(&mut self) {
        self.0.permits.post();
    }
}

/// A connection of a coroutine.
struct Client<'a> {
    stream: CoIo<TcpStream>,
    stopping: &'a AtomicBool,
}

impl Read for Client<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        heed_timeout(self.stream.read(buffer))
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        heed_timeout(self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Socket for Client<'_> {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(coarse(timeout)))
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.stream.inner().shutdown(Shutdown::Write)
    }

    fn next_request(&self, timeout: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + timeout;
        self.stream.set_read_timeout(Some(STOP_CHECK))?;
        loop {
            // A client that has asked before the stop is answered.
            match heed_timeout(self.stream.peek(&mut [0])) {
                Ok(count) => return Ok(count > 0),
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
            }
            if self.should_stop() || Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    fn has_more(&self) -> bool {
        // The socket underneath never blocks.
        self.stream
            .inner()
            .peek(&mut [0])
            .is_ok_and(|count| count > 0)
    }

    fn should_stop(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
