//! What a model costs at a rate: processor time, memory, threads.

use serde::Serialize;

use super::interval::Figure;
use crate::sweep::record::Step;

/// Two models take as much memory where one takes no more than this many
/// times the other's: pages come and go.
const AS_MUCH: f64 = 1.1;

/// Each figure is of one step of each round, that whose rate was nearest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Requests a second of these steps.
    pub(crate) rate: f64,
    /// Processor time, for a request.
    pub(crate) cpu_seconds: Figure,
    /// The most that all workers had resident at a time.
    pub(crate) memory_bytes: Figure,
    /// The same for each request that was in hand at a time.
    pub(crate) request_bytes: Figure,
    pub(crate) threads: Figure,
    /// Context switches for a request, of either kind.
    pub(crate) switches: Figure,
}

impl Cost {
    /// Of steps that held; `None` where there are none.
    pub(crate) fn at(rate: f64, steps: &[(f64, &Step)]) -> Option<Self> {
        let mut nearest: Vec<(f64, &Step)> = Vec::new();
        let away = |at: f64| (at / rate).ln().abs();
        for &(at, step) in steps {
            let same = |other: &&mut (f64, &Step)| other.1.round == step.round;
            match nearest.iter_mut().find(same) {
                Some(other) if away(at) < away(other.0) => *other = (at, step),
                Some(_) => {}
                None => nearest.push((at, step)),
            }
        }
        let figure = |of: fn(&Step) -> f64| {
            Figure::of(nearest.iter().map(|(_, step)| of(step)))
        };
        Some(Self {
            rate: Figure::of(nearest.iter().map(|(at, _)| *at))?.median,
            cpu_seconds: figure(|step| step.cpu_seconds)?,
            memory_bytes: figure(|step| step.memory_bytes as f64)?,
            request_bytes: figure(|step| {
                step.memory_bytes as f64 / in_hand(step)
            })?,
            threads: figure(|step| step.threads as f64)?,
            switches: figure(|step| {
                step.voluntary_switches + step.involuntary_switches
            })?,
        })
    }

    /// Whether it takes clearly more memory.
    pub(crate) fn takes_more(&self, other: &Self) -> bool {
        let (mine, its) = (self.memory_bytes, other.memory_bytes);
        mine.low > its.high && mine.median > its.median * AS_MUCH
    }
}

/// Requests at a time, by Little's law; at least one.
fn in_hand(step: &Step) -> f64 {
    (step.throughput * step.mean_seconds).max(1.0)
}
