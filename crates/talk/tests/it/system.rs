//! Under the systems that start servers: systemd, and containers where a
//! master is process 1.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::http::{get, is_taken};
use crate::server::{
    Server, binary, children, lives, root, send, spawn, wait_until,
};

/// Ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_socket_may_be_handed_over() {
    let backend = Server::backend(&[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new("sh");
    command
        // The pid is to be the server's own, which it takes over from sh.
        .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
        .arg(binary("app-sync"))
        .args(["crates/app-sync/basic.toml", "--calls=0.01"])
        .arg(format!("--backend=127.0.0.1:{}", backend.port))
        .env("LISTEN_FDS", "1")
        .stdin(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .current_dir(root())
        .fd_mappings(vec![FdMapping {
            parent_fd: OwnedFd::from(listener),
            child_fd: 3,
        }])
        .unwrap();
    let mut server = Killed(command.spawn().unwrap());
    // Connections wait in it from the start.
    let answer = get(port, "/");
    assert_eq!(answer.status, 200, "{answer:?}");
    wait_until("ready on the port that it was given", || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.contains(&format!(" on 127.0.0.1:{port}"))
    });
    send(server.0.id(), Signal::SIGTERM);
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn a_service_manager_that_does_not_listen_holds_nobody_up() {
    let folder = TempDir::new().unwrap();
    let notify = folder.path().join("notify");
    // Open, and never read.
    let _socket = UnixDatagram::bind(&notify).unwrap();
    let log = folder.path().join("log");
    let child = Command::new(binary("app-sync"))
        .args(["--http=:0", "--calls=0", "--backend=127.0.0.1:1"])
        .env("NOTIFY_SOCKET", &notify)
        .stderr(File::create(&log).unwrap())
        .spawn();
    let mut server = Killed(child.unwrap());
    let count = |what: &str| {
        std::fs::read_to_string(&log).unwrap().matches(what).count()
    };
    wait_until("ready", || count(" : ready: ") == 1);
    // A socket has room for some ten messages (net.unix.max_dgram_qlen).
    for reload in 1..=20 {
        send(server.0.id(), Signal::SIGHUP);
        wait_until("a reload", || count("reloaded: ") == reload);
    }
    send(server.0.id(), Signal::SIGTERM);
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn what_was_inherited_hinders_no_master() {
    let inherited = "trap '' CHLD; ulimit -Sn 64; exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", inherited, "sh"])
        .arg(binary("app-sync"))
        .args(["--http=:0", "--calls=0", "--backend=127.0.0.1:1"]);
    let mut server = Killed(spawn(&mut command));
    let pid = server.0.id();
    let workers = children(pid);
    let limits = format!("/proc/{}/limits", workers[0]);
    let limits = std::fs::read_to_string(limits).unwrap();
    let files = limits.lines().find(|line| line.contains("open files"));
    let files: Vec<_> = files.unwrap().split_ascii_whitespace().collect();
    assert_eq!(files[3], files[4], "the soft limit and the hard one");
    send(workers[0], Signal::SIGKILL);
    wait_until("another worker", || {
        let now = children(pid);
        now.len() == 1 && now != workers
    });
    send(pid, Signal::SIGTERM);
    assert!(server.0.wait().unwrap().success());
}

#[test]
fn what_is_handed_over_has_to_be_a_socket() {
    let file = File::open("/dev/null").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
        .arg(binary("app-sync"))
        .env("LISTEN_FDS", "1")
        .fd_mappings(vec![FdMapping {
            parent_fd: OwnedFd::from(file),
            child_fd: 3,
        }])
        .unwrap();
    let output = crate::server::run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let told = "app-sync: LISTEN_FDS gives no TCP socket to listen on: ";
    assert!(stderr.starts_with(told), "{stderr}");
}

#[test]
fn as_process_1_it_reaps_strangers_and_stops() {
    let unshare = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let permitted = Command::new("unshare").args(unshare).arg("true").output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no right to a process namespace of its own");
        return;
    }
    let backend = Server::backend(&[]);
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    };
    // sh leaves two processes behind that are still running, and becomes
    // the server.
    let script = "(sleep 0.3 & sleep 0.6 &); exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(unshare)
        .args(["sh", "-c", script, "sh"])
        .arg(binary("app-sync"))
        .args(["crates/app-sync/process.toml", "--calls=0.01"])
        .arg(format!("--backend=127.0.0.1:{}", backend.port))
        .arg(format!("--http=:{port}"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .current_dir(root());
    let mut outside = Killed(command.spawn().unwrap());
    wait_until("an answer", || is_taken(port));
    assert_eq!(get(port, "/").status, 200);
    let master = children(outside.0.id())[0];
    wait_until("its four workers and nobody else", || {
        let all = children(master);
        all.len() == 4 && all.iter().all(|&child| lives(child))
    });
    send(master, Signal::SIGTERM);
    wait_until("its end", || outside.0.try_wait().unwrap().is_some());
    assert!(!is_taken(port), "somebody still listens");
}
