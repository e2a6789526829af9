//! A reactor that was started before the fork: the worker has all of it but
//! the thread that it runs on.

use std::future::{Future, pending};
use std::net::{TcpListener, TcpStream};
use std::process;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use caveats::server::Settings;
use caveats::{Server, Which, http};
use clap::Args;
use harness::answer::Failure;
use harness::client::asynchronous::Client;
use harness::{Call, CallError, Plan, listener, worker};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, fork, getpid, getppid};
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Handle};

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    /// Let the harness fork, which counts threads before it does
    #[arg(long)]
    with_harness: bool,
}

/// The slides' `lazy-apps = 0`: the app is loaded, and then forked.
fn wrong(listener: &TcpListener, plan: &'static Plan) -> Result<()> {
    // WRONG: a fork copies the thread that forks and no other. The worker
    // has a reactor to hand calls to, and nobody who runs them.
    let reactor = Reactor::start(plan)?;
    fork_worker(|| serve(listener, &reactor, plan))
}

/// The slides' `lazy-apps = 1`: the app is loaded by the worker.
fn right(listener: &TcpListener, plan: &'static Plan) -> Result<()> {
    fork_worker(|| {
        // RIGHT: the thread is the worker's own.
        let reactor = Reactor::start(plan)?;
        serve(listener, &reactor, plan)
    })
}

pub(crate) fn run(options: Options) -> Result<()> {
    let settings = options.server.settle(crate::NAME, &[])?;
    let Some(settings) = settings else {
        return Ok(());
    };
    let Settings {
        deployment, plan, ..
    } = &settings;
    if options.with_harness {
        let reactor = Reactor::start(plan)?;
        return settings.fork(|worker| {
            worker.serve(deployment, || application(&reactor, plan))
        });
    }
    let listener = listener::bind(deployment.http, deployment.listen)?;
    listener.set_nonblocking(false)?;
    match settings.which {
        Which::Wrong => wrong(&listener, plan),
        Which::Right => right(&listener, plan),
    }
}

/// Forks a worker that does `work`, and waits for SIGTERM or SIGINT.
fn fork_worker(work: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTERM);
    stop.add(Signal::SIGINT);
    stop.thread_block()?;
    let master = getpid();
    // SAFETY: the other thread, where there is one, sleeps in its event
    // loop, so that it holds no lock that the worker would wait for; and
    // that the worker has lost it is what this program is to show.
    #[allow(unsafe_code)]
    let fork = unsafe { fork() }.context("cannot fork")?;
    if let ForkResult::Child = fork {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // Or it had ended before, and nobody would end this one.
        if getppid() == master {
            work()?;
        }
        process::exit(0);
    }
    // As systemd is told. The socket takes connections already.
    sd_notify::notify(&[NotifyState::Ready])?;
    stop.wait()?;
    Ok(())
}

/// One request after the other.
fn serve(
    listener: &TcpListener,
    reactor: &Reactor,
    plan: &'static Plan,
) -> Result<()> {
    loop {
        let (client, _) = listener.accept()?;
        serve_client(client, reactor, plan);
    }
}

fn serve_client(mut client: TcpStream, reactor: &Reactor, plan: &'static Plan) {
    if http::read_path(&mut client).is_ok() {
        let answer = worker::answer(|| application(reactor, plan));
        // What remains is a client that went away, and its own affair.
        http::write_answer(&mut client, &answer).ok();
    }
}

/// One request: its calls, all at once on the reactor.
fn application(
    reactor: &Reactor,
    plan: &'static Plan,
) -> Result<String, CallError> {
    let calls = plan.calls().iter();
    let calls: Vec<_> = calls
        .map(|call| {
            let client = reactor.client.clone();
            (call, reactor.submit(long_network_call(client, call)))
        })
        .collect();
    for (call, outcome) in calls {
        // The client has a deadline as well, which is the reactor's to
        // keep. This one holds without it.
        match outcome.recv_timeout(plan.timeout()) {
            Ok(outcome) => outcome?,
            Err(_) => call.end(Err::<(), _>(Failure::TimedOut))?,
        }
    }
    Ok("answered\n".to_owned())
}

async fn long_network_call(
    client: Client,
    call: &'static Call,
) -> Result<(), CallError> {
    call.start();
    let answer = client.get(call.uri());
    call.end(answer.await)
}

/// An event loop on a thread of its own, as app-offload has it.
struct Reactor {
    runtime: Handle,
    client: Client,
}

impl Reactor {
    fn start(plan: &Plan) -> Result<Self> {
        let client = Client::new(plan, plan.calls().len())?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("reactor".to_owned())
            .spawn(move || runtime.block_on(pending::<()>()))?;
        let runtime = handle;
        Ok(Self { runtime, client })
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::channel();
        self.runtime.spawn(async move {
            // Nobody waits where the deadline was over.
            sender.send(work.await).ok();
        });
        receiver
    }
}
