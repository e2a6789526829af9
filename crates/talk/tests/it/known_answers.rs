//! Sweeps of workloads whose answer is known, on the real servers.
//!
//! A machine that is busy with other tests may spoil a step, and then the
//! answer has to say so. Whichever it is, it may not be wrong.

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{free_base, talk};

/// What a sweep of one round answers, and what it said meanwhile.
fn answer(arguments: &[&str]) -> (Value, String) {
    let folder = TempDir::new().unwrap();
    let quick = ["sweep", "--quick", "--rounds=1", "--no-stall", "--json"];
    let output = talk(free_base(), &quick)
        .arg("--output")
        .arg(folder.path())
        .args(arguments)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let answer = serde_json::from_slice(&output.stdout);
    (answer.unwrap_or_else(|e| panic!("{e}: {stderr}")), stderr)
}

fn standing<'a>(answer: &'a Value, model: &str) -> &'a Value {
    let standings = answer["standings"].as_array().unwrap();
    let mut standings = standings.iter();
    standings
        .find(|standing| standing["model"] == model)
        .unwrap()
}

/// Those that hold the rate that is needed.
fn holding(answer: &Value) -> Vec<&str> {
    let standings = answer["standings"].as_array().unwrap();
    let holding = standings.iter().filter(|s| s["holds_rate"] == true);
    holding.map(|s| s["model"].as_str().unwrap()).collect()
}

#[test]
fn one_short_call_at_a_low_rate_is_enough_for_basic() {
    let (answer, stderr) = answer(&[
        "basic",
        "process",
        "native",
        "--calls=1",
        "--delay=0.005",
        "--rate=50/s",
        "--target=p99=500ms",
    ]);
    if standing(&answer, "basic")["holds_rate"] != true {
        eprintln!("skipped: the machine is too busy for basic: {stderr}");
        return;
    }
    let holding = holding(&answer);
    assert_eq!(
        answer["choice"]["model"], "basic",
        "{holding:?}: {answer:#}"
    );
    let words = answer["words"].to_string();
    assert!(words.contains("no more than 200/s"), "{words}");
}

#[test]
fn a_wide_fan_out_is_held_by_none_that_blocks() {
    let (answer, stderr) = answer(&[
        "thread",
        "async",
        "native",
        "--calls=20",
        "--delay=0.2",
        "--rate=200/s",
        "--target=p99=600ms",
    ]);
    // Twenty calls in sequence take four seconds, whoever makes them.
    assert_eq!(standing(&answer, "thread")["outcome"], "too_slow");
    assert_eq!(standing(&answer, "thread")["holds_rate"], false);
    // Two requests at a time are ten a second.
    let holding = holding(&answer);
    assert!(!holding.contains(&"async"), "{answer:#}");
    let Some(taken) = answer["choice"]["model"].as_str() else {
        eprintln!("skipped: the machine is too busy for any: {stderr}");
        return;
    };
    assert_eq!((taken, holding), ("native", vec!["native"]), "{answer:#}");
}
