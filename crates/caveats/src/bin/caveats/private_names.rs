//! Runs a program in namespaces of its own, where `/etc/resolv.conf` names
//! a server of ours: the machine's settings stay as they are.
//!
//! A mount namespace has the files, a network namespace the port 53, and
//! who is not root gets a user namespace for both (namespaces(7)).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use caveats::die_with_parent;
use clap::Args;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send,
    socket,
};
use nix::unistd::{getgid, getuid};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long a look-up takes
    #[arg(long, value_name = "SECONDS", default_value = "0.5")]
    delay: String,
    /// The program, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What a program returns that could not do its work here, as automake has
/// it.
const SKIPPED: i32 = 77;
/// A name server in a network of its own is in nobody's way.
const NAME_SERVER: &str = "127.0.0.53";
const BACKEND_PORT: u16 = 7001;
/// Longer than a server takes to start on any machine.
const START_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn run(options: &Options) -> Result<()> {
    die_with_parent()?;
    if let Err(error) = enter_namespaces() {
        eprintln!("no namespaces of our own here: {error:#}");
        process::exit(SKIPPED);
    }
    start_name_server(&options.delay)?;
    start_backend()?;
    let (program, arguments) =
        options.command.split_first().context("no program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

fn enter_namespaces() -> Result<()> {
    let (user, group) = (getuid(), getgid());
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    if !user.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).context("unshare")?;
    if !user.is_root() {
        let map = |file: &str, text: String| {
            fs::write(file, text).with_context(|| file.to_owned())
        };
        map("/proc/self/setgroups", "deny".to_owned())?;
        map("/proc/self/uid_map", format!("0 {user} 1"))?;
        map("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    // What is mounted here is to be seen nowhere else.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount_on("none", "/", private)?;
    replace(
        "/etc/resolv.conf",
        &format!("nameserver {NAME_SERVER}\noptions timeout:10\n"),
    )?;
    // It may name a daemon that is asked before any name server.
    const SWITCH: &str = "/etc/nsswitch.conf";
    if Path::new(SWITCH).exists() {
        replace(SWITCH, "hosts: files dns\n")?;
    }
    bring_loopback_up().context("cannot bring loopback up")
}

/// Lets `file`, which has to be there, have another content.
fn replace(file: &str, content: &str) -> Result<()> {
    let name = format!("caveats-{}", process::id());
    let source = std::env::temp_dir().join(name);
    // It may not be a file, or a link, that somebody else has put there.
    let written = File::create_new(&source)
        .and_then(|mut file| file.write_all(content.as_bytes()));
    written.with_context(|| source.display().to_string())?;
    let mounted =
        mount_on(&source.display().to_string(), file, MsFlags::MS_BIND);
    // The mount keeps what it needs of it.
    fs::remove_file(&source)?;
    mounted
}

fn mount_on(source: &str, target: &str, flags: MsFlags) -> Result<()> {
    const NO: Option<&str> = None;
    mount(Some(source), target, NO, flags, NO)
        .with_context(|| format!("cannot mount {source} on {target}"))
}

/// What `ip link set lo up` does, which is not installed everywhere
/// (netlink(7), rtnetlink(7)).
fn bring_loopback_up() -> io::Result<()> {
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const UP: u32 = 1;
    /// The first interface of a network.
    const LOOPBACK: i32 = 1;
    /// Where an acknowledgement has its error, after its own head.
    const ERROR: std::ops::Range<usize> = 16..20;
    let mut request = [0; 32];
    let mut fill = |at: usize, bytes: &[u8]| {
        request[at..at + bytes.len()].copy_from_slice(bytes);
    };
    fill(0, &32_u32.to_ne_bytes());
    fill(4, &NEW_LINK.to_ne_bytes());
    fill(6, &REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    fill(20, &LOOPBACK.to_ne_bytes());
    // The flags, and which of them to change.
    fill(24, &UP.to_ne_bytes());
    fill(28, &UP.to_ne_bytes());
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    send(socket.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0; 256];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let error = answer[..length].get(ERROR).map(<[u8]>::to_vec);
    match error.and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => match i32::from_ne_bytes(bytes) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn start_name_server(delay: &str) -> Result<()> {
    let mut server = Command::new(std::env::current_exe()?)
        .args(["slow-names", "--delay", delay])
        .args(["--address", &format!("{NAME_SERVER}:53")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the name server")?;
    let mut line = String::new();
    if let Some(stdout) = server.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line.is_empty() {
        bail!("the name server did not start");
    }
    Ok(())
}

fn start_backend() -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("slow-backend");
    Command::new(&program)
        .arg(format!("--http=:{BACKEND_PORT}"))
        .args(["--processes=1", "--die-with-parent"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let start = Instant::now();
    let address = (Ipv4Addr::LOCALHOST, BACKEND_PORT);
    while let Err(error) = TcpStream::connect(address) {
        if start.elapsed() > START_LIMIT {
            return Err(error).context("the backend does not start");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
