//! The answer: which model fits, made of the record of a sweep alone.
//!
//! answer/interval.rs has what repeats say together, knee.rs the highest rate
//! that a model holds, cost.rs what it costs there, law.rs how its throughput
//! scales, stall.rs how it recovers, sizing.rs how large it would have to be,
//! and choice.rs which to take. words.rs tells it; table.rs and page.rs show it.

mod choice;
mod cost;
mod figures;
mod interval;
mod knee;
mod law;
mod page;
mod plots;
mod sizing;
mod stall;
mod table;
mod words;

#[cfg(test)]
pub(super) mod made_up;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use workload::Workload;

use self::choice::{Choice, Holder, choose};
use self::cost::Cost;
pub(crate) use self::figures::target;
use self::knee::{Bracket, Knee};
use self::law::Law;
pub(crate) use self::page::page;
pub(crate) use self::sizing::Size;
use self::sizing::Sizing;
use self::stall::Recovery;
pub(crate) use self::table::{markdown, terminal};
use super::alone::Alone;
use super::grid;
use super::held::held;
use super::most::most;
use super::record::{Load, Model, Step, Sweep, Target};

/// All that is shown of a sweep.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) target: Target,
    /// Requests a second that are needed, where that was told.
    pub(crate) rate: Option<f64>,
    /// How often each model was to be measured.
    pub(crate) rounds: u32,
    /// Whether all of it was.
    pub(crate) whole: bool,
    /// The highest rate first, then those that hold none.
    pub(crate) standings: Vec<Standing>,
    pub(crate) choice: Option<Choice>,
    /// The recommendation, a paragraph each.
    pub(crate) words: Vec<String>,
}

/// What is known of a model.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) model: String,
    pub(crate) app: String,
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) slots: Option<u64>,
    /// What its requests take by themselves, at the target's quantile.
    pub(crate) alone_seconds: f64,
    /// And on average.
    pub(crate) mean_seconds: f64,
    /// No more requests a second than this does arithmetic allow it; `None`
    /// where it has no limit.
    pub(crate) most_rate: Option<f64>,
    pub(crate) outcome: Outcome,
    /// Whether it holds the needed rate, where one is and it can be told.
    pub(crate) holds_rate: Option<bool>,
    /// Rounds that came to their end.
    pub(crate) rounds: u32,
    /// At the needed rate, or else at the highest that it held.
    pub(crate) cost: Option<Cost>,
    /// Models whose highest rate cannot be told from its own.
    pub(crate) ties: Vec<String>,
    pub(crate) law: Option<Law>,
    pub(crate) recovery: Option<Recovery>,
    /// Of one that blocks and holds less than is needed.
    pub(crate) sizing: Option<Sizing>,
    /// Steps that say nothing of it, and why.
    pub(crate) invalid: usize,
    pub(crate) flaws: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Holds(Knee),
    /// In some rounds it held a rate, and in others none.
    Unsteady(Knee),
    /// None of the rates that were tried, of which this was the lowest.
    Fails {
        lowest: f64,
    },
    /// Its requests alone take longer than the target.
    TooSlow,
    /// Nothing that says something of it was measured.
    Unknown,
}

impl Answer {
    pub(crate) fn of(
        sweep: &Sweep,
        steps: &[Step],
        workload: &Workload,
    ) -> Self {
        let alone = Alone::of_each(&sweep.models, &sweep.target, workload);
        let views = sweep.models.iter().zip(alone).map(|(model, alone)| {
            View::of(model, alone, sweep, steps, workload)
        });
        let views: Vec<_> = views.collect();
        let holders = views.iter().filter_map(View::holder);
        let holders: Vec<_> = holders.collect();
        let choice = choose(&holders, sweep.rate);
        let goal = sweep.rate.or_else(|| {
            let taken = &choice.as_ref()?.model;
            let taken = holders.iter().find(|h| h.model.name == *taken)?;
            Some(taken.knee.low)
        });
        let standings = views.iter().map(|view| {
            let goal = goal.filter(|goal| grows(view, &views, *goal));
            let mut standing = view.standing(sweep, workload, goal);
            standing.ties = ties(view, &holders);
            standing
        });
        let mut standings: Vec<_> = standings.collect();
        standings.sort_by(|a, b| f64::total_cmp(&b.order(), &a.order()));
        let mut answer = Self {
            target: sweep.target,
            rate: sweep.rate,
            rounds: sweep.rounds,
            whole: views.iter().all(|view| view.is_whole(sweep)),
            standings,
            choice,
            words: Vec::new(),
        };
        answer.words = words::words(&answer, sweep);
        answer
    }

    /// The model to take.
    pub(crate) fn taken(&self) -> Option<&str> {
        self.choice.as_ref().map(|choice| &*choice.model)
    }

    /// Models of which too little is known to compare them.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|standing| {
            let told = standing.outcome;
            told == Outcome::Unknown
                || told != Outcome::TooSlow && standing.rounds == 0
        })
    }

    pub(crate) fn standing(&self, model: &str) -> Option<&Standing> {
        let mut standings = self.standings.iter();
        standings.find(|standing| standing.model == model)
    }
}

/// Sizes of models that block that are worth measuring now, one of each. Of
/// one that does not hold, asked again, there is a larger one, a few times.
pub(crate) fn sizes(
    sweep: &Sweep,
    steps: &[Step],
    workload: &Workload,
) -> Vec<Size> {
    let answer = Answer::of(sweep, steps, workload);
    let next = sweep.models.iter().filter_map(|model| {
        let sizing = answer.standing(&model.name)?.sizing.as_ref()?;
        sizing.next(model, sweep)
    });
    next.collect()
}

impl Standing {
    pub(crate) fn knee(&self) -> Option<&Knee> {
        match &self.outcome {
            Outcome::Holds(knee) => Some(knee),
            _ => None,
        }
    }

    /// Higher is first.
    fn order(&self) -> f64 {
        match self.outcome {
            Outcome::Holds(knee) => knee.rate,
            Outcome::Unsteady(_) => -1.0,
            Outcome::Fails { .. } => -2.0,
            Outcome::TooSlow => -3.0,
            Outcome::Unknown => -4.0,
        }
    }
}

/// The steps of a model, and what its rounds say.
struct View<'a> {
    model: &'a Model,
    /// All that were measured.
    all: Vec<&'a Step>,
    /// Those that say something of it.
    valid: Vec<&'a Step>,
    /// Of an open loop, at a rate that it held.
    held: Vec<(f64, &'a Step)>,
    /// Rounds that came to their end.
    rounds: u32,
    alone: Alone,
    /// The most that arithmetic allows.
    most: f64,
    outcome: Outcome,
}

impl<'a> View<'a> {
    fn of(
        model: &'a Model,
        alone: Alone,
        sweep: &Sweep,
        steps: &'a [Step],
        workload: &Workload,
    ) -> Self {
        let all = steps.iter().filter(|step| step.model == model.name);
        let all: Vec<_> = all.collect();
        let valid = all.iter().copied().filter(|step| step.flaws.is_empty());
        let valid: Vec<_> = valid.collect();
        let open: Vec<_> = valid.iter().filter_map(|step| open(step)).collect();
        let is_held = |step: &Step| held(step, &sweep.target, workload);
        let most = most(model, alone.mean, sweep, workload);
        let of = |open: &[(f64, &Step)]| brackets(open, is_held, most);
        let mut brackets = of(&open);
        // A search that was led by an invalid step has ended all the same.
        let all_open = all.iter().filter_map(|step| self::open(step));
        let all_open: Vec<_> = all_open.collect();
        let lowest = grid::rate(grid::lowest(alone.mean, workload));
        let mut whole = of(&all_open);
        whole.retain(|_, bracket| bracket.is_whole(sweep.rate, lowest));
        let rounds = whole.len() as u32;
        // Of a round that was cut off nothing is known but where it was.
        if brackets.keys().any(|round| whole.contains_key(round)) {
            brackets.retain(|round, _| whole.contains_key(round));
        }
        // Of one whose steps all say nothing no more is known than that.
        for round in whole.keys() {
            brackets.entry(*round).or_default();
        }
        let brackets: Vec<_> = brackets.into_values().collect();
        let lowest = open.iter().map(|(rate, _)| *rate).reduce(f64::min);
        let outcome = match (Knee::of(&brackets), lowest) {
            (Some(knee), _) if knee.low > 0.0 => Outcome::Holds(knee),
            (Some(knee), _) => Outcome::Unsteady(knee),
            (None, Some(lowest)) => Outcome::Fails { lowest },
            (None, None) if alone.slowest > sweep.target.seconds => {
                Outcome::TooSlow
            }
            (None, None) => Outcome::Unknown,
        };
        let held = open.into_iter().filter(|(_, step)| is_held(step));
        Self {
            model,
            held: held.collect(),
            all,
            valid,
            rounds,
            alone,
            most,
            outcome,
        }
    }

    fn holder(&self) -> Option<Holder<'a>> {
        let Outcome::Holds(knee) = self.outcome else {
            return None;
        };
        Some(Holder {
            model: self.model,
            knee,
            steps: self.held.clone(),
        })
    }

    /// Whether it holds a rate, where that can be told.
    fn holds(&self, rate: f64) -> Option<bool> {
        match self.outcome {
            Outcome::Holds(knee) => knee.holds(rate),
            Outcome::TooSlow => Some(false),
            Outcome::Fails { lowest } if lowest <= rate => Some(false),
            _ => None,
        }
    }

    fn is_whole(&self, sweep: &Sweep) -> bool {
        self.outcome == Outcome::TooSlow || self.rounds >= sweep.rounds
    }

    fn standing(
        &self,
        sweep: &Sweep,
        workload: &Workload,
        goal: Option<f64>,
    ) -> Standing {
        let knee = match self.outcome {
            Outcome::Holds(knee) => Some(knee),
            _ => None,
        };
        let cost_at = match (sweep.rate, knee) {
            (Some(rate), _) => Some(rate),
            (None, knee) => knee.map(|knee| knee.rate),
        };
        let sizing = goal.and_then(|goal| {
            let Self {
                model, all, alone, ..
            } = self;
            Sizing::of(model, goal, all, *alone, sweep, workload)
        });
        let closed = self.valid.iter().filter_map(|step| closed(step));
        let flawed = || self.all.iter().filter(|s| !s.flaws.is_empty());
        let mut flaws: Vec<_> = flawed()
            .flat_map(|step| step.flaws.iter().cloned())
            .collect();
        flaws.sort();
        flaws.dedup();
        Standing {
            model: self.model.name.clone(),
            app: self.model.app.clone(),
            processes: self.model.processes,
            threads: self.model.threads,
            slots: self.model.slots,
            alone_seconds: self.alone.slowest,
            mean_seconds: self.alone.mean,
            most_rate: Some(self.most).filter(|most| most.is_finite()),
            outcome: self.outcome,
            holds_rate: sweep.rate.and_then(|rate| self.holds(rate)),
            rounds: self.rounds,
            cost: cost_at.and_then(|rate| Cost::at(rate, &self.held)),
            ties: Vec::new(),
            law: Law::fit(&closed.collect::<Vec<_>>()),
            recovery: Recovery::of(self.valid.iter().copied()),
            sizing,
            invalid: flawed().count(),
            flaws,
        }
    }
}

/// What each round says that has such steps, by its number.
fn brackets(
    open: &[(f64, &Step)],
    is_held: impl Fn(&Step) -> bool,
    most: f64,
) -> BTreeMap<u32, Bracket> {
    let mut rounds: BTreeMap<u32, Vec<(f64, bool)>> = BTreeMap::new();
    for (rate, step) in open {
        let tried = rounds.entry(step.round).or_default();
        tried.push((*rate, is_held(step)));
    }
    let rounds = rounds.into_iter();
    rounds
        .map(|(round, tried)| (round, Bracket::of(&tried, most)))
        .collect()
}

/// The rate of an open loop's step.
pub(crate) fn open(step: &Step) -> Option<(f64, &Step)> {
    match step.load {
        Load::Open { rate } => Some((rate, step)),
        _ => None,
    }
}

/// Requests at a time of a closed loop's step, and what came of them.
pub(crate) fn closed(step: &Step) -> Option<(f64, f64)> {
    match step.load {
        Load::Closed { concurrency } => {
            Some((concurrency as f64, step.throughput))
        }
        _ => None,
    }
}

/// Whether a size is worth finding for a model: none of its kind holds the
/// rate, and of these it is the largest.
fn grows(view: &View<'_>, views: &[View<'_>], rate: f64) -> bool {
    let kind = |view: &View<'_>| (view.model.app.clone(), view.model.at_once);
    let alike = views.iter().filter(|other| kind(other) == kind(view));
    let slots = |view: &View<'_>| view.model.slots.unwrap_or(u64::MAX);
    // The first of those that are as large.
    let largest = alike.clone().rev().max_by_key(|other| slots(other));
    largest.is_some_and(|largest| largest.model.name == view.model.name)
        && alike.clone().all(|other| other.holds(rate) != Some(true))
}

fn ties(view: &View<'_>, holders: &[Holder<'_>]) -> Vec<String> {
    let Outcome::Holds(knee) = view.outcome else {
        return Vec::new();
    };
    let others = holders.iter().filter(|holder| {
        holder.model.name != view.model.name && holder.knee.ties(&knee)
    });
    others.map(|other| other.model.name.clone()).collect()
}
