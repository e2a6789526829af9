//! The caveats: that each shows its evidence, and that it is evidence.
//!
//! `talk caveats` judges by itself; what is asserted here is read from its
//! JSON, so that a judge that nods at anything would be found out.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{descendants, free_base, none_is_left, refused, talk, wait};
use crate::server::root;

/// The evidence of a caveat in its short form.
struct Shown(Value);

#[track_caller]
fn show(name: &str) -> Shown {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("evidence.json");
    let output = talk(free_base(), &["caveats", name, "--quick", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}{stdout}");
    assert!(stdout.starts_with(name), "{stdout}");
    assert!(stdout.ends_with("  shown\n\n"), "{stdout}");
    assert!(!stdout.contains('\x1b'), "colours in a pipe");
    let json: Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let caveat = &json["caveats"][0];
    assert_eq!(caveat["name"], name);
    assert_eq!(caveat["shown"], true, "{json}");
    for reason in caveat["findings"]["skipped"].as_array().unwrap() {
        eprintln!("skipped: {reason}");
    }
    Shown(caveat["findings"].clone())
}

impl Shown {
    /// The figures of what begins so: whose, and what.
    #[track_caller]
    fn figures(&self, what: &str) -> Vec<(String, f64)> {
        let evidence = self.0["evidence"].as_array().unwrap();
        let evidence = evidence
            .iter()
            .find(|one| one["what"].as_str().unwrap().starts_with(what));
        let Some(evidence) = evidence else {
            panic!("nothing of {what:?} in {}", self.0);
        };
        let figures = evidence["figures"].as_array().unwrap().iter();
        let figures = figures.map(|figure| {
            let side = figure["side"].as_str().unwrap();
            let of = figure["of"].as_str().unwrap();
            (format!("{side}: {of}"), figure["value"].as_f64().unwrap())
        });
        figures.collect()
    }

    /// The one figure of these that is whose it says.
    #[track_caller]
    fn figure(&self, what: &str, whose: &str) -> f64 {
        let figures = self.figures(what);
        let mut those = figures.iter().filter(|(of, _)| of.contains(whose));
        match (those.next(), those.next()) {
            (Some((_, value)), None) => *value,
            _ => panic!("not one of {whose:?} in {figures:?}"),
        }
    }

    #[track_caller]
    fn quotes(&self, part: &str) {
        let quotes = self.0["quotes"].as_array().unwrap();
        let quoted = quotes.iter().filter_map(|quote| quote["line"].as_str());
        let quoted: Vec<_> = quoted.collect();
        assert!(quoted.iter().any(|q| q.contains(part)), "{quoted:?}");
    }

    fn skipped(&self, what: &str) -> bool {
        let skipped = self.0["skipped"].as_array().unwrap();
        let mut skipped = skipped.iter().filter_map(Value::as_str);
        skipped.any(|reason| reason.starts_with(what))
    }
}

#[test]
fn a_thread_without_a_runtime_answers_500_and_says_why() {
    let shown = show("no-reactor");
    let what = "requests that got 500";
    let failed = shown.figure(what, "bad: ");
    assert!(failed > 0.0);
    assert_eq!(shown.figure(what, "good: "), 0.0);
    let elsewhere = shown.figure("those that", "core-1");
    assert_eq!(elsewhere, failed, "on the thread that has a runtime, too");
    shown.quotes("there is no reactor running");
}

#[test]
fn names_cost_threads_or_the_time_of_all_others() {
    let shown = show("dns");
    let what = "threads seen over 400 calls to localhost, where 5";
    assert!(shown.figure(what, "ureq as it comes") > 5.0);
    assert_eq!(shown.figure(what, "ureq, looked up once"), 5.0);
    let what = "threads seen over 400 calls to localhost, where 1";
    assert!(shown.figure(what, "reqwest as it comes") > 1.0);
    assert_eq!(shown.figure(what, "reqwest, looked up once"), 1.0);
    assert_eq!(shown.figure(what, "reqwest with hickory"), 1.0);
    if !shown.skipped("which threads open") {
        let what = "openings of /etc/hosts";
        assert!(shown.figure(what, "ureq as it comes") > 0.0);
        assert_eq!(shown.figure(what, "reqwest with hickory"), 0.0);
        shown.quotes("/etc/hosts");
    }
    if !shown.skipped("what a slow name server does") {
        let what = "calls to an address answered";
        let held = shown.figure(what, "may, ");
        let flows = shown.figure(what, "hickory");
        assert!(2.0 * held < flows, "{held} beside {flows}");
        let what = "4 calls at once, each with its look-up";
        let held = shown.figure(what, "may, ");
        let flows = shown.figure(what, "hickory");
        assert!(held > 2.0 * flows, "{held} s beside {flows} s");
        let what = "threads at once meanwhile";
        assert!(shown.figure(what, "reqwest as it comes") >= 5.0);
        assert_eq!(shown.figure(what, "hickory"), 1.0);
    }
}

#[test]
fn a_reactor_from_before_the_fork_never_answers() {
    let shown = show("fork-after-threads");
    for (what, before, after) in [
        ("requests that got 504", 3.0, 0.0),
        ("requests that got 200", 0.0, 3.0),
        ("threads of the worker", 1.0, 2.0),
    ] {
        assert_eq!(shown.figure(what, "bad: "), before, "{what}");
        assert_eq!(shown.figure(what, "good: "), after, "{what}");
    }
    shown.quotes("refused to fork: 2 threads run in the master");
}

#[test]
fn a_blocking_call_holds_up_all_others_of_its_thread() {
    let shown = show("blocking-the-loop");
    for whose in ["an event loop", "coroutines"] {
        let what = format!("others of {whose} answered");
        let held = shown.figure(&what, "bad: ");
        let flows = shown.figure(&what, "good: ");
        assert!(2.0 * held < flows, "{held} beside {flows}");
        let what = format!("the longest of others of {whose}");
        let held = shown.figure(&what, "bad: ");
        let flows = shown.figure(&what, "good: ");
        assert!(held > flows, "{held} s beside {flows} s");
    }
}

#[test]
fn a_pool_has_no_more_calls_under_way_than_threads_and_may_wait_for_itself() {
    let shown = show("pool-exhaustion");
    let what = "calls that waited at once";
    let few = shown.figure(what, "bad: ");
    let enough = shown.figure(what, "good: ");
    assert_eq!(2.0 * few, enough);
    let what = "requests on a pool";
    assert_eq!(shown.figure(what, "bad: "), 0.0);
    assert_eq!(shown.figure(what, "good: "), 2.0);
}

#[test]
fn what_a_worker_has_accepted_no_other_can_serve() {
    let shown = show("keep-alive-hoarding");
    let what = "a second client's request";
    let idle = shown.figure(what, "keep_alive = true");
    let closed = shown.figure(what, "keep_alive = false");
    assert!(idle > closed, "{idle} s beside {closed} s");
    let what = "requests that one of two workers took";
    assert!(shown.figure(what, "bad: ") >= 15.0);
    assert!(shown.figure(what, "good: ") <= 12.0);
    let what = "all of them, whose bound";
    let (eager, free) =
        (shown.figure(what, "bad: "), shown.figure(what, "good: "));
    assert!(1.0 <= free && free < eager, "{eager} beside {free} × bound");
}

#[test]
fn no_model_does_anything_about_a_backend_with_a_limit() {
    let shown = show("backend-limit");
    for model in ["coroutine", "native"] {
        let (bad, good) = (format!("bad: {model}"), format!("good: {model}"));
        // 100 × 1.25 s of calls, 50 at a time.
        assert!(shown.figure("100 requests", &bad) >= 2.5);
        assert!(shown.figure("100 requests", &good) < 2.5);
        let what = "calls that waited at once";
        assert!(shown.figure(what, &bad) <= 50.0);
        assert!(shown.figure(what, &good) > 50.0);
    }
}

#[test]
fn only_what_an_event_loop_runs_stops_when_its_client_has_gone() {
    let shown = show("abandoned-requests");
    let figures = shown.figures("calls made to their end");
    assert_eq!(figures.len(), 8, "{figures:?}");
    for (of, calls) in figures {
        match &*of {
            "good: async" | "good: native" => assert!(calls <= 1.0, "{of}"),
            _ => assert_eq!(calls, 4.0, "{of}"),
        }
    }
}

#[test]
fn a_program_that_goes_wrong_says_where_and_has_its_cure_beside_it() {
    let bin = root().join("crates/caveats/src/bin");
    let mut programs = 0;
    for folder in ["caveats", "caveats-coroutine"] {
        for file in fs::read_dir(bin.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("fn wrong(") || text.contains("_wrong(") {
                programs += 1;
                for mark in ["    // WRONG: ", "    // RIGHT: "] {
                    assert!(text.contains(mark), "no {mark}in {path:?}");
                }
            }
        }
    }
    assert_eq!(programs, 8, "programs that go wrong");
}

#[test]
fn an_unknown_caveat_gets_those_that_there_are() {
    let why = "no caveat \"dsn\"; there are no-reactor, dns";
    refused(&["caveats", "dsn"], 1, why);
}

#[test]
fn caveats_that_are_stopped_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("evidence.json");
    let names = ["fork-after-threads", "backend-limit"];
    let mut child = talk(free_base(), &["caveats"])
        .args(names)
        .arg("--json")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first is over, and the second takes a while.
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("  shown\n") {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
    }
    let family = loop {
        let family = descendants(child.id());
        // Two masters, and two workers of each.
        if family.len() == 6 {
            break family;
        }
    };
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(wait(&mut child), Some(130));
    none_is_left(family);
    // What was shown until then is there.
    let json: Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(json["caveats"][0]["shown"], true);
    assert_eq!(json["caveats"][1]["shown"], Value::Null);
}
