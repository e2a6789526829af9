//! A call that blocks, made on an event loop: while it waits, so does every
//! other request of the thread.

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use harness::answer::Answer;
use harness::client::blocking::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

/// `/slow` makes its call on the loop.
pub(crate) fn wrong(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    let slow = get(async move || {
        // WRONG: there is no await in here. The loop's one thread waits, and
        // no other request gets anywhere.
        respond(long_network_call(&client, &plan.calls()[0]))
    });
    serve(worker, slow)
}

/// `/slow` makes its call on a thread that may wait.
pub(crate) fn right(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    let slow = get(async move || {
        // RIGHT: a thread of the runtime's pool waits, and the loop goes on.
        let call = move || long_network_call(&client, &plan.calls()[0]);
        match spawn_blocking(call).await {
            Ok(outcome) => respond(outcome),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    });
    serve(worker, slow)
}

/// One call with ureq, which holds its thread until the backend has answered.
fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}

/// An event loop on the worker's one thread; `/` is answered at once.
fn serve(worker: Worker, slow: MethodRouter) -> Result<()> {
    let router = Router::new()
        .route("/", get(async || "at once\n"))
        .route("/slow", slow);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(worker.listener)?;
        let stop = pipe::Receiver::from_owned_fd(worker.stop.try_clone()?)?;
        worker.requests.ready();
        axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                stop.readable().await.ok();
            })
            .await?;
        Ok(())
    })
}

fn respond(outcome: Result<(), CallError>) -> Response {
    let outcome = outcome.map(|()| "answered\n".to_owned());
    let Answer { status, body } = Answer::from(outcome);
    let status = StatusCode::from_u16(status.code)
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body).into_response()
}
