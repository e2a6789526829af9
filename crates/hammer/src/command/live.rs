//! What is seen while a run lasts: a bar on a terminal, a plain line now and
//! then elsewhere. It goes to stderr, so that stdout is the report alone.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use hammer::{Snapshot, Stop};
use indicatif::{ProgressBar, ProgressStyle};

/// How far apart plain lines are.
const PLAIN: Duration = Duration::from_secs(5);
/// The bar's steps: finer than any terminal is wide.
const STEPS: u64 = 1000;

/// A view of a run under way.
pub(crate) enum Live {
    Quiet,
    Plain { stop: Stop, next: Duration },
    Bar { bar: ProgressBar, stop: Stop },
}

impl Live {
    pub(crate) fn new(quiet: bool, stop: &Stop) -> Self {
        let stop = *stop;
        if quiet {
            return Self::Quiet;
        }
        if !stderr().is_terminal() {
            return Self::Plain { stop, next: PLAIN };
        }
        // Colours are left out by the library where NO_COLOR is set.
        let style =
            ProgressStyle::with_template("{bar:24.cyan/blue} {wide_msg}");
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self::Bar { bar, stop }
    }

    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        match self {
            Self::Quiet => {}
            Self::Plain { stop, next } => {
                if snapshot.elapsed >= *next {
                    eprintln!("{}", line(snapshot, stop));
                    *next += PLAIN;
                }
            }
            Self::Bar { bar, stop } => {
                bar.set_message(line(snapshot, stop));
                bar.set_position((snapshot.progress * STEPS as f64) as u64);
            }
        }
    }

    pub(crate) fn clear(self) {
        if let Self::Bar { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

fn line(snapshot: &Snapshot, stop: &Stop) -> String {
    let elapsed = snapshot.elapsed.as_secs();
    let mut parts = vec![match stop {
        Stop::Requests(total) => format!("{} of {total}", snapshot.answered),
        Stop::After(_) => format!("{} requests", snapshot.answered),
    }];
    if snapshot.warming {
        parts = vec!["warming up".to_owned()];
    }
    parts.insert(0, format!("{elapsed} s"));
    parts.push(format!("{} under way", snapshot.in_flight));
    for (count, what) in [(snapshot.failed, "failed"), (snapshot.shed, "shed")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(" · ")
}
