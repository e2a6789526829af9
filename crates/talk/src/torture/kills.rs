//! A worker is killed, and another one after a while, and so on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::load::{self, Answers, Target};
use super::plan::PAUSE;
use super::victim::{freeze, in_hands, send, serving, zombies};
use crate::interrupt::Interrupt;
use crate::masters::ask_one;
use crate::procfs;

/// How long a worker may take to be replaced.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What came of killing workers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Kills {
    pub(super) kills: u32,
    pub(super) answers: Answers,
    /// Connections that the workers had when they were killed.
    pub(super) in_hands: u64,
    /// From each kill until another worker took requests, in seconds, the
    /// shortest first.
    pub(super) replaced: Vec<f64>,
    pub(super) zombies: usize,
    /// Files of the master, before and after.
    pub(super) files: (usize, usize),
    /// Resident memory of the master in bytes, before and after.
    pub(super) memory: (u64, u64),
}

impl Kills {
    /// The time within which nine of ten, or more, were replaced, in seconds.
    pub(super) fn p90(&self) -> f64 {
        let nine = (self.replaced.len() * 9).div_ceil(10);
        let last = self.replaced[..nine].last();
        last.copied().unwrap_or(0.0)
    }

    pub(super) fn worst(&self) -> f64 {
        self.replaced.last().copied().unwrap_or(0.0)
    }
}

pub(super) fn kill(
    master: u32,
    target: Target,
    kills: u32,
    interrupt: &Interrupt,
) -> Result<Kills> {
    // The first one touches memory that later ones find touched.
    one(master, target)?;
    let (files_before, memory_before) =
        (procfs::files(master), resident(master));
    let ((in_hands, mut replaced), answers) = load::during(target, || {
        let mut in_hands = 0;
        let mut replaced = Vec::new();
        for _ in 0..kills {
            let begun = Instant::now();
            let (held, time) = one(master, target)?;
            in_hands += held;
            replaced.push(time.as_secs_f64());
            interrupt.wait(PAUSE.saturating_sub(begun.elapsed()))?;
        }
        Ok((in_hands, replaced))
    })?;
    replaced.sort_by(f64::total_cmp);
    sleep(PAUSE);
    Ok(Kills {
        kills,
        answers,
        in_hands,
        replaced,
        zombies: zombies(&procfs::children(master)),
        files: (files_before, procfs::files(master)),
        memory: (memory_before, resident(master)),
    })
}

fn resident(pid: u32) -> u64 {
    procfs::memory(pid, "VmRSS:").unwrap_or(0)
}

/// Kills one worker; what it had in its hands, and how long it took until
/// another one took requests.
fn one(master: u32, target: Target) -> Result<(u64, Duration)> {
    let before = serving(&ask_one(master)?);
    let Some(&victim) = pick(&before) else {
        bail!("no worker takes requests");
    };
    if !target.has_queues {
        // Stopped, it takes no more: what it holds now is what is lost.
        // Where it has a queue, that would only fill meanwhile.
        freeze(victim)?;
    }
    let held = in_hands(victim, target.port);
    let killed = Instant::now();
    send(victim, Signal::SIGKILL)?;
    loop {
        let now = serving(&ask_one(master)?);
        let is_new = |pid: &u32| !before.contains(pid);
        if now.iter().any(is_new) {
            return Ok((held, killed.elapsed()));
        }
        if killed.elapsed() > PATIENCE {
            bail!("worker {victim} was killed, and none took its place");
        }
        sleep(LOOK_AGAIN);
    }
}

fn pick(workers: &[u32]) -> Option<&u32> {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(()) as usize;
    workers.get(random.checked_rem(workers.len())?)
}
