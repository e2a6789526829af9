//! The real servers, started on free ports, and gone at the end of a test.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::http::get;

/// Longer than anything here takes on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A deployment of the catalogue, as the tests know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployment {
    pub(crate) name: &'static str,
    pub(crate) app: &'static str,
    /// Requests at a time.
    pub(crate) slots: usize,
    /// Calls that a request has open at once.
    pub(crate) open_calls: u64,
}

const fn deployment(
    name: &'static str,
    app: &'static str,
    slots: usize,
    open_calls: u64,
) -> Deployment {
    Deployment {
        name,
        app,
        slots,
        open_calls,
    }
}

impl Deployment {
    /// The options, and that of doing nothing heavy besides its calls.
    pub(crate) fn light<'a>(self, options: &[&'a str]) -> Vec<&'a str> {
        let mut options = options.to_vec();
        if self.app == "app-offload" {
            options.push("--heavy=0");
        }
        options
    }
}

/// All of them; native has no limit, and these tests never ask for more.
pub(crate) const ALL: [Deployment; 11] = [
    deployment("basic", "app-sync", 1, 1),
    deployment("process", "app-sync", 4, 1),
    deployment("thread", "app-threaded", 4, 1),
    deployment("mix", "app-threaded", 4, 1),
    deployment("executor", "app-threaded", 2, 4),
    deployment("async", "app-async", 2, 4),
    deployment("async-threads", "app-async", 4, 4),
    deployment("native", "app-async", 100, 4),
    deployment("coroutine", "app-coroutine", 100, 4),
    deployment("coroutine-sockets", "app-coroutine", 100, 4),
    deployment("offload", "app-offload", 2, 4),
];

/// Does `test` with every deployment, four at a time.
pub(crate) fn with_each(test: impl Fn(Deployment) + Sync) {
    ALL.chunks(4).for_each(|some| at_once(some, &test));
}

/// Does `test` with those whose threads have many requests in hand at a time,
/// all at once.
pub(crate) fn with_each_of_many(test: impl Fn(Deployment) + Sync) {
    with_those(|deployment| deployment.slots >= 100, test);
}

/// Does `test` with one deployment of each kind, all at once: the others run
/// the same code on requests, and only their counts differ.
pub(crate) fn with_each_kind(test: impl Fn(Deployment) + Sync) {
    let same = ["process", "mix", "executor", "async-threads"];
    with_those(|deployment| !same.contains(&deployment.name), test);
}

fn with_those(
    which: impl Fn(&Deployment) -> bool,
    test: impl Fn(Deployment) + Sync,
) {
    let those: Vec<_> = ALL.into_iter().filter(which).collect();
    at_once(&those, &test);
}

fn at_once(some: &[Deployment], test: &(impl Fn(Deployment) + Sync)) {
    thread::scope(|scope| {
        for &deployment in some {
            thread::Builder::new()
                // So that a failure tells which.
                .name(deployment.name.to_owned())
                .spawn_scoped(scope, move || test(deployment))
                .unwrap();
        }
    });
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The binary of a crate of the workspace.
///
/// Cargo builds those of this crate alone for its tests; the others are
/// built here, once.
pub(crate) fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_talk")).parent().unwrap();
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["build", "--quiet", "--profile", profile])
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .args(["--package", "slow-backend"])
            .current_dir(root());
        for Deployment { app, .. } in ALL {
            command.args(["--package", app]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "cannot build: {output:?}");
        folder.to_owned()
    });
    folder.join(name)
}

/// Waits until `done`, and fails with `what` where that never comes.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a server, and waits until it says that it is ready, or has ended.
#[track_caller]
pub(crate) fn spawn(command: &mut Command) -> Child {
    let folder = TempDir::new().unwrap();
    let notify = folder.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut child = command.env("NOTIFY_SOCKET", &notify).spawn().unwrap();
    let mut message = [0; 64];
    let mut ready = || match socket.recv(&mut message) {
        Ok(length) => message[..length].starts_with(b"READY=1"),
        Err(_) => false,
    };
    wait_until("ready, or ended", || {
        ready() || child.try_wait().unwrap().is_some()
    });
    child
}

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts a server on a free port, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        Self::start_at(0, program, arguments)
    }

    /// The same on a port that an earlier one had.
    #[track_caller]
    pub(crate) fn start_at(
        port: u16,
        program: &str,
        arguments: &[&str],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(binary(program));
        command
            .args(arguments)
            .arg(format!("--http=:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .current_dir(root());
        let mut server = Self {
            child: spawn(&mut command),
            log,
            port: 0,
            _folder: folder,
        };
        let log = server.log();
        let port = log.lines().find_map(|line| {
            let (_, rest) = line.split_once(" : ready: ")?;
            rest.rsplit(':').next()?.parse().ok()
        });
        server.port =
            port.unwrap_or_else(|| panic!("{program} is not ready: {log}"));
        server
    }

    /// Starts a deployment whose calls go to `backend`.
    #[track_caller]
    pub(crate) fn deploy(
        deployment: Deployment,
        backend: u16,
        further: &[&str],
    ) -> Self {
        Self::deploy_at(0, deployment, backend, further)
    }

    /// The same on a port that an earlier one had.
    #[track_caller]
    pub(crate) fn deploy_at(
        port: u16,
        deployment: Deployment,
        backend: u16,
        further: &[&str],
    ) -> Self {
        let Deployment { name, app, .. } = deployment;
        let file = format!("crates/{app}/{name}.toml");
        let backend = format!("--backend=127.0.0.1:{backend}");
        let mut arguments = vec![&*file, &*backend];
        arguments.extend_from_slice(further);
        Self::start_at(port, app, &arguments)
    }

    /// Starts a backend.
    #[track_caller]
    pub(crate) fn backend(arguments: &[&str]) -> Self {
        Self::start("slow-backend", arguments)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn workers(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// What a backend has counted.
    pub(crate) fn stats(&self) -> Value {
        serde_json::from_str(&get(self.port, "/stats").body).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end; the exit status, where no signal ended it.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of the server", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        // Its workers die with it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid as i32), signal).unwrap();
}

/// The processes that one's main thread has started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    let children = text.split_ascii_whitespace();
    children.map(|child| child.parse().unwrap()).collect()
}

/// Whether a process is there and no zombie. One whose other threads are
/// still ending looks like a zombie, and has its files.
pub(crate) fn lives(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    if tasks.map_or(0, Iterator::count) > 1 {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    // The name before the state is in parentheses and may hold anything.
    status.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

/// The names of a process's threads.
pub(crate) fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.map(|task| {
        let name = task.unwrap().path().join("comm");
        fs::read_to_string(name).unwrap().trim().to_owned()
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Runs a server that is not to start.
#[track_caller]
pub(crate) fn refused(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary(program));
    command.args(arguments).current_dir(root());
    run(command)
}

/// Runs a command to its end, which has to come: a server that starts where
/// it should not would hold the tests for ever.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Output {
    let folder = TempDir::new().unwrap();
    // Files, since nobody reads a pipe while this waits.
    let paths = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&paths[0]).unwrap())
        .stderr(File::create(&paths[1]).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let [stdout, stderr] = paths.map(|path| fs::read(path).unwrap());
    let Some(status) = status else {
        let said = String::from_utf8_lossy(&stderr);
        panic!("{command:?} does not end; it said: {said}");
    };
    Output {
        status,
        stdout,
        stderr,
    }
}
