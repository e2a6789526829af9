//! What the apps record of themselves, as `talk trace` hands it on.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::free_base;
use crate::http::get;
use crate::server::{
    ALL, Deployment, Server, lives, refused, run, send, wait_until, with_each,
};

/// Begin and end, in microseconds.
type Span = (f64, f64);

#[derive(Debug, Default)]
struct Request {
    span: Option<Span>,
    calls: HashMap<String, Span>,
}

/// The requests of each deployment in a trace.
fn requests(path: &Path) -> HashMap<String, Vec<Request>> {
    let text = fs::read_to_string(path).unwrap();
    let trace: Value = serde_json::from_str(&text).unwrap();
    let mut deployments = HashMap::new();
    let mut open = HashMap::new();
    let mut requests: HashMap<(String, String), Request> = HashMap::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        let pid = event["pid"].as_u64().unwrap();
        let name = event["name"].as_str().unwrap();
        if name == "process_name" {
            let process = event["args"]["name"].as_str().unwrap();
            let (deployment, _) = process.split_once(',').unwrap();
            deployments.insert(pid, deployment.to_owned());
            continue;
        }
        let (what, number) = name.split_once(' ').unwrap_or((name, ""));
        let id = match (what, event["id"].as_str()) {
            ("request", None) => format!("{pid}.{number}"),
            ("call", None) => format!("{pid}.{}", event["args"]["request"]),
            (_, Some(id)) => id.to_owned(),
            _ => continue,
        };
        let begin = event["ts"].as_f64().unwrap();
        let span = match event["ph"].as_str().unwrap() {
            "X" => (begin, begin + event["dur"].as_f64().unwrap()),
            "b" => {
                open.insert((id, name.to_owned()), begin);
                continue;
            }
            "e" => (open[&(id.clone(), name.to_owned())], begin),
            other => panic!("an event of kind {other}: {event}"),
        };
        let key = (deployments[&pid].clone(), id);
        let request = requests.entry(key).or_default();
        match what {
            "request" => request.span = Some(span),
            _ => drop(request.calls.insert(name.to_owned(), span)),
        }
    }
    let mut by_deployment: HashMap<_, Vec<_>> = HashMap::new();
    for ((deployment, _), request) in requests {
        by_deployment.entry(deployment).or_default().push(request);
    }
    by_deployment
}

#[track_caller]
fn check(deployment: Deployment, requests: &[Request]) {
    for Request { span, calls } in requests {
        let (begin, end) = span.expect("a call has no request");
        let mut calls: Vec<_> = calls.values().copied().collect();
        calls.sort_by(|a, b| a.0.total_cmp(&b.0));
        let told = format!("{}: {calls:?}", deployment.name);
        assert_eq!(calls.len(), 4, "{told}");
        for call in &calls {
            assert!(begin <= call.0 && call.1 <= end, "outside: {told}");
        }
        let follow = |pair: &[Span]| pair[0].1 <= pair[1].0;
        let one_by_one = calls.windows(2).all(follow);
        assert_eq!(one_by_one, deployment.open_calls == 1, "{told}");
        // What a call was told to take, it did.
        let took = calls.iter().map(|call| call.1 - call.0);
        let mut took: Vec<_> = took.collect();
        took.sort_by(f64::total_cmp);
        for (took, planned) in took.iter().zip([125e3, 250e3, 375e3, 500e3]) {
            assert!(*took >= planned, "{took} of {planned}: {told}");
        }
    }
}

#[test]
fn every_model_records_each_request_with_its_own_calls() {
    with_each(|deployment| {
        let name = deployment.name;
        let folder = TempDir::new().unwrap();
        let output = folder.path().join("trace.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
        command
            .arg(format!("--port-base={}", free_base()))
            .args(["trace", name, "--requests", "5", "--output"])
            .arg(&output);
        // A machine that is busy with other tests may spoil a run, which is
        // another matter.
        let told = run(command);
        let stdout = String::from_utf8(told.stdout).unwrap();
        let stderr = String::from_utf8(told.stderr).unwrap();
        assert!(output.exists(), "{stderr}");
        let requests = &requests(&output)[name];
        assert_eq!(requests.len(), 5, "of {name}: {stderr}");
        check(deployment, requests);
        let line = format!("{name}: 5 requests in ");
        assert!(stdout.contains(&line), "no {line:?} in {stdout}");
    });
}

/// The size of each trace in a folder, in the order of their names.
fn traces(folder: &Path) -> Vec<(String, u64)> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let mut files: Vec<_> = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, file.metadata().unwrap().len())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn without_a_place_for_its_trace_a_worker_serves_all_the_same() {
    let backend = Server::backend(&[]);
    let folder = TempDir::new().unwrap();
    let gone = folder.path().join("gone");
    let trace = format!("--trace={}", gone.display());
    let address = format!("--backend=127.0.0.1:{}", backend.port);
    let arguments = [&trace, "--calls=0.01", &address];
    let server = Server::start("app-async", &arguments);
    fs::remove_dir_all(&gone).unwrap();
    let worker = server.workers()[0];
    send(worker, Signal::SIGKILL);
    wait_until("its end", || !lives(worker));
    assert_eq!(get(server.port, "/").status, 200, "{}", server.log());
    assert!(server.log().contains("; serving without it"));
}

#[test]
fn a_worker_that_is_killed_leaves_its_trace_and_another_begins_its_own() {
    let folder = TempDir::new().unwrap();
    let backend = Server::backend(&[]);
    let trace = format!("--trace={}", folder.path().display());
    let basic = ALL[0];
    let server = Server::deploy(basic, backend.port, &[&trace]);
    let first = server.workers()[0];
    let before = traces(folder.path());
    assert_eq!(before[0].0, format!("worker-1-{first}.trace"));
    send(first, nix::sys::signal::Signal::SIGKILL);
    wait_until("another worker and its trace", || {
        traces(folder.path()).len() == 2
    });
    assert!(traces(folder.path()).contains(&before[0]));
}

#[test]
fn a_folder_that_cannot_be_made_is_named_and_nothing_starts() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let trace = format!("--trace={}", file.join("traces").display());
    let output = refused("app-sync", &["--http=:0", &trace]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(lines[0].contains("cannot trace to "), "{stderr}");
}
