//! The slides' `--threads 2`: one thread of a worker has an event loop, and
//! the other has none.

use anyhow::Result;
use futures_util::future::join_all;
use harness::client::asynchronous::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};
use tokio::runtime::{Builder, Handle, Runtime};

/// Fails on every thread but the main one.
pub(crate) fn wrong(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 0)?;
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    worker.serve(deployment, || {
        // WRONG: the current runtime is the thread's own affair, and it is
        // the main thread that entered one. On any other, this panics.
        let runtime = Handle::current();
        runtime.block_on(application(&client, plan))
    })
}

thread_local! {
    // RIGHT: the slides' get_loop(). Whoever asks first on a thread makes
    // the runtime of that thread.
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has an epoll file left");
}

/// Serves on each thread.
pub(crate) fn right(
    worker: Worker,
    deployment: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    // It keeps no connection: one belongs to the runtime that opened it, and
    // this client serves two.
    let client = Client::new(plan, 0)?;
    worker.serve(deployment, || {
        RUNTIME.with(|runtime| runtime.block_on(application(&client, plan)))
    })
}

/// One request: its calls, all at once.
async fn application(
    client: &Client,
    plan: &'static Plan,
) -> Result<String, CallError> {
    let calls = plan.calls().iter();
    let calls = join_all(calls.map(|call| long_network_call(client, call)));
    calls.await.into_iter().collect::<Result<(), _>>()?;
    Ok("answered\n".to_owned())
}

async fn long_network_call(
    client: &Client,
    call: &Call,
) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer.await)
}
