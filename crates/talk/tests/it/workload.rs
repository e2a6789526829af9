//! Workloads: what the backend draws, and what the apps do of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::http::{ask, asked, get, read};
use crate::server::{Server, refused, wait_until, with_each};

/// A file that is there for as long as its test.
struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn of(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("shop.toml");
        fs::write(&path, text).unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    fn option(&self) -> String {
        format!("--workload={}", self.path.display())
    }

    fn backend(&self) -> Server {
        Server::backend(&[&self.option()])
    }
}

/// What 100 askers for a call get, and how many of them each: no order.
fn answers(backend: &Server, call: usize) -> BTreeMap<(u16, String), u32> {
    let ask = || {
        let mut answers = Vec::new();
        for _ in 0..25 {
            let start = Instant::now();
            let answer = get(backend.port, &format!("/?call={call}"));
            let waited = answer.body.strip_prefix("waited ");
            let waited = waited.and_then(|rest| rest.split(' ').next());
            if let Some(seconds) = waited {
                let told = seconds.parse().unwrap();
                let taken = start.elapsed().as_secs_f64();
                assert!(taken >= told, "{taken} s for {answer:?}");
            }
            answers.push((answer.status, answer.body));
        }
        answers
    };
    let mut counts = BTreeMap::new();
    thread::scope(|scope| {
        let askers = [(); 4].map(|()| scope.spawn(ask));
        for asker in askers {
            for answer in asker.join().unwrap() {
                *counts.entry(answer).or_default() += 1;
            }
        }
    });
    counts
}

const DRAWN: &str = "\
seed = 7
calls = [
    { delay = { from = 0, to = 0.01 }, fails = 0.2 },
    { delay = { median = 0.002, p99 = 0.02 } },
    { delay = { values = [0.001, 0.002, 0.003] } },
]
";

#[test]
fn two_runs_draw_the_same_delays_and_failures() {
    let file = File::of(DRAWN);
    let first = file.backend();
    let drawn = [0, 1, 2].map(|call| answers(&first, call));
    let fails = drawn[0].iter().filter(|((status, _), _)| *status == 500);
    let fails: u32 = fails.map(|(_, count)| count).sum();
    assert!((5..40).contains(&fails), "{fails} of 100 failed");
    assert!(drawn[0].len() > 50, "hardly drawn: {:?}", drawn[0]);
    assert!(drawn[1].len() > 90, "hardly drawn: {:?}", drawn[1]);
    assert_eq!(drawn[2].len(), 3, "{:?}", drawn[2]);

    let second = file.backend();
    assert_eq!([2, 1, 0].map(|c| answers(&second, c)), {
        let mut drawn = drawn.clone();
        drawn.reverse();
        drawn
    });
    // The same backend goes on, or begins again where it is told to.
    assert_ne!(answers(&second, 1), drawn[1]);
    assert_eq!(ask(second.port, "POST", "/stats/reset").status, 204);
    assert_eq!(answers(&second, 1), drawn[1]);

    let other = File::of(&DRAWN.replace("seed = 7", "seed = 8"));
    assert_ne!(answers(&other.backend(), 1), drawn[1]);
}

#[test]
fn an_answer_is_as_large_as_it_is_to_be() {
    let file = File::of(
        "calls = [{ delay = 0, size = 1 }, { delay = 0, size = 100_000 }, { \
         delay = 0.125 }]",
    );
    let backend = file.backend();
    let body = |call| get(backend.port, &format!("/?call={call}")).body;
    assert_eq!(body(0), "\n");
    let large = body(1);
    assert_eq!(large.len(), 100_000);
    assert!(large.ends_with(".\n"));
    assert_eq!(body(2), "waited 0.125 seconds\n");
}

#[test]
fn what_is_no_call_of_the_workload_gets_400_and_the_reason() {
    let file = File::of("calls = [{ delay = 0 }, { delay = 0 }]");
    let backend = file.backend();
    for (query, why) in [
        ("call=2", "call=2: the calls of the workload are 0 to 1"),
        ("call=-1", "call=\"-1\" is no index"),
        ("call=", "call=\"\" is no index"),
        ("call=1&duration=1", "call and duration do not go together"),
    ] {
        let answer = get(backend.port, &format!("/?{query}"));
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_eq!(answer.body, format!("{why}\n"));
    }
    let none = json!({ "calls": 0, "waiting": 0, "peak": 0 });
    assert_eq!(backend.stats(), none, "a refusal is no call");
    // Durations are served beside.
    assert_eq!(get(backend.port, "/?duration=0").status, 200);

    let answer = get(Server::backend(&[]).port, "/?call=0");
    let why = "call=0 needs a workload; start with --workload\n";
    assert_eq!((answer.status, &*answer.body), (400, why));
}

/// Asks for the first call, and does not wait for it.
fn ask_for_the_first(backend: &Server) -> TcpStream {
    asked(backend.port, "/?call=0")
}

#[test]
fn a_call_that_hangs_does_so_until_its_caller_or_the_backend_goes() {
    let file = File::of("calls = [{ delay = 0, hangs = 1 }]");
    let mut backend = file.backend();
    let calls = [(); 3].map(|()| ask_for_the_first(&backend));
    wait_until("three that wait", || backend.stats()["waiting"] == 3);
    drop(calls);
    wait_until("none that waits", || backend.stats()["waiting"] == 0);
    let told = json!({ "calls": 0, "waiting": 0, "peak": 3 });
    assert_eq!(backend.stats(), told);

    let mut call = ask_for_the_first(&backend);
    wait_until("one that waits", || backend.stats()["waiting"] == 1);
    backend.signal(Signal::SIGTERM);
    assert_eq!(backend.wait(), Some(0), "{}", backend.log());
    let answer = read(&mut call).expect("no answer");
    assert_eq!(answer.status, 500, "{answer:?}");
}

const STEPS: &str = "\
work = 0.02
steps = [
    [{ delay = 0.1 }, { delay = 0.2, size = 2048 }],
    [{ delay = 0.2, count = 3 }],
]
";

#[test]
fn every_model_goes_through_the_steps_as_it_makes_calls() {
    let file = File::of(STEPS);
    with_each(|deployment| {
        let backend = file.backend();
        let workload = file.option();
        let server = Server::deploy(deployment, backend.port, &[&workload]);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 200, "{answer:?}");
        let one_by_one = deployment.open_calls == 1;
        let told = json!({
            "calls": 5,
            "waiting": 0,
            "peak": if one_by_one { 1 } else { 3 },
        });
        assert_eq!(backend.stats(), told);
        let (least, part) = match (one_by_one, deployment.app) {
            (true, _) => (0.92, "all in turn"),
            (false, "app-offload") => (0.4, "work beside the calls"),
            (false, _) => (0.42, "work, then steps"),
        };
        let (_, rest) = answer.body.split_once(" lasted ").unwrap();
        let seconds: f64 = rest.split(' ').next().unwrap().parse().unwrap();
        assert!(seconds >= least, "{seconds} s of {least} s: {part}");

        let log = server.log();
        let at = |what: &str, call: usize| {
            let line = format!(" : {what} network call {call}\n");
            log.find(&line)
                .unwrap_or_else(|| panic!("no {line:?}: {log}"))
        };
        for after in 2..5 {
            for before in 0..2 {
                let follows = at("end", before) < at("start", after);
                assert!(follows, "{after} before the end of {before}: {log}");
            }
        }
        let overlap = at("start", 1) < at("end", 0);
        assert_eq!(overlap, !one_by_one, "{log}");
    });
}

/// Kind and more of the events of each request in the traces of a folder, in
/// the order of their moments.
fn traced(folder: &Path) -> BTreeMap<(PathBuf, u64), Vec<(u64, u64)>> {
    let mut requests: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let words = bytes.chunks_exact(8);
        let words =
            words.map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
        // Behind a page and the threads' entries: moment and event, by turns.
        let words: Vec<_> = words.skip(512 + 512 * 4).collect();
        let mut events: Vec<_> = words.chunks_exact(2).collect();
        events.retain(|event| event[0] != 0);
        events.sort();
        for event in events {
            let (request, kind) = (event[1] >> 32, event[1] >> 16 & 0xf);
            let of_request = requests.entry((path.clone(), request));
            of_request.or_default().push((kind, event[1] & 0xffff));
        }
    }
    requests
}

#[test]
fn every_model_records_a_request_with_the_calls_of_all_its_steps() {
    let file = File::of(STEPS);
    with_each(|deployment| {
        let backend = file.backend();
        let folder = TempDir::new().unwrap();
        let trace = format!("--trace={}", folder.path().display());
        let options = [&*file.option(), &trace];
        let server = Server::deploy(deployment, backend.port, &options);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(get(server.port, "/").status, 200));
            }
        });
        let requests = traced(folder.path());
        assert_eq!(requests.len(), 3, "{requests:?}");
        for events in requests.values() {
            let told = format!("{}: {events:?}", deployment.name);
            let [accepted, calls @ .., answered] = &events[..] else {
                panic!("{told}");
            };
            assert_eq!((accepted, answered), (&(1, 0), &(5, 200)), "{told}");
            let (first, second) = calls.split_at(4);
            for (step, of_step) in [(first, 0..2), (second, 2..5)] {
                let mut step = step.to_vec();
                step.sort_unstable();
                let starts = of_step.clone().map(|call| (2, call));
                let ends = of_step.map(|call| (3, call));
                assert!(starts.chain(ends).eq(step), "{told}");
            }
        }
    });
}

/// The processor's time of a server's workers.
fn processor_time(server: &Server) -> Duration {
    let of_thread = |thread: PathBuf| -> u64 {
        let text = fs::read_to_string(thread.join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let nanos = server.workers().into_iter().flat_map(|worker| {
        let tasks = fs::read_dir(format!("/proc/{worker}/task")).unwrap();
        tasks.map(move |task| of_thread(task.unwrap().path()))
    });
    Duration::from_nanos(nanos.sum())
}

#[test]
fn the_work_of_a_request_takes_a_processor() {
    let file = File::of("work = 0.05\ncalls = [{ delay = 0 }]");
    let backend = file.backend();
    with_each(|deployment| {
        let workload = file.option();
        let server = Server::deploy(deployment, backend.port, &[&workload]);
        let before = processor_time(&server);
        for _ in 0..4 {
            assert_eq!(get(server.port, "/").status, 200);
        }
        let taken = processor_time(&server) - before;
        assert!(taken >= Duration::from_millis(200), "{taken:?} of 200 ms");
    });
}

#[test]
fn calls_that_fail_or_hang_are_told_of_by_their_index() {
    let text = "calls = [{ delay = 0 }, { delay = 0, fails = 1 }]";
    let (failing, hanging) = (text.to_owned(), text.replace("fails", "hangs"));
    let (failing, hanging) = (File::of(&failing), File::of(&hanging));
    let (fails, hangs) = (failing.backend(), hanging.backend());
    with_each(|deployment| {
        let workload = failing.option();
        let server = Server::deploy(deployment, fails.port, &[&workload]);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 502, "{answer:?}");
        let named = "network call 1 failed: ";
        assert!(answer.body.starts_with(named), "{answer:?}");
        assert!(answer.body.contains("500"), "{answer:?}");

        let options = [&hanging.option(), "--timeout=0.3"];
        let server = Server::deploy(deployment, hangs.port, &options);
        let answer = get(server.port, "/");
        assert_eq!(answer.status, 504, "{answer:?}");
        assert_eq!(answer.body, "network call 1 failed: timed out\n");
    });
}

#[test]
fn a_bad_workload_is_told_of_in_one_line_and_nothing_starts() {
    for (text, why) in [
        (
            "calls = [{ dealy = 1 }]",
            "shop.toml:1: unknown field `dealy`",
        ),
        (
            "calls = [{ delay = -1 }]",
            "shop.toml:1: delay: -1 is no time",
        ),
        ("\nwork = inf", "shop.toml:2: work: inf is no time"),
        (
            "calls = [{ delay = { file = \"none.txt\" } }]",
            "shop.toml:1: file: cannot read ",
        ),
    ] {
        let file = File::of(text);
        for program in ["slow-backend", "app-sync", "app-async"] {
            let output = refused(program, &["--http=:0", &file.option()]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            let named = stderr.starts_with(&format!("{program}: "));
            assert!(named && stderr.contains(why), "no {why:?} in {stderr}");
        }
    }
    let options = ["--workload=shop.toml", "--calls=1"];
    let output = refused("app-sync", &options);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
