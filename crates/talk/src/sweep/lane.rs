//! A model's way through a round: closed loops, then the search for its
//! knee. What the record has already is not measured again, so that a sweep
//! that is resumed takes the same way.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::grid;
use super::held::held;
use super::journal::Journal;
use super::record::{Load, Step};
use super::stand::{Ground, Stand};
use super::step::Frame;
use crate::catalogue::Deployment;

/// A rate is tried so often at most.
const TIMES: usize = 2;

/// A model in a round.
pub(super) struct Lane<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) deployment: &'a Deployment,
    pub(super) ground: Ground<'a>,
    pub(super) journal: &'a Mutex<Journal>,
    stand: Option<Stand<'a>>,
    /// Whether there may be something in the app's queues.
    is_clogged: bool,
}

/// What a round found out of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// The highest rate that held; `None` where none did.
    Knee(Option<f64>),
    /// Whether the rate that was asked for held.
    Rate(f64, bool),
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        frame: Frame<'a>,
        deployment: &'a Deployment,
        ground: Ground<'a>,
        journal: &'a Mutex<Journal>,
    ) -> Self {
        Self {
            frame,
            deployment,
            ground,
            journal,
            stand: None,
            is_clogged: false,
        }
    }

    /// Does what is left of it. Also whether anything was.
    pub(super) fn run(mut self) -> Result<(Found, bool)> {
        let found = self.steps();
        let found = found.with_context(|| self.frame.model.to_owned())?;
        let stand = self.stand.take();
        let was_left = stand.is_some();
        if let Some(stand) = stand {
            stand.down()?;
        }
        Ok((found, was_left))
    }

    fn steps(&mut self) -> Result<Found> {
        let Frame {
            sweep,
            pace,
            outlook,
            round,
            ..
        } = self.frame;
        if let Some(rate) = sweep.rate {
            let held = self.open(rate)?;
            return Ok(Found::Rate(rate, held));
        }
        if pace.closes(round) {
            self.closed_loops()?;
        }
        let mut search = outlook.search(pace, self.last_knee());
        while let Some(place) = search.next() {
            let held = self.open(grid::rate(place))?;
            search.tell(place, held);
        }
        Ok(Found::Knee(search.knee().map(grid::rate)))
    }

    /// More and more requests at a time, until half of them take longer than
    /// the target allows: what comes beyond is of no use to anybody.
    fn closed_loops(&mut self) -> Result<()> {
        let Frame { sweep, pace, .. } = self.frame;
        let model = sweep.models.iter().find(|m| m.name == self.frame.model);
        let model = model.context("it is not among those to sweep")?;
        // Each call may have a connection, in a worker and in the backend.
        let calls = self.frame.workload.steps.iter().map(Vec::len).max();
        let calls = calls.unwrap_or(1) as u64;
        let has_files = |concurrency: &u64| {
            concurrency.saturating_mul(calls) <= sweep.machine.files / 2
        };
        let all = pace.concurrencies(model).into_iter();
        for concurrency in all.take_while(has_files) {
            let load = Load::Closed { concurrency };
            let step = self.step(load, 0, |frame, stand| {
                frame.closed(stand, concurrency)
            })?;
            if step.p50_seconds > sweep.target.seconds {
                break;
            }
        }
        Ok(())
    }

    /// Whether a rate holds. Where it did not, and the step may say nothing
    /// of the model, it is tried again: all that follows rests on it.
    fn open(&mut self, rate: f64) -> Result<bool> {
        let Frame {
            sweep, workload, ..
        } = self.frame;
        let load = Load::Open { rate };
        for time in 0..TIMES {
            let step = self.step(load, time, |frame, stand| {
                frame.open(stand, rate, load)
            })?;
            if held(&step, &sweep.target, workload) {
                return Ok(true);
            }
            if step.flaws.is_empty() {
                break;
            }
        }
        Ok(false)
    }

    /// What the record has of a load, or else what is measured now.
    fn step(
        &mut self,
        load: Load,
        time: usize,
        measure: impl FnOnce(&Frame<'a>, &mut Stand<'a>) -> Result<Step>,
    ) -> Result<Step> {
        let Frame { model, round, .. } = self.frame;
        let kept = lock(self.journal).step(model, round, load, time).cloned();
        if let Some(step) = kept {
            return Ok(step);
        }
        let stand = match &mut self.stand {
            Some(stand) => {
                if self.is_clogged {
                    stand.renew()?;
                }
                stand
            }
            None => {
                let first = self.frame.outlook.first_requests();
                let stand =
                    Stand::up(self.ground, self.deployment, &[], first)?;
                self.stand.insert(stand)
            }
        };
        let step = measure(&self.frame, stand)?;
        self.is_clogged = step.answered < step.requests;
        lock(self.journal).add(step.clone())?;
        Ok(step)
    }

    /// The place of the highest rate that held in the round before.
    fn last_knee(&self) -> Option<i32> {
        let Frame {
            sweep,
            workload,
            model,
            round,
            ..
        } = self.frame;
        let journal = lock(self.journal);
        let steps = journal.steps().iter();
        let rates = steps.filter_map(|step| match step.load {
            Load::Open { rate }
                if step.model == model
                    && step.round + 1 == round
                    && held(step, &sweep.target, workload) =>
            {
                Some(rate)
            }
            _ => None,
        });
        rates.max_by(f64::total_cmp).map(grid::at_most)
    }
}

/// Nothing is left half done where the lock is held.
pub(super) fn lock(
    journal: &Mutex<Journal>,
) -> impl std::ops::DerefMut<Target = Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}
