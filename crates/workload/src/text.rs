//! A workload as the text of a file, to be kept beside what was measured.

use std::fmt::Write;
use std::time::Duration;

use crate::{Call, Delay, Workload};

impl Workload {
    /// The file that this would be read from. What was measured stands in
    /// it, so that it needs no other.
    pub fn to_toml(&self) -> String {
        let seed = self.seed;
        let work = self.work.as_secs_f64();
        let mut text = format!("seed = {seed}\nwork = {work}\nsteps = [\n");
        for step in &self.steps {
            text.push_str("    [");
            for calls in step.chunk_by(|one, next| one == next) {
                let separator = if text.ends_with('[') { "" } else { ", " };
                let delay = calls[0].delay.to_toml();
                let Call {
                    fails, hangs, size, ..
                } = calls[0];
                let mut entry = format!("{separator}{{ delay = {delay}");
                let number = [
                    ("count", calls.len() as f64, 1.0),
                    ("fails", fails, 0.0),
                    ("hangs", hangs, 0.0),
                    ("size", size as f64, 0.0),
                ];
                for (key, value, default) in number {
                    if value != default {
                        // A string takes all that is written to it.
                        write!(entry, ", {key} = {value}").ok();
                    }
                }
                text.push_str(&entry);
                text.push_str(" }");
            }
            text.push_str("],\n");
        }
        text + "]\n"
    }
}

impl Delay {
    fn to_toml(&self) -> String {
        let seconds = Duration::as_secs_f64;
        match self {
            Self::Fixed(delay) => seconds(delay).to_string(),
            Self::Range { from, to } => {
                format!("{{ from = {}, to = {} }}", seconds(from), seconds(to))
            }
            Self::Lognormal { median, p99 } => {
                let (median, p99) = (seconds(median), seconds(p99));
                format!("{{ median = {median}, p99 = {p99} }}")
            }
            Self::Measured(values) => {
                let values =
                    values.iter().map(|value| seconds(value).to_string());
                let values = values.collect::<Vec<_>>().join(", ");
                format!("{{ values = [{values}] }}")
            }
        }
    }
}
