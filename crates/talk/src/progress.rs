//! How far a bench is: a bar on a terminal, and a line per run elsewhere.

use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::print::{self, note};

/// How far a bench is, by the time that it takes at the least.
pub(crate) struct Progress {
    bar: ProgressBar,
    done: Duration,
}

impl Progress {
    pub(crate) fn new(total: Duration) -> Self {
        Self {
            bar: bar(millis(total)),
            done: Duration::ZERO,
        }
    }

    /// What is going on now.
    pub(crate) fn say(&self, what: String) {
        self.bar.set_message(what);
        self.bar.tick();
    }

    /// The run that is going on has taken so long.
    pub(crate) fn within(&self, elapsed: Duration, bound: Duration) {
        self.bar
            .set_position(millis(self.done + elapsed.min(bound)));
    }

    /// What took so long at the least is over.
    pub(crate) fn over(&mut self, bound: Duration) {
        self.done += bound;
        self.bar.set_position(millis(self.done));
    }

    /// Lets `print` write where the bar is not in its way.
    pub(crate) fn print(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Tells the outcome of a run.
    pub(crate) fn tell(&self, line: &str) {
        if self.bar.is_hidden() {
            note!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of so many parts, as every command has it.
pub(crate) fn bar(parts: u64) -> ProgressBar {
    let bar = ProgressBar::new(parts);
    let width = width(print::room(&io::stderr()));
    // A message is cut where the line ends: one that is broken is not wiped.
    let template = format!("[{{bar:{width}}}] {{percent}}% · {{wide_msg}}");
    let style = ProgressStyle::with_template(&template);
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// A bar's, on a terminal of so many columns: most of a narrow one is for
/// what is told.
fn width(columns: usize) -> usize {
    match columns {
        60.. => 30,
        columns => columns / 4,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_room_for_a_bar_and_for_what_is_told() {
        for columns in 30..300 {
            let beside = "[] 100% · ".chars().count();
            let message = columns - beside - width(columns);
            assert!(message >= 12, "{message} letters of {columns}");
        }
    }
}
