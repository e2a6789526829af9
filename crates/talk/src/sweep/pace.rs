//! How long things take: of how many requests a step is, where a search
//! begins, and what the whole comes to.

use std::time::Duration;

use workload::Workload;

use super::alone::Alone;
use super::grid;
use super::groups::cost;
use super::most::most;
use super::record::{Model, Sweep};
use super::search::Search;
use super::stall::FREEZE;

/// A search begins at this share of what the model's slots could do, or the
/// machine's cores: above it few models hold a tail.
const BEGIN: f64 = 0.7;
/// The strides of the first search, whose beginning is a guess.
const STRIDE: i32 = 8;
/// More than any machine serves.
pub(super) const FASTEST: f64 = 100_000.0;
/// As many steps as a first search takes, and one that begins at the knee of
/// the round before.
const STEPS: (u32, u32) = (7, 4);
/// To start an app and its backend, and to stop them.
const START: Duration = Duration::from_millis(500);
/// Requests at a time, of a model without a limit.
const UNLIMITED: [u64; 6] = [1, 8, 64, 256, 1024, 2048];

/// How long steps are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    quick: bool,
    /// Requests that a step is to have, where it can have them in time.
    wanted: f64,
    /// And those that it has to have, however long that takes.
    fewest: f64,
    shortest: Duration,
    longest: Duration,
    /// The same in times that a request takes.
    longest_times: u32,
}

/// What arithmetic says of a model under a workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// How long a request takes that is alone, on average.
    pub(super) mean: Duration,
    /// Requests a second that no load exceeds.
    pub(super) most: f64,
    /// How many cores it needs at the most, about.
    pub(super) needs: f64,
    /// The place of the grid below which no search goes.
    lowest: i32,
    begin: f64,
    slots: Option<u64>,
}

impl Pace {
    pub(super) fn of(sweep: &Sweep) -> Self {
        let seconds = Duration::from_secs;
        match sweep.quick {
            true => Self {
                quick: true,
                wanted: 100.0,
                fewest: 4.0,
                shortest: Duration::from_millis(1500),
                longest: seconds(5),
                longest_times: 4,
            },
            false => Self {
                quick: false,
                wanted: 1000.0,
                fewest: 20.0,
                shortest: seconds(5),
                longest: seconds(30),
                longest_times: 40,
            },
        }
    }

    /// Of how many requests a step at this rate is.
    pub(super) fn requests(&self, rate: f64, mean: Duration) -> u64 {
        let longest = self.longest.max(mean * self.longest_times);
        let (least, most) = (self.shortest.as_secs_f64(), longest);
        let most = most.as_secs_f64().max(least);
        let requests = self.wanted.clamp(rate * least, rate * most);
        requests.max(self.fewest).ceil() as u64
    }

    /// How long the load is on before it is measured: until requests are as
    /// many as they will be.
    pub(super) fn warm_up(&self, mean: Duration) -> Duration {
        // The hammer tells of itself so often.
        let quarter = Duration::from_millis(250);
        let quarters = mean.div_duration_f64(quarter).ceil().max(1.0);
        quarter * quarters as u32
    }

    /// How long a closed loop runs.
    pub(super) fn closed(&self) -> Duration {
        self.shortest
    }

    /// How many requests at a time are tried with a model.
    pub(super) fn concurrencies(&self, model: &Model) -> Vec<u64> {
        let mut all = match model.slots {
            None => UNLIMITED.to_vec(),
            Some(slots) => vec![1, slots / 4, slots / 2, slots, slots * 2],
        };
        all.retain(|&concurrency| concurrency > 0);
        all.dedup();
        all
    }

    /// Whether closed loops run in a round: a first answer has them once.
    pub(super) fn closes(&self, round: u32) -> bool {
        round == 1 || !self.quick
    }

    /// How long a load is on before the backend freezes, and after.
    pub(super) fn around_stall(&self) -> (Duration, Duration) {
        match self.quick {
            true => (Duration::from_millis(1500), Duration::from_millis(3500)),
            false => (Duration::from_secs(5), Duration::from_secs(14)),
        }
    }

    /// What a model's drill takes, about.
    pub(super) fn drill(&self, outlook: &Outlook) -> Duration {
        let (before, after) = self.around_stall();
        START + outlook.mean * 2 + before + FREEZE + after
    }

    /// What a model's round takes, about.
    pub(super) fn round(
        &self,
        model: &Model,
        outlook: &Outlook,
        round: u32,
        rate: Option<f64>,
    ) -> Duration {
        let step = |rate: f64| {
            let requests = self.requests(rate, outlook.mean) as f64;
            let load = Duration::from_secs_f64(requests / rate);
            self.warm_up(outlook.mean) + load + outlook.mean
        };
        let loops = match self.closes(round) {
            true => self.concurrencies(model).len() as u32,
            false => 0,
        };
        let loops = self.closed().max(outlook.mean * 2) * loops;
        START
            + outlook.mean
            + match (rate, round) {
                (Some(rate), _) => step(rate),
                (None, 1) => loops + step(outlook.begin) * STEPS.0,
                (None, _) => loops + step(outlook.begin) * STEPS.1,
            }
    }
}

impl Outlook {
    /// Of each model of a sweep.
    pub(super) fn all(sweep: &Sweep, workload: &Workload) -> Vec<Self> {
        let alone = Alone::of_each(&sweep.models, &sweep.target, workload);
        let cores = sweep.machine.cores.max(1) as f64;
        let cost = cost(workload);
        let of = |(model, alone): (&Model, Alone)| {
            let most = most(model, alone.mean, sweep, workload);
            let most = most.min(FASTEST);
            Self {
                mean: Duration::from_secs_f64(alone.mean),
                most,
                needs: (most * cost).min(cores),
                lowest: grid::lowest(alone.mean, workload),
                begin: BEGIN * most.min(cores / cost),
                slots: model.slots,
            }
        };
        sweep.models.iter().zip(alone).map(of).collect()
    }

    /// The search for the knee, from that of the round before.
    pub(super) fn search(&self, pace: &Pace, last: Option<i32>) -> Search {
        let range = (self.lowest, grid::at_most(self.most));
        match last {
            Some(place) => {
                let requests = pace.requests(grid::rate(place), self.mean);
                Search::new(range, place, stride(requests))
            }
            None => {
                let begin = grid::at_most(self.begin);
                Search::new(range, begin, STRIDE)
            }
        }
    }

    /// How many requests go before all others, so that what happens once is
    /// in no figure.
    pub(super) fn first_requests(&self) -> u64 {
        self.slots.unwrap_or(64).min(64)
    }
}

/// How far the knee may have moved since the round before: what few requests
/// say is mostly chance.
fn stride(requests: u64) -> i32 {
    (STRIDE as f64 / (requests as f64).sqrt()).round().max(1.0) as i32
}

#[cfg(test)]
mod tests {
    use workload::{Call, Delay};

    use super::*;
    use crate::sweep::record::{Machine, Target};

    fn sweep(quick: bool, slots: Option<u64>) -> Sweep {
        Sweep {
            version: 1,
            workload: String::new(),
            target: Target {
                quantile: 0.99,
                seconds: 1.0,
            },
            rate: None,
            models: vec![Model {
                name: "some".to_owned(),
                app: "app-some".to_owned(),
                processes: 1,
                threads: 1,
                slots,
                at_once: false,
            }],
            rounds: 1,
            seed: 1,
            quick,
            machine: Machine {
                processor: String::new(),
                cores: 2,
                memory_bytes: 0,
                kernel: String::new(),
                files: 0,
            },
        }
    }

    #[test]
    fn a_step_has_enough_requests_or_takes_as_long_as_it_may() {
        let pace = Pace::of(&sweep(true, None));
        let mean = Duration::from_millis(100);
        let requests = |rate| pace.requests(rate, mean);
        assert_eq!(requests(1000.0), 1500, "the shortest step");
        assert_eq!(requests(40.0), 100, "as many as are wanted");
        assert_eq!(requests(10.0), 50, "the longest step");
        assert_eq!(requests(0.1), 4, "the fewest requests");
    }

    #[test]
    fn no_model_is_asked_for_more_than_its_slots_allow() {
        let workload = Workload::slides();
        let sweep = sweep(true, Some(4));
        let outlook = Outlook::all(&sweep, &workload)[0];
        // Four slots, and 1.25 s for a request.
        assert!((outlook.most - 3.2).abs() < 1e-9, "{outlook:?}");
        let mut search = outlook.search(&Pace::of(&sweep), None);
        while let Some(place) = search.next() {
            search.tell(place, true);
        }
        let knee = grid::rate(search.knee().unwrap());
        assert!((3.2 / 1.05..=3.2).contains(&knee), "{knee}");
    }

    #[test]
    fn calls_of_no_time_are_looked_for_from_rates_that_a_server_can_do() {
        let sweep = sweep(true, Some(1));
        for delay in [Duration::ZERO, Duration::from_micros(10)] {
            let call = Call::of(Delay::Fixed(delay));
            let workload = Workload {
                steps: vec![vec![call]],
                ..Workload::slides()
            };
            let outlook = Outlook::all(&sweep, &workload)[0];
            let mut search = outlook.search(&Pace::of(&sweep), None);
            let mut lowest = f64::INFINITY;
            while let Some(place) = search.next() {
                lowest = lowest.min(grid::rate(place));
                search.tell(place, false);
            }
            assert!(lowest <= 500.0, "{lowest} at {delay:?}");
        }
    }

    #[test]
    fn what_few_requests_said_is_looked_for_farther_away() {
        assert_eq!([4, 16, 100, 10_000].map(stride), [4, 2, 1, 1]);
    }

    #[test]
    fn a_model_is_tried_around_its_slots() {
        let of = |slots| {
            let sweep = sweep(true, slots);
            Pace::of(&sweep).concurrencies(&sweep.models[0])
        };
        assert_eq!(of(Some(1)), [1, 2]);
        assert_eq!(of(Some(4)), [1, 2, 4, 8]);
        assert_eq!(of(Some(100)), [1, 25, 50, 100, 200]);
        assert_eq!(of(None), UNLIMITED);
    }
}
