//! How far a bench is: a bar on a terminal, and a line per run elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::print::note;

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
    let style = ProgressStyle::with_template("[{bar:30}] {percent}% · {msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
