//! Requests from may_minihttp, which binds and accepts by itself.
//!
//! It is quick and says little. It keeps every connection alive, reads at
//! most 16 headers, and closes without a word on a head that it cannot
//! parse. What the harness would refuse is closed here in the same way:
//! this server would take the body of such a request for the next one. HEAD
//! is refused, since it sends a body to whatever it answers.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use harness::answer::{Answer, Status};
use harness::deployment::Deployment;
use harness::http::{Head, MOST_REQUESTS, Route};
use harness::overload::Overload;
use harness::{CallError, Requests, Worker};
use may::coroutine::JoinHandle;
use may::sync::Semphore;
use may_minihttp::{HttpServer, HttpService, Request, Response};

use crate::coroutines;

/// How long an answer may take from the service to the socket.
const WRITE_TIME: Duration = Duration::from_millis(100);

/// Serves with as many coroutines as the deployment has, until the master
/// says stop. A connection is accepted at once; its request waits for a
/// coroutine that is free.
pub(crate) fn serve(
    worker: Worker,
    deployment: &Deployment,
    application: impl Fn() -> Result<String, CallError> + Send + Sync + 'static,
) -> Result<()> {
    let service = Service {
        application: Arc::new(application),
        permits: Arc::new(Semphore::new(deployment.coroutines)),
        stopping: Arc::default(),
        requests: worker.requests.clone(),
        overload: Overload::of(deployment),
        waiting: Arc::default(),
        served: 0,
    };
    let stopping = service.stopping.clone();
    let waiting = service.waiting.clone();
    let address = worker.listener.local_addr()?;
    let accepting = HttpServer(service).start(address)?;
    coroutines::beat(worker.requests.clone());
    worker.requests.ready();
    worker.stop.wait()?;
    stopping.store(true, Ordering::Relaxed);
    stop_accepting(&accepting);
    // Whoever was accepted asks within this time, or has a connection that
    // is kept and idle. It is also the time for an answer to go out: that is
    // written after the service has returned, and nobody is told when. So it
    // takes two looks at nothing in hand.
    let mut was_idle = false;
    loop {
        thread::sleep(WRITE_TIME);
        let count = worker.requests.in_hand() + waiting.load(Ordering::Relaxed);
        if was_idle && count == 0 {
            return Ok(());
        }
        was_idle = count == 0;
    }
}

/// Closes the socket of this worker, so that the kernel gives new
/// connections to the other workers. Those that it had given to this one and
/// that were not accepted yet are reset: that is what is lost in a reload,
/// with those who ask only after twice the [`WRITE_TIME`].
#[allow(unsafe_code)]
fn stop_accepting(accepting: &JoinHandle<()>) {
    // SAFETY: to be cancelled is to unwind where it waits for a connection.
    // It holds the socket and its copy of the service then, and no lock.
    unsafe { accepting.coroutine().cancel() };
    accepting.wait();
}

struct Service<A> {
    application: Arc<A>,
    permits: Arc<Semphore>,
    stopping: Arc<AtomicBool>,
    requests: Requests,
    overload: Overload,
    /// Requests that wait for a coroutine that is free.
    waiting: Arc<AtomicU64>,
    /// Of this connection, which has a service of its own.
    served: u32,
}

impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        Self {
            application: self.application.clone(),
            permits: self.permits.clone(),
            stopping: self.stopping.clone(),
            requests: self.requests.clone(),
            overload: self.overload,
            waiting: self.waiting.clone(),
            served: 0,
        }
    }
}

impl<A: Fn() -> Result<String, CallError>> HttpService for Service<A> {
    fn call(
        &mut self,
        request: Request<'_, '_, '_>,
        response: &mut Response<'_>,
    ) -> io::Result<()> {
        let head = Head::of(
            request.method(),
            request.path(),
            request.version(),
            request.headers().iter().map(|h| (h.name, h.value)),
        );
        self.served += 1;
        let head = match head {
            Ok(head) if !head.has_body && self.served <= MOST_REQUESTS => head,
            // The only way to close: this unwinds the connection's
            // coroutine and is no panic to report.
            _ => resume_unwind(Box::new("closed on purpose")),
        };
        if head.without_body {
            let Status { code, phrase } = Status::METHOD_NOT_ALLOWED;
            response
                .status_code(code.into(), phrase)
                .header("allow: GET");
            return Ok(());
        }
        let answer = match head.route {
            Route::Application => {
                self.serve_request(request.method(), request.path())
            }
            Route::NotFound => Answer::not_found(),
            Route::MethodNotAllowed => {
                response.header("allow: GET");
                Answer::method_not_allowed()
            }
        };
        let is_last = self.served == MOST_REQUESTS;
        if is_last || self.stopping.load(Ordering::Relaxed) {
            // It does not close, but asks its client to.
            response.header("connection: close");
        }
        if answer.status == Status::SERVICE_UNAVAILABLE {
            response.header("retry-after: 1");
        }
        let Status { code, phrase } = answer.status;
        response
            .status_code(code.into(), phrase)
            .header("content-type: text/plain; charset=utf-8")
            .body_vec(answer.body.into_owned().into_bytes());
        Ok(())
    }
}

impl<A: Fn() -> Result<String, CallError>> Service<A> {
    fn serve_request(&self, method: &str, target: &str) -> Answer {
        if !self.permits.try_wait() {
            let waiting = self.waiting.fetch_add(1, Ordering::Relaxed) + 1;
            let refused = self.overload.refuses_among(waiting);
            if !refused {
                self.permits.wait();
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if refused {
                return Answer::overloaded();
            }
        }
        let line = format!("{method} {target}");
        let in_hand = self.requests.begin(line.as_bytes());
        let answer = in_hand.answer(&*self.application);
        self.permits.post();
        in_hand.ends_with(answer)
    }
}
