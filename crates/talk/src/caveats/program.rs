//! Programs that run to their end, and are gone when the user stops.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;

/// How long any of them may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs; it is killed when this is dropped, with all that it
/// started.
pub(crate) struct Program {
    child: Child,
    name: String,
    since: Instant,
    reaped: bool,
}

/// What a program left. It may say no more than a pipe holds.
#[derive(Debug)]
pub(crate) struct Ended {
    name: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start<S: AsRef<OsStr>>(
        path: PathBuf,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for this process, which stops the others.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name,
            since: Instant::now(),
            reaped: false,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it left, where it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<Ended>> {
        if self.since.elapsed() > PATIENCE {
            bail!("{} does not end", self.name);
        }
        let status = self.child.try_wait().context("cannot wait")?;
        let Some(status) = status else {
            return Ok(None);
        };
        self.reaped = true;
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout)?;
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr)?;
        }
        Ok(Some(Ended {
            name: self.name.clone(),
            status,
            stdout,
            stderr,
        }))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Not reaped, its pid is still its own, and so is its group.
        if !self.reaped
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).ok();
            self.child.wait().ok();
        }
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it said last, where something went wrong.
    pub(crate) fn last_words(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// What it printed, which is JSON where all went well.
    pub(crate) fn told<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.status.success() {
            let Self { name, status, .. } = self;
            bail!("{name} ended ({status}): {}", self.last_words());
        }
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("{} printed {:?}", self.name, self.stdout))
    }
}
