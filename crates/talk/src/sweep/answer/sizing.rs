//! How many processes and threads a model that blocks would need.
//!
//! Little's law (J. D. C. Little, 1961) says how many requests are in hand at
//! a time: those that arrive in a second, times the seconds that each takes.
//! So many slots would be busy all the time, and a queue before them would
//! grow without end, since arrivals are not even. How many more it takes is
//! what A. K. Erlang's formula for waiting (1917) is for: the share of the
//! requests that wait for a free slot longer than the target leaves them may
//! not exceed the share that may be late. It takes service times for
//! exponential ones; the size is therefore tried, and a larger one where it
//! does not hold. And it knows of no stall: slots that are hardly ever free
//! never catch up with one, so that a tenth is to spare in any case.

use serde::Serialize;
use workload::Workload;

use super::interval::Figure;
use crate::sweep::alone::Alone;
use crate::sweep::held::held;
use crate::sweep::record::{Load, Model, Step, Sweep};

/// So many sizes are tried, each by so much larger than the last.
const TRIES: usize = 3;
const LARGER: f64 = 1.3;
/// Cores and slots that are busier than this have nothing to spare: what a
/// second of standstill leaves takes nine more to go.
const BUSY: f64 = 0.9;
/// The share of the machine's memory that a size may take.
const MEMORY: f64 = 0.5;
/// Of more requests in hand than this, a tenth is more than chance takes.
const MANY: f64 = 100_000.0;
/// More processes than this nobody wants to watch.
const PROCESSES: u64 = 256;
/// Beside its connections, a process has open files of its own.
const OWN_FILES: u64 = 64;

/// A size worth measuring.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) model: String,
    pub(crate) rate: f64,
    pub(crate) processes: u64,
    pub(crate) threads: u64,
}

/// What a model that blocks would need to hold a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sizing {
    pub(crate) rate: f64,
    /// What a request takes, at the least.
    pub(crate) request_seconds: f64,
    /// Requests in hand at a time.
    pub(crate) in_hand: f64,
    /// With room for chance.
    pub(crate) slots: u64,
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    /// Why no such size can be run here.
    pub(crate) obstacle: Option<Obstacle>,
    /// Those that were, the smallest first.
    pub(crate) tried: Vec<Tried>,
    /// How often one was, and nothing can be said of it.
    pub(crate) disturbed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Obstacle {
    /// The requests take more processor time than there is.
    Cores { needed: f64 },
    /// As memory grew with the slots that were measured.
    Memory { needed: f64 },
    /// More than are tried.
    Processes,
    /// The target leaves less than a request takes.
    Time,
}

/// A size that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Tried {
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    /// Each time that it was.
    pub(crate) held: bool,
    pub(crate) target_seconds: Figure,
    pub(crate) memory_bytes: Figure,
    pub(crate) cpu_seconds: Figure,
}

impl Sizing {
    /// `None` of a model that does not block.
    pub(crate) fn of(
        model: &Model,
        rate: f64,
        all: &[&Step],
        alone: Alone,
        sweep: &Sweep,
        workload: &Workload,
    ) -> Option<Self> {
        let grows = grows(model)?;
        let steps = all.iter().filter(|step| step.flaws.is_empty());
        let steps: Vec<_> = steps.copied().collect();
        let least = |of: fn(&Step) -> f64| {
            let told = steps.iter().filter(|step| step.answered > 0);
            told.map(|step| of(step)).reduce(f64::min)
        };
        // As it was measured where nobody waited for others, or as arithmetic
        // has it.
        let calm = steps.iter().filter(|step| match step.load {
            Load::Closed { concurrency } => concurrency == 1,
            _ => held(step, &sweep.target, workload),
        });
        let measured = calm.map(|step| step.mean_seconds).reduce(f64::min);
        let request_seconds = measured.unwrap_or(0.0).max(alone.mean);
        let room = sweep.target.seconds - alone.slowest;
        let late = 1.0 - sweep.target.quantile;
        let in_hand = rate * request_seconds;
        let slots = slots(in_hand, room / request_seconds, late);
        let (processes, threads) = grows.shape(slots, model, sweep);
        let cores = sweep.machine.cores as f64;
        let needed_cores = rate * least(|step| step.cpu_seconds).unwrap_or(0.0);
        let memory = least(|step| step.memory_bytes as f64).unwrap_or(0.0);
        let own = model.processes.saturating_mul(model.threads).max(1);
        let needed_memory = memory / own as f64 * slots as f64;
        let disturbed = all.iter().filter(|step| {
            let is_size = matches!(step.load, Load::Sized { .. });
            is_size && !step.flaws.is_empty()
        });
        let obstacle = if room < 0.0 {
            Some(Obstacle::Time)
        } else if needed_cores > cores * BUSY {
            Some(Obstacle::Cores {
                needed: needed_cores,
            })
        } else if needed_memory > sweep.machine.memory_bytes as f64 * MEMORY {
            Some(Obstacle::Memory {
                needed: needed_memory,
            })
        } else if processes > PROCESSES {
            Some(Obstacle::Processes)
        } else {
            None
        };
        Some(Self {
            rate,
            request_seconds,
            in_hand,
            slots,
            processes,
            threads,
            obstacle,
            tried: tried(&steps, sweep, workload),
            disturbed: disturbed.count(),
        })
    }

    /// The smallest that held.
    pub(crate) fn held(&self) -> Option<&Tried> {
        self.tried.iter().find(|tried| tried.held)
    }

    /// What to measure next, where that can tell more.
    pub(crate) fn next(&self, model: &Model, sweep: &Sweep) -> Option<Size> {
        if self.obstacle.is_some()
            || self.held().is_some()
            || self.tried.len() + self.disturbed >= TRIES
        {
            return None;
        }
        let (processes, threads) = match self.tried.last() {
            None => (self.processes, self.threads),
            Some(last) => {
                let last = last.processes as f64 * last.threads as f64;
                let slots = last * LARGER;
                grows(model)?.shape(slots.ceil() as u64, model, sweep)
            }
        };
        Some(Size {
            model: model.name.clone(),
            rate: self.rate,
            processes,
            threads,
        })
    }
}

/// What a model that blocks has more of.
#[derive(Clone, Copy)]
enum Grows {
    Processes,
    Threads,
}

fn grows(model: &Model) -> Option<Grows> {
    match (&*model.app, model.at_once) {
        ("app-threaded", false) => Some(Grows::Threads),
        // With a pool or a reactor in each process.
        ("app-sync", _) | ("app-threaded", true) | ("app-offload", _) => {
            Some(Grows::Processes)
        }
        _ => None,
    }
}

impl Grows {
    /// Processes, and threads of each.
    fn shape(self, slots: u64, model: &Model, sweep: &Sweep) -> (u64, u64) {
        match self {
            Self::Processes => {
                (slots.div_ceil(model.threads.max(1)), model.threads)
            }
            Self::Threads => {
                // A thread has a connection either way.
                let files = sweep.machine.files.saturating_sub(OWN_FILES) / 2;
                let fewest = slots.div_ceil(files.max(1));
                let processes = fewest.max(sweep.machine.cores).max(1);
                (processes, slots.div_ceil(processes))
            }
        }
    }
}

/// The fewest slots of which, with so many requests in hand, a tenth is free
/// and no more than the `late` share of the requests wait longer than `room`
/// times what a request takes.
fn slots(in_hand: f64, room: f64, late: f64) -> u64 {
    if in_hand > MANY {
        return (in_hand / BUSY).ceil() as u64;
    }
    // Erlang's formula for loss, one slot more at a time, leads to his for
    // waiting.
    let mut loss = 1.0;
    let mut slots = 0_u64;
    loop {
        slots += 1;
        let count = slots as f64;
        loss = in_hand * loss / (count + in_hand * loss);
        let idle = count - in_hand;
        if in_hand > count * BUSY {
            continue;
        }
        let waits = count * loss / (count - in_hand * (1.0 - loss));
        if waits * (-idle * room.max(0.0)).exp() <= late {
            return slots;
        }
    }
}

fn tried(steps: &[&Step], sweep: &Sweep, workload: &Workload) -> Vec<Tried> {
    let mut sizes: Vec<((u64, u64), Vec<&Step>)> = Vec::new();
    for step in steps {
        let Load::Sized {
            processes, threads, ..
        } = step.load
        else {
            continue;
        };
        let size = (processes, threads);
        match sizes.iter_mut().find(|(other, _)| *other == size) {
            Some((_, steps)) => steps.push(step),
            None => sizes.push((size, vec![step])),
        }
    }
    sizes.sort_by_key(|(size, _)| size.0.saturating_mul(size.1));
    let tried = sizes.into_iter().map(|((processes, threads), steps)| {
        let figure = |of: fn(&Step) -> f64| {
            Figure::of(steps.iter().map(|step| of(step)))
        };
        Some(Tried {
            processes,
            threads,
            held: steps.iter().all(|s| held(s, &sweep.target, workload)),
            target_seconds: figure(|step| step.target_seconds)?,
            memory_bytes: figure(|step| step.memory_bytes as f64)?,
            cpu_seconds: figure(|step| step.cpu_seconds)?,
        })
    });
    tried.flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_those_of_the_tables() {
        // Erlang's table for waiting: with 10 in hand, 18 slots make fewer
        // than one in fifty wait at all, and 19 fewer than one in a hundred.
        assert_eq!(slots(10.0, 0.0, 0.02), 18);
        assert_eq!(slots(10.0, 0.0, 0.01), 19);
        assert_eq!(slots(0.25, 0.0, 0.3), 1);
        assert_eq!(slots(0.25, 0.0, 0.25), 1);
        assert_eq!(slots(0.25, 0.0, 0.24), 2);
        // However long they may wait, a tenth is to spare.
        assert_eq!(slots(900.0, 100.0, 0.5), 1000);
        assert_eq!(slots(9e9, 0.0, 0.01), 10_000_000_000);
    }

    proptest! {
        #[test]
        fn there_is_room_for_chance_and_none_is_wasted(
            in_hand in 0.01..2000.0f64,
            room in 0.0..5.0f64,
            late in 0.0001..0.2f64,
        ) {
            let slots = slots(in_hand, room, late);
            prop_assert!(slots as f64 >= in_hand / BUSY);
            // Where none may wait, some four deviations are enough.
            let most = in_hand + 4.5 * in_hand.sqrt() + 5.0;
            let most = most.max(in_hand / BUSY + 1.0);
            prop_assert!(slots as f64 <= most, "{slots} of at most {most}");
        }

        #[test]
        fn more_in_hand_or_less_room_never_takes_fewer(
            in_hand in 0.01..500.0f64,
            room in 0.0..5.0f64,
            late in 0.001..0.2f64,
        ) {
            let some = slots(in_hand, room, late);
            prop_assert!(slots(in_hand * 1.1, room, late) >= some);
            prop_assert!(slots(in_hand, room / 2.0, late) >= some);
            prop_assert!(slots(in_hand, room, late / 2.0) >= some);
        }
    }
}
