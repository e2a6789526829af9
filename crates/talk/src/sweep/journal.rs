//! The record, as it is written: a step is in the file as soon as it has
//! been measured, so that whoever is stopped or killed loses one at most.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::kept::{self, STEPS};
use super::record::{Load, Step, Sweep};

/// What to do with a record that cannot be gone on with.
const AFRESH: &str =
    "leave out --resume to begin afresh, or name another --output";

/// The record of a sweep that is under way.
pub(super) struct Journal {
    file: File,
    /// What it begins with, until it has: a record of before is there until
    /// there is something to take its place.
    head: Option<Sweep>,
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
                head: Some(sweep.clone()),
                steps: Vec::new(),
            };
            if resume && journal.file.metadata()?.len() > 0 {
                journal.go_on(folder, sweep)?;
            }
            Ok(journal)
        };
        open().with_context(|| format!("cannot keep {}", path.display()))
    }

    fn go_on(&mut self, folder: &Path, sweep: &Sweep) -> Result<()> {
        let kept = kept::read(folder)
            .with_context(|| format!("nothing to go on with; {AFRESH}"))?;
        if let Some(what) = difference(&kept.sweep, sweep) {
            bail!("it is of a sweep with another {what}; {AFRESH}");
        }
        self.head = None;
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
        let written = self.begin().and_then(|()| self.write(&step));
        written.context("cannot keep what was measured")?;
        self.steps.push(step);
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let Some(head) = self.head.take() else {
            return Ok(());
        };
        self.file.set_len(0)?;
        self.write(&head)
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::sweep::answer::made_up::{MadeUp, step};

    #[test]
    fn a_record_stays_until_a_step_takes_its_place() {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        let sweep = MadeUp::of("calls = [{ delay = 0.1 }]", 0.95).sweep;
        let mut first = Journal::open(folder, &sweep, false).unwrap();
        first.add(step("native", 1.05_f64.powi(7), 0.1)).unwrap();
        drop(first);
        // Nothing could be measured: a port was taken, say.
        drop(Journal::open(folder, &sweep, false).unwrap());
        assert_eq!(kept::read(folder).unwrap().steps.len(), 1);
        let mut again = Journal::open(folder, &sweep, false).unwrap();
        again.add(step("basic", 1.0, 0.1)).unwrap();
        let kept = kept::read(folder).unwrap();
        assert_eq!(kept.sweep, sweep);
        let models = kept.steps.iter().map(|step| &*step.model);
        assert_eq!(models.collect::<Vec<_>>(), ["basic"]);
    }

    #[test]
    fn who_cannot_resume_is_told_what_to_do() {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        let sweep = MadeUp::of("calls = [{ delay = 0.1 }]", 0.95).sweep;
        std::fs::write(folder.join(STEPS), "{\"version\":2,\"work").unwrap();
        let error = Journal::open(folder, &sweep, true).err().unwrap();
        let told = format!("{error:#}");
        assert!(told.contains("leave out --resume"), "{told}");
        assert!(told.ends_with("no record of a sweep"), "{told}");
    }

    #[test]
    fn a_record_is_known_again_to_the_last_bit() {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        for target in 1..2000 {
            let target = f64::from(target) / 1e3;
            let made_up = MadeUp::of("calls = [{ delay = 0.1 }]", target);
            let mut journal =
                Journal::open(folder, &made_up.sweep, false).unwrap();
            let rate = 1.05_f64.powf(target * 100.0).round() / 7.0;
            journal.add(step("native", rate, target)).unwrap();
            drop(journal);
            let journal = Journal::open(folder, &made_up.sweep, true);
            let journal = journal.unwrap_or_else(|why| panic!("{why:#}"));
            let load = Load::Open { rate };
            assert!(journal.step("native", 1, load, 0).is_some(), "{rate}");
        }
    }
}
