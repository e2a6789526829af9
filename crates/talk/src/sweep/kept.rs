//! A sweep's record, read again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::record::{Step, Sweep, VERSION};

/// The file of a sweep's folder.
pub(crate) const STEPS: &str = "steps.jsonl";

/// What was asked for and measured.
pub(crate) struct Kept {
    pub(crate) sweep: Sweep,
    pub(crate) steps: Vec<Step>,
    /// How many bytes these have in the file.
    pub(crate) length: usize,
}

/// Reads a record. A last line that was not written to its end, by a sweep
/// that was killed, is as if it were not there.
pub(crate) fn read(folder: &Path) -> Result<Kept> {
    let path = folder.join(STEPS);
    let text = fs::read_to_string(&path).map_err(|error| {
        let path = path.display();
        anyhow!("cannot read {path}: {error}; cargo talk sweep writes it")
    })?;
    parse(&text).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(text: &str) -> Result<Kept> {
    // What follows the last end of a line was not written to its own.
    let length = text.rfind('\n').map_or(0, |at| at + 1);
    let (head, rest) = text[..length]
        .split_once('\n')
        .context("no record of a sweep")?;
    let version: Head =
        serde_json::from_str(head).context("no record of a sweep")?;
    if version.version != VERSION {
        bail!(
            "it is of version {}, and this program reads {VERSION}; measure \
             again: cargo talk sweep",
            version.version
        );
    }
    let sweep = serde_json::from_str(head).context("line 1 is no sweep")?;
    let steps = rest.lines().enumerate().map(|(at, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("line {} is no step", at + 2))
    });
    Ok(Kept {
        sweep,
        steps: steps.collect::<Result<_>>()?,
        length,
    })
}

/// What the record of any version has.
#[derive(Deserialize)]
struct Head {
    version: u32,
}
