//! All of a sweep in its order: rounds, each with the models in another
//! order; then the drill, and the sizes.
//!
//! A machine that is slow for a while is so for a part of every model's
//! measurements, not for all of one's.

use std::panic;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::answer::{self, Size};
use super::asked::Asked;
use super::groups::groups;
use super::held::held;
use super::journal::Journal;
use super::lane::{Found, Lane, lock};
use super::pace::{Outlook, Pace};
use super::progress::Progress;
use super::record::{Load, Step};
use super::stall;
use super::stand::{Ground, Over, Stand};
use super::step::Frame;
use crate::interrupt::Interrupt;
use crate::options::Sweep;
use crate::site::Site;

/// The drill is done so often, where there is time for more than one.
const DRILLS: u32 = 3;
/// With fewer requests before the freeze a drill says nothing, since nobody
/// knows what they usually take.
const FEWEST: f64 = 20.0;

/// A sweep that is under way.
pub(super) struct Rounds<'a> {
    site: &'a Site,
    interrupt: &'a Interrupt,
    asked: &'a Asked<'a>,
    workload: &'a Path,
    pace: Pace,
    /// Of each model, in the order of the sweep's.
    outlooks: Vec<Outlook>,
    journal: Mutex<Journal>,
    /// Whether one gave up, so that the others may.
    is_over: AtomicBool,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        site: &'a Site,
        interrupt: &'a Interrupt,
        asked: &'a Asked<'a>,
        workload: &'a Path,
        journal: Journal,
    ) -> Self {
        let sweep = &asked.sweep;
        Self {
            site,
            interrupt,
            asked,
            workload,
            pace: Pace::of(sweep),
            outlooks: Outlook::all(sweep, &asked.workload),
            journal: Mutex::new(journal),
            is_over: AtomicBool::new(false),
        }
    }

    /// Everything that was measured.
    pub(super) fn into_steps(self) -> Vec<Step> {
        lock(&self.journal).steps().to_vec()
    }

    /// Does what the record has not.
    pub(super) fn run(&self, options: &Sweep) -> Result<()> {
        let rounds = 1..=self.asked.sweep.rounds;
        let rounds: Vec<_> =
            rounds.map(|round| (round, self.groups(round))).collect();
        let drills = match (options.no_stall, self.asked.sweep.quick) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => DRILLS.min(self.asked.sweep.rounds),
        };
        let progress = Progress::new(self.expected(&rounds, drills));
        for (round, groups) in &rounds {
            for group in groups {
                self.together(group, &progress, |place, beside| {
                    self.lane(place, *round, beside, &progress)
                })?;
            }
        }
        for drill in 1..=drills {
            for group in self.groups(drill) {
                self.together(&group, &progress, |place, beside| {
                    self.drill(place, drill, beside, &progress)
                })?;
            }
        }
        if options.sizing {
            self.sizes(&progress)?;
        }
        Ok(())
    }

    /// The models in the order of a round, those together that are measured
    /// side by side.
    fn groups(&self, round: u32) -> Vec<Vec<usize>> {
        let seed = self.asked.sweep.seed;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(round.into());
        let mut places = self.asked.able.clone();
        places.shuffle(&mut random);
        let cores = self.asked.sweep.machine.cores as usize;
        groups(places, |&place| self.outlooks[place].needs, cores)
    }

    /// How long each group takes, about.
    fn expected(
        &self,
        rounds: &[(u32, Vec<Vec<usize>>)],
        drills: u32,
    ) -> Vec<Duration> {
        let sweep = &self.asked.sweep;
        let longest = |group: &Vec<usize>, of: &dyn Fn(usize) -> Duration| {
            let all = group.iter().map(|&place| of(place));
            all.max().unwrap_or_default()
        };
        let mut pieces = Vec::new();
        for (round, groups) in rounds {
            pieces.extend(groups.iter().map(|group| {
                longest(group, &|place| {
                    let model = &sweep.models[place];
                    let outlook = &self.outlooks[place];
                    self.pace.round(model, outlook, *round, sweep.rate)
                })
            }));
        }
        for drill in 1..=drills {
            let groups = self.groups(drill);
            pieces.extend(groups.iter().map(|group| {
                longest(group, &|place| self.pace.drill(&self.outlooks[place]))
            }));
        }
        pieces
    }

    /// Does something with each model of a group at the same time; `what`
    /// says whether anything was left to do.
    fn together(
        &self,
        group: &[usize],
        progress: &Progress,
        what: impl Fn(usize, u64) -> Result<bool> + Sync,
    ) -> Result<()> {
        let names = group.iter().map(|&place| self.name(place));
        progress.say(&names.collect::<Vec<_>>().join(", "));
        let beside = group.len() as u64 - 1;
        let results: Vec<_> = thread::scope(|scope| {
            let begun: Vec<_> = group
                .iter()
                .map(|&place| {
                    let what = &what;
                    scope.spawn(move || {
                        let result = what(place, beside);
                        if result.is_err() {
                            self.is_over.store(true, Ordering::Relaxed);
                        }
                        result
                    })
                })
                .collect();
            while begun.iter().any(|thread| !thread.is_finished()) {
                progress.tick();
                thread::sleep(Duration::from_millis(100));
            }
            let ended = begun.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| panic::resume_unwind(panic))
            });
            ended.collect()
        });
        let was_left =
            |result: &Result<bool>| *result.as_ref().unwrap_or(&true);
        match results.iter().any(was_left) {
            true => progress.over(),
            false => progress.skip(),
        }
        // Who gave up since another one did has no reason of its own.
        let (own, others): (Vec<_>, Vec<_>) = results
            .into_iter()
            .filter_map(Result::err)
            .partition(|error| !error.is::<Over>());
        match own.into_iter().chain(others).next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn lane(
        &self,
        place: usize,
        round: u32,
        beside: u64,
        progress: &Progress,
    ) -> Result<bool> {
        let frame = self.frame(place, round, beside);
        let deployment = self.asked.deployments[place];
        let ground = self.ground();
        let lane = Lane::new(frame, deployment, ground, &self.journal);
        let (found, was_left) = lane.run()?;
        let target = answer::target(&self.asked.sweep.target);
        let what = match found {
            Found::Knee(Some(rate)) => {
                format!("holds {target} up to {rate:.3} requests/s")
            }
            Found::Knee(None) => format!("holds {target} at no rate"),
            Found::Rate(rate, true) => {
                format!("holds {target} at {rate} requests/s")
            }
            Found::Rate(rate, false) => {
                format!("does not hold {target} at {rate} requests/s")
            }
        };
        let name = self.name(place);
        let rounds = self.asked.sweep.rounds;
        let line = format!("{name}: {what}, round {round} of {rounds}");
        match was_left {
            true => progress.tell(&line),
            false => progress.recall(&line),
        }
        Ok(was_left)
    }

    fn drill(
        &self,
        place: usize,
        round: u32,
        beside: u64,
        progress: &Progress,
    ) -> Result<bool> {
        let name = self.name(place);
        let is_done = |step: &Step| {
            let is_drill = matches!(step.load, Load::Stall { .. });
            is_drill && step.model == name && step.round == round
        };
        if lock(&self.journal).steps().iter().any(is_done) {
            return Ok(false);
        }
        // Who does not hold anything has nothing to recover to, and of a few
        // requests nothing can be told.
        let (before, _) = self.pace.around_stall();
        let before = before.saturating_sub(self.outlooks[place].mean);
        let enough = |rate: &f64| rate * before.as_secs_f64() >= FEWEST;
        let Some(half) = self.half(place).filter(enough) else {
            return Ok(false);
        };
        let rate = half.min(stall::highest(&self.outlooks[place]));
        let ground = self.ground();
        let deployment = self.asked.deployments[place];
        let first = self.outlooks[place].first_requests();
        let mut stand = Stand::up(ground, deployment, &[], first)?;
        let frame = self.frame(place, round, beside);
        let step = stall::drill(&frame, &mut stand, rate)
            .with_context(|| name.to_owned())?;
        lock(&self.journal).add(step)?;
        stand.down()?;
        progress.tell(&format!("{name}: its backend froze, and went on"));
        Ok(true)
    }

    /// Half of what a model held in each round, or the rate that is asked
    /// for, where it held that.
    fn half(&self, place: usize) -> Option<f64> {
        let sweep = &self.asked.sweep;
        let journal = lock(&self.journal);
        let mut lowest = f64::INFINITY;
        for round in 1..=sweep.rounds {
            let rates = journal.steps().iter().filter_map(|step| {
                let is_its = step.model == self.name(place)
                    && step.round == round
                    && held(step, &sweep.target, &self.asked.workload);
                match step.load {
                    Load::Open { rate } if is_its => Some(rate),
                    _ => None,
                }
            });
            lowest = lowest.min(rates.reduce(f64::max)?);
        }
        Some(sweep.rate.unwrap_or(lowest / 2.0))
    }

    /// Tries the sizes that a blocking model would need, as long as there
    /// are any worth trying.
    fn sizes(&self, progress: &Progress) -> Result<()> {
        let Asked {
            sweep, workload, ..
        } = self.asked;
        loop {
            let steps = lock(&self.journal).steps().to_vec();
            let sizes = answer::sizes(sweep, &steps, workload);
            if sizes.is_empty() {
                return Ok(());
            }
            for size in sizes {
                self.size(&size, progress)
                    .with_context(|| size.model.clone())?;
            }
        }
    }

    fn size(&self, size: &Size, progress: &Progress) -> Result<()> {
        let Size {
            model,
            rate,
            processes,
            threads,
        } = size;
        progress.say(&format!("{model}: {processes} × {threads}"));
        let models = &self.asked.sweep.models;
        let place = models.iter().position(|other| other.name == *model);
        let place = place.context("it is not among those to sweep")?;
        let mut options = vec![format!("--processes={processes}")];
        // Not every app has threads.
        if *threads != models[place].threads {
            options.push(format!("--threads={threads}"));
        }
        let ground = self.ground();
        let deployment = self.asked.deployments[place];
        let first = processes * threads;
        let mut stand = Stand::up(ground, deployment, &options, first)?;
        let load = Load::Sized {
            rate: *rate,
            processes: *processes,
            threads: *threads,
        };
        let frame = self.frame(place, 1, 0);
        let step = frame.open(&mut stand, *rate, load)?;
        let memory = step.memory_bytes as f64 / 1e6;
        lock(&self.journal).add(step)?;
        stand.down()?;
        progress.tell(&format!(
            "{model}: tried with {processes} × {threads}, {memory:.0} MB"
        ));
        Ok(())
    }

    fn frame(&self, place: usize, round: u32, beside: u64) -> Frame<'_> {
        Frame {
            sweep: &self.asked.sweep,
            workload: &self.asked.workload,
            pace: &self.pace,
            outlook: &self.outlooks[place],
            model: self.name(place),
            round,
            beside,
        }
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            site: self.site,
            interrupt: self.interrupt,
            workload: self.workload,
            is_over: &self.is_over,
        }
    }

    fn name(&self, place: usize) -> &str {
        &self.asked.sweep.models[place].name
    }
}
