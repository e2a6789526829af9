//! Which model to take, and at what load it would be another.
//!
//! Of those that hold the rate, the cheapest: the one that takes the least
//! memory. Of those that take about as little, the simplest: it is the one
//! that has fewest parts to understand, and then fewest processes and threads
//! to run.

use serde::Serialize;

use super::cost::Cost;
use super::knee::Knee;
use crate::sweep::record::{Model, Step};

/// A model that held the target at some rate.
pub(crate) struct Holder<'a> {
    pub(crate) model: &'a Model,
    pub(crate) knee: Knee,
    /// That held, with their rates.
    pub(crate) steps: Vec<(f64, &'a Step)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Choice {
    pub(crate) model: String,
    /// Those among which it was chosen, itself included: where a rate is
    /// needed, those that hold it; else those that tie for the highest.
    pub(crate) among: Vec<String>,
    pub(crate) why: Why,
    /// What to take at lower rates, lowest first: up to which, and what.
    pub(crate) below: Vec<Rung>,
    /// And at higher ones.
    pub(crate) above: Vec<Rung>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// No other is among those.
    Alone,
    LeastMemory,
    /// Of those that take about as little memory.
    Simplest,
}

/// A model to take up to a rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rung {
    pub(crate) model: String,
    pub(crate) up_to: f64,
}

/// A rung has to be so much higher than the one below it.
const WORTH: f64 = 1.1;

/// `None` where none holds the needed rate, or none holds any.
pub(crate) fn choose(
    holders: &[Holder<'_>],
    needed: Option<f64>,
) -> Option<Choice> {
    let best = holders
        .iter()
        .max_by(|a, b| f64::total_cmp(&a.knee.rate, &b.knee.rate))?;
    let rate = needed.unwrap_or(best.knee.low);
    let among: Vec<_> = holders
        .iter()
        .filter(|holder| match needed {
            Some(needed) => holder.knee.holds(needed) == Some(true),
            None => holder.knee.ties(&best.knee),
        })
        .collect();
    let (taken, why) = cheapest(&among, rate)?;
    let rungs = ladder(holders);
    let (mut below, mut above): (Vec<_>, Vec<_>) =
        rungs.into_iter().partition(|rung| rung.up_to < rate);
    let name = &taken.model.name;
    let other = |rung: &Rung| rung.model != *name;
    below.retain(other);
    above.retain(|rung| other(rung) && rung.up_to > taken.knee.low * WORTH);
    Some(Choice {
        model: name.clone(),
        among: among.iter().map(|h| h.model.name.clone()).collect(),
        why,
        below,
        above,
    })
}

/// What to take as the rate rises. A model leaves it where it is no longer
/// sure to hold.
fn ladder(holders: &[Holder<'_>]) -> Vec<Rung> {
    let mut tops: Vec<_> = holders.iter().map(|h| h.knee.low).collect();
    tops.sort_by(f64::total_cmp);
    let mut rungs: Vec<Rung> = Vec::new();
    let mut from = 0.0;
    for top in tops {
        if top < from {
            continue;
        }
        let able: Vec<_> =
            holders.iter().filter(|h| h.knee.low >= top).collect();
        let Some((taken, _)) = cheapest(&able, top) else {
            continue;
        };
        let up_to = taken.knee.low;
        from = up_to * WORTH;
        match rungs.last_mut() {
            Some(last) if last.model == taken.model.name => {
                last.up_to = up_to;
            }
            _ => rungs.push(Rung {
                model: taken.model.name.clone(),
                up_to,
            }),
        }
    }
    rungs
}

/// The one that costs least at a rate, and why it does.
fn cheapest<'a, 'b>(
    among: &[&'b Holder<'a>],
    rate: f64,
) -> Option<(&'b Holder<'a>, Why)> {
    let costs = among
        .iter()
        .filter_map(|holder| Some((*holder, Cost::at(rate, &holder.steps)?)));
    let costs: Vec<_> = costs.collect();
    let (_, least) = costs.iter().min_by(|(_, a), (_, b)| {
        f64::total_cmp(&a.memory_bytes.median, &b.memory_bytes.median)
    })?;
    let as_little: Vec<_> = costs
        .iter()
        .filter(|(_, cost)| !cost.takes_more(least))
        .collect();
    let (taken, _) = as_little
        .iter()
        .min_by_key(|(holder, _)| parts(holder.model))?;
    let why = match (costs.len(), as_little.len()) {
        (1, _) => Why::Alone,
        (_, 1) => Why::LeastMemory,
        _ => Why::Simplest,
    };
    Some((taken, why))
}

/// How much there is to understand, and then how much runs.
fn parts(model: &Model) -> (usize, bool, u64, &str) {
    // As the talk adds one idea to the other.
    const APPS: [&str; 5] = [
        "app-sync",
        "app-threaded",
        "app-async",
        "app-coroutine",
        "app-offload",
    ];
    let app = APPS.iter().position(|app| *app == model.app);
    (
        app.unwrap_or(APPS.len()),
        model.at_once,
        model.processes.saturating_mul(model.threads),
        &model.name,
    )
}
