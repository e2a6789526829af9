//! Servers that are not to start: one line says why.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use tempfile::TempDir;

use crate::server::{ALL, binary, refused, run};

/// What timeout(1) ends with where it had to end what it ran.
const TIMED_OUT: i32 = 124;

#[track_caller]
fn one_line(program: &str, arguments: &[&str], code: i32, why: &[&str]) {
    let output = refused(program, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("{program}: ")), "{stderr}");
    for part in why {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
}

#[test]
fn a_bad_deployment_file_is_told_by_file_line_and_key() {
    let folder = TempDir::new().unwrap();
    for (text, why) in [
        ("http = \":0\"\nproceses = 4\n", "proceses"),
        ("http = \":0\"\nprocesses = 0\n", "processes"),
        ("http = \":0\"\nthreads = -1\n", "threads"),
        ("http = \":0\"\nbackend = 7\n", "backend"),
        ("http = \":0\"\ntimeout = \"soon\"\n", "timeout"),
        ("http = \":0\"\nprocesses = [\n", ""),
    ] {
        let file = folder.path().join("bad.toml");
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        for app in ["app-sync", "app-async"] {
            one_line(app, &[file], 1, &["bad.toml:2", why]);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    one_line("app-sync", &["nowhere.toml"], 1, &["nowhere.toml"]);
}

#[test]
fn a_bad_option_is_named() {
    for (option, why) in [
        ("--processes=0", "--processes"),
        ("--proceses=4", "--proceses"),
        ("--timeout=-1", "--timeout"),
        ("--http=nowhere", "--http"),
    ] {
        one_line("app-sync", &[option], 2, &[why, "--help"]);
    }
    one_line("slow-backend", &["--max-waiting=0"], 2, &["--max-waiting"]);
    one_line("slow-backend", &["--processes=0"], 2, &["--processes"]);
}

#[test]
fn a_key_that_the_app_has_no_use_for_is_refused() {
    let output = refused("app-sync", &["--threads=4", "--http=:0"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("threads"), "{stderr}");
}

#[test]
fn a_port_in_use_is_named() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let http = format!("--http=:{port}");
    let named = format!("127.0.0.1:{port} is in use");
    for deployment in ALL {
        let (app, name) = (deployment.app, deployment.name);
        let file = format!("crates/{app}/{name}.toml");
        one_line(app, &[&file, &http], 1, &[&named]);
    }
    one_line("slow-backend", &[&http], 1, &[&named]);
}

#[test]
fn a_backend_without_an_address_is_named() {
    let backend = "--backend=no-such-host.invalid:7001";
    // offload too, whose workers look the name up for themselves.
    for deployment in ALL {
        let (app, name) = (deployment.app, deployment.name);
        let file = format!("crates/{app}/{name}.toml");
        let why = ["no-such-host.invalid:7001"];
        one_line(app, &[&file, "--http=:0", backend], 1, &why);
    }
}

#[test]
fn a_server_whose_workers_cannot_begin_gives_up_and_never_says_ready() {
    // With so few files the master can fork, and a worker has none left for
    // its event loop. How few that is depends on what this process inherited,
    // so all are tried until the server starts, each more than once: whether
    // the master first sees the worker's pipe end or the worker itself is a
    // race.
    let mut died_early = 0;
    for files in (5..100).flat_map(|files| [files; 5]) {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n $0; exec timeout 5 \"$@\""])
            .arg(files.to_string())
            .arg(binary("app-async"))
            .args(["--http=:0", "--backend=127.0.0.1:1"]);
        let output = run(command);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let started = stderr.contains(" : ready: ");
        if started && output.status.code() == Some(TIMED_OUT) {
            break;
        }
        assert!(!started, "ready with {files} files: {stderr}");
        assert_ne!(output.status.code(), Some(TIMED_OUT), "{stderr}");
        let last = stderr.lines().last().unwrap();
        died_early += i32::from(last.contains("before it was ready"));
    }
    assert!(died_early > 0, "no worker was without files");
}
