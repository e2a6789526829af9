//! A sweep's answer, told again from its record: in words, as a page in a
//! browser, for a CI.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Page;
use crate::server::run;

/// A model, its app, its shape, requests at a time, what one takes, and
/// whether its calls are made at once.
type Made = (&'static str, &'static str, [u64; 2], Option<u64>, f64, bool);

const MODELS: [Made; 7] = [
    ("basic", "app-sync", [1, 1], Some(1), 1.25, false),
    ("process", "app-sync", [4, 1], Some(4), 1.25, false),
    ("thread", "app-threaded", [1, 4], Some(4), 1.25, false),
    ("executor", "app-threaded", [2, 1], Some(2), 0.5, true),
    ("native", "app-async", [2, 1], None, 0.5, true),
    ("coroutine", "app-coroutine", [2, 1], Some(100), 0.5, true),
    ("offload", "app-offload", [2, 1], Some(2), 0.5, true),
];

/// A sweep that nobody measured: as queues would have it.
struct Sweep {
    folder: TempDir,
    head: Value,
    steps: Vec<Value>,
}

impl Sweep {
    fn made_up() -> Self {
        let models = MODELS.map(|(name, app, shape, slots, _, at_once)| {
            json!({
                "name": name, "app": app, "processes": shape[0],
                "threads": shape[1], "slots": slots, "at_once": at_once,
            })
        });
        let mut steps = Vec::new();
        for round in 1..=3 {
            for made in &MODELS {
                loads(made, round, &mut steps);
            }
        }
        Self {
            folder: TempDir::new().unwrap(),
            head: json!({
                "version": 3,
                "workload": "calls = [{ delay = 0.125 }, { delay = 0.25 }, \
                             { delay = 0.375 }, { delay = 0.5 }]\n",
                "target": { "quantile": 0.99, "seconds": 2.5 },
                "rate": null,
                "models": models,
                "rounds": 3,
                "seed": 1,
                "quick": true,
                "machine": {
                    "processor": "a processor", "cores": 2,
                    "memory_bytes": 8_000_000_000_u64, "kernel": "6.1",
                    "files": 20_000,
                },
            }),
            steps,
        }
    }

    /// Writes it down, and asks for the answer.
    fn answer(&self, further: &[&str]) -> Output {
        let mut text = format!("{}\n", self.head);
        for step in &self.steps {
            text.push_str(&format!("{step}\n"));
        }
        fs::write(self.folder.path().join("steps.jsonl"), text).unwrap();
        answer(self.folder.path(), further)
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn step(&mut self, model: &str) -> &mut Value {
        let mut steps = self.steps.iter_mut();
        steps.find(|step| step["model"] == model).unwrap()
    }
}

fn answer(folder: &Path, further: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
    command.arg("answer").arg(folder).args(further);
    run(command)
}

/// A model's round: closed loops, rates around its knee, a drill.
fn loads(made: &Made, round: i32, steps: &mut Vec<Value>) {
    let (.., slots, alone, _) = *made;
    // What the cores could do, where the slots are no limit.
    let most = slots.map_or(1600.0, |slots| slots as f64 / alone);
    let knee = (most.ln() / 1.05_f64.ln()).floor() as i32 - 2 + round % 2;
    for places in [-60, -30, -16, -8, -4, -2, 0, 1, 4] {
        let rate = 1.05_f64.powi(knee + places);
        let late = if places > 0 { 2.5 } else { 0.0 };
        let waits = alone / (1.02 - rate / most).max(0.02) / 40.0;
        let p99 = alone + waits.min(0.9) + late;
        let load = json!({ "open": { "rate": rate } });
        steps.push(step(made, round, &load, rate.min(most), p99));
    }
    let peak = slots.unwrap_or(2048);
    for concurrency in [1, peak / 4, peak / 2, peak, peak * 2] {
        if concurrency > 0 && round == 1 {
            let load = json!({ "closed": { "concurrency": concurrency } });
            let at_once = concurrency.min(slots.unwrap_or(900)) as f64;
            steps.push(step(made, round, &load, at_once / alone, alone));
        }
    }
    let rate = 1.05_f64.powi(knee) / 2.0;
    let load = json!({ "stall": {
        "rate": rate, "from_seconds": 1.5, "for_seconds": 1.0,
    } });
    let mut drill = step(made, round, &load, rate, alone);
    let slices = (0..60).map(|n| f64::from(n) / 10.0).map(|from| {
        let backlog = (alone - (from - 2.5).max(0.0)).max(0.0);
        let late = if (1.5..5.0).contains(&from) {
            backlog
        } else {
            0.0
        };
        json!({
            "from_seconds": from, "requests": 20, "failed": 0,
            "p50_seconds": alone + late, "max_seconds": alone + late,
        })
    });
    drill["seconds"] = 6.0.into();
    drill["series"] = slices.collect();
    steps.push(drill);
}

fn step(
    (model, _, [processes, threads], ..): &Made,
    round: i32,
    load: &Value,
    throughput: f64,
    p99: f64,
) -> Value {
    json!({
        "model": model, "round": round, "load": load, "beside": 0,
        "seconds": 2.0, "requests": 100, "answered": 100,
        "throughput": throughput, "mean_seconds": p99 * 0.9,
        "p50_seconds": p99 * 0.9, "p95_seconds": p99 * 0.95,
        "p99_seconds": p99, "max_seconds": p99, "target_seconds": p99,
        "rise_seconds": 0.0, "rise_error_seconds": 0.0,
        "errors": {}, "cpu_seconds": 0.0005,
        "memory_bytes": processes * 2_300_000
            + processes * threads * 200_000
            + (throughput * 20_000.0) as u64,
        "threads": processes * (threads + 1),
        "voluntary_switches": 5.0, "involuntary_switches": 0.5,
        "hammer_busy": 0.1, "backend_busy": 0.1, "flaws": [], "series": [],
    })
}

#[test]
fn a_reader_sees_the_answer_on_any_screen() {
    let sweep = Sweep::made_up();
    let output = sweep.answer(&[]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("\nTake native: it holds p99 ≤ 2.5 s"),
        "{told}"
    );
    let markdown = sweep.file("sweep.md");
    assert!(markdown.contains("| native "), "{markdown}");

    let path = sweep.folder.path().join("sweep.html");
    let Some(page) = Page::open_file(&path) else {
        return;
    };
    for (width, scheme) in [
        (390, "dark"),
        (390, "light"),
        (1280, "dark"),
        (1280, "light"),
    ] {
        page.look(width, scheme);
        page.keep(&format!("sweep-{width}-{scheme}"));
        let wide = page.number("document.documentElement.scrollWidth");
        assert!(wide <= f64::from(width), "{wide} wide, on {width}");
    }
    let pictures = "[...document.querySelectorAll('[role=img]')].map((p) => \
                    p.getAttribute('aria-label')).join('\\n')";
    let pictures = page.text(pictures);
    assert_eq!(pictures.lines().count(), 5, "{pictures}");
    for what in [
        "Answers a second by requests at a time, basic at most 0.8/s",
        "p99 by requests a second, with a target of 2.5 s: native holds it",
        "Memory by requests a second",
        "Threads by requests a second",
        "Latency over time while the backend froze",
    ] {
        assert!(pictures.contains(what), "no {what:?} in {pictures}");
    }
    // The target, two bounds, and a curve of each model.
    let rules = "document.querySelectorAll('#latency .broad polyline.rule')";
    assert_eq!(page.number(&format!("{rules}.length")), 3.0);
    let curves = "document.querySelectorAll('#latency .broad \
                  polyline.curve.d0, #latency .broad polyline.curve.d1')";
    assert_eq!(
        page.number(&format!("{curves}.length")),
        MODELS.len() as f64
    );
    page.click("#latency .legend button");
    page.wait_for(
        "document.querySelector('#latency .curves').matches('.alone')",
    );
    page.on_paper();
    page.keep("sweep-paper");
    let links = "getComputedStyle(document.querySelector('nav')).display";
    assert_eq!(page.text(links), "none");
    page.nothing_went_wrong();
}

#[test]
fn text_of_others_stays_text_on_the_page_of_a_sweep() {
    let mut sweep = Sweep::made_up();
    let hostile = "</script><script>document.title='taken'</script>\
                   <img src=x onerror=\"document.title='taken'\">\" x=\"y";
    sweep.head["machine"]["processor"] = hostile.into();
    sweep.head["machine"]["kernel"] = hostile.into();
    let workload = sweep.head["workload"].as_str().unwrap();
    sweep.head["workload"] = format!("# {hostile} ```\n{workload}").into();
    sweep.head["models"][4]["name"] = hostile.into();
    for step in &mut sweep.steps {
        if step["model"] == "native" {
            step["model"] = hostile.into();
        }
    }
    let flawed = sweep.step("basic");
    flawed["flaws"] = json!([hostile]);
    flawed["errors"] = json!({ hostile: 3 });
    let output = sweep.answer(&[]);
    assert!(output.status.success(), "{output:?}");
    let html = sweep.file("sweep.html");
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("<img"));
    let markdown = sweep.file("sweep.md");
    assert!(markdown.contains("\n````toml\n"), "{markdown}");
    let Some(page) = Page::open_file(&sweep.folder.path().join("sweep.html"))
    else {
        return;
    };
    assert_eq!(page.number("document.scripts.length"), 1.0);
    assert_eq!(page.number("document.images.length"), 0.0);
    assert!(page.text("document.title").starts_with("Which model fits?"));
    page.nothing_went_wrong();
}

#[test]
fn a_ci_fails_where_another_model_is_to_be_taken() {
    let sweep = Sweep::made_up();
    let output = sweep.answer(&["--fail-if-not", "native"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = sweep.answer(&["--fail-if-not", "thread"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let why = "the model to take is native, not thread";
    assert!(stderr.contains(why), "{stderr}");
}

#[test]
fn a_machine_gets_the_answer_as_json() {
    let output = Sweep::made_up().answer(&["--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["choice"]["model"], "native");
    assert_eq!(answer["whole"], true);
    assert_eq!(answer["standings"].as_array().unwrap().len(), MODELS.len());
}

#[test]
fn records_that_are_broken_or_of_others_are_refused_in_one_line() {
    let sweep = Sweep::made_up();
    let head = sweep.head.to_string();
    let other = head.replace("\"version\":3", "\"version\":99");
    let folder = TempDir::new().unwrap();
    for (text, why) in [
        (String::new(), "no record of a sweep"),
        ("no line".to_owned(), "no record of a sweep"),
        ("{\"name\": \"mine\"}\n".to_owned(), "no record of a sweep"),
        (format!("{other}\n"), "it is of version 99"),
        ("{\"version\": 3}\n".to_owned(), "line 1 is no sweep"),
        (format!("{head}\n{{}}\n"), "line 2 is no step"),
    ] {
        let path = folder.path().join("steps.jsonl");
        fs::write(&path, &text).unwrap();
        let output = answer(folder.path(), &[]);
        assert_eq!(output.status.code(), Some(1), "{text:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let named = format!("cannot read {}: {why}", path.display());
        assert!(stderr.contains(&named), "{stderr}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    // What was not written to its end is as if it were not there.
    let half = &sweep.steps[0].to_string()[..100];
    let path = folder.path().join("steps.jsonl");
    fs::write(&path, format!("{head}\n{half}")).unwrap();
    let output = answer(folder.path(), &[]);
    assert!(output.status.success(), "{output:?}");
}
