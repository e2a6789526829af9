//! An event loop per thread, and the connections that it takes.
//!
//! axum answers, on an accept loop of our own: a connection is accepted only
//! with a permit in hand, which is the whole of "one request at a time", and
//! hyper is given a clock, so that a head has a deadline.

use std::future::Future;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;

use anyhow::{Result, bail};
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use harness::answer::{Answer, Status};
use harness::deployment::Deployment;
use harness::http::{HEAD_LIMIT, HEADERS_LIMIT};
use harness::signals::Stop;
use harness::{CallError, Worker, log, worker};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
        ready,
    } = worker;
    let run_loop = |core: usize, is_ready: &dyn Fn()| {
        log::name_thread(format!("worker-{number}-core-{core}"));
        let requests = deployment.in_flight.unwrap_or(UNLIMITED);
        let application = make_application(requests)?;
        let listener = listener.try_clone()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let accepting = accept(listener, &stop, deployment, application);
            is_ready();
            accepting.await
        })
    };
    thread::scope(|scope| {
        let mut others = Vec::new();
        for core in 1..deployment.threads {
            let thread = thread::Builder::new();
            let run_loop = &run_loop;
            others.push(
                thread.spawn_scoped(scope, move || run_loop(core, &|| ()))?,
            );
        }
        let ready = std::cell::Cell::new(Some(ready));
        run_loop(0, &|| {
            if let Some(ready) = ready.take() {
                ready.tell();
            }
        })?;
        for thread in others {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(())
    })
}

async fn accept<A, F>(
    listener: TcpListener,
    stop: &Stop,
    deployment: &Deployment,
    application: A,
) -> Result<()>
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, CallError>> + Send,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stop = pipe::Receiver::from_owned_fd(stop.try_clone()?)?;
    let limit = deployment.in_flight.unwrap_or(Semaphore::MAX_PERMITS);
    let permits = Arc::new(Semaphore::new(limit));
    let router = router(application);
    let http = http(deployment);
    let connections = GracefulShutdown::new();
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
                let service = TowerToHyperService::new(router.clone());
                let connection =
                    http.serve_connection(TokioIo::new(stream), service);
                tokio::spawn(hold(permit, connections.watch(connection)));
            }
            Err(error) => {
                if let Some(pause) = worker::pause_after(&error) {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

/// Serves a connection, and gives its permit back at its end.
async fn hold<E>(
    permit: OwnedSemaphorePermit,
    connection: impl Future<Output = Result<(), E>>,
) {
    // What remains is a client that went away, and its own affair.
    connection.await.ok();
    drop(permit);
}

fn http(deployment: &Deployment) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(deployment.head_timeout)
        .keep_alive(deployment.keep_alive)
        .max_headers(HEADERS_LIMIT)
        .max_buf_size(HEAD_LIMIT);
    http
}

fn router<A, F>(application: A) -> Router
where
    A: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, CallError>> + Send,
{
    let answer = move || {
        let outcome = AssertUnwindSafe(application()).catch_unwind();
        async {
            respond(
                outcome
                    .await
                    .map_or_else(|_| Answer::panicked(), Answer::from),
            )
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
    let status =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body).into_response()
}
