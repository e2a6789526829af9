//! A sweep on the real servers: what it finds, keeps, refuses and goes on
//! with.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{descendants, free_base, none_is_left, refused, talk, wait};
use crate::server::run;

fn sweep(output: &Path, arguments: &str) -> Command {
    let mut command = talk(free_base(), &["sweep", "--quick", "--output"]);
    command.arg(output).args(arguments.split(' '));
    command
}

/// Its answer, as it tells machines.
#[track_caller]
fn answer(result: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{stderr}");
    serde_json::from_slice(&result.stdout)
        .unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

fn standing<'a>(answer: &'a Value, model: &str) -> &'a Value {
    let mut standings = answer["standings"].as_array().unwrap().iter();
    standings.find(|s| s["model"] == model).unwrap()
}

/// The lines that were kept, after the first.
fn steps(output: &Path) -> Vec<Value> {
    let text = fs::read_to_string(output.join("steps.jsonl")).unwrap();
    let lines = text.lines().skip(1);
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn one_short_call_at_a_low_rate_needs_no_more_than_basic() {
    let output = TempDir::new().unwrap();
    let result = run(sweep(
        output.path(),
        "basic thread native --calls 1 --delay 0.005 --target p99=400ms \
         --rate 50/s --rounds 1 --no-stall --json --fail-if-not basic",
    ));
    let answer = answer(&result);
    assert_eq!(answer["choice"]["model"], "basic", "{answer:#}");
    for model in ["basic", "thread", "native"] {
        let holds = &standing(&answer, model)["holds_rate"];
        assert_eq!(holds, true, "{model}: {answer:#}");
    }
    let words = answer["words"].to_string();
    assert!(words.contains("no more than 200/s"), "{words}");
}

/// A machine that is busy with other tests may spoil a step, and then the
/// answer has to say so. Whichever it is, it may not be wrong.
#[test]
fn a_wide_fan_out_at_a_high_rate_is_held_by_none_that_blocks() {
    let output = TempDir::new().unwrap();
    let result = run(sweep(
        output.path(),
        "thread async native --calls 20 --delay 0.2 --target p99=600ms \
         --rate 200/s --rounds 1 --no-stall --json",
    ));
    let answer = answer(&result);
    // Twenty calls in sequence take four seconds, whoever makes them.
    assert_eq!(standing(&answer, "thread")["outcome"], "too_slow");
    assert_eq!(standing(&answer, "thread")["holds_rate"], false);
    // Two requests at a time are ten a second.
    let standings = answer["standings"].as_array().unwrap();
    let holding = standings.iter().filter(|s| s["holds_rate"] == true);
    let holding = holding.map(|s| s["model"].as_str().unwrap());
    let holding: Vec<_> = holding.collect();
    assert!(!holding.contains(&"async"), "{answer:#}");
    let Some(taken) = answer["choice"]["model"].as_str() else {
        let stderr = String::from_utf8_lossy(&result.stderr);
        eprintln!("skipped: the machine is too busy for any: {stderr}");
        return;
    };
    assert_eq!((taken, holding), ("native", vec!["native"]), "{answer:#}");
}

#[test]
fn a_wide_fan_out_is_for_those_that_wait_without_a_thread() {
    let output = TempDir::new().unwrap();
    // Alone, requests of process take 4 s, and those of executor and async
    // are two at a time.
    let result = run(sweep(
        output.path(),
        "process executor async native coroutine --calls 20 --delay 0.2 \
         --target p99=2s --rate 20/s --rounds 1 --no-stall --json",
    ));
    let answer = answer(&result);
    for (model, expected) in [
        ("process", false),
        ("executor", false),
        ("async", false),
        ("native", true),
        ("coroutine", true),
    ] {
        let holds = &standing(&answer, model)["holds_rate"];
        assert_eq!(holds, expected, "{model}: {answer:#}");
    }
    let taken = answer["choice"]["model"].as_str();
    assert!(
        matches!(taken, Some("native" | "coroutine")),
        "{taken:?}: {answer:#}"
    );
    // Whose requests alone are too slow was not measured.
    let models = steps(output.path());
    assert!(models.iter().all(|step| step["model"] != "process"));
}

#[test]
fn the_knee_is_found_within_a_step_and_a_stall_is_felt() {
    let output = TempDir::new().unwrap();
    let result = run(sweep(
        output.path(),
        "process --calls 1 --delay 0.02 --target p99=500ms --rounds 1 --json",
    ));
    let answer = answer(&result);
    let steps = steps(output.path());
    let rates = steps
        .iter()
        .filter_map(|s| s["load"]["open"]["rate"].as_f64());
    let rates: Vec<_> = rates.collect();
    // Four at a time, each of 20 ms: no load has more.
    assert!(rates.iter().all(|rate| *rate <= 200.0), "{rates:?}");
    for rate in &rates {
        let place = rate.ln() / 1.05_f64.ln();
        assert!((place - place.round()).abs() < 1e-6, "{rate} is no step");
    }
    let knee =
        standing(&answer, "process")["outcome"]["holds"]["rate"].as_f64();
    let knee = knee.unwrap_or_else(|| panic!("none held: {answer:#}"));
    let next = rates.iter().any(|rate| (rate / knee - 1.05).abs() < 1e-6);
    assert!(next || knee * 1.05 > 200.0, "{knee} of {rates:?}");
    for step in &steps {
        let told = |figure: &str| step[figure].as_f64().unwrap() > 0.0;
        for figure in ["cpu_seconds", "memory_bytes", "threads"] {
            assert!(told(figure), "no {figure}: {step}");
        }
        assert!(told("voluntary_switches"), "nobody waited: {step}");
    }

    let drill = steps.iter().find(|step| !step["load"]["stall"].is_null());
    let drill = drill.unwrap_or_else(|| panic!("no drill: {steps:#?}"));
    let stall = &drill["load"]["stall"];
    let from = stall["from_seconds"].as_f64().unwrap();
    let slices = drill["series"].as_array().unwrap();
    let slowest = |from: f64, to: f64| {
        let of = slices.iter().filter(|slice| {
            let at = slice["from_seconds"].as_f64().unwrap();
            (from..to).contains(&at)
        });
        let times = of.map(|slice| slice["p50_seconds"].as_f64().unwrap());
        times.fold(0.0, f64::max)
    };
    let (before, frozen) =
        (slowest(0.0, from - 0.2), slowest(from, from + 0.5));
    assert!(frozen > 0.4, "who came when it froze waited {frozen} s");
    assert!(frozen > before, "{before} s before, {frozen} s then");
}

#[test]
fn a_blocking_model_gets_a_size_that_was_tried() {
    let output = TempDir::new().unwrap();
    let result = run(sweep(
        output.path(),
        "thread --calls 1 --delay 0.1 --target p99=600ms --rate 80/s \
         --rounds 1 --no-stall --sizing --json",
    ));
    let answer = answer(&result);
    let thread = standing(&answer, "thread");
    assert_eq!(thread["holds_rate"], false, "four hold 40/s: {answer:#}");
    let tried = thread["sizing"]["tried"].as_array().unwrap();
    let last = tried.last().unwrap_or_else(|| panic!("none: {answer:#}"));
    assert_eq!(last["held"], true, "{answer:#}");
    let figure = |name: &str| last[name].as_u64().unwrap();
    assert!(figure("processes") * figure("threads") >= 8, "{last}");
    // It was measured: memory is that of this size.
    let sized = steps(output.path()).into_iter();
    let sized = sized.filter(|step| !step["load"]["sized"].is_null());
    assert_eq!(sized.count(), tried.len());
}

#[test]
fn a_sweep_that_is_stopped_keeps_what_it_has_and_goes_on() {
    const ASKED: &str = "process basic --calls 1 --delay 0.02 --target \
                         p99=500ms --rate 20/s --rounds 3 --no-stall";
    let output = TempDir::new().unwrap();
    let output = output.path();
    let mut child = sweep(output, ASKED)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("round 1 of 3") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    assert!(told.contains(" left)"), "no time that is left: {told}");
    let family = descendants(child.id());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    while stderr.read_line(&mut told).unwrap() > 0 {}
    assert_eq!(wait(&mut child), Some(130), "{told}");
    assert!(told.contains("--resume goes on"), "{told}");
    none_is_left(family);
    assert!(output.join("sweep.html").exists(), "{told}");
    let kept = steps(output);
    assert!(!kept.is_empty(), "{told}");

    // Another sweep is not mixed into it.
    let other = ASKED.replace("p99=500ms", "p99=600ms");
    let result = run(sweep(output, &format!("{other} --resume")));
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("another --target; leave out --resume"),
        "{last}"
    );

    // As if it had been killed while it wrote.
    let path = output.join("steps.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{{\"model\":\"ba")).unwrap();
    let result = run(sweep(output, &format!("{ASKED} --resume")));
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{stderr}");
    let all = steps(output);
    assert_eq!(all[..kept.len()], kept, "what was kept is as it was");
    let old = stderr.lines().find(|line| line.contains("round 1 of 3"));
    assert!(old.is_some_and(|old| old.ends_with("(kept)")), "{stderr}");
    let rounds = all.iter().filter(|s| !s["load"]["open"].is_null());
    let rounds = rounds.map(|step| {
        let model = step["model"].as_str().unwrap().to_owned();
        (model, step["round"].as_u64().unwrap())
    });
    assert_eq!(rounds.collect::<BTreeSet<_>>().len(), 6, "{all:#?}");
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_starts() {
    for (arguments, code, why) in [
        ("--target 1s", 2, "try p99=800ms"),
        (
            "--target p99=100ms",
            1,
            "a request that is alone takes 0.500 s",
        ),
        ("basic --target p99=1s", 1, "takes 1.250 s"),
        ("--delay=-1", 2, "--delay"),
        ("--calls 0", 2, "--calls"),
        ("--calls 2000", 2, "give 1000 at most"),
        ("--fails 2", 1, "fails: 2 is no share"),
        ("--work=-1", 1, "--work: "),
        ("--rate 0/s", 2, "try 50/s"),
        ("--rate 1e18/s", 1, "100000/s at the most"),
        ("--target p99=1e20s", 2, "a day at most"),
        ("--order random", 2, "random"),
        ("--workload a.toml --calls 1", 2, "cannot be used with"),
        ("--workload nowhere.toml", 1, "nowhere.toml"),
        ("basic --fail-if-not native", 1, "not among those to sweep"),
        ("basci", 1, "no deployment \"basci\""),
    ] {
        let mut all = vec!["sweep"];
        all.extend(arguments.split(' '));
        refused(&all, code, why);
    }
}
