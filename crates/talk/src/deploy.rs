//! Starts servers, and sees to it that they are gone afterwards.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::interrupt::{self, Interrupt};
use crate::notify::Notify;
use crate::print::note;

/// How long a server may take until it takes requests.
const START_LIMIT: Duration = Duration::from_secs(30);
/// A master gives its workers 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(35);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What a master takes for one stop is over by then.
const HURRY: Duration = Duration::from_millis(200);
/// A stop that takes longer is told of.
const SILENCE: Duration = Duration::from_secs(2);

/// Where a server's log goes.
pub(crate) enum Log {
    /// Into a file of this name, afresh.
    File(PathBuf),
    /// Into this pipe.
    Pipe(io::PipeWriter),
    /// Where this process's own goes.
    Shared,
}

/// A server that runs; it is stopped when this is dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    log: Option<PathBuf>,
    /// A master that is asked twice does not wait for what is in hand.
    asked: bool,
    reaped: bool,
}

impl Server {
    /// Starts `program`, and waits until it takes requests.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let notify = Notify::listen()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("--die-with-parent")
            .env("NOTIFY_SOCKET", notify.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Ctrl-C is for this process, which stops the others.
            .process_group(0);
        let mut path = None;
        match log {
            Log::File(file) => {
                command.stderr(create(&file)?);
                path = Some(file);
            }
            Log::Pipe(pipe) => {
                command.stderr(pipe);
            }
            Log::Shared => {}
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        // Or the pipe would stay open here.
        drop(command);
        let mut server = Self {
            name: name.to_owned(),
            child,
            log: path,
            asked: false,
            reaped: false,
        };
        server.await_ready(&notify, interrupt)?;
        Ok(server)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The master.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, where it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        let ended = ended.context("cannot wait for a server")?;
        // Its pid may be another's from now on.
        self.reaped |= ended.is_some();
        Ok(ended)
    }

    /// What became of it, and what it said last.
    pub(crate) fn obituary(&self, status: ExitStatus) -> String {
        let Self { name, log, .. } = self;
        let last = log.as_deref().and_then(last_line);
        match last {
            // Which option moves a port is another matter here.
            Some(line) => {
                let line = line.replace("with --http", "with --port-base");
                format!("{name}: {line}")
            }
            None => format!("{name} ended ({status})"),
        }
    }

    fn await_ready(
        &mut self,
        notify: &Notify,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let start = Instant::now();
        while !notify.is_ready() {
            if let Some(status) = self.ended()? {
                bail!(self.obituary(status));
            }
            if start.elapsed() > START_LIMIT {
                bail!(
                    "{} took no requests within {} s",
                    self.name,
                    START_LIMIT.as_secs()
                );
            }
            interrupt.wait(LOOK_AGAIN)?;
        }
        Ok(())
    }

    /// Asks it to stop; [`stop`](Self::stop) or the drop waits for it.
    pub(crate) fn ask_to_stop(&mut self) {
        if !self.asked && !self.reaped {
            self.asked = true;
            self.signal(Signal::SIGTERM);
        }
    }

    /// Stops it, and fails where it did not go well.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.ask_to_stop();
        let status = self.reap()?;
        if !status.success() {
            bail!(self.obituary(status));
        }
        Ok(())
    }

    /// Reaps it, however it ended.
    pub(crate) fn forget(mut self) {
        self.asked = true;
        self.reap().ok();
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        self.reaped = true;
        let start = Instant::now();
        let (mut told, mut hurried) = (false, false);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            let taken = start.elapsed();
            if taken > STOP_LIMIT {
                self.signal(Signal::SIGKILL);
            } else if taken > HURRY && !hurried && interrupt::is_urgent() {
                hurried = true;
                self.signal(Signal::SIGTERM);
            } else if taken > SILENCE && !told && !hurried {
                told = true;
                note!(
                    "talk: {} finishes what it has in hand{}",
                    self.name,
                    match interrupt::came() {
                        true => "; Ctrl-C once more ends it at once",
                        false => "",
                    }
                );
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn signal(&self, signal: Signal) {
        // Not reaped, its pid is still its own; all there is to fear is
        // that it is a zombie already, which minds no signal.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            kill(Pid::from_raw(pid), signal).ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.reaped {
            self.ask_to_stop();
            if let Err(error) = self.reap() {
                note!("talk: {}: {error:#}", self.name);
            }
        }
    }
}

fn create(file: &Path) -> Result<File> {
    let create = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        File::create(file)
    };
    create().with_context(|| format!("cannot write {}", file.display()))
}

/// What a server that could not start says last is why.
fn last_line(log: &Path) -> Option<String> {
    let text = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rfind(|line| !line.is_empty())?;
    Some(line.to_owned())
}
