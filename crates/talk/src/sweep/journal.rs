//! The record, as it is written: a step is in the file as soon as it has
//! been measured, so that whoever is stopped or killed loses one at most.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::kept::{self, STEPS};
use super::record::{Load, Step, Sweep};

/// The record of a sweep that is under way.
pub(super) struct Journal {
    file: File,
    steps: Vec<Step>,
}

impl Journal {
    /// Begins a record, or goes on with that of the same sweep.
    pub(super) fn open(
        folder: &Path,
        sweep: &Sweep,
        resume: bool,
    ) -> Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(STEPS);
        let open = || -> Result<Self> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    bail!("another sweep writes it now")
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let mut journal = Self {
                file,
                steps: Vec::new(),
            };
            match resume && journal.file.metadata()?.len() > 0 {
                true => journal.go_on(folder, sweep)?,
                false => {
                    journal.file.set_len(0)?;
                    journal.write(sweep)?;
                }
            }
            Ok(journal)
        };
        open().with_context(|| format!("cannot keep {}", path.display()))
    }

    fn go_on(&mut self, folder: &Path, sweep: &Sweep) -> Result<()> {
        let kept = kept::read(folder)?;
        if let Some(what) = difference(&kept.sweep, sweep) {
            bail!(
                "it is of a sweep with another {what}; leave out --resume to \
                 begin afresh, or name another --output"
            );
        }
        self.steps = kept.steps;
        // A line that was cut off is measured again.
        let length = kept.length as u64;
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        Ok(())
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What was measured already, the first time, or the one after that.
    pub(super) fn step(
        &self,
        model: &str,
        round: u32,
        load: Load,
        time: usize,
    ) -> Option<&Step> {
        let is_same = |step: &&Step| {
            step.model == model && step.round == round && step.load == load
        };
        self.steps.iter().filter(is_same).nth(time)
    }

    /// Writes a step down.
    pub(super) fn add(&mut self, step: Step) -> Result<()> {
        self.write(&step).context("cannot keep what was measured")?;
        self.steps.push(step);
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        // One write, so that there is no time at which half of it is there.
        self.file.write_all(&line)?;
        Ok(())
    }
}

/// In what two sweeps differ, as the command line has it.
fn difference(one: &Sweep, other: &Sweep) -> Option<&'static str> {
    let same = [
        ("workload", one.workload == other.workload),
        ("--target", one.target == other.target),
        ("--rate", one.rate == other.rate),
        ("set of models", one.models == other.models),
        ("--rounds", one.rounds == other.rounds),
        ("--seed", one.seed == other.seed),
        ("--quick", one.quick == other.quick),
        ("machine", one.machine == other.machine),
    ];
    same.into_iter()
        .find(|(_, same)| !same)
        .map(|(what, _)| what)
}
