//! Which model fits a workload: every model under rising load, and what came
//! of it, in figures and in words.
//!
//! 1. sweep/asked.rs: what is asked for, and what is refused;
//! 2. sweep/rounds.rs: the order of all of it; groups.rs: who is measured
//!    side by side; pace.rs: how long steps are;
//! 3. sweep/lane.rs: a model's way through a round; search.rs: the search
//!    for the highest rate that holds, on those of grid.rs; held.rs: whether
//!    one did; backlog.rs: whether it kept up; alone.rs: what a request takes
//!    at the least; most.rs: what arithmetic allows at the most;
//! 4. sweep/stand.rs, step.rs, meter.rs, hopeless.rs: how a step is measured;
//!    stall.rs: the drill in which the backend freezes;
//! 5. sweep/record.rs, journal.rs, kept.rs: what is kept, and how a sweep
//!    that was stopped goes on;
//! 6. sweep/answer.rs: which model to take, by the record alone; show.rs
//!    shows that.

mod alone;
mod answer;
mod asked;
mod backlog;
mod grid;
mod groups;
mod held;
mod hopeless;
mod journal;
mod kept;
mod lane;
mod meter;
mod most;
mod pace;
mod progress;
mod record;
mod rounds;
mod search;
mod show;
mod stall;
mod stand;
mod step;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use workload::Workload;

use self::answer::Answer;
use self::asked::Asked;
use self::journal::Journal;
use self::kept::Kept;
pub(crate) use self::record::Target;
use self::rounds::Rounds;
use self::show::show;
use crate::interrupt::{Interrupt, Stopped};
use crate::options;
use crate::print::note;
use crate::put::put;
use crate::site::Site;

/// Sweeps, and answers. Whether the model to take is the one that was
/// expected, where one was.
pub(crate) fn sweep(site: &Site, options: &options::Sweep) -> Result<bool> {
    let asked = Asked::of(site, options)?;
    let folder = folder(site, options.output.as_deref());
    site.build_apps()?;

    let interrupt = Interrupt::block()?;
    let journal = Journal::open(&folder, &asked.sweep, options.resume)?;
    let path = folder.join("workload.toml");
    put(&path, &asked.sweep.workload)?;
    // The apps have a folder of their own.
    let path = path.canonicalize().context("the workload is gone")?;
    if options.target.is_none() {
        note!(
            "talk: the target is {}, twice what a request takes with one call \
             after the other; --target asks for another",
            answer::target(&asked.sweep.target)
        );
    }
    let rounds = Rounds::new(site, &interrupt, &asked, &path, journal);
    let measured = rounds.run(options);
    let steps = rounds.into_steps();
    let Asked {
        sweep, workload, ..
    } = &asked;
    // Whatever ended it, what was measured until then is worth telling.
    let answer = Answer::of(sweep, &steps, workload);
    if measured.is_ok() || !steps.is_empty() {
        show(&folder, sweep, &steps, &answer, options.json)?;
    }
    if let Err(error) = measured {
        if error.is::<Stopped>() {
            note!("talk: {} steps are kept; --resume goes on", steps.len());
        }
        return Err(error);
    }
    let wanted = options.fail_if_not.as_deref();
    Ok(wanted.is_none_or(|wanted| show::is_taken(&answer, wanted)))
}

/// Shows the answer of a sweep that was measured before. Whether it is the
/// model that was asked for.
pub(crate) fn answered(
    site: &Site,
    options: &options::Answered,
) -> Result<bool> {
    let folder = folder(site, options.folder.as_deref());
    let Kept { sweep, steps, .. } = kept::read(&folder)?;
    let path = folder.join(kept::STEPS);
    let workload = Workload::parse(&path, &sweep.workload)
        .context("the record has no workload")?;
    let answer = Answer::of(&sweep, &steps, &workload);
    let wanted = options.fail_if_not.as_deref();
    show(&folder, &sweep, &steps, &answer, options.json)?;
    Ok(wanted.is_none_or(|wanted| show::is_taken(&answer, wanted)))
}

/// Where a sweep keeps all of it.
fn folder(site: &Site, named: Option<&Path>) -> PathBuf {
    named.map_or_else(|| site.kept().join("sweep"), Path::to_owned)
}
