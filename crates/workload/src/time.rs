//! How long a request takes where nothing is scarce: no model can be quicker.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::{Drawn, Workload};

/// How many requests are tried at most, and at least.
const REQUESTS: (u64, u64) = (10_000, 1_000);
/// How many calls are tried at most, as far as the least allows.
const CALLS: u64 = 1_000_000;

/// How a model makes the calls of a step.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Manner {
    /// One after the other, once the request's own work is done.
    InTurn,
    /// All at once, likewise.
    AtOnce,
    /// All at once, and the work while those of the first step are under way.
    BesideWork,
}

impl Workload {
    /// The time that this share of the requests does not exceed whose calls
    /// all succeed, `work` included; of all requests, where none of them does.
    /// Who measures latencies has those of answers.
    ///
    /// A request ends where a call fails: at once where that is the only one
    /// under way, else with its step. A call that takes longer than `timeout`
    /// fails then.
    ///
    /// The calls get what the backend gives to the first that ask.
    pub fn time(
        &self,
        manner: Manner,
        quantile: f64,
        timeout: Duration,
    ) -> Duration {
        let times = self.times(manner, timeout);
        let went_well = times.iter().any(|(_, well)| *well);
        let asked = times.iter().filter(|(_, well)| *well == went_well);
        let mut times: Vec<_> = asked.map(|(time, _)| *time).collect();
        times.sort_unstable();
        let rank = (quantile * times.len() as f64).ceil() as usize;
        times[rank.clamp(1, times.len()) - 1]
    }

    /// The mean of all requests, those with a call that fails included.
    pub fn mean_time(&self, manner: Manner, timeout: Duration) -> Duration {
        let times = self.times(manner, timeout);
        let sum: Duration = times.iter().map(|(time, _)| *time).sum();
        sum.div_f64(times.len() as f64)
    }

    /// The times of some requests, one at least.
    fn times(&self, manner: Manner, timeout: Duration) -> Vec<Timed> {
        let calls = self.calls().count().max(1) as u64;
        let (most, least) = REQUESTS;
        let requests = match self.calls().all(|call| call.is_certain()) {
            true => 1,
            false => (CALLS / calls).clamp(least, most),
        };
        let requests = 0..requests;
        requests.map(|n| self.nth(n, manner, timeout)).collect()
    }

    /// The time of the `n`-th request, and whether all of its calls succeed.
    pub(crate) fn nth(
        &self,
        n: u64,
        manner: Manner,
        timeout: Duration,
    ) -> Timed {
        let mut time = self.work;
        let mut index = 0;
        for (nth, step) in self.steps.iter().enumerate() {
            let calls = step.iter().zip(index..);
            let mut calls = calls.map(|(call, index)| {
                match call.draw(self.seed, index, n) {
                    Drawn::Answer(delay) if delay <= timeout => (delay, true),
                    Drawn::Fail(delay) if delay <= timeout => (delay, false),
                    _ => (timeout, false),
                }
            });
            let (taken, went_well) = match manner {
                Manner::InTurn => in_turn(&mut calls),
                Manner::AtOnce | Manner::BesideWork => together(calls),
            };
            time = match (manner, nth) {
                (Manner::BesideWork, 0) => time.max(taken),
                _ => time + taken,
            };
            if !went_well {
                return (time, false);
            }
            index += step.len();
        }
        (time, true)
    }
}

/// How long a call or a request takes, and whether it succeeds.
pub(crate) type Timed = (Duration, bool);

fn together(calls: impl Iterator<Item = Timed>) -> Timed {
    calls.fold((Duration::ZERO, true), |(longest, all), (time, well)| {
        (longest.max(time), all && well)
    })
}

fn in_turn(calls: &mut impl Iterator<Item = Timed>) -> Timed {
    let ended = calls.try_fold(Duration::ZERO, |sum, (time, well)| {
        let sum = sum + time;
        match well {
            true => ControlFlow::Continue(sum),
            false => ControlFlow::Break(sum),
        }
    });
    match ended {
        ControlFlow::Continue(sum) => (sum, true),
        ControlFlow::Break(sum) => (sum, false),
    }
}
