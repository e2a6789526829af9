//! What runs now, as `talk ps` shows it. Other servers may run on this
//! machine at the same time: these here are known by their pids.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::asked;
use crate::server::{ALL, Server, lives, run, send, wait_until};

const TALK: &str = env!("CARGO_BIN_EXE_talk");

#[track_caller]
fn ps(arguments: &[&str]) -> String {
    let mut command = Command::new(TALK);
    command.arg("ps").args(arguments);
    let output = run(command);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `talk ps --json` tells of the master with this pid.
#[track_caller]
fn told(pid: u32) -> Option<Value> {
    let all: Value = serde_json::from_str(&ps(&["--json"])).unwrap();
    let masters = array(&all, "masters");
    masters.iter().find(|master| master["pid"] == pid).cloned()
}

#[track_caller]
fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let array = value[name].as_array();
    array.unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The names of a worker's threads, in order.
#[track_caller]
fn names(worker: &Value) -> Vec<&str> {
    let threads = array(worker, "threads").iter();
    threads.map(|t| t["name"].as_str().unwrap()).collect()
}

/// Waits until a server is told of as it is: the threads of each worker have
/// these names, and so many requests are in hand.
#[track_caller]
fn wait_for(server: &Server, threads: &[&[&str]], in_hand: u64) -> Value {
    let mut last = Value::Null;
    wait_until("all threads by name, and the requests in hand", || {
        last = told(server.pid()).unwrap_or_default();
        // A thread takes its name as it begins.
        last != Value::Null && {
            let workers = array(&last, "workers");
            let count = |worker: &Value| worker["in_hand"].as_u64().unwrap();
            workers.iter().map(names).eq(threads.iter().copied())
                && workers.iter().map(count).sum::<u64>() == in_hand
        }
    });
    last
}

#[test]
fn what_runs_is_shown_with_what_it_has_in_hand() {
    let backend = Server::backend(&[]);
    let [thread, asynchronous] = ["thread", "async"].map(|name| {
        let deployment = ALL.iter().find(|d| d.name == name).unwrap();
        let further = ["--calls=50", "--timeout=59"];
        Server::deploy(*deployment, backend.port, &further)
    });
    let cores = ["worker-1-core-0", "worker-1-core-1"];
    let more = ["worker-1-core-2", "worker-1-core-3"];
    let cores = [cores, more].concat();
    let loops: [&[&str]; 2] = [&["worker-1-core-0"], &["worker-2-core-0"]];
    wait_for(&thread, &[&cores], 0);

    let _one = asked(asynchronous.port, "/");
    let busy = wait_for(&asynchronous, &loops, 1);
    assert_eq!(busy["name"], "async", "{busy}");
    assert_eq!(busy["state"], "serving", "{busy}");
    assert_eq!(busy["generation"], 1, "{busy}");
    let http = format!("127.0.0.1:{}", asynchronous.port);
    assert_eq!(busy["http"], http, "{busy}");
    let workers = array(&busy, "workers");
    let pids = workers.iter().map(|w| w["pid"].as_u64().unwrap() as u32);
    let (mut pids, mut there) =
        (pids.collect::<Vec<_>>(), asynchronous.workers());
    pids.sort_unstable();
    there.sort_unstable();
    assert_eq!(pids, there, "{busy}");
    for process in workers.iter().chain([&busy]) {
        let memory = process["memory_bytes"].as_u64();
        assert!(memory.is_some_and(|bytes| bytes > 100_000), "{process}");
        // Where the kernel tells processor time at all, it is told.
        let tells = fs::exists("/proc/self/schedstat").unwrap();
        assert_eq!(process["cpu_percent"].is_f64(), tells, "{process}");
    }
    let idle = |worker: &&Value| worker["in_hand"] == 0;
    let (idle, at_work): (Vec<_>, Vec<_>) = workers.iter().partition(idle);
    assert_eq!(at_work.len(), 1, "{busy}");
    assert_eq!(at_work[0]["oldest"]["request"], "GET /", "{busy}");
    assert_eq!(at_work[0]["connections"], 1, "{busy}");
    assert!(
        idle.iter().all(|worker| worker["oldest"].is_null()),
        "{busy}"
    );
    let age = |told: &Value| {
        let mut workers = array(told, "workers").iter();
        workers.find_map(|worker| worker["oldest"]["age"].as_f64())
    };
    let later = told(asynchronous.pid()).unwrap();
    assert!(age(&later) > age(&busy), "{busy} and then {later}");

    // So has the backend.
    let calls = wait_for(&backend, &[&["worker-1"], &["worker-2"]], 1);
    let lines = array(&calls, "workers").iter();
    let lines = lines.filter_map(|worker| worker["oldest"]["request"].as_str());
    assert_eq!(lines.collect::<Vec<_>>(), ["GET /?duration=50"], "{calls}");

    // Its two workers take one at a time.
    let _others = [(); 2].map(|()| asked(asynchronous.port, "/"));
    let busy = wait_for(&asynchronous, &loops, 2);
    assert_eq!(busy["waiting"], 1, "{busy}");

    shows_a_tree(&ps(&[]), &thread, "thread", &cores);

    let pids = [&thread, &asynchronous].map(Server::pid);
    let mut gone = asynchronous;
    gone.signal(Signal::SIGTERM);
    wait_until("a worker that finishes what it has in hand", || {
        let told = told(gone.pid()).unwrap_or_default();
        told["state"] == "stopping" && {
            let workers = array(&told, "workers");
            workers.len() == 2 && workers[1]["state"] == "leaving"
        }
    });
    // A second one does not wait for it.
    gone.signal(Signal::SIGTERM);
    gone.wait();
    drop(thread);
    for pid in pids {
        assert_eq!(told(pid), None, "it has stopped");
    }
    assert!(told(backend.pid()).is_some(), "the backend has not");
}

#[track_caller]
fn shows_a_tree(text: &str, server: &Server, name: &str, threads: &[&str]) {
    let title = format!("{name} :{} ", server.port);
    let mut lines = text.lines();
    assert!(
        lines.any(|line| {
            let pid = line.split_ascii_whitespace().nth(2);
            line.starts_with(&title) && pid == Some(&server.pid().to_string())
        }),
        "no line for {title}in\n{text}"
    );
    let worker = lines.next().unwrap();
    assert!(worker.starts_with("└─ worker 1 "), "{worker}\n{text}");
    let pid = server.workers()[0].to_string();
    assert!(worker.contains(&pid), "{worker}\n{text}");
    for (at, thread) in threads.iter().enumerate() {
        let branch = if at + 1 == threads.len() {
            "└─"
        } else {
            "├─"
        };
        let line = lines.next().unwrap();
        let start = format!("   {branch} {thread} ");
        assert!(line.starts_with(&start), "no {start:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "it is no plain text");
}

#[test]
fn a_master_that_is_stopped_is_named_and_holds_up_no_other() {
    let backend = Server::backend(&[]);
    let other = Server::backend(&[]);
    backend.signal(Signal::SIGSTOP);
    let mut command = Command::new(TALK);
    command.args(["ps", "--json"]);
    let output = run(command);
    backend.signal(Signal::SIGCONT);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let line = format!("talk: the master with pid {} did not", backend.pid());
    assert!(stderr.contains(&line), "no {line:?} in {stderr}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let has = |list, pid| array(&all, list).iter().any(|m| m["pid"] == pid);
    assert!(has("unheard", backend.pid()), "{all}");
    assert!(has("masters", other.pid()), "{all}");
    assert!(!has("masters", backend.pid()), "{all}");
}

#[test]
fn the_live_view_is_for_a_terminal() {
    let mut command = Command::new(TALK);
    command.args(["ps", "--watch"]);
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("talk: --watch needs a terminal"),
        "{stderr}"
    );
    assert_eq!(output.stdout, b"", "{stderr}");
}

/// The live view in a terminal of its own.
struct Live {
    script: Child,
    folder: TempDir,
}

impl Live {
    /// `None` where there is no script(1), which makes the terminal.
    fn start(before: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let output = File::create(folder.path().join("output")).unwrap();
        let command = format!(
            "{before} stty rows 24 cols 80; stty -g; \
             sh -c 'echo pid $$; exec \"$TALK\" ps --watch'; \
             echo status $?; stty -g"
        );
        let script = Command::new("script")
            .args(["--quiet", "--flush", "--command", &command, "/dev/null"])
            .env("TALK", TALK)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(output)
            .spawn();
        let script = script.ok()?;
        let live = Self { script, folder };
        wait_until("the live view", || live.output().contains("masters: "));
        Some(live)
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.folder.path().join("output")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn pid(&self) -> u32 {
        let output = self.output();
        let (_, rest) = output.split_once("pid ").unwrap();
        rest.lines().next().unwrap().parse().unwrap()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The terminal goes with it, and who runs in there hears of that.
        self.script.kill().ok();
        self.script.wait().ok();
    }
}

/// Whether it was started with a signal ignored, as background jobs are.
fn ignores(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask & (1 << (signal as i32 - 1)) != 0
}

#[test]
fn the_live_view_leaves_the_terminal_as_it_was() {
    type End = (&'static str, fn(&mut Live));
    let ends: [End; 4] = [
        ("q", |live| {
            // Without h, which would hammer whatever else runs here.
            let mut keys = live.script.stdin.as_ref().unwrap();
            keys.write_all(b"jkst?q").unwrap();
        }),
        ("Ctrl-C", |live| {
            let mut keys = live.script.stdin.as_ref().unwrap();
            keys.write_all(b"\x03").unwrap();
        }),
        ("SIGTERM", |live| send(live.pid(), Signal::SIGTERM)),
        ("SIGHUP", |live| send(live.pid(), Signal::SIGHUP)),
    ];
    for (name, end) in ends {
        let Some(mut live) = Live::start("") else {
            eprintln!("skipped: there is no script(1) to make a terminal");
            return;
        };
        if name == "SIGHUP" && ignores(live.pid(), Signal::SIGHUP) {
            eprintln!("skipped: nohup(1) or the like has SIGHUP ignored");
            continue;
        }
        end(&mut live);
        wait_until(&format!("the end of the live view by {name}"), || {
            live.script.try_wait().unwrap().is_some()
        });
        let output = live.output();
        let (_, after) = output.rsplit_once("\x1b[?1049l").expect(name);
        assert!(after.contains("status 0"), "{name}: {output:?}");
        let modes = output.lines().next().unwrap();
        assert!(after.contains(modes), "{name}: {output:?}");
        assert!(after.contains("\x1b[?25h"), "{name}: no cursor: {output:?}");
    }
}

#[test]
fn the_live_view_ends_with_its_terminal() {
    for before in ["", "trap '' HUP;"] {
        let Some(live) = Live::start(before) else {
            eprintln!("skipped: there is no script(1) to make a terminal");
            return;
        };
        let pid = live.pid();
        if !before.is_empty() {
            send(pid, Signal::SIGHUP);
            thread::sleep(Duration::from_millis(300));
            assert!(lives(pid), "it is as under nohup");
        }
        drop(live);
        wait_until("the end of the live view", || !lives(pid));
    }
}
