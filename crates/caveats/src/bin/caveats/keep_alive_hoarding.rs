//! Workers that take one request at a time, and one that accepts all that
//! wait: the others find nothing to do.

use std::collections::VecDeque;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use anyhow::Result;
use caveats::http;
use harness::client::blocking::Client;
use harness::deployment::Deployment;
use harness::signals::Stop;
use harness::{Call, CallError, Plan, Worker, worker};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Takes every connection that has come, and serves them in turn.
pub(crate) fn wrong(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    let mut hoard = VecDeque::new();
    worker.requests.ready();
    while a_client_waits(&worker.listener, &worker.stop)? {
        // WRONG: what is accepted here, no other worker can serve, however
        // long it is free.
        while let Ok((connection, _)) = worker.listener.accept() {
            hoard.push_back(connection);
        }
        while let Some(connection) = hoard.pop_front() {
            serve(connection, &client, plan);
        }
    }
    Ok(())
}

/// Takes a connection, and serves it.
pub(crate) fn right(
    worker: Worker,
    _: &Deployment,
    plan: &'static Plan,
) -> Result<()> {
    let client = Client::new(plan, 1);
    worker.requests.ready();
    while a_client_waits(&worker.listener, &worker.stop)? {
        // RIGHT: one, since one is served. The rest waits in the kernel,
        // for whichever worker is free first.
        if let Ok((connection, _)) = worker.listener.accept() {
            serve(connection, &client, plan);
        }
    }
    Ok(())
}

/// Holds the worker until a client waits; `false` where it should stop.
fn a_client_waits(listener: &TcpListener, stop: &Stop) -> Result<bool> {
    let mut files = [
        PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        PollFd::new(stop.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut files, PollTimeout::NONE) {
            Ok(_) => return Ok(files[1].any() == Some(false)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn serve(mut connection: TcpStream, client: &Client, plan: &Plan) {
    if http::read_path(&mut connection).is_ok() {
        let answer = worker::answer(|| application(client, plan));
        // What remains is a client that went away, and its own affair.
        http::write_answer(&mut connection, &answer).ok();
    }
}

/// One request: its calls, one after the other.
fn application(client: &Client, plan: &Plan) -> Result<String, CallError> {
    for call in plan.calls() {
        long_network_call(client, call)?;
    }
    Ok("answered\n".to_owned())
}

fn long_network_call(client: &Client, call: &Call) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer)
}
