//! A delay in a word, as a command line has it.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::check::seconds;
use crate::{Delay, latencies};

impl FromStr for Delay {
    type Err = String;

    /// `0.125`, `0.05..0.1`, `median:0.05,p99:0.4` or `file:latencies.txt`,
    /// which is read.
    fn from_str(text: &str) -> Result<Self, String> {
        let delay = if let Some(path) = text.strip_prefix("file:") {
            Self::Measured(latencies::read(Path::new(path))?)
        } else if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (number(from)?, number(to)?);
            Self::Range { from, to }
        } else if let Some((median, p99)) = lognormal(text) {
            let (median, p99) = (number(median)?, number(p99)?);
            Self::Lognormal { median, p99 }
        } else {
            Self::Fixed(number(text)?)
        };
        delay.check().map_err(|error| error.to_string())?;
        Ok(delay)
    }
}

fn lognormal(text: &str) -> Option<(&str, &str)> {
    let (median, p99) = text.split_once(',')?;
    Some((median.strip_prefix("median:")?, p99.strip_prefix("p99:")?))
}

/// Reads a number of seconds, or says how a delay is written.
fn number(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(number) => seconds(number),
        Err(_) => Err(format!(
            "`{text}` is no delay; try 0.125, 0.05..0.1, \
             median:0.05,p99:0.4 or file:latencies.txt"
        )),
    }
}
