//! An event loop per thread, and the connections that it takes.
//!
//! axum answers, on an accept loop of our own: a connection is accepted only
//! with a permit in hand, which is the whole of "one request at a time", and
//! hyper is given a clock, so that a head has a deadline.

mod check;

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use harness::answer::{Answer, RETRY_AFTER, Status};
use harness::deployment::Deployment;
use harness::http::{HEAD_LIMIT, HEADERS_LIMIT};
use harness::overload::Overload;
use harness::{CallError, Requests, Worker, log, threads, worker};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::sync::{Notify, Semaphore, watch};

use check::{check, target};

/// How many requests a thread without a limit is made ready for.
const UNLIMITED: usize = 1024;

/// Serves on an event loop per thread until the master says stop.
///
/// `make_application` is called on each thread, with the number of requests
/// that it may have in hand: a client belongs to one event loop.
pub(crate) fn serve<A, F>(
    worker: Worker,
    deployment: &Deployment,
    make_application: impl Fn(usize) -> Result<A> + Sync,
) -> Result<()>
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, CallError>> + Send,
{
    let Worker {
        number,
        listener,
        stop,
        requests,
    } = worker;
    // Event loops that do not take requests yet.
    let starting = AtomicUsize::new(deployment.threads);
    let run_loop = |core: usize| {
        log::name_thread(format!("worker-{number}-core-{core}"));
        let at_once = deployment.in_flight.unwrap_or(UNLIMITED);
        let application = make_application(at_once)?;
        let listener = listener.try_clone()?;
        let requests = requests.clone();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::spawn(beat(requests.clone(), core));
            let door = Door {
                listener: tokio::net::TcpListener::from_std(listener)?,
                requests: requests.clone(),
                deployment,
            };
            // All that can fail has to, before it says that it is ready.
            let stop = pipe::Receiver::from_owned_fd(stop.try_clone()?)?;
            let accepting = door.accept(stop, application);
            requests.beat(core);
            if starting.fetch_sub(1, Ordering::Relaxed) == 1 {
                requests.ready();
            }
            accepting.await
        })
    };
    threads::run(deployment.threads, run_loop);
    Ok(())
}

/// Tells the master that the event loop comes round.
async fn beat(requests: Requests, core: usize) {
    let mut beats = tokio::time::interval(requests.beats());
    loop {
        beats.tick().await;
        requests.beat(core);
    }
}

/// Where an event loop takes connections.
struct Door<'a> {
    listener: tokio::net::TcpListener,
    requests: Requests,
    deployment: &'a Deployment,
}

impl Door<'_> {
    async fn accept<A, F>(
        self,
        stop: pipe::Receiver,
        application: A,
    ) -> Result<()>
    where
        A: Fn() -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<String, CallError>> + Send,
    {
        let Self {
            listener,
            requests,
            deployment,
        } = self;
        let limit = deployment.in_flight.unwrap_or(Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(limit));
        let overload = Overload::of(deployment);
        // Where there is a limit, others wait outside of this process.
        let waits_outside = deployment.in_flight.is_some();
        let inside = (!waits_outside).then_some(overload);
        let serving = serving(requests.clone(), inside, application);
        let refusing = router(requests.clone(), async || Answer::overloaded());
        let (stopping, stopped) = watch::channel(false);
        loop {
            let connection = async {
                let permit = permits.clone().acquire_owned().await?;
                anyhow::Ok((permit, listener.accept().await))
            };
            let (permit, accepted) = tokio::select! {
                _ = stop.readable() => break,
                connection = connection => connection?,
            };
            match accepted {
                Ok((stream, _)) => {
                    let refused = waits_outside && overload.refuses(&listener);
                    let router = if refused { &refusing } else { &serving };
                    let router = TowerToHyperService::new(router.clone());
                    let begun = Arc::new(Notify::new());
                    let begins = begun.clone();
                    let service = service_fn(move |request| {
                        begins.notify_one();
                        check(request, router.clone())
                    });
                    let connection = http(deployment, refused)
                        .serve_connection(TokioIo::new(stream), service);
                    let permit = (permit, requests.connection());
                    let stopped = stopped.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        hold(connection, &begun, stopped).await;
                    });
                    // A worker serves what it has just accepted before it
                    // accepts more, which another worker may do: else the
                    // first to wake would take most of a burst, and leave the
                    // others little to do.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    if let Some(pause) = worker::pause_after(&error) {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        drop((listener, stopped));
        stopping.send(true).ok();
        // Until the last connection has dropped its end.
        stopping.closed().await;
        Ok(())
    }
}

/// Serves a connection to its end. After the stop that is the end of the
/// request in hand; a client that has not asked yet may still do so.
async fn hold<S>(
    connection: http1::Connection<TokioIo<TcpStream>, S>,
    begun: &Notify,
    mut stopped: watch::Receiver<bool>,
) where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let mut connection = pin!(connection);
    let stop = async {
        stopped.wait_for(|&stopped| stopped).await.ok();
        begun.notified().await;
    };
    // What remains of an error is a client that went away, and its own
    // affair.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stop => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await.ok();
}

fn http(deployment: &Deployment, refused: bool) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(deployment.head_timeout)
        .keep_alive(deployment.keep_alive && !refused)
        .max_headers(HEADERS_LIMIT)
        // A head that is too large has to be read to be told why.
        .max_buf_size(2 * HEAD_LIMIT);
    http
}

/// The application, which refuses where too many are in hand by the rule of
/// `overload`.
fn serving<A, F>(
    requests: Requests,
    overload: Option<Overload>,
    application: A,
) -> Router
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, CallError>> + Send,
{
    let counted = requests.clone();
    router(requests, move || {
        let in_hand = counted.in_hand();
        let refused =
            overload.is_some_and(|overload| overload.refuses_among(in_hand));
        let outcome = AssertUnwindSafe(application()).catch_unwind();
        async move {
            if refused {
                return Answer::overloaded();
            }
            let outcome = outcome.await;
            outcome.map_or_else(|_| Answer::panicked(), Answer::from)
        }
    })
}

fn router<A, F>(requests: Requests, answer: A) -> Router
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send,
{
    let answer = move |method: Method, uri: Uri| {
        let line = [method.as_str(), &target(&uri)].join(" ");
        let in_hand = requests.begin(line.as_bytes());
        let answer = answer();
        async move {
            in_hand.begins();
            let answer = answer.await;
            respond(in_hand.ends_with(answer))
        }
    };
    Router::new()
        .route("/", get(answer))
        .method_not_allowed_fallback(async || {
            respond(Answer::method_not_allowed())
        })
        .fallback(async || respond(Answer::not_found()))
}

fn respond(Answer { status, body }: Answer) -> Response {
    let Status { code, .. } = status;
    let code =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (code, body).into_response();
    if status == Status::SERVICE_UNAVAILABLE {
        let later = HeaderValue::from_static(RETRY_AFTER);
        response.headers_mut().insert(header::RETRY_AFTER, later);
    }
    response
}
