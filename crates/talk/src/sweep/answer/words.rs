//! The recommendation, in plain words.

use super::choice::{Choice, Rung, Why};
use super::figures::{
    between, bytes, duration, knee, list, quantile, rate, short, target,
};
use super::sizing::{Obstacle, Sizing};
use super::{Answer, Outcome, Standing};
use crate::sweep::record::Sweep;

/// A paragraph each: what to take and why, who else holds it, when that
/// changes, what a stall does, how large others would have to be, and what
/// is not known.
pub(crate) fn words(answer: &Answer, sweep: &Sweep) -> Vec<String> {
    let told = [
        Some(taken(answer)),
        others(answer),
        refused(answer),
        change(answer),
        stall(answer),
    ];
    let told = told.into_iter().flatten().chain(sizes(answer, sweep));
    told.chain(unknown(answer)).collect()
}

fn taken(answer: &Answer) -> String {
    let target = target(&answer.target);
    let Some(choice) = &answer.choice else {
        return none_to_take(answer, &target);
    };
    let take = take(answer);
    let mut told = match (answer.rate, choice.why) {
        (Some(needed), Why::Alone) => format!(
            "{take} {}: it alone was seen to hold {} with {target}.",
            choice.model,
            rate(needed)
        ),
        (Some(needed), why) => format!(
            "{take} {}. To hold {} with {target} is within reach of {}; of \
             these {}.",
            choice.model,
            rate(needed),
            list(&choice.among),
            because(why)
        ),
        (None, Why::Alone) if is_first_of_all(answer) => format!(
            "{take} {}: it holds {target} at {}, which is more than any \
             other was seen to.",
            choice.model,
            top(answer, choice)
        ),
        (None, Why::Alone) => format!(
            "{take} {}: it holds {target} at {}.",
            choice.model,
            top(answer, choice)
        ),
        (None, why) => format!(
            "{take} {}, which holds {target} at {}. For the highest rate \
             {} tie; of these {}.",
            choice.model,
            top(answer, choice),
            list(&choice.among),
            because(why)
        ),
    };
    told.push_str(&so_far(answer));
    let cost = answer.standing(&choice.model).and_then(|s| s.cost.as_ref());
    if let Some(cost) = cost {
        told.push_str(&format!(
            " At {} a request costs it {} of processor time, and all requests \
             together {} of memory",
            rate(cost.rate),
            duration(cost.cpu_seconds.median),
            bytes(cost.memory_bytes.median),
        ));
        // Of one at a time that would be the same again.
        let each = cost.request_bytes.median;
        if each < cost.memory_bytes.median {
            let each = bytes(each);
            told.push_str(&format!(": {each} for each that is in hand"));
        }
        told.push('.');
    }
    told
}

/// Whether there are others, and all of them can be compared.
fn is_first_of_all(answer: &Answer) -> bool {
    answer.standings.len() > 1 && answer.unknown().next().is_none()
}

fn none_to_take(answer: &Answer, target: &str) -> String {
    let best = answer
        .standings
        .iter()
        .find_map(|standing| Some((&standing.model, standing.knee()?)));
    let take = take(answer);
    let told = match (answer.rate, best) {
        (Some(needed), Some((model, knee))) => format!(
            "{take} none of these: none was seen to hold {} with {target}. The \
             most is held by {model}, {}.",
            rate(needed),
            self::knee(knee)
        ),
        (Some(needed), None) => format!(
            "{take} none of these: none was seen to hold {} with {target}.",
            rate(needed)
        ),
        (None, _) => format!(
            "{take} none of these: none was seen to hold {target} at any rate."
        ),
    };
    told + &so_far(answer)
}

fn take(answer: &Answer) -> &'static str {
    match answer.unknown().next() {
        None => "Take",
        Some(_) => "So far take",
    }
}

/// That the comparison is not of all.
fn so_far(answer: &Answer) -> String {
    match (answer.unknown().count(), answer.standings.len()) {
        (0, _) => String::new(),
        (unknown, all) => format!(
            " {unknown} of {all} models cannot be compared yet, so another \
             may be better."
        ),
    }
}

fn because(why: Why) -> &'static str {
    match why {
        Why::Alone => "there is no other",
        Why::LeastMemory => "it takes the least memory",
        Why::Simplest => {
            "none takes clearly less memory, and it has the fewest moving \
             parts"
        }
    }
}

fn top(answer: &Answer, choice: &Choice) -> String {
    let standing = answer.standing(&choice.model);
    let knee = standing.and_then(Standing::knee);
    knee.map_or_else(String::new, self::knee)
}

/// Who else holds the target.
fn others(answer: &Answer) -> Option<String> {
    let taken = answer.taken();
    let held = answer.standings.iter().filter_map(|standing| {
        let other = taken != Some(&standing.model);
        let held = knee(standing.knee().filter(|_| other)?);
        Some(format!("{} {held}", standing.model))
    });
    let held: Vec<_> = held.collect();
    // Of a needed rate no more was asked than that.
    let asked = answer.rate.is_none() && !held.is_empty();
    asked.then(|| format!("It is held, too, by {}.", list(&held)))
}

/// Who does not.
fn refused(answer: &Answer) -> Option<String> {
    let mut told = Vec::new();
    let mut slow: Vec<(f64, Vec<&str>)> = Vec::new();
    for standing in &answer.standings {
        let Standing {
            model,
            alone_seconds,
            ..
        } = standing;
        match (standing.outcome, answer.rate) {
            (Outcome::TooSlow, _) => match slow.last_mut() {
                Some((alone, alike)) if alone == alone_seconds => {
                    alike.push(model);
                }
                _ => slow.push((*alone_seconds, vec![model])),
            },
            (Outcome::Fails { .. }, Some(_)) => told.push(model.clone()),
            // Of one that was cut off, lower rates were still to come.
            (Outcome::Fails { .. }, None) if standing.rounds == 0 => {}
            (Outcome::Fails { lowest }, None) => told.push(format!(
                "{model} (not at {} either, the least that was tried)",
                rate(lowest)
            )),
            (Outcome::Unsteady(knee), None) => told.push(format!(
                "{model} (not in every one of {} rounds)",
                knee.rounds
            )),
            (Outcome::Holds(knee), _) if standing.holds_rate == Some(false) => {
                told.push(format!("{model} ({} only)", self::knee(&knee)));
            }
            _ => {}
        }
    }
    let slow = slow.iter().map(|(alone, alike)| {
        format!(
            "{}, whose requests alone have a {} of {}",
            list(alike),
            quantile(answer.target.quantile),
            duration(*alone)
        )
    });
    let told = (!told.is_empty()).then(|| list(&told));
    let told: Vec<_> = told.into_iter().chain(slow).collect();
    let told = told.join("; nor by ");
    (!told.is_empty()).then(|| format!("It is not held by {told}."))
}

/// At what load the answer would be another.
fn change(answer: &Answer) -> Option<String> {
    let choice = answer.choice.as_ref()?;
    let standing = answer.standing(&choice.model)?;
    let knee = standing.knee()?;
    let above = match (&choice.above[..], knee.high) {
        ([], None) if answer.rate.is_some() => {
            let most = standing.most_rate.map(|most| {
                format!("; arithmetic allows it no more than {}", rate(most))
            });
            format!(
                "How far above {} it goes was not looked for{}.",
                rate(knee.low),
                most.unwrap_or_default()
            )
        }
        ([], None) => {
            format!("How far above {} it goes is not known.", rate(knee.low))
        }
        ([], Some(_)) => {
            let these = match answer.unknown().next() {
                None => "these",
                Some(_) => "those that were measured",
            };
            format!("Above {} none of {these} is enough.", between(knee))
        }
        (rungs, _) => format!(
            "Above {} the answer is another: {}.",
            rate(knee.low),
            list(&rungs.iter().map(rung).collect::<Vec<_>>())
        ),
    };
    let below = match &choice.below[..] {
        [] => String::new(),
        rungs => format!(
            " Where the rate is lower, less is enough: {}.",
            list(&rungs.iter().map(rung).collect::<Vec<_>>())
        ),
    };
    Some(above + &below)
}

fn rung(rung: &Rung) -> String {
    format!("{} up to {}", rung.model, rate(rung.up_to))
}

/// Where the models differ by more than the freeze itself, or requests were
/// lost, it matters.
fn stall(answer: &Answer) -> Option<String> {
    let taken = answer.taken()?;
    let drills = answer.standings.iter().filter_map(|standing| {
        let knows = standing.knee().is_some();
        Some((&standing.model, standing.recovery.filter(|_| knows)?))
    });
    let drills: Vec<_> = drills.collect();
    let of_taken = drills.iter().find(|(model, _)| *model == taken)?;
    let (_, mine) = of_taken;
    let worst = drills.iter().map(|(_, recovery)| recovery.at_least());
    let best = worst.clone().fold(f64::INFINITY, f64::min);
    let worst = worst.fold(0.0, f64::max);
    let lost = drills.iter().any(|(_, recovery)| recovery.failed > 0);
    if worst - best <= mine.frozen_seconds && !lost {
        return None;
    }
    let told = drills.iter().map(|(model, recovery)| {
        let took = match recovery.seconds {
            Some(0.0) => format!("{model} at once"),
            Some(seconds) => format!("{model} after {}", duration(seconds)),
            None => format!(
                "{model} not within {}",
                duration(recovery.watched_seconds)
            ),
        };
        match recovery.failed {
            0 => took,
            failed => format!(
                "{took}, with {failed} of {} requests failed",
                recovery.requests
            ),
        }
    });
    let load = match answer.rate {
        Some(needed) => format!("each at {} at most", rate(needed)),
        None => "each at half of its own highest rate at most".to_owned(),
    };
    Some(format!(
        "When the backend had frozen for {}, {load}, latency was again as \
         before: {}.",
        duration(mine.frozen_seconds),
        told.collect::<Vec<_>>().join("; ")
    ))
}

/// What models that block would need.
fn sizes(answer: &Answer, sweep: &Sweep) -> Option<String> {
    let sizings = answer.standings.iter().filter_map(|standing| {
        let sizing = standing.sizing.as_ref()?;
        // More threads do not make a request quicker.
        let helps = sizing.obstacle != Some(Obstacle::Time);
        helps.then_some((standing, sizing))
    });
    let sizings: Vec<_> = sizings.collect();
    let (_, first) = sizings.first()?;
    let told = sizings.iter().map(|(standing, sizing)| {
        format!("{} {}", standing.model, size(sizing, sweep))
    });
    Some(format!(
        "Models that block would have to be larger to hold {}: by Little's \
         law as many requests are in hand as arrive in the time of one, and \
         some slots have to be spare. {}.",
        rate(first.rate),
        told.collect::<Vec<_>>().join("; ")
    ))
}

fn size(sizing: &Sizing, sweep: &Sweep) -> String {
    let needs = format!(
        "has {} in hand, of {} each, and needs {}",
        short(sizing.in_hand),
        duration(sizing.request_seconds),
        shape(sizing.processes, sizing.threads)
    );
    let came = match (sizing.obstacle, sizing.held()) {
        (_, Some(held)) => format!(
            "; tried, {} held it, with {} of memory",
            shape(held.processes, held.threads),
            bytes(held.memory_bytes.median)
        ),
        (Some(Obstacle::Cores { needed }), _) => format!(
            ", and {} cores, of the {} that there are",
            short(needed),
            sweep.machine.cores
        ),
        (Some(Obstacle::Memory { needed }), _) => format!(
            " (some {} of memory), which is too much to be tried here",
            bytes(needed)
        ),
        (Some(Obstacle::Processes), _) => {
            ", too many to be tried here".to_owned()
        }
        _ if sizing.tried.is_empty() && sizing.disturbed > 0 => {
            ", which was tried, but never undisturbed".to_owned()
        }
        _ if sizing.tried.is_empty() => ", which was not tried".to_owned(),
        _ => {
            let tried = sizing.tried.iter().map(|tried| {
                format!(
                    "{} had a {} of {}",
                    shape(tried.processes, tried.threads),
                    quantile(sweep.target.quantile),
                    duration(tried.target_seconds.median)
                )
            });
            let tried: Vec<_> = tried.collect();
            format!(", but did not hold: {}", list(&tried))
        }
    };
    needs + &came
}

/// `2 × 38 threads`
pub(crate) fn shape(processes: u64, threads: u64) -> String {
    match (processes, threads) {
        (1, 1) => "one process".to_owned(),
        (processes, 1) => format!("{processes} processes"),
        (processes, threads) => format!("{processes} × {threads} threads"),
    }
}

/// What is not known, and why.
fn unknown(answer: &Answer) -> Vec<String> {
    let mut told = Vec::new();
    if !answer.whole {
        let short = answer.standings.iter().filter(|standing| {
            standing.outcome != Outcome::TooSlow
                && standing.rounds < answer.rounds
        });
        let short = short
            .map(|standing| format!("{} {}", standing.model, standing.rounds));
        let short: Vec<_> = short.collect();
        told.push(format!(
            "This is not the whole answer: {} rounds were wanted, and so many \
             came to their end: {}.",
            answer.rounds,
            list(&short)
        ));
    }
    for standing in &answer.standings {
        let Standing { model, invalid, .. } = standing;
        let what = match (standing.outcome, invalid) {
            (Outcome::Unknown, 0) => format!(
                "Nothing is known of {model}: no round of it came to its end"
            ),
            (Outcome::Unknown, _) => {
                format!("Nothing is known of {model}: no step of it is valid")
            }
            (_, 0) => continue,
            (Outcome::Holds(knee), many)
                if knee.high.is_none() && answer.rate.is_none() =>
            {
                format!(
                    "{model} may hold more than {}: {} not counted",
                    rate(knee.low),
                    steps(*many)
                )
            }
            (_, many) => {
                format!("Of {model}, {} not counted", steps(*many))
            }
        };
        let flaws = match standing.flaws.first() {
            Some(flaw) => format!(" ({flaw})"),
            None => String::new(),
        };
        told.push(format!("{what}{flaws}."));
    }
    if let Some(needed) = answer.rate {
        let unsure = answer.standings.iter().filter(|standing| {
            standing.holds_rate.is_none()
                && standing.outcome != Outcome::Unknown
        });
        let unsure: Vec<_> = unsure.map(|s| &*s.model).collect();
        if !unsure.is_empty() {
            told.push(format!(
                "Whether {} holds {} cannot be told: it did in some rounds.",
                unsure.join(" or "),
                rate(needed)
            ));
        }
    }
    told
}

fn steps(many: usize) -> String {
    match many {
        1 => "one step is".to_owned(),
        many => format!("{many} steps are"),
    }
}
