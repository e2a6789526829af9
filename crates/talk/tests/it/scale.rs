//! Many requests at a time: connections that calls share, a backend at
//! several addresses, and `talk scale` itself in small.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{free_base, talk};
use crate::http::get;
use crate::server::{Server, run, wait_until};

/// Connections to `port` that are open.
fn connections_to(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let text = fs::read_to_string("/proc/net/tcp").unwrap();
    let to = format!(":{port:04X}");
    let open = text.lines().skip(1).filter(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        fields[2].ends_with(&to) && fields[3] == ESTABLISHED
    });
    open.count()
}

/// What the backend has waiting of ten requests at a time, and over how many
/// connections.
#[track_caller]
fn calls_of_ten_requests(program: &str, options: &[&str]) -> (u64, usize) {
    let backend = Server::backend(&[]);
    let address = format!("--backend=127.0.0.1:{}", backend.port);
    let mut arguments = vec![&*address, "--calls=1,1,1,1", "--heavy=0"];
    if program != "app-offload" {
        arguments.pop();
    }
    arguments.extend_from_slice(options);
    let app = Server::start(program, &arguments);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(get(app.port, "/").status, 200));
        }
        let all = || backend.stats()["waiting"] == 40;
        wait_until("40 calls wait", all);
        let open = connections_to(backend.port);
        (backend.stats()["peak"].as_u64().unwrap(), open)
    })
}

#[test]
fn calls_share_a_connection_over_http2_whichever_client_makes_them() {
    for client in ["--client=reqwest", "--client=hyper"] {
        let (peak, open) =
            calls_of_ten_requests("app-async", &[client, "--http2"]);
        assert_eq!(peak, 40, "{client}");
        // That and the one that asks for the figures.
        assert!(open <= 2, "{client}: {open} connections for 40 calls");
    }
    let (_, open) = calls_of_ten_requests(
        "app-offload",
        &["--client=hyper", "--http2", "--threads=10"],
    );
    assert!(open <= 2, "{open} connections for 40 calls");
}

#[test]
fn each_call_has_a_connection_without_http2() {
    for client in ["--client=reqwest", "--client=hyper"] {
        let (peak, open) = calls_of_ten_requests("app-async", &[client]);
        assert_eq!(peak, 40, "{client}");
        assert!(open >= 40, "{client}: {open} connections for 40 calls");
    }
}

#[test]
fn the_calls_take_a_backends_addresses_in_turn() {
    let backends = [Server::backend(&[]), Server::backend(&[])];
    let addresses = backends.each_ref().map(|backend| {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, backend.port).to_string()
    });
    let address = format!("--backend={}", addresses.join(","));
    for (program, times) in
        [("app-sync", 1), ("app-async", 2), ("app-coroutine", 3)]
    {
        let arguments = [&*address, "--calls=0,0,0,0"];
        let app = Server::start(program, &arguments);
        assert_eq!(get(app.port, "/").status, 200, "{program}");
        for backend in &backends {
            assert_eq!(backend.stats()["calls"], 2 * times, "{program}");
        }
    }
}

#[test]
fn scale_tells_what_was_in_flight_and_what_it_took() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("scale.json");
    let names = ["scale", "native", "coroutine"];
    let mut command = talk(free_base(), &names);
    command.args(["--in-flight=40", "--seconds=2", "--json"]);
    command.arg(&json);
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let text = fs::read_to_string(json).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(report["limits"]["files"].as_u64() > Some(0), "{report}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{report}");
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        assert_eq!(row["failures"], Value::Array(Vec::new()), "{row}");
        assert!(number("requests") >= 80.0, "{row}");
        // It is a closed loop: a place is free for no longer than it takes
        // to look.
        assert!((30.0..=40.0).contains(&number("in_flight")), "{row}");
        assert!(number("p50_seconds") >= number("bound_seconds"), "{row}");
        assert!(number("p99_seconds") >= number("p50_seconds"), "{row}");
        let most = 4.0 * number("wanted");
        assert!(number("calls_at_once") <= most, "{row}");
        assert!(number("calls_at_once") > number("wanted"), "{row}");
        assert!(number("loaded_bytes") > number("idle_bytes"), "{row}");
        assert!(number("app_cores") > 0.0, "{row}");
        let name = row["deployment"].as_str().unwrap();
        assert!(stdout.contains(name), "{stdout}");
    }
}

#[test]
fn scale_is_for_models_without_a_limit() {
    let output = run(talk(free_base(), &["scale", "native", "thread"]));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(lines[0].contains("thread takes as many"), "{stderr}");
}
