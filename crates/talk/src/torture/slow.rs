//! Five hundred clients that send a byte a second, and one that does not.
//!
//! Where a slot is held by whoever is connected, the honest client waits
//! until the deadline for heads has freed one. Where connections cost
//! nothing, it is served as if the others were not there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::load::{self, Answers, Target};
use crate::backend::Backend;
use crate::catalogue::Deployment;
use crate::deploy::Log;
use crate::interrupt::Interrupt;
use crate::site::Site;

pub(super) const CLIENTS: usize = 500;
/// From one byte of a client to its next.
const BYTE: Duration = Duration::from_secs(1);
/// The deadline for heads of those that can be held up. Each of their slots
/// is held for so long by one client after the other.
const DEADLINE: Duration = Duration::from_millis(50);
/// A call of those that cannot: long, so that the noise of a busy machine is
/// little beside it.
const CALL: f64 = 0.05;
const RATE: f64 = 100.0;
const LENGTH: Duration = Duration::from_secs(4);

/// What slow clients do to a deployment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Slow {
    pub(super) deployment: String,
    pub(super) what: What,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// It waited until those before it had run out of time.
    HeldUp {
        /// How long the honest client waited, in seconds.
        waited: f64,
        /// How long the deadlines of those before it take, in seconds.
        due: f64,
    },
    /// It went on.
    Serves {
        before: Answers,
        meanwhile: Answers,
        /// Slow clients that were still connected at the end.
        connected: usize,
    },
}

pub(super) fn all(
    site: &Site,
    deployments: &[&Deployment],
    backend: &Backend,
    interrupt: &Interrupt,
) -> Result<Vec<Slow>> {
    let is_held = |deployment: &&&Deployment| !serves(deployment);
    let held: Vec<_> = deployments.iter().filter(is_held).collect();
    let mut all = Vec::new();
    // They do little but wait, all of them at once.
    let slow: Vec<Result<Slow>> = thread::scope(|scope| {
        let begun: Vec<_> = held
            .iter()
            .map(|&&deployment| {
                Builder::new().spawn_scoped(scope, move || {
                    held_up(site, deployment, backend, interrupt)
                        .with_context(|| deployment.name.clone())
                })
            })
            .collect();
        let ended = begun.into_iter().map(|thread| {
            let thread = thread.context("cannot start a thread")?;
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        ended.collect()
    });
    for slow in slow {
        all.push(slow?);
    }
    for deployment in deployments.iter().filter(|d| serves(d)) {
        let slow = served(site, deployment, backend, interrupt)
            .with_context(|| deployment.name.clone())?;
        all.push(slow);
    }
    Ok(all)
}

/// Whether a connection costs it no slot.
fn serves(deployment: &Deployment) -> bool {
    deployment.unlimited || deployment.name == "coroutine"
}

fn held_up(
    site: &Site,
    deployment: &Deployment,
    backend: &Backend,
    interrupt: &Interrupt,
) -> Result<Slow> {
    let mut options = super::plan::options(deployment);
    let deadline = DEADLINE.as_secs_f64();
    options.push(format!("--head-timeout={deadline}"));
    let log = Log::File(site.log(&deployment.name));
    let server = site.deploy(deployment, backend, &options, log, interrupt)?;
    let port = site.ports.of(deployment.port)?;
    ask(port)?;
    let over = AtomicBool::new(false);
    let waited = thread::scope(|scope| {
        let clients = Clients::connect(port)?;
        Builder::new()
            .spawn_scoped(scope, || clients.send(&over))
            .context("cannot start a thread")?;
        let start = Instant::now();
        let answer = ask(port);
        over.store(true, Ordering::Relaxed);
        answer.map(|()| start.elapsed())
    })?;
    server.stop()?;
    let due = DEADLINE * CLIENTS.div_ceil(deployment.slots()) as u32;
    Ok(Slow {
        deployment: deployment.name.clone(),
        what: What::HeldUp {
            waited: waited.as_secs_f64(),
            due: due.as_secs_f64(),
        },
    })
}

fn served(
    site: &Site,
    deployment: &Deployment,
    backend: &Backend,
    interrupt: &Interrupt,
) -> Result<Slow> {
    let options = [format!("--calls={CALL}"), "--quiet".to_owned()];
    let log = Log::File(site.log(&deployment.name));
    let server = site.deploy(deployment, backend, &options, log, interrupt)?;
    let port = site.ports.of(deployment.port)?;
    let target = Target {
        port,
        rate: RATE,
        has_queues: false,
    };
    let measure = || {
        let wait = || interrupt.wait(LENGTH);
        load::during(target, wait).map(|((), answers)| answers)
    };
    // What happens once is not measured.
    load::during(target, || interrupt.wait(Duration::from_secs(1)))?;
    let before = measure()?;
    let over = AtomicBool::new(false);
    let (meanwhile, connected) = thread::scope(|scope| {
        let clients = Clients::connect(port)?;
        let sending =
            Builder::new().spawn_scoped(scope, || clients.send(&over));
        let sending = sending.context("cannot start a thread")?;
        let meanwhile = measure();
        over.store(true, Ordering::Relaxed);
        let connected = sending.join().unwrap_or(0);
        anyhow::Ok((meanwhile?, connected))
    })?;
    server.stop()?;
    Ok(Slow {
        deployment: deployment.name.clone(),
        what: What::Serves {
            before,
            meanwhile,
            connected,
        },
    })
}

/// Clients that send a byte each, and the next one later.
struct Clients(Vec<TcpStream>);

impl Clients {
    fn connect(port: u16) -> Result<Self> {
        let connect = |_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nonblocking(true)?;
            stream.write_all(b"G")?;
            Ok(stream)
        };
        let all: std::io::Result<Vec<_>> = (0..CLIENTS).map(connect).collect();
        all.map(Self).context("cannot connect the slow clients")
    }

    /// Sends until it is `over`; how many are connected then.
    fn send(mut self, over: &AtomicBool) -> usize {
        let head = b"ET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: xxxxxxxxx";
        let mut next = Instant::now() + BYTE;
        let mut bytes = head.iter().cycle();
        while !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
            if Instant::now() < next {
                continue;
            }
            next += BYTE;
            let byte = [*bytes.next().unwrap_or(&b'x')];
            // A client that was sent away is gone.
            self.0.retain_mut(|stream| stream.write_all(&byte).is_ok());
        }
        self.0.retain_mut(is_connected);
        self.0.len()
    }
}

fn is_connected(stream: &mut TcpStream) -> bool {
    let nothing = stream.read(&mut [0; 512]);
    nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The honest client.
fn ask(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\
                    Connection: close\r\n\r\n";
    stream.write_all(request)?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer)?;
    if &answer != b"HTTP/1.1 200 OK" {
        bail!("the honest client got {}", answer.escape_ascii());
    }
    Ok(())
}
