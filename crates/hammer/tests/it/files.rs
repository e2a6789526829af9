//! What the command writes, and what it makes of what it wrote.

use std::fs::{self, File};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{OK, Server};
use crate::shell::{
    assert_exit, assert_last_line, assert_line, assert_usage, command, hammer,
    stderr, stdout,
};

/// A directory that ends with the test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }
}

#[test]
fn what_was_kept_stays_until_there_is_more() {
    let (server, files) = (Server::answering(OK), Files::new());
    let json = files.name("out.json");
    fs::write(&json, "{}".repeat(10_000)).unwrap();
    assert_usage(&["-c999999999", "-z1s", "--json", &json], &["files"]);
    assert_eq!(files.text("out.json").len(), 20_000);
    // What nobody could be told is in the file at least.
    let output = command(&["-n8", "--json", &json, &server.url()])
        .stdout(File::create("/dev/full").unwrap())
        .output();
    assert_exit(&output.unwrap(), 1);
    assert_eq!(files.json("out.json")["runs"][0]["requests"], 8);
}

#[test]
fn json_has_every_run() {
    let (server, files) = (Server::answering(OK), Files::new());
    let json = files.name("out.json");
    let output = hammer(&["-n8", "--runs=3", "--json", &json, &server.url()]);
    assert_exit(&output, 0);
    assert_last_line(&output, 24);
    let json = files.json("out.json");
    assert_eq!(json["version"], 1);
    assert_eq!(json["load"]["stop"]["requests"], 8);
    let runs = json["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!(run["requests"], 8);
        assert_eq!(run["statuses"]["200"], 8);
        assert_eq!(run["latency"]["count"], 8);
        assert_eq!(run["flaws"], Value::Array(Vec::new()));
    }
}

#[test]
fn csv_has_every_second_and_every_request() {
    let (server, files) = (Server::answering(OK), Files::new());
    let csv = files.name("out.csv");
    let rate = ["--rate=100", "-n120", "--csv", &csv, &server.url()];
    hammer(&rate);
    let text = files.text("out.csv");
    let mut lines = text.lines();
    let heading: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(heading[..3], ["run", "second", "answered"]);
    let rows: Vec<Vec<&str>> =
        lines.map(|line| line.split(',').collect()).collect();
    assert!(rows.len() >= 2, "{text}");
    let answered = rows.iter().map(|row| row[2].parse::<u64>().unwrap());
    assert_eq!(answered.sum::<u64>(), 120);
    assert!(rows.iter().all(|row| row.len() == heading.len()));
}

#[test]
fn logs_add_up_to_what_one_machine_would_have_measured() {
    let (server, files) = (Server::answering(OK), Files::new());
    let (a, b, all) = (files.name("a"), files.name("b"), files.name("all"));
    let json = files.name("json");
    let url = server.url();
    hammer(&["-n70", "--hlog", &a, &url]);
    hammer(&["-n50", "--hlog", &b, "--json", &json, &url]);
    let output = hammer(&["merge", &a, &b, "--hlog", &all]);
    assert_exit(&output, 0);
    assert_line(&output, "count 120");
    // The sum of the sum and of nothing else says the same.
    assert_eq!(stdout(&hammer(&["merge", &all])), stdout(&output));
    // A log alone has the percentiles of the report.
    let alone = stdout(&hammer(&["merge", &b]));
    let p99 = files.json("json")["runs"][0]["latency"]["p99"].clone();
    let micros = p99.as_f64().unwrap() * 1e6;
    let shown = alone.lines().find(|line| line.contains("p99 ")).unwrap();
    let words: Vec<_> = shown.split_whitespace().collect();
    let shown = words[1].parse::<f64>().unwrap()
        * match words[2] {
            "µs" => 1.0,
            "ms" => 1e3,
            _ => 1e6,
        };
    assert!((shown - micros).abs() < 0.01 * micros, "{shown} {micros}");
}

#[test]
fn runs_of_one_service_are_alike_and_a_slower_one_is_not() {
    let files = Files::new();
    let fast = Server::answering(OK);
    let slow = Server::start(|peer| {
        peer.request()?;
        sleep(Duration::from_millis(30));
        peer.say(OK)
    });
    let measure = |server: &Server, name: &str| {
        let name = files.name(name);
        let rate = ["--rate=100", "-z700ms", "--runs=3", "--json", &name];
        hammer(&[&rate[..], &[&server.url()]].concat());
        name
    };
    let (a, b) = (measure(&fast, "a"), measure(&slow, "b"));
    let row = |output: &std::process::Output| {
        let text = stdout(output);
        let row = text.lines().find(|line| line.contains("p50"));
        row.unwrap().to_owned()
    };
    let output = hammer(&["compare", &a, &b]);
    assert_exit(&output, 0);
    let p50 = row(&output);
    assert!(
        p50.contains("beyond the noise") && p50.contains(" +"),
        "{p50}"
    );
    assert!(stdout(&output).contains("loads are not the same"));
    let p50 = row(&hammer(&["compare", &b, &a]));
    assert!(
        p50.contains("beyond the noise") && p50.contains(" -"),
        "{p50}"
    );
    let p50 = row(&hammer(&["compare", &a, &a]));
    assert!(p50.contains("within the noise"), "{p50}");
    let output = hammer(&["compare", &a, &a, "--after", &b, &b, &b]);
    let p50 = row(&output);
    assert!(p50.contains("beyond the noise"), "{p50}");
    assert!(stdout(&output).contains("before: 6 runs, 420 requests"));
    assert!(stdout(&output).contains("after: 9 runs, 630 requests"));
}

#[test]
fn a_service_that_times_out_is_not_told_for_a_quicker_one() {
    let files = Files::new();
    // Every tenth answer is slow.
    let server = |millis| {
        Server::start(move |peer| {
            peer.request()?;
            if peer.count() % 10 == 0 {
                sleep(Duration::from_millis(millis));
            }
            peer.say(OK)
        })
    };
    let measure = |millis, timeout: &str, name: &str| {
        let name = files.name(name);
        let rate = ["--rate=100", "-z700ms", "--runs=3", timeout];
        let url = server(millis).url();
        hammer(&[&rate[..], &["--json", &name, &url]].concat());
        name
    };
    let slow = measure(200, "--timeout=500ms", "slow");
    let slower = measure(900, "--timeout=500ms", "slower");
    let impatient = measure(200, "--timeout=100ms", "impatient");
    let p95 = |after: &str| {
        let text = stdout(&hammer(&["compare", &slow, after]));
        let p95 = text.lines().find(|line| line.contains("p95")).unwrap();
        assert!(p95.contains("not in time"), "{p95}");
        p95.to_owned()
    };
    let worse = p95(&slower);
    assert!(worse.contains("beyond the noise") && worse.contains(" +∞ "));
    // The same service, which was not given the time.
    let unknown = p95(&impatient);
    assert!(unknown.contains("too little to tell"), "{unknown}");
}

#[test]
fn what_an_older_hammer_wrote_is_read() {
    let (server, files) = (Server::answering(OK), Files::new());
    let (new, old) = (files.name("new"), files.name("old"));
    hammer(&["--rate=100", "-z300ms", "--json", &new, &server.url()]);
    let mut json = files.json("new");
    let run = json["runs"][0].as_object_mut().unwrap();
    assert_eq!(run.remove("window").unwrap(), 0.3);
    let slices = run["series"]["slices"].as_array_mut().unwrap();
    for slice in slices {
        slice.as_object_mut().unwrap().remove("in_window").unwrap();
    }
    fs::write(&old, json.to_string()).unwrap();
    let output = hammer(&["compare", &old, &new]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("before: 1 run, 30 requests"));
}

#[test]
fn a_file_that_is_none_of_ours_is_refused() {
    let files = Files::new();
    let name = files.name("file");
    for (args, text) in [
        (&["compare", &name, &name][..], "{}"),
        (&["compare", &name, &name], "no JSON"),
        (
            &["compare", &name, &name],
            r#"{"version":9,"load":{},"runs":[]}"#,
        ),
        (&["merge", &name], "no log"),
        (&["merge", "/nowhere"], ""),
    ] {
        fs::write(&name, text).unwrap();
        let output = hammer(args);
        assert_exit(&output, 1);
        assert_eq!(stderr(&output).lines().count(), 1, "{text}");
        assert!(stderr(&output).contains("cannot read"), "{text}");
    }
    assert_usage(&["merge"], &["<LOG>"]);
    assert_usage(&["-n3", "--hlog=/nowhere/at/all"], &["/nowhere/at/all"]);
}
