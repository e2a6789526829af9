//! A sweep: which model fits a workload, by what was measured of each.
//!
//! sweep/record.rs is what is kept of it, held.rs when a step holds the
//! target, kept.rs reads the record again, answer.rs makes of it which model
//! to take, and show.rs shows that.

mod answer;
mod held;
mod kept;
mod record;
mod show;

use anyhow::{Context, Result};
use workload::Workload;

use self::answer::Answer;
use self::show::show;
use crate::options::Answered;

/// Shows the answer of a sweep that was measured before. Whether it is the
/// model that was asked for.
pub(crate) fn answered(options: &Answered) -> Result<bool> {
    let folder = &options.folder;
    let (sweep, steps) = kept::read(folder)?;
    let path = folder.join(kept::STEPS);
    let workload = Workload::parse(&path, &sweep.workload)
        .context("the record has no workload")?;
    let answer = Answer::of(&sweep, &steps, &workload);
    let wanted = options.fail_if_not.as_deref();
    show(folder, &sweep, &steps, &answer, options.json)?;
    Ok(wanted.is_none_or(|wanted| show::is_taken(&answer, wanted)))
}
