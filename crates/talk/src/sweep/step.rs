//! Does one step: a load on a deployment that is up, and what came of it.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use hammer::{
    Arrivals, Flaw, Load as HammerLoad, Outcome, Rate, Schedule, Stop,
};
use workload::{Call, Workload};

use super::backlog::Rise;
use super::held::{self, TIMEOUT};
use super::hopeless::Hope;
use super::meter::Cost;
use super::pace::{Outlook, Pace};
use super::record::{Load, Step, Sweep, Target};
use super::stand::Stand;
use crate::measure;
use crate::procfs::REPLACED;

/// Where the backend's busiest process, or the hammer, is busier than that,
/// a step tells of it rather than of the model.
const BUSY: f64 = 0.9;
/// A model that is busier than that needs what other programs had: more than
/// such a share of the machine makes a difference.
const IN_NEED: f64 = 0.5;
const OTHERS: f64 = 0.15;
/// A hammer that is late by that share of the target's time matters.
const LATE: f64 = 0.02;
/// The hammer's connections at most: every model at its limit at once has to
/// fit beneath the limit on open files.
pub(super) const CONNECTIONS: f64 = 10_000.0;

/// Whose step it is, and what it is held against.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) sweep: &'a Sweep,
    pub(super) workload: &'a Workload,
    pub(super) pace: &'a Pace,
    pub(super) outlook: &'a Outlook,
    pub(super) model: &'a str,
    pub(super) round: u32,
    /// How many others are measured at the same time.
    pub(super) beside: u64,
}

impl Frame<'_> {
    /// So many requests at a time.
    pub(super) fn closed(
        &self,
        stand: &mut Stand<'_>,
        concurrency: u64,
    ) -> Result<Step> {
        let mean = self.outlook.mean;
        let length = self.pace.closed().max(mean * 2);
        let rounds = length.div_duration_f64(mean).ceil();
        // Few rounds are counted whole, since a window would cut some off;
        // of many, the first and the last are no matter. Where requests take
        // now this and now that there are no rounds, and the longest would be
        // waited for.
        let are_alike = self.workload.calls().all(Call::is_certain);
        let by_rounds = are_alike && rounds < 10.0;
        let stop = match by_rounds {
            true => Stop::Requests(concurrency * rounds as u64),
            false => Stop::After(length),
        };
        let load = HammerLoad {
            stop,
            schedule: Schedule::Closed {
                concurrency: concurrency as usize,
            },
            warmup: match by_rounds {
                true => Duration::ZERO,
                false => self.pace.warm_up(mean * 2),
            },
            timeout: self.patience(),
            ..stand.load()
        };
        let (outcome, cost) =
            stand.measure(&load, load.warmup + length, |_| {
                ControlFlow::Continue(())
            })?;
        let window = match by_rounds {
            true => outcome.elapsed,
            false => length,
        };
        let load = Load::Closed { concurrency };
        let throughput = per_second(answered(&outcome), window);
        Ok(self.step(load, &outcome, &cost, outcome.requests, throughput))
    }

    /// So many requests a second, whatever becomes of them.
    pub(super) fn open(
        &self,
        stand: &mut Stand<'_>,
        rate: f64,
        load: Load,
    ) -> Result<Step> {
        let requests = self.pace.requests(rate, self.outlook.mean);
        let hammer_load = HammerLoad {
            stop: Stop::Requests(requests),
            tell_each: true,
            ..self.arrivals(stand, rate)
        };
        let length = Duration::from_secs_f64(requests as f64 / rate);
        let failing = held::failing(self.workload);
        let lasts = hammer_load.warmup + length;
        let target = &self.sweep.target;
        let mut hope = Hope::of(target, requests, failing);
        let (outcome, cost) =
            stand.measure(&hammer_load, lasts, |snapshot| {
                match hope.is_lost(snapshot) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
        let mut step = self.open_step(load, &outcome, &cost);
        // Latencies count from when a request was due: whoever was short of
        // a core, they can only be better without that.
        if held::held(&step, target, self.workload) {
            step.flaws.retain(|flaw| flaw == REPLACED);
        }
        Ok(step)
    }

    /// An open loop without its stop.
    pub(super) fn arrivals(&self, stand: &Stand<'_>, rate: f64) -> HammerLoad {
        let timeout = self.patience();
        let under_way = rate * timeout.as_secs_f64();
        HammerLoad {
            schedule: Schedule::Open {
                rate: Rate::constant(rate),
                arrivals: Arrivals::Poisson {
                    // The same for all models, and another in each round.
                    seed: self.sweep.seed.wrapping_add(self.round.into()),
                },
                max_connections: (2.0 * under_way)
                    .clamp(64.0, CONNECTIONS)
                    .ceil() as usize,
            },
            warmup: self.pace.warm_up(self.outlook.mean),
            timeout,
            ..stand.load()
        }
    }

    /// How long a request may take: who holds the target is never cut off,
    /// nor a call that hangs.
    fn patience(&self) -> Duration {
        let target = Duration::from_secs_f64(self.sweep.target.seconds);
        2 * target + TIMEOUT
    }

    /// The step that an open loop was.
    pub(super) fn open_step(
        &self,
        load: Load,
        outcome: &Outcome,
        cost: &Cost,
    ) -> Step {
        let due = outcome.open.as_ref().map_or(0, |open| open.due);
        // From the first answer to the last, which has one gap less.
        let fastest = outcome.latency.min();
        let window = outcome.elapsed.saturating_sub(fastest);
        let gaps = answered(outcome).saturating_sub(1);
        let throughput = per_second(gaps, window);
        let rise = Rise::of(&outcome.each);
        Step {
            rise_seconds: rise.seconds,
            rise_error_seconds: rise.error,
            ..self.step(load, outcome, cost, due, throughput)
        }
    }

    fn step(
        &self,
        load: Load,
        outcome: &Outcome,
        cost: &Cost,
        requests: u64,
        throughput: f64,
    ) -> Step {
        let mut errors = measure::failures(outcome);
        for (why, count) in [
            ("given up", outcome.unfinished),
            ("not sent: too many were under way", outcome.shed),
        ] {
            if count > 0 {
                errors.push((why.to_owned(), count));
            }
        }
        let served = (outcome.warmed + outcome.requests).max(1) as f64;
        let quantile = |quantile| outcome.latency.quantile(quantile);
        let target = self.sweep.target.quantile;
        Step {
            model: self.model.to_owned(),
            round: self.round,
            load,
            beside: self.beside,
            seconds: outcome.elapsed.as_secs_f64(),
            requests,
            answered: answered(outcome),
            throughput,
            mean_seconds: outcome.latency.mean().as_secs_f64(),
            p50_seconds: quantile(0.5).as_secs_f64(),
            p95_seconds: quantile(0.95).as_secs_f64(),
            p99_seconds: quantile(0.99).as_secs_f64(),
            max_seconds: outcome.latency.max().as_secs_f64(),
            target_seconds: quantile(target).as_secs_f64(),
            rise_seconds: 0.0,
            rise_error_seconds: 0.0,
            errors: errors.into_iter().collect(),
            cpu_seconds: cost.cpu.as_secs_f64() / served,
            memory_bytes: cost.memory_bytes,
            threads: cost.threads,
            voluntary_switches: cost.switches.voluntary as f64 / served,
            involuntary_switches: cost.switches.involuntary as f64 / served,
            hammer_busy: outcome.cpu.busy,
            backend_busy: cost.backend_busy,
            flaws: self.flaws(load, outcome, cost),
            series: Vec::new(),
        }
    }

    /// Why the step may tell of something else than of the model.
    fn flaws(&self, load: Load, outcome: &Outcome, cost: &Cost) -> Vec<String> {
        let target = self.sweep.target;
        let matters = |flaw: &&Flaw| match flaw {
            Flaw::Saturated { .. } => true,
            // A millisecond is nothing where seconds are allowed, and nothing
            // either where the target is missed by more than any was late.
            Flaw::Late { .. } => outcome.open.as_ref().is_some_and(|open| {
                let lag = open.lag.quantile(target.quantile);
                let latency = outcome.latency.quantile(target.quantile);
                let at_least = latency.saturating_sub(open.lag.max());
                lag.as_secs_f64() > LATE * target.seconds
                    && at_least.as_secs_f64() <= target.seconds
            }),
            // What is not sent since all connections are taken is the
            // model's doing, and of a few requests the rate is chance.
            Flaw::RateMissed { .. } => {
                outcome.shed == 0 && outcome.requests >= 100
            }
        };
        let flaws = outcome.flaws.iter().filter(matters);
        let mut flaws: Vec<_> = flaws.map(ToString::to_string).collect();
        let percent = |share: f64| (share * 100.0).round();
        if outcome.shed > 0 && may_need(load, target) > CONNECTIONS {
            flaws.push(format!(
                "the hammer had all of its {CONNECTIONS} connections in use"
            ));
        }
        if cost.backend_busy > BUSY {
            flaws.push(format!(
                "a process of the backend was busy for {}% of the time, so \
                 the latencies may be its own",
                percent(cost.backend_busy)
            ));
        }
        let in_need = cost.app_busy.max(cost.backend_busy) > IN_NEED;
        if in_need && cost.others > OTHERS {
            flaws.push(format!(
                "other programs had {}% of the machine",
                percent(cost.others)
            ));
        }
        if !cost.same_workers {
            flaws.push(REPLACED.to_owned());
        }
        flaws
    }
}

/// Connections that a model may need which holds the target: by Little's law,
/// where each request takes as long as that allows.
fn may_need(load: Load, target: Target) -> f64 {
    match load {
        Load::Closed { concurrency } => concurrency as f64,
        Load::Open { rate }
        | Load::Sized { rate, .. }
        | Load::Stall { rate, .. } => rate * target.seconds,
    }
}

fn answered(outcome: &Outcome) -> u64 {
    outcome.statuses.get(&200).copied().unwrap_or(0)
}

fn per_second(count: u64, window: Duration) -> f64 {
    match window.is_zero() {
        true => 0.0,
        false => count as f64 / window.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_sent_is_the_hammers_doing_where_the_target_takes_so_many() {
        let needs = |rate, seconds| {
            let target = Target {
                quantile: 0.99,
                seconds,
            };
            may_need(Load::Open { rate }, target)
        };
        // Held to the last, 4 s each of 8 s: 10,400 are under way.
        assert!(needs(2600.0, 8.0) > CONNECTIONS);
        // So many are only under way where the target is missed.
        assert!(needs(1000.0, 8.0) < CONNECTIONS);
    }

    #[test]
    fn a_window_of_no_time_has_no_rate() {
        assert_eq!(per_second(3, Duration::ZERO), 0.0);
        assert_eq!(per_second(3, Duration::from_secs(2)), 1.5);
    }
}
