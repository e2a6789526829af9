//! The masters that run here, and what each tells of its workers.
//!
//! A master offers it on a socket that has a name and no file (unix(7),
//! "abstract"): `harness-PID`. Anybody may open a socket of that name, so
//! one counts only where the kernel says that its owner is that process, and
//! this user's.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket,
};
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

/// A master answers at once, unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than any master says.
const LONGEST: usize = 1 << 20;
const VERSION: u32 = 1;

/// What a master tells of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    version: u32,
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) state: String,
    pub(crate) generation: u64,
    pub(crate) workers: Vec<WorkerStatus>,
}

/// What it tells of a worker.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct WorkerStatus {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    pub(crate) state: String,
    pub(crate) generation: u64,
    /// Seconds since the fork.
    pub(crate) age: f64,
    pub(crate) served: u64,
    pub(crate) in_hand: u64,
    pub(crate) oldest: Option<Oldest>,
    /// Seconds since its threads that wait for requests all came round.
    pub(crate) silent: Option<f64>,
}

/// The request that a worker has had in hand for the longest time.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Oldest {
    pub(crate) request: String,
    /// In seconds.
    pub(crate) age: f64,
}

/// A master that could not be heard.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unheard {
    pid: u32,
    why: String,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the master with pid {} {}", self.pid, self.why)
    }
}

/// Asks all at the same time, so that those that do not answer hold up no
/// other.
pub(crate) fn ask_all() -> Result<(Vec<Status>, Vec<Unheard>)> {
    let sockets = fs::read_to_string("/proc/net/unix")
        .context("cannot tell which sockets there are: /proc/net/unix")?;
    let pids = pids(&sockets);
    let answers: io::Result<Vec<_>> = thread::scope(|scope| {
        let asked: Vec<_> = pids
            .into_iter()
            .map(|pid| Builder::new().spawn_scoped(scope, move || ask(pid)))
            .collect();
        let answers = asked.into_iter().map(|asked| {
            Ok(asked?.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        answers.collect()
    });
    let answers = answers.context("cannot start a thread for each master")?;
    let mut heard = Vec::new();
    let mut unheard = Vec::new();
    for answer in answers {
        match answer {
            Answer::Told(status) => heard.push(status),
            Answer::Useless(why) => unheard.push(why),
            Answer::None => {}
        }
    }
    Ok((heard, unheard))
}

/// Asks the master of this pid, again where it does not answer in time: a
/// disk that is busy holds up whoever writes a log.
pub(crate) fn ask_one(pid: u32) -> Result<Status> {
    let mut tries = 5;
    loop {
        match ask(pid) {
            Answer::Told(status) => return Ok(status),
            Answer::None => bail!("there is no master with pid {pid}"),
            Answer::Useless(why) => {
                tries -= 1;
                if tries == 0 {
                    bail!("{why}");
                }
            }
        }
    }
}

/// A connection to a master has its name, too, hence the second look.
fn pids(sockets: &str) -> Vec<u32> {
    let names = sockets.lines().filter_map(|line| line.rsplit(' ').next());
    let pids = names.filter_map(|name| name.strip_prefix("@harness-"));
    let mut pids: Vec<_> = pids.filter_map(|pid| pid.parse().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

enum Answer {
    Told(Status),
    Useless(Unheard),
    /// It is gone, or somebody else's.
    None,
}

fn ask(pid: u32) -> Answer {
    let useless = |why: String| Answer::Useless(Unheard { pid, why });
    let late = || {
        let patience = PATIENCE.as_secs_f64();
        useless(format!("did not answer within {patience} s"))
    };
    let line = match open(pid).map(|stream| stream.map(read)) {
        Ok(Some(Ok(line))) if !line.is_empty() => line,
        Ok(Some(Err(error))) if is_late(&error) => return late(),
        // Its queue is full of those that it did not answer.
        Err(Errno::EAGAIN) => return late(),
        _ => return Answer::None,
    };
    match serde_json::from_slice::<Status>(&line) {
        Ok(status) if status.version != VERSION => useless(format!(
            "answers in version {}, and version {VERSION} is known here",
            status.version
        )),
        Ok(status) if status.pid == pid => Answer::Told(status),
        Ok(status) => useless(format!("says that it is {}", status.pid)),
        Err(error) => useless(format!("says what no master says: {error}")),
    }
}

/// `None` where the socket is not the process's, or not this user's.
fn open(pid: u32) -> nix::Result<Option<UnixStream>> {
    // A master that is stopped accepts nobody, and to wait for room in its
    // queue would be for ever.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let name = format!("harness-{pid}");
    let address = UnixAddr::new_abstract(name.as_bytes())?;
    connect(socket.as_raw_fd(), &address)?;
    let owner = getsockopt(&socket, PeerCredentials)?;
    let user = Uid::effective();
    let ours = user.is_root() || owner.uid() == user.as_raw();
    let itself = u32::try_from(owner.pid()) == Ok(pid);
    Ok((ours && itself).then(|| UnixStream::from(socket)))
}

fn read(mut stream: UnixStream) -> io::Result<Vec<u8>> {
    stream.set_nonblocking(false)?;
    let start = Instant::now();
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        if left.is_zero() || line.len() > LONGEST {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Ok(line),
            count => line.extend_from_slice(&buffer[..count]),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::process;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn listen(name: &str) -> UnixListener {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        UnixListener::bind_addr(&address).unwrap()
    }

    #[test]
    fn masters_are_found_by_the_names_of_their_sockets() {
        let sockets = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 22 @harness-78
0000000000000000: 00000003 00000000 00000000 0001 03 23 @harness-78
0000000000000000: 00000002 00000000 00010000 0001 01 24 /tmp/@harness-7
0000000000000000: 00000002 00000000 00010000 0001 01 25 @harness-7x
0000000000000000: 00000003 00000000 00000000 0001 03 26
0000000000000000: 00000002 00000000 00010000 0001 01 27 @harness-9
";
        assert_eq!(pids(sockets), [9, 78]);
    }

    #[test]
    fn who_is_no_master_is_not_taken_for_one() {
        // Process 1 is there, and this is not its socket.
        let _squatter = listen("harness-1");
        assert!(matches!(ask(1), Answer::None));

        let pid = process::id();
        assert!(matches!(ask(pid), Answer::None), "nobody listens");
        let own = listen(&format!("harness-{pid}"));
        let Answer::Useless(why) = ask(pid) else {
            panic!("nobody answered, and it was taken for an answer");
        };
        assert!(why.to_string().contains("did not answer"), "{why}");
        own.set_nonblocking(true).unwrap();
        for (answer, expected) in [
            ("hello", "what no master says"),
            (
                r#"{"version": 2, "name": "", "pid": 1, "http": null,
                    "state": "", "generation": 1, "workers": []}"#,
                "version 2",
            ),
        ] {
            let heard = AtomicBool::new(false);
            let why = thread::scope(|scope| {
                scope.spawn(|| {
                    // Those who gave up are still in the queue, and anybody
                    // on this machine may ask.
                    while !heard.load(Ordering::Relaxed) {
                        match own.accept() {
                            Ok((mut stream, _)) => {
                                stream.write_all(answer.as_bytes()).ok();
                            }
                            Err(_) => thread::sleep(Duration::from_millis(1)),
                        }
                    }
                });
                let why = ask(pid);
                heard.store(true, Ordering::Relaxed);
                why
            });
            let Answer::Useless(why) = why else {
                panic!("{answer} was taken for a status");
            };
            assert!(why.to_string().contains(expected), "{why}");
        }
    }
}
