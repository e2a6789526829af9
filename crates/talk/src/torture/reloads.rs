//! All workers are exchanged, again and again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::load::{self, Answers, Target};
use super::victim::{is_exchanged, send};
use crate::interrupt::Interrupt;
use crate::masters::ask_one;

/// How long a reload may take.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// From one reload to the next.
const PAUSE: Duration = Duration::from_millis(150);

/// What came of reloads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reloads {
    pub(super) reloads: u32,
    pub(super) answers: Answers,
    /// How long each took, until the last old worker was gone, in seconds,
    /// the shortest first.
    pub(super) took: Vec<f64>,
}

pub(super) fn reload(
    master: u32,
    target: Target,
    reloads: u32,
    interrupt: &Interrupt,
) -> Result<Reloads> {
    let (mut took, answers) = load::during(target, || {
        let mut took = Vec::new();
        for _ in 0..reloads {
            took.push(one(master)?.as_secs_f64());
            interrupt.wait(PAUSE)?;
        }
        Ok(took)
    })?;
    took.sort_by(f64::total_cmp);
    Ok(Reloads {
        reloads,
        answers,
        took,
    })
}

fn one(master: u32) -> Result<Duration> {
    let before = ask_one(master)?;
    let start = Instant::now();
    send(master, Signal::SIGHUP)?;
    loop {
        let now = ask_one(master)?;
        if is_exchanged(&now, &before) {
            return Ok(start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            bail!("a reload did not come to an end: {now:?}");
        }
        sleep(LOOK_AGAIN);
    }
}
