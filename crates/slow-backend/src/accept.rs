//! The connections of a worker, of HTTP/1 and of HTTP/2.
//!
//! axum would do the same, but a connection of HTTP/2 could have only as many
//! calls at a time as hyper thinks wise. Here they are meant to wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use harness::worker::pause_after;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Calls that one connection may have at a time.
const STREAMS: u32 = 1 << 20;
/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How often the other side of an HTTP/2 connection shows that it is there,
/// and how long it may take to.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Serves until the stop comes; `stopping` is told, and who is still waited
/// for gets an answer.
pub(crate) async fn serve(
    listener: TcpListener,
    stop: pipe::Receiver,
    router: Router,
    stopping: impl FnOnce(),
) -> Result<()> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT);
    http.http2()
        // A silent client is not waited for at the stop.
        .timer(TokioTimer::new())
        .keep_alive_interval(SIGN_OF_LIFE)
        .keep_alive_timeout(SIGN_OF_LIFE)
        .max_concurrent_streams(STREAMS)
        // Calls that are given up are what this server is for, and no attack.
        .max_pending_accept_reset_streams(STREAMS as usize)
        .max_local_error_reset_streams(None);
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop.readable());
    loop {
        let accepted = tokio::select! {
            _ = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        // Answers that share a connection must not wait until the last one
        // is acknowledged (Nagle's algorithm, RFC 896).
        stream.set_nodelay(true).ok();
        let router = TowerToHyperService::new(router.clone());
        let asked = Arc::new(Notify::new());
        let asks = asked.clone();
        let service = service_fn(move |request| {
            asks.notify_one();
            router.call(request)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move { hold(connection, &asked).await });
    }
    drop(listener);
    stopping();
    connections.shutdown().await;
    Ok(())
}

/// Serves a connection to its end. Which version of HTTP it speaks is found
/// out without a clock, so that who never asks for anything is closed here.
async fn hold(connection: impl Future, asked: &Notify) {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        // What remains of an error is a client that went away.
        _ = connection.as_mut() => return,
        begun = timeout(HEAD_LIMIT, asked.notified()) => {
            if begun.is_err() {
                return;
            }
        }
    }
    connection.await;
}
