//! The bench itself: that it measures, refuses and tidies up.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// The talk's ports as distances from the first.
const PORTS: [u16; 13] =
    [0, 1, 2, 3, 100, 101, 110, 200, 201, 300, 400, 500, 2001];
/// Longer than any of these tests takes on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A `--port-base` whose ports are all free; each caller gets its own.
pub(crate) fn free_base() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    // Below the ports that connections are given.
    let first = 10_000 + (std::process::id() % 1000) as u16 * 10;
    for _ in 0..100 {
        let base = first + NEXT.fetch_add(4, Ordering::Relaxed);
        if PORTS.iter().all(|distance| free(base + distance)) {
            return base;
        }
    }
    panic!("no free ports from {first} on");
}

pub(crate) fn talk(base: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
    command
        .arg(format!("--port-base={base}"))
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0);
    command
}

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn bench(base: u16, output: &Path, arguments: &[&str]) -> Run {
    let result = talk(base, &["bench", "--quick", "--output"])
        .arg(output)
        .args(arguments)
        .output()
        .unwrap();
    Run {
        code: result.status.code(),
        stdout: String::from_utf8(result.stdout).unwrap(),
        stderr: String::from_utf8(result.stderr).unwrap(),
    }
}

fn results(output: &Path) -> Value {
    let text = fs::read_to_string(output.join("results.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_bench_tells_what_it_measured() {
    let output = TempDir::new().unwrap();
    let run = bench(free_base(), output.path(), &["async", "offload"]);
    let Run { stdout, stderr, .. } = &run;
    // A machine that is busy with other tests may spoil a run, and then the
    // bench has to say so: whichever it is, it has to be consistent.
    let results = results(output.path());
    let rows = results["rows"].as_array().unwrap();
    let names = rows.iter().map(|row| {
        let name = row["deployment"].as_str().unwrap();
        (name, row["run"].as_str().unwrap())
    });
    let names: Vec<_> = names.collect();
    let expected = [
        ("async", "curl"),
        ("async", "hammer 4"),
        ("offload", "curl"),
        ("offload", "hammer 4"),
    ];
    assert_eq!(names, expected, "{stderr}");
    assert_eq!(results["complete"], true);
    let whole = rows.iter().all(|row| !row["summary"].is_null());
    assert_eq!(run.code, Some(i32::from(!whole)), "{stderr}{stdout}");
    for row in rows {
        let run = format!("{row}");
        let measurement = &row["measurements"][0];
        if row["summary"].is_null() {
            assert!(!measurement["refused"].is_null(), "{run}");
            continue;
        }
        let figures = &measurement["whole"];
        assert!(row["summary"]["times_bound"].as_f64() >= Some(1.0), "{run}");
        let calls = 4 * row["requests"].as_u64().unwrap();
        assert_eq!(figures["backend_calls"], calls, "{run}");
        assert_eq!(figures["workers"], 2, "{run}");
        let threads = match row["deployment"].as_str() {
            Some("offload") => 2,
            _ => 1,
        };
        assert_eq!(figures["threads"], threads, "{run}");
    }
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].contains("× bound"), "{stdout}");
    assert!(lines[1].starts_with("async"), "{stdout}");
    assert!(!stdout.contains('\x1b'), "colours in a pipe");
    let markdown = output.path().join("results.md");
    let markdown = fs::read_to_string(markdown).unwrap();
    assert!(markdown.contains("| offload"), "{markdown}");
}

/// A backend that does not wait, and so one that no run can hold with.
pub(crate) fn hasty_backend(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            thread::spawn(move || {
                let reader = BufReader::new(stream.try_clone().unwrap());
                let mut target = String::new();
                for line in reader.lines().map_while(Result::ok) {
                    if target.is_empty() {
                        target = line;
                    } else if line.is_empty() {
                        let (status, body) = match target.contains("/stats") {
                            true => ("200 OK", r#"{"calls":4,"peak":4}"#),
                            false => (status, ""),
                        };
                        let length = body.len();
                        let answer = format!(
                            "HTTP/1.1 {status}\r\n\
                             Content-Length: {length}\r\n\r\n{body}"
                        );
                        target.clear();
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_run_that_beats_its_bound_is_refused() {
    let output = TempDir::new().unwrap();
    let backend = hasty_backend("200 OK").to_string();
    let run = bench(
        free_base(),
        output.path(),
        &["async", "--backend", &backend],
    );
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stdout.contains("where 0.5000 s are the least"),
        "{}",
        run.stdout
    );
    let results = results(output.path());
    assert!(results["rows"][0]["summary"].is_null());
    assert!(run.stderr.contains("runs were refused"), "{}", run.stderr);
}

#[test]
fn a_backend_that_fails_fails_the_bench() {
    let output = TempDir::new().unwrap();
    let backend = hasty_backend("500 Oops").to_string();
    // The one calls it over HTTP/1.1, and the other over HTTP/2.
    for name in ["async", "native"] {
        let arguments = [name, "--backend", &backend];
        let run = bench(free_base(), output.path(), &arguments);
        assert_eq!(run.code, Some(1), "{name}");
        let last = run.stderr.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("talk: {name}: "))
                && last.contains("status 502"),
            "{last}"
        );
    }
}

/// One line says what is wrong.
#[track_caller]
pub(crate) fn refused(arguments: &[&str], code: i32, why: &str) {
    let result = talk(5000, arguments).output().unwrap();
    let stderr = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("talk: "), "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
}

#[test]
fn bad_input_gets_one_line() {
    refused(&["bench", "asink"], 1, "no deployment \"asink\"; there are");
    refused(&["run", "asink"], 1, "no deployment \"asink\"");
    refused(&["run-all", "asink"], 1, "no deployment \"asink\"");
    refused(&["bench", "--repeat=0"], 2, "--repeat");
    refused(&["bench", "--quik"], 2, "(see cargo talk bench --help)");
    let ages = u64::MAX.to_string();
    refused(&["soak", "--seconds", &ages], 2, "2..=31536000");
    refused(&["--port-base=65535", "list"], 2, "--port-base");
    let why = "cannot write to /nowhere: ";
    refused(&["trace", "basic", "--output=/nowhere/t"], 1, why);
    refused(&["trace", "basic", "--svg=/nowhere/t"], 1, why);
    refused(&["torture", "basic", "--json=/nowhere/t"], 1, why);
    refused(&["scale", "--json=/nowhere/t"], 1, why);
    refused(
        &["bench", "--output=/nowhere/t"],
        1,
        "cannot make /nowhere/t: ",
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let base = free_base();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 100)).unwrap();
    let output = TempDir::new().unwrap();
    let run = bench(base, output.path(), &["async"]);
    assert_eq!(run.code, Some(1));
    let last = run.stderr.lines().last().unwrap();
    let named = format!("127.0.0.1:{} is in use", base + 100);
    assert!(last.contains(&named), "{last}");
    assert!(last.ends_with("another port with --port-base"), "{last}");
    drop(taken);
}

#[test]
fn a_backend_that_is_not_there_is_named() {
    let base = free_base();
    let output = TempDir::new().unwrap();
    let backend = format!("127.0.0.1:{base}");
    let run = bench(base, output.path(), &["async", "--backend", &backend]);
    assert_eq!(run.code, Some(1));
    let last = run.stderr.lines().last().unwrap();
    let named = format!("talk: no backend at {backend} ");
    assert!(last.starts_with(&named), "{last}");
}

/// All processes below this one.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut all = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let child = child.parse().unwrap();
            all.push(child);
            all.extend(descendants(child));
        }
    }
    all
}

#[track_caller]
pub(crate) fn none_is_left(family: Vec<u32>) {
    for pid in family {
        let left = Path::new(&format!("/proc/{pid}")).exists();
        assert!(!left, "process {pid} is left");
    }
}

#[track_caller]
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends `signal` once `said` stands in its output, and sees to it that no
/// process is left.
#[track_caller]
fn stop_at(
    mut command: Command,
    said: &str,
    processes: usize,
    signal: Signal,
) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains(said) {
        if stdout.read_line(&mut text).unwrap() == 0 {
            panic!("it never said {said:?} but {text}");
        }
    }
    let family = descendants(child.id());
    assert_eq!(family.len(), processes, "{text}");
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    // What it says from now on is read, lest it wait for a reader.
    let reader = thread::spawn(move || {
        while stdout.read_line(&mut text).unwrap_or(0) > 0 {}
        text
    });
    let code = wait(&mut child);
    none_is_left(family);
    (code, reader.join().unwrap())
}

#[test]
fn run_all_shows_the_way_and_leaves_nothing() {
    let base = free_base();
    let command = talk(base, &["run-all"]);
    // Twelve masters, and the workers of the catalogue.
    let cores = thread::available_parallelism().unwrap().get();
    let workers = 2 + 1 + 4 + 1 + 2 + 2 + 2 + 2 + cores + 2 + 2 + 2;
    let (code, text) =
        stop_at(command, "Ctrl-C stops", 12 + workers, Signal::SIGINT);
    assert_eq!(code, Some(0), "{text}");
    for distance in &PORTS[..11] {
        let line = format!("curl localhost:{}", base + distance);
        assert!(text.contains(&line), "no {line} in {text}");
    }
}

#[test]
fn a_bench_that_cannot_measure_leaves_the_results_of_before() {
    let output = TempDir::new().unwrap();
    let before = output.path().join("results.json");
    fs::write(&before, "of before").unwrap();
    let base = free_base();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).unwrap();
    let result = talk(base, &["bench", "basic", "--output"])
        .arg(output.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is in use"), "{stderr}");
    assert_eq!(fs::read_to_string(before).unwrap(), "of before");
}

#[test]
fn who_closes_the_pipe_has_seen_enough() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let child = talk(free_base(), &["list"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn();
    let result = child.unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&result.stderr);
    assert_eq!((result.status.code(), &*stderr), (Some(0), ""));
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    for (arguments, what) in [
        (&["run"][..], "were not provided: <NAME>"),
        (
            &["sweep", "--order", "foo"],
            "[possible values: at_once, in_seq",
        ),
        (&["sweep", "--calls", "100000000000"], "give 1000 at most"),
    ] {
        let result = talk(free_base(), arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(what), "no {what} in {stderr}");
    }
}

/// A bench whose first run is over, and the next one has begun.
#[track_caller]
fn bench_under_way(
    base: u16,
    output: &Path,
    arguments: &[&str],
) -> (Child, String) {
    let mut child = talk(base, &["bench", "--output"])
        .arg(output)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains(", curl") {
        assert_ne!(stderr.read_line(&mut text).unwrap(), 0, "{text}");
    }
    // What it says from now on is read, lest it wait for a reader.
    thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
    (child, text)
}

#[test]
fn two_on_the_same_ports_are_one_too_many() {
    let (base, output) = (free_base(), TempDir::new().unwrap());
    let (mut first, _) = bench_under_way(base, output.path(), &["basic"]);
    // With a backend of its own: it is not the port that the first one has.
    let backend = hasty_backend("200 OK").to_string();
    let second = TempDir::new().unwrap();
    let run = bench(base, second.path(), &["basic", "--backend", &backend]);
    kill(Pid::from_raw(first.id() as i32), Signal::SIGINT).unwrap();
    wait(&mut first);
    let why = format!("talk: another talk uses the ports from {base}; ");
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.starts_with(&why), "{}", run.stderr);
}

#[test]
fn a_run_whose_record_is_gone_is_refused() {
    let (base, output) = (free_base(), TempDir::new().unwrap());
    let (mut child, _) =
        bench_under_way(base, output.path(), &["async", "--quick"]);
    let target = Path::new(env!("CARGO_BIN_EXE_talk")).ancestors().nth(2);
    let traces = format!("talk/{base}/async.traces");
    fs::remove_dir_all(target.unwrap().join(traces)).unwrap();
    assert_eq!(wait(&mut child), Some(1));
    let row = results(output.path())["rows"][1].to_string();
    assert!(row.contains("recorded none of its requests"), "{row}");
}

#[test]
fn a_bench_that_is_stopped_leaves_nothing() {
    let output = TempDir::new().unwrap();
    let (mut child, text) =
        bench_under_way(free_base(), output.path(), &["basic"]);
    let family = descendants(child.id());
    // Two masters, two workers of the backend, and one of basic.
    assert_eq!(family.len(), 5, "{text}");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(wait(&mut child), Some(130));
    none_is_left(family);
    // What was measured until then is there.
    let results = results(output.path());
    assert_eq!(results["complete"], false);
}
