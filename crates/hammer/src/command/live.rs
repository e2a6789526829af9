//! What is seen while a run lasts: a bar on a terminal, a plain line now and
//! then elsewhere. It goes to stderr, so that stdout is the report alone.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use hammer::{Second, Snapshot, Stop};
use indicatif::{ProgressBar, ProgressStyle};

use super::note::note;
use super::units;

/// How far apart plain lines are.
const PLAIN: Duration = Duration::from_secs(5);
/// The bar's steps: finer than any terminal is wide.
const STEPS: u64 = 1000;

/// A view of a run under way.
pub(crate) struct Live {
    stop: Stop,
    screen: Screen,
    last: Option<Second>,
}

enum Screen {
    Quiet,
    Plain { next: Duration },
    Bar(ProgressBar),
}

impl Live {
    pub(crate) fn new(quiet: bool, stop: &Stop) -> Self {
        let screen = if quiet {
            Screen::Quiet
        } else if stderr().is_terminal() {
            Screen::Bar(bar())
        } else {
            Screen::Plain { next: PLAIN }
        };
        Self {
            stop: *stop,
            screen,
            last: None,
        }
    }

    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        if let Some(second) = snapshot.seconds.last() {
            self.last = Some(second.clone());
        }
        let line = self.line(snapshot);
        match &mut self.screen {
            Screen::Plain { next } if snapshot.elapsed >= *next => {
                *next = snapshot.elapsed + PLAIN;
                note(line);
            }
            Screen::Quiet | Screen::Plain { .. } => {}
            Screen::Bar(bar) => {
                bar.set_message(line);
                bar.set_position((snapshot.progress * STEPS as f64) as u64);
            }
        }
    }

    pub(crate) fn clear(self) {
        if let Screen::Bar(bar) = self.screen {
            bar.finish_and_clear();
        }
    }

    fn line(&self, snapshot: &Snapshot) -> String {
        let answered = snapshot.answered;
        let mut parts = vec![
            format!("{} s", snapshot.elapsed.as_secs()),
            match self.stop {
                _ if snapshot.warming => "warming up".to_owned(),
                Stop::Requests(total) => format!("{answered} of {total}"),
                Stop::After(_) => format!("{answered} answers"),
            },
        ];
        if let Some(second) = &self.last {
            parts.push(format!("{}/s", second.answered));
            if !second.latency.0.is_empty() {
                parts.push(format!("p50 {}", units::duration(second.p50)));
                parts.push(format!("p99 {}", units::duration(second.p99)));
            }
        }
        parts.push(format!("{} under way", snapshot.in_flight));
        for (count, what) in
            [(snapshot.failed, "failed"), (snapshot.shed, "shed")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(" · ")
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(STEPS);
    // The library leaves the colours out where NO_COLOR is set.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24.cyan/blue} {wide_msg}")
    {
        bar.set_style(style);
    }
    bar
}
