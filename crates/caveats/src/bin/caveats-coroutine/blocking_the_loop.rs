//! A call that blocks, made in a coroutine: it holds the thread that all
//! coroutines share. The slides' gevent replaces the sockets of the whole
//! program so that no call can; one that it does not know of still does.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::thread;

use anyhow::Result;
use caveats::http;
use harness::answer::Answer;
use harness::client::blocking::Client;
use harness::deployment::Deployment;
use harness::{Call, CallError, Plan, Worker};
use may::go;
use may::io::{CoIo, WaitIo};
use may::sync::mpsc;

/// `/slow` makes its call on sockets that block.
pub(crate) fn wrong(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    serve(worker, move || {
        // WRONG: ureq as it comes waits in the kernel, where may cannot
        // switch to another coroutine.
        long_network_call(&client, &plan.calls()[0])
    })
}

/// `/slow` makes its call on a thread that may wait.
pub(crate) fn right(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    serve(worker, move || {
        // RIGHT: a thread waits in the kernel, and only this coroutine waits
        // for the thread. app-coroutine's sockets.rs does without one.
        let (answer, answered) = mpsc::channel();
        let client = client.clone();
        thread::spawn(move || {
            answer
                .send(long_network_call(&client, &plan.calls()[0]))
                .ok();
        });
        answered.recv().expect("the thread sends before it ends")
    })
}

/// One call with ureq, which holds its thread until the backend has answered.
fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}

/// A coroutine for each connection; `/` is answered at once.
fn serve(
    worker: Worker,
    slow: impl Fn() -> Result<(), CallError> + Clone + Send + 'static,
) -> Result<()> {
    crate::use_one_thread();
    let listener = CoIo::new(worker.listener).map_err(io::Error::from)?;
    go!(move || accept(&listener, slow));
    worker.requests.ready();
    worker.stop.wait()?;
    Ok(())
}

fn accept(
    listener: &CoIo<TcpListener>,
    slow: impl Fn() -> Result<(), CallError> + Clone + Send + 'static,
) -> io::Result<()> {
    loop {
        match listener.inner().accept() {
            Ok((client, _)) => {
                let (mut client, slow) = (CoIo::new(client)?, slow.clone());
                go!(move || {
                    let outcome = match &*http::read_path(&mut client)? {
                        "/slow" => slow().map(|()| "answered\n".to_owned()),
                        _ => Ok("at once\n".to_owned()),
                    };
                    http::write_answer(&mut client, &Answer::from(outcome))
                });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                listener.wait_io();
            }
            Err(error) => return Err(error),
        }
    }
}
