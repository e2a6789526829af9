//! The same kills and reloads for the servers that people trust, where they
//! are installed: uWSGI, gunicorn and nginx, with four workers each and a
//! request of twenty milliseconds.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::load::{self, Answers, Target};
use super::plan::{PAUSE, Plan};
use super::victim::{freeze, in_hands, is_dead, send};
use crate::backend::Backend;
use crate::interrupt::Interrupt;
use crate::procfs::children;
use crate::progress::Progress;

const RATE: f64 = 100.0;
/// As its command says.
const WORKERS: usize = 4;
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long old workers may live on after a reload, until the next one.
const RELOAD_LIMIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// For what waits in the backlog when workers are there again.
const SETTLE: Duration = Duration::from_secs(3);

const APPLICATION: &str = "\
import time

def application(environ, start_response):
    time.sleep(0.02)
    start_response('200 OK', [('Content-Length', '3')])
    return [b'ok\\n']
";

/// What came of it for a peer.
#[derive(Debug, Serialize)]
pub(super) struct Peer {
    name: String,
    /// `None` where it is not installed.
    outcome: Option<Fate>,
}

#[derive(Debug, Serialize)]
struct Fate {
    kills: u32,
    killed: Answers,
    /// Connections that the workers had when they were killed.
    in_hands: u64,
    reloads: u32,
    reloaded: Answers,
}

impl Peer {
    pub(super) fn cells(&self) -> Vec<String> {
        let name = self.name.clone();
        let Some(fate) = &self.outcome else {
            return vec![name, "not installed".to_owned()];
        };
        vec![
            name,
            fate.kills.to_string(),
            fate.in_hands.to_string(),
            fate.killed.failed.to_string(),
            fate.reloads.to_string(),
            fate.reloaded.failed.to_string(),
            fate.reloaded.requests.to_string(),
        ]
    }
}

pub(super) fn all(
    backend: &Backend,
    plan: &Plan,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Vec<Peer>> {
    let names = ["uwsgi", "gunicorn", "nginx"];
    let peer = |name: &str| -> Result<Peer> {
        progress.say(format!("{name}: kills and reloads"));
        let outcome = installed(name)
            .then(|| torture(name, backend, plan, interrupt))
            .transpose()
            .with_context(|| name.to_owned())?;
        Ok(Peer {
            name: name.to_owned(),
            outcome,
        })
    };
    names.into_iter().map(peer).collect()
}

fn installed(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(name).is_file())
}

fn torture(
    name: &str,
    backend: &Backend,
    plan: &Plan,
    interrupt: &Interrupt,
) -> Result<Fate> {
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        free.local_addr()?.port()
    };
    let folder = std::env::temp_dir()
        .join(format!("talk-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let running = Running {
        child: command(name, port, &folder, backend)?
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?,
        folder,
    };
    let master = running.child.id();
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if start.elapsed() > START_LIMIT {
            bail!("it does not start");
        }
        interrupt.wait(LOOK_AGAIN)?;
    }
    await_workers(master, &[], START_LIMIT, interrupt)?;
    interrupt.wait(SETTLE)?;
    let target = Target {
        port,
        rate: RATE,
        has_queues: false,
    };
    let (in_hands, killed) = load::during(target, || {
        let mut held = 0;
        for kill in 0..plan.kills as usize {
            let victim = pick(master, kill, interrupt)?;
            freeze(victim)?;
            held += in_hands(victim, port);
            send(victim, Signal::SIGKILL)?;
            interrupt.wait(PAUSE)?;
        }
        Ok(held)
    })?;
    await_workers(master, &[], START_LIMIT, interrupt)?;
    interrupt.wait(SETTLE)?;
    let ((), reloaded) = load::during(target, || {
        for _ in 0..plan.reloads {
            let before = children(master);
            send(master, Signal::SIGHUP)?;
            await_workers(master, &before, RELOAD_LIMIT, interrupt)?;
            interrupt.wait(PAUSE)?;
        }
        Ok(())
    })?;
    Ok(Fate {
        kills: plan.kills,
        killed,
        in_hands,
        reloads: plan.reloads,
        reloaded,
    })
}

/// A worker that lives: some masters reap, and replace, once a second.
fn pick(master: u32, kill: usize, interrupt: &Interrupt) -> Result<u32> {
    let start = Instant::now();
    loop {
        let workers = living(master);
        if let Some(&victim) = workers.iter().cycle().nth(kill * 7) {
            return Ok(victim);
        }
        if start.elapsed() > START_LIMIT {
            bail!("it has no worker left");
        }
        interrupt.wait(LOOK_AGAIN)?;
    }
}

/// Waits until all workers live and none is one of `before`, or for `limit`.
fn await_workers(
    master: u32,
    before: &[u32],
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < limit {
        let workers = living(master);
        let is_new = |worker| !before.contains(worker);
        if workers.len() >= WORKERS && workers.iter().all(is_new) {
            break;
        }
        interrupt.wait(LOOK_AGAIN)?;
    }
    Ok(())
}

fn living(master: u32) -> Vec<u32> {
    let mut workers = children(master);
    workers.retain(|&worker| !is_dead(worker));
    workers
}

fn command(
    name: &str,
    port: u16,
    folder: &Path,
    backend: &Backend,
) -> Result<Command> {
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(name);
    match name {
        "nginx" => {
            let text = format!(
                "daemon off; worker_processes 4; pid nginx.pid;\n\
                 error_log stderr crit;\n\
                 events {{ }}\n\
                 http {{ access_log off; server {{ listen {address};\n\
                 location / {{ proxy_pass http://{}/?duration=0.02; }} }} }}\n",
                backend.address,
            );
            let file = folder.join("nginx.conf");
            fs::write(&file, text)?;
            command.arg("-p").arg(folder).arg("-c").arg(file);
        }
        "gunicorn" => {
            fs::write(folder.join("app.py"), APPLICATION)?;
            command.args(["--bind", &address, "--workers=4"]);
            command.arg("app:application");
        }
        _ => {
            fs::write(folder.join("app.py"), APPLICATION)?;
            command.args(["--http-socket", &address, "--processes=4"]);
            command.args(["--master", "--die-on-term", "--wsgi-file=app.py"]);
            command.arg("--disable-logging");
        }
    }
    Ok(command)
}

/// A peer, which ends with this.
struct Running {
    child: Child,
    folder: std::path::PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        send(self.child.id(), Signal::SIGTERM).ok();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > RELOAD_LIMIT {
                children(self.child.id())
                    .into_iter()
                    .for_each(|worker| drop(send(worker, Signal::SIGKILL)));
                self.child.kill().ok();
            }
            sleep(LOOK_AGAIN);
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}
