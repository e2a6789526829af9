//! The answer, shown: on the terminal, as Markdown and as a page.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use super::answer::{Answer, markdown, page, terminal};
use super::record::{Step, Sweep};
use crate::print::{self, note, say};
use crate::put::put;

/// Writes `sweep.md` and `sweep.html`, and prints the answer.
pub(crate) fn show(
    folder: &Path,
    sweep: &Sweep,
    steps: &[Step],
    answer: &Answer,
    json: bool,
) -> Result<()> {
    put(&folder.join("sweep.md"), &markdown(sweep, answer))?;
    let path = folder.join("sweep.html");
    put(&path, &page(sweep, steps, answer))?;
    if json {
        let json = serde_json::to_string_pretty(answer)
            .context("the answer cannot be written as JSON")?;
        say!("{json}");
    } else {
        say!("{}", terminal(answer, print::room(&io::stdout())));
        note!("talk: {} has the pictures", path.display());
    }
    Ok(())
}

/// Whether the model to take is this one; said aloud where it is another.
pub(crate) fn is_taken(answer: &Answer, wanted: &str) -> bool {
    match answer.taken() {
        Some(taken) if taken == wanted => return true,
        Some(taken) => {
            note!("talk: the model to take is {taken}, not {wanted}");
        }
        None => {
            note!("talk: there is no model to take, {wanted} neither");
        }
    }
    false
}
