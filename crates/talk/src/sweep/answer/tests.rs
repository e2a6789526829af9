//! What is told of sweeps whose answers are known.

use proptest::prelude::*;

use super::choice::{Rung, Why};
use super::made_up::{MadeUp, step};
use super::{Outcome, page, sizes, terminal};
use crate::sweep::record::{Load, Step};

const MB: u64 = 1_000_000;
const ONE_SHORT_CALL: &str = "calls = [{ delay = 0.005 }]";
const FAN_OUT: &str = "calls = [{ count = 20, delay = 0.2 }]";

fn rate(place: i32) -> f64 {
    1.05_f64.powi(place)
}

/// All that is told, in one line.
fn words(made_up: &MadeUp) -> String {
    made_up.answer().words.join(" ")
}

#[test]
fn one_short_call_at_a_low_rate_needs_no_more_than_basic() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 0.05);
    made_up.sweep.rate = Some(50.0);
    for (model, memory) in [
        ("basic", 3 * MB),
        ("process", 10 * MB),
        ("thread", 3 * MB),
        ("async", 7 * MB),
        ("native", 34 * MB),
        ("coroutine", 20 * MB),
    ] {
        made_up.asked(model, memory, &[true; 3]);
    }
    let answer = made_up.answer();
    assert_eq!(answer.taken(), Some("basic"), "{:?}", answer.words);
    let choice = answer.choice.as_ref().unwrap();
    assert_eq!((choice.among.len(), choice.why), (6, Why::Simplest));
    assert!(answer.whole);
    assert!(answer.standings.iter().all(|s| s.holds_rate == Some(true)));
    let told = words(&made_up);
    let begin = "Take basic. To hold 50/s with p99 ≤ 50 ms is within reach of ";
    assert!(told.starts_with(begin), "{told}");
    assert!(told.contains("allows it no more than 200/s"), "{told}");
}

#[test]
fn only_what_waits_without_a_thread_holds_a_wide_fan_out() {
    let mut made_up = MadeUp::of(FAN_OUT, 0.4);
    made_up.sweep.rate = Some(200.0);
    // Twenty calls in sequence take four seconds; nobody needs to try.
    made_up.asked("async", 7 * MB, &[false; 3]);
    made_up.asked("native", 34 * MB, &[true; 3]);
    made_up.asked("coroutine", 20 * MB, &[true; 3]);
    let answer = made_up.answer();
    let holding = answer.standings.iter();
    let holding = holding.filter(|s| s.holds_rate == Some(true));
    let holding: Vec<_> = holding.map(|s| &*s.model).collect();
    assert_eq!(holding, ["native", "coroutine"], "{:?}", answer.words);
    let slow = answer.standings.iter();
    let slow = slow.filter(|s| s.outcome == Outcome::TooSlow);
    let slow: Vec<_> = slow.map(|s| (&*s.model, s.holds_rate)).collect();
    let expected = ["basic", "process", "thread"];
    assert_eq!(slow, expected.map(|model| (model, Some(false))));
    assert_eq!(answer.taken(), Some("coroutine"));
    assert!(answer.whole, "{:?}", answer.words);
    let told = words(&made_up);
    assert!(told.contains("it takes the least memory"), "{told}");
    assert!(told.contains(
        "by async; nor by basic, process and thread, whose requests alone \
         have a p99 of 4 s."
    ));
    // More threads would not make the calls of one request quicker.
    let workload = made_up.workload();
    assert_eq!(sizes(&made_up.sweep, &made_up.steps, &workload), []);
    assert!(!told.contains("Little"), "{told}");
}

#[test]
fn the_highest_rate_is_taken_and_what_is_enough_below_it_is_told() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("basic", 3 * MB, &[40, 40, 41]);
    made_up.knees("process", 10 * MB, &[68, 68, 68]);
    made_up.knees("thread", 4 * MB, &[69, 68, 69]);
    made_up.knees("async", 7 * MB, &[56, 56, 55]);
    made_up.knees("native", 34 * MB, &[150, 152, 151]);
    made_up.knees("coroutine", 20 * MB, &[130, 131, 130]);
    let answer = made_up.answer();
    assert_eq!(answer.taken(), Some("native"), "{:?}", answer.words);
    let choice = answer.choice.as_ref().unwrap();
    assert_eq!(
        (&*choice.among, choice.why),
        (&["native".to_owned()][..], Why::Alone)
    );
    let rung = |model: &str, place| Rung {
        model: model.to_owned(),
        up_to: rate(place),
    };
    assert_eq!(choice.above, []);
    let below = [
        rung("basic", 40),
        rung("thread", 68),
        rung("coroutine", 130),
    ];
    assert_eq!(choice.below, below);
    let order = answer.standings.iter().map(|s| &*s.model);
    let order: Vec<_> = order.collect();
    let expected =
        ["native", "coroutine", "thread", "process", "async", "basic"];
    assert_eq!(order, expected);
    let thread = answer.standing("thread").unwrap();
    assert_eq!(thread.ties, ["process"]);
    assert_eq!(answer.standing("native").unwrap().ties, [""; 0]);
    let told = words(&made_up);
    assert!(told.contains("more than any other"), "{told}");
    assert!(told.contains("basic up to 7.04/s, thread up to"), "{told}");
    assert!(told.contains("none of these is enough"), "{told}");
}

#[test]
fn a_lower_need_says_from_which_load_on_another_is_the_answer() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.sweep.rate = Some(5.0);
    made_up.knees("basic", 3 * MB, &[40; 3]);
    made_up.knees("native", 34 * MB, &[150; 3]);
    let answer = made_up.answer();
    assert_eq!(answer.taken(), Some("basic"), "{:?}", answer.words);
    let choice = answer.choice.as_ref().unwrap();
    assert_eq!(choice.above.len(), 1);
    assert_eq!(choice.above[0].model, "native");
    let told = words(&made_up);
    assert!(told.contains("Above 7.04/s the answer is another: native up to"));
}

#[test]
fn of_those_that_tie_the_cheaper_is_taken_and_the_others_are_named() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150, 152, 151]);
    made_up.knees("coroutine", 20 * MB, &[148, 150, 149]);
    let answer = made_up.answer();
    assert_eq!(answer.taken(), Some("coroutine"), "{:?}", answer.words);
    let choice = answer.choice.as_ref().unwrap();
    assert_eq!(choice.why, Why::LeastMemory);
    assert_eq!(answer.standing("native").unwrap().ties, ["coroutine"]);
    let told = words(&made_up);
    assert!(told.contains("native and coroutine tie"), "{told}");
    // As much memory: the one with fewer moving parts.
    made_up.steps.clear();
    made_up.knees("native", 20 * MB, &[150, 152, 151]);
    made_up.knees("coroutine", 20 * MB, &[148, 150, 149]);
    assert_eq!(made_up.answer().taken(), Some("native"));
}

#[test]
fn an_invalid_step_is_not_counted() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150; 3]);
    made_up.knees("coroutine", 20 * MB, &[130; 3]);
    let before = made_up.answer();
    for round in 1..=3 {
        for (p99, place) in [(0.1, 170), (0.9, 100)] {
            made_up.steps.push(Step {
                round,
                flaws: vec!["the load generator was busy".to_owned()],
                ..step("native", rate(place), p99)
            });
        }
    }
    let after = made_up.answer();
    let outcome =
        |answer: &super::Answer| answer.standing("native").unwrap().outcome;
    assert_eq!(outcome(&after), outcome(&before));
    assert_eq!(after.standing("native").unwrap().invalid, 6);
    // Nor as the failure that ends a search.
    let ends = |step: &Step| step.load == Load::Open { rate: rate(151) };
    made_up.steps.retain(|step| !ends(step));
    let open = made_up.answer();
    let knee = *open.standing("native").unwrap().knee().unwrap();
    assert_eq!((knee.low, knee.high), (rate(150), None));
    let told = words(&made_up);
    let why = "native may hold more than 1510/s: 6 steps are not counted (the \
               load generator was busy)";
    assert!(told.contains(why), "{told}");
    assert!(terminal(&open, usize::MAX).contains("at least 1510/s"));
}

#[test]
fn a_model_that_never_holds_is_said_not_to() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150; 3]);
    for round in 1..=3 {
        for place in [-40, 0, 20] {
            made_up.steps.push(Step {
                round,
                ..step("basic", rate(place), 0.9)
            });
        }
    }
    made_up
        .sweep
        .models
        .retain(|m| ["native", "basic"].contains(&&*m.name));
    let answer = made_up.answer();
    let outcome = Outcome::Fails { lowest: rate(-40) };
    assert_eq!(answer.standing("basic").unwrap().outcome, outcome);
    assert_eq!(answer.taken(), Some("native"));
    assert!(answer.whole, "{:?}", answer.words);
    let told = words(&made_up);
    assert!(told.contains("basic (not at 0.142/s either"), "{told}");
}

#[test]
fn where_none_holds_there_is_none_to_take() {
    let mut made_up = MadeUp::of(FAN_OUT, 0.4);
    made_up.sweep.rate = Some(9000.0);
    for model in ["async", "native", "coroutine"] {
        made_up.asked(model, 20 * MB, &[false; 3]);
    }
    let answer = made_up.answer();
    assert_eq!(answer.taken(), None);
    let told = words(&made_up);
    assert!(told.starts_with("Take none of these: none was seen to hold"));
    made_up.sweep.rate = None;
    let told = words(&made_up);
    assert!(told.starts_with("So far take none of these"), "{told}");
}

#[test]
fn a_rate_that_held_now_and_then_is_not_called_held() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 0.05);
    made_up.sweep.rate = Some(50.0);
    made_up.asked("basic", 3 * MB, &[true, false, true]);
    made_up.asked("native", 34 * MB, &[true; 3]);
    let answer = made_up.answer();
    assert_eq!(answer.standing("basic").unwrap().holds_rate, None);
    assert_eq!(answer.taken(), Some("native"));
    let told = words(&made_up);
    assert!(told.contains("Whether basic holds 50/s cannot be told"));
}

#[test]
fn a_sweep_cut_short_says_what_is_not_known() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150, 151]);
    made_up.knees("coroutine", 20 * MB, &[130]);
    // And this search had only begun.
    made_up.steps.push(step("thread", 10.0, 0.1));
    let answer = made_up.answer();
    assert!(!answer.whole);
    assert_eq!(answer.taken(), Some("native"), "{:?}", answer.words);
    let told = words(&made_up);
    for what in [
        "This is not the whole answer: 3 rounds were wanted",
        "native 2",
        "coroutine 1",
        "thread 0",
        "Nothing is known of basic: no round of it came to its end.",
        "So far take native: it holds p99 ≤ 500 ms",
        "4 of 6 models cannot be compared yet",
        "none of those that were measured is enough",
    ] {
        assert!(told.contains(what), "no {what:?} in {told}");
    }
    assert!(!told.contains("more than any other"), "{told}");
    assert!(terminal(&answer, usize::MAX).contains("of one round"));
    let nothing = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    let answer = nothing.answer();
    assert_eq!(answer.taken(), None);
    assert!(terminal(&answer, usize::MAX).contains("before any round was"));
    let page = page(&nothing.sweep, &nothing.steps, &answer);
    assert!(page.contains("This sweep was not finished."));
    assert_eq!(page.matches("Too little was measured").count(), 3);
    assert!(!page.contains("A dot is a step"));
}

#[test]
fn of_a_round_that_was_cut_off_nothing_is_concluded() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 0.05);
    made_up.sweep.rounds = 2;
    made_up.knees("native", 34 * MB, &[100]);
    // The next round begins at the knee of the one before, which is as often
    // too much as not.
    let failed = step("native", rate(100), 1.0);
    made_up.steps.push(Step { round: 2, ..failed });
    let answer = made_up.answer();
    let standing = answer.standing("native").unwrap();
    assert_eq!(standing.rounds, 1);
    assert!(!answer.whole);
    let Outcome::Holds(knee) = standing.outcome else {
        panic!("{:?}", standing.outcome);
    };
    assert_eq!((knee.rate, knee.rounds), (rate(100), 1));
}

#[test]
fn failures_are_held_against_a_model_but_not_the_workloads_own() {
    let failing = |fails: &str, failed: u64| {
        let workload = format!("calls = [{{ delay = 0.1, fails = {fails} }}]");
        let mut made_up = MadeUp::of(&workload, 0.5);
        made_up.sweep.rate = Some(50.0);
        made_up.asked("native", 34 * MB, &[true; 3]);
        for step in &mut made_up.steps {
            step.answered -= failed;
            step.errors.insert("status 502".to_owned(), failed);
        }
        made_up.answer().taken().is_some()
    };
    assert!(failing("0.0", 0));
    assert!(!failing("0.0", 1));
    assert!(failing("0.05", 5));
    assert!(!failing("0.05", 30));
}

#[test]
fn recovery_is_told_where_the_models_differ_in_it() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150; 3]);
    made_up.knees("thread", 4 * MB, &[100; 3]);
    made_up.stall("native", 0.2, 0);
    made_up.stall("thread", 0.4, 0);
    let told = words(&made_up);
    assert!(!told.contains("frozen"), "both are quick: {told}");
    let recovery = |made_up: &MadeUp, model: &str| {
        made_up.answer().standing(model).unwrap().recovery.unwrap()
    };
    let took = recovery(&made_up, "native").seconds.unwrap();
    assert!((took - 0.2).abs() < 0.01, "{took}");

    made_up.steps.retain(|step| step.series.is_empty());
    made_up.stall("native", 0.2, 0);
    made_up.stall("thread", 2.4, 0);
    let told = words(&made_up);
    assert!(
        told.contains("native after 200 ms; thread after 2.4 s"),
        "{told}"
    );

    made_up.steps.retain(|step| step.series.is_empty());
    made_up.stall("native", 0.2, 3);
    made_up.stall("thread", 9.0, 0);
    assert_eq!(recovery(&made_up, "thread").seconds, None);
    let told = words(&made_up);
    assert!(told.contains("of 1200 requests failed"), "{told}");
    assert!(told.contains("thread not within 3.5 s"), "{told}");
}

#[test]
fn what_was_under_way_as_it_froze_is_not_of_before() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150; 3]);
    made_up.stall("native", 1.0, 0);
    // Half a second before it freezes requests are due that it catches; and
    // once they seem to go on, they fall behind again.
    let drill = made_up.steps.last_mut().unwrap();
    for slice in &mut drill.series {
        let at = slice.from_seconds;
        if (0.95..1.5).contains(&at) || at > 4.0 {
            slice.p50_seconds = 1.4;
            slice.max_seconds = 1.6;
        }
    }
    let answer = made_up.answer();
    let recovery = answer.standing("native").unwrap().recovery.unwrap();
    assert_eq!(recovery.seconds, None, "it never stayed as before");
}

/// The size of `thread` to try next.
fn next(made_up: &MadeUp) -> Option<(u64, u64)> {
    let workload = made_up.workload();
    let sizes = sizes(&made_up.sweep, &made_up.steps, &workload);
    let of_thread = sizes.into_iter().find(|s| s.model == "thread");
    of_thread.map(|size| (size.processes, size.threads))
}

#[test]
fn a_blocking_model_gets_a_size_that_is_tried_and_grows() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.sweep.rate = Some(400.0);
    made_up.asked("native", 34 * MB, &[true; 3]);
    made_up.asked("thread", 4 * MB, &[false; 3]);
    // The failing step's requests took 0.9 s each, most of it to wait for
    // others. Of the 0.1 s of each by itself, 40 are in hand at a time.
    let first = next(&made_up).unwrap();
    assert_eq!(first.0, 2);
    let slots = first.0 * first.1;
    assert!(slots > 40 && slots < 60, "{slots}");
    made_up.size("thread", first, false);
    let second = next(&made_up).unwrap();
    assert!(second.1 > first.1, "{second:?} after {first:?}");
    made_up.size("thread", second, true);
    assert_eq!(next(&made_up), None);
    let told = words(&made_up);
    let held = format!("tried, 2 × {} threads held it, with", second.1);
    assert!(told.contains(&held), "{told}");
    // Nor is more tried once it has failed often enough.
    made_up.steps.pop();
    made_up.size("thread", second, false);
    made_up.size("thread", next(&made_up).unwrap(), false);
    assert_eq!(next(&made_up), None);
    let told = words(&made_up);
    assert!(told.contains(", but did not hold: 2 ×"), "{told}");
}

#[test]
fn a_size_that_is_never_undisturbed_is_given_up() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.sweep.rate = Some(400.0);
    made_up.asked("thread", 4 * MB, &[false; 3]);
    for _ in 0..3 {
        let size = next(&made_up).expect("a size to try");
        made_up.size("thread", size, false);
        let last = made_up.steps.last_mut().unwrap();
        last.flaws
            .push("a worker was replaced meanwhile".to_owned());
    }
    assert_eq!(next(&made_up), None);
    let told = words(&made_up);
    assert!(told.contains("was tried, but never undisturbed"), "{told}");
}

#[test]
fn a_size_that_the_machine_cannot_have_is_not_tried() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.sweep.rate = Some(5000.0);
    made_up.asked("native", 34 * MB, &[true; 3]);
    made_up.asked("thread", 4 * MB, &[false; 3]);
    // Half a millisecond each, five thousand times a second.
    let told = words(&made_up);
    assert!(
        told.contains("and 2.5 cores, of the 2 that there are"),
        "{told}"
    );
    assert_eq!(next(&made_up), None);
}

#[test]
fn a_law_is_told_where_it_fits() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150; 3]);
    let rising = [1, 2, 5, 10, 50, 200].map(|n| (n, n as f64 * 9.5));
    made_up.closed("native", &rising);
    made_up.closed(
        "basic",
        &[(1, 9.5), (2, 9.4), (5, 9.5), (9, 9.6), (12, 9.5)],
    );
    let answer = made_up.answer();
    assert!(answer.standing("native").unwrap().law.unwrap().is_good());
    let page = page(&made_up.sweep, &made_up.steps, &answer);
    assert!(page.contains("it does not fit"), "basic does not scale");
}

#[test]
fn a_steps_latency_is_told_once_at_each_quantile() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 0.05);
    made_up.knees("native", 34 * MB, &[150; 3]);
    for (quantile, p99, p99_9) in [(0.99, 1, 0), (0.999, 1, 1)] {
        made_up.sweep.target.quantile = quantile;
        let answer = made_up.answer();
        let page = page(&made_up.sweep, &made_up.steps, &answer);
        assert_eq!(page.matches(">p99</th>").count(), p99);
        assert_eq!(page.matches(">p99.9</th>").count(), p99_9);
    }
}

#[test]
fn what_is_shown_is_made_of_the_record_alone() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.knees("native", 34 * MB, &[150, 151, 149]);
    made_up.stall("native", 0.2, 0);
    let first = made_up.answer();
    let again = made_up.answer();
    let json = |answer| serde_json::to_string(answer).unwrap();
    assert_eq!(json(&first), json(&again));
    let page = |answer| page(&made_up.sweep, &made_up.steps, answer);
    assert_eq!(page(&first), page(&again));
}

#[test]
fn wherever_a_sweep_is_stopped_it_has_an_answer() {
    let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
    made_up.sweep.models.retain(|model| model.name != "process");
    made_up.knees("basic", 3 * MB, &[40, 40, 41]);
    made_up.knees("thread", 4 * MB, &[69, 68, 69]);
    made_up.knees("async", 7 * MB, &[56, 56, 55]);
    made_up.knees("native", 34 * MB, &[150, 152, 151]);
    made_up.knees("coroutine", 20 * MB, &[130, 131, 130]);
    made_up.steps.sort_by_key(|step| step.round);
    let all = std::mem::take(&mut made_up.steps);
    for step in &all {
        let answer = made_up.answer();
        assert!(!answer.whole, "after {} steps", made_up.steps.len());
        let told = answer.words.join(" ");
        assert!(told.contains("not the whole answer"), "{told}");
        page(&made_up.sweep, &made_up.steps, &answer);
        made_up.steps.push(step.clone());
    }
    let answer = made_up.answer();
    assert!(answer.whole, "{:?}", answer.words);
    assert_eq!(answer.taken(), Some("native"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_taken_holds_what_is_needed(
        places in proptest::collection::vec((20..160i32, 0..3i32), 6),
        memories in proptest::collection::vec(1..40u64, 6),
        needed in proptest::option::of(20..170i32),
    ) {
        let mut made_up = MadeUp::of("calls = [{ delay = 0.1 }]", 0.5);
        made_up.sweep.rate = needed.map(rate);
        // Arithmetic has no say here.
        for model in &mut made_up.sweep.models {
            model.slots = None;
        }
        let names = made_up.sweep.models.iter().map(|m| m.name.clone());
        let names: Vec<_> = names.collect();
        for ((name, (place, spread)), memory) in
            names.iter().zip(&places).zip(memories)
        {
            let rounds = [*place, place + spread, *place];
            made_up.knees(name, memory * MB, &rounds);
        }
        let answer = made_up.answer();
        let holds = |model: &str, rate: f64| {
            let standing = answer.standing(model).unwrap();
            standing.knee().unwrap().holds(rate) == Some(true)
        };
        let able = needed.is_none_or(|needed| {
            names.iter().any(|name| holds(name, rate(needed)))
        });
        prop_assert_eq!(answer.choice.is_some(), able);
        let Some(choice) = &answer.choice else {
            return Ok(());
        };
        prop_assert!(choice.among.contains(&choice.model));
        if let Some(needed) = needed {
            prop_assert!(holds(&choice.model, rate(needed)));
        } else {
            // None is beyond doubt better.
            let taken = answer.standing(&choice.model).unwrap();
            let taken = *taken.knee().unwrap();
            for standing in &answer.standings {
                let knee = standing.knee().unwrap();
                prop_assert!(knee.low <= taken.high.unwrap() * 1.000_001);
            }
        }
        for rungs in [&choice.below, &choice.above] {
            prop_assert!(rungs.is_sorted_by(|a, b| a.up_to < b.up_to));
            for rung in rungs {
                prop_assert!(holds(&rung.model, rung.up_to));
            }
        }
    }
}

#[test]
fn rounds_that_say_nothing_are_not_left_out_of_a_confidence() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 1.0);
    made_up.sweep.rate = Some(50.0);
    made_up.asked("native", 1, &[true, false, false]);
    let flawed = made_up.steps.iter_mut().filter(|step| step.round > 1);
    flawed.for_each(|step| step.flaws.push("somebody was busy".into()));
    let answer = made_up.answer();
    let native = answer.standing("native").unwrap();
    assert_eq!(native.holds_rate, None, "one of three rounds says that");
    assert_eq!(answer.taken(), None);
}

#[test]
fn who_has_nobody_beside_it_is_not_called_better_than_others() {
    let mut made_up = MadeUp::of(ONE_SHORT_CALL, 1.0);
    made_up.knees("native", 1, &[100, 100, 100]);
    made_up.sweep.models.retain(|model| model.name == "native");
    let told = words(&made_up);
    assert!(told.contains("Take native"), "{told}");
    assert!(!told.contains("than any other"), "{told}");
}
