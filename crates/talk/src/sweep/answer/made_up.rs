//! Sweeps that nobody measured, whose answers are known.

use std::collections::BTreeMap;
use std::path::Path;

use workload::Workload;

use super::Answer;
use crate::sweep::record::{
    Load, Machine, Model, Slice, Step, Sweep, Target, VERSION,
};

/// A record in the making.
pub(crate) struct MadeUp {
    pub(crate) sweep: Sweep,
    pub(crate) steps: Vec<Step>,
}

impl MadeUp {
    /// Of the talk's deployments, on a machine of two cores.
    pub(crate) fn of(workload: &str, target: f64) -> Self {
        let models = [
            ("basic", "app-sync", 1, 1, Some(1), false),
            ("process", "app-sync", 4, 1, Some(4), false),
            ("thread", "app-threaded", 1, 4, Some(4), false),
            ("async", "app-async", 2, 1, Some(2), true),
            ("native", "app-async", 2, 1, None, true),
            ("coroutine", "app-coroutine", 2, 1, Some(100), true),
        ];
        let model = |(name, app, processes, threads, slots, at_once)| Model {
            name: String::from(name),
            app: String::from(app),
            processes,
            threads,
            slots,
            at_once,
        };
        Self {
            sweep: Sweep {
                version: VERSION,
                workload: workload.to_owned(),
                target: Target {
                    quantile: 0.99,
                    seconds: target,
                },
                rate: None,
                models: models.map(model).to_vec(),
                rounds: 3,
                seed: 1,
                quick: true,
                machine: Machine {
                    processor: "a processor".to_owned(),
                    cores: 2,
                    memory_bytes: 8_000_000_000,
                    kernel: "6.1".to_owned(),
                    files: 20_000,
                },
            },
            steps: Vec::new(),
        }
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer::of(&self.sweep, &self.steps, &self.workload())
    }

    pub(crate) fn workload(&self) -> Workload {
        Workload::parse(Path::new("made up"), &self.sweep.workload).unwrap()
    }

    /// A search that found this place of the grid in each round.
    pub(crate) fn knees(&mut self, model: &str, memory: u64, places: &[i32]) {
        for (round, &place) in (1..).zip(places) {
            for (place, held) in
                [(place - 8, true), (place, true), (place + 1, false)]
            {
                let seconds = self.sweep.target.seconds;
                let p99 = if held { seconds * 0.5 } else { seconds * 1.5 };
                self.steps.push(Step {
                    round,
                    memory_bytes: memory,
                    ..step(model, 1.05_f64.powi(place), p99)
                });
            }
        }
    }

    /// The rate that is needed, and whether it held in each round.
    pub(crate) fn asked(&mut self, model: &str, memory: u64, held: &[bool]) {
        let rate = self.sweep.rate.unwrap();
        for (round, held) in (1..).zip(held) {
            let seconds = self.sweep.target.seconds;
            let p99 = if *held { seconds * 0.5 } else { seconds * 3.0 };
            self.steps.push(Step {
                round,
                memory_bytes: memory,
                ..step(model, rate, p99)
            });
        }
    }

    pub(crate) fn closed(&mut self, model: &str, answers: &[(u64, f64)]) {
        for &(concurrency, throughput) in answers {
            self.steps.push(Step {
                load: Load::Closed { concurrency },
                throughput,
                ..step(model, throughput, 0.1)
            });
        }
    }

    pub(crate) fn size(&mut self, model: &str, size: (u64, u64), held: bool) {
        let seconds = self.sweep.target.seconds;
        let p99 = if held { seconds * 0.5 } else { seconds * 2.0 };
        let (processes, threads) = size;
        let rate = self.sweep.rate.unwrap();
        self.steps.push(Step {
            load: Load::Sized {
                rate,
                processes,
                threads,
            },
            memory_bytes: processes * threads * 100_000,
            ..step(model, rate, p99)
        });
    }

    /// A drill from whose thaw on latency is as before after so long.
    pub(crate) fn stall(&mut self, model: &str, recovers: f64, failed: u64) {
        let slices = (0..60).map(|n| f64::from(n) / 10.0).map(|from| {
            let late = from >= 1.5 && from < 2.5 + recovers - 0.05;
            Slice {
                from_seconds: from,
                requests: 20,
                failed: if late { failed } else { 0 },
                p50_seconds: if late { 1.0 } else { 0.1 },
                max_seconds: if late { 1.0 } else { 0.12 },
            }
        });
        self.steps.push(Step {
            load: Load::Stall {
                rate: 200.0,
                from_seconds: 1.5,
                for_seconds: 1.0,
            },
            series: slices.collect(),
            seconds: 6.0,
            ..step(model, 200.0, 1.0)
        });
    }
}

/// A step of a hundred requests at a rate.
pub(crate) fn step(model: &str, rate: f64, p99: f64) -> Step {
    Step {
        model: model.to_owned(),
        round: 1,
        load: Load::Open { rate },
        beside: 0,
        seconds: 100.0 / rate,
        requests: 100,
        answered: 100,
        throughput: rate,
        mean_seconds: p99 * 0.6,
        p50_seconds: p99 * 0.5,
        p95_seconds: p99 * 0.9,
        p99_seconds: p99,
        max_seconds: p99,
        target_seconds: p99,
        rise_seconds: 0.0,
        rise_error_seconds: 0.0,
        errors: BTreeMap::new(),
        cpu_seconds: 0.0005,
        memory_bytes: 10_000_000,
        threads: 4,
        voluntary_switches: 4.0,
        involuntary_switches: 0.5,
        hammer_busy: 0.1,
        backend_busy: 0.1,
        flaws: Vec::new(),
        series: Vec::new(),
    }
}
