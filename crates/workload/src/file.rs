//! The file of a workload: TOML, and strict.
//!
//! What is not known or cannot be is refused in one line that names the
//! file, the line and the key: a typing error never runs as a default.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use thiserror::Error;
use toml::Spanned;

use crate::check::{BadValue, MOST_CALLS, seconds};
use crate::{Call, Delay, Workload};

/// The most latencies of a file.
const MOST_VALUES: usize = 1_000_000;

/// Why a workload is refused: always one line.
#[derive(Debug, Error)]
pub enum WorkloadError {
    /// The file cannot be read.
    #[error("cannot read workload file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the file is not as it should be.
    #[error("{}:{line}: {message}", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it; names the key.
        message: String,
    },
}

impl Workload {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// See [`WorkloadError`]; each says what to mend in one line.
    pub fn load(path: &Path) -> Result<Self, WorkloadError> {
        let text = fs::read_to_string(path).map_err(|source| {
            let path = path.to_owned();
            WorkloadError::Unreadable { path, source }
        })?;
        Self::parse(path, &text)
    }

    /// The same of a text that was read from `path`; files of latencies are
    /// looked for beside that.
    ///
    /// # Errors
    ///
    /// See [`WorkloadError`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, WorkloadError> {
        let at = |place: usize, message: String| WorkloadError::BadLine {
            path: path.to_owned(),
            line: text[..place].matches('\n').count() + 1,
            // It may quote the file, whatever that has.
            message: message.replace(char::is_control, " "),
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            let reason = error.message();
            match key_at(text, place) {
                Some(key) if !reason.contains(&format!("`{key}`")) => {
                    at(place, format!("{key}: {reason}"))
                }
                _ => at(place, reason.to_owned()),
            }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let read = file.workload(folder);
        read.map_err(|(place, BadValue { key, reason })| {
            at(place, format!("{key}: {reason}"))
        })
    }

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

/// Reads the latencies of a file: seconds, one a line.
pub(crate) fn measured(path: &Path) -> Result<Arc<[Duration]>, String> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty());
    let values: Vec<_> = lines
        .map(|(line, number)| {
            let line = line.trim();
            let value = line.parse().map_err(|_| {
                format!("`{line}` is no time in seconds; try 0.125")
            });
            let value = value.and_then(seconds);
            value.map_err(|reason| format!("{name}:{number}: {reason}"))
        })
        .collect::<Result<_, _>>()?;
    match values.len() {
        0 => Err(format!("{name} has no latency; give seconds, one a line")),
        count if count > MOST_VALUES => Err(format!(
            "{name} has {count} latencies; give {MOST_VALUES} at most"
        )),
        _ => Ok(values.into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    work: Option<Spanned<f64>>,
    calls: Option<Entries>,
    order: Option<Spanned<Order>>,
    steps: Option<Spanned<Vec<Entries>>>,
}

type Entries = Spanned<Vec<Entry>>;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    AtOnce,
    InSequence,
}

/// A call, or some that are alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    delay: Spanned<Written>,
    count: Option<Spanned<usize>>,
    fails: Option<Spanned<f64>>,
    hangs: Option<Spanned<f64>>,
    size: Option<Spanned<usize>>,
}

/// A delay as it is written: a number, or a table.
enum Written {
    Number(f64),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    from: Option<Spanned<f64>>,
    to: Option<Spanned<f64>>,
    median: Option<Spanned<f64>>,
    p99: Option<Spanned<f64>>,
    file: Option<Spanned<PathBuf>>,
    values: Option<Spanned<Vec<f64>>>,
}

/// A value, and where it stands.
type Misplaced = (usize, BadValue);

impl File {
    fn workload(self, folder: &Path) -> Result<Workload, Misplaced> {
        let Self {
            seed,
            work,
            calls,
            order,
            steps,
        } = self;
        let work = match work {
            Some(work) => time("work", &work)?,
            None => Duration::ZERO,
        };
        let read = |entries: &[Entry]| -> Result<Vec<_>, _> {
            let mut calls = Vec::new();
            for entry in entries {
                calls.extend(entry.calls(folder)?);
            }
            Ok(calls)
        };
        let (place, steps) = match (calls, order, steps) {
            (Some(calls), order, None) => {
                let place = calls.span().start;
                let calls = read(calls.get_ref())?;
                if calls.is_empty() {
                    let reason = "a request needs at least one call";
                    return Err(bad(place, "calls", reason));
                }
                let steps = match order.map(Spanned::into_inner) {
                    None | Some(Order::AtOnce) => vec![calls],
                    Some(Order::InSequence) => {
                        calls.into_iter().map(|call| vec![call]).collect()
                    }
                };
                (place, steps)
            }
            (None, None, Some(steps)) => {
                let place = steps.span().start;
                let steps = steps.into_inner();
                if let Some(step) =
                    steps.iter().find(|s| s.get_ref().is_empty())
                {
                    let reason = "a step needs at least one call";
                    return Err(bad(step.span().start, "steps", reason));
                }
                let steps = steps.iter().map(|step| read(step.get_ref()));
                (place, steps.collect::<Result<_, _>>()?)
            }
            (Some(_), _, Some(steps)) => {
                let reason = "calls are there too; give one of the two";
                return Err(bad(steps.span().start, "steps", reason));
            }
            (None, Some(order), Some(_)) => {
                let reason = "steps have an order; it is for calls";
                return Err(bad(order.span().start, "order", reason));
            }
            (None, _, None) => {
                let reason = "a request needs at least one call";
                return Err(bad(0, "calls", reason));
            }
        };
        let workload = Workload { seed, work, steps };
        workload.check().map_err(|error| (place, error))?;
        Ok(workload)
    }
}

impl Entry {
    fn calls(&self, folder: &Path) -> Result<Vec<Call>, Misplaced> {
        let start = self.delay.span().start;
        let value = |number: &Option<Spanned<f64>>| {
            number.as_ref().map_or(0.0, |number| *number.get_ref())
        };
        let call = Call {
            delay: self.delay.get_ref().delay(start, folder)?,
            fails: value(&self.fails),
            hangs: value(&self.hangs),
            size: self.size.as_ref().map_or(0, |size| *size.get_ref()),
        };
        call.check().map_err(|error| {
            let place = match error.key {
                "fails" => place_of(&self.fails),
                "hangs" => place_of(&self.hangs),
                "size" => place_of(&self.size),
                key => self.delay.get_ref().place_of(key),
            };
            (place.unwrap_or(start), error)
        })?;
        let count = self.count.as_ref().map_or(1, |count| *count.get_ref());
        if !(1..=MOST_CALLS).contains(&count) {
            let place = place_of(&self.count).unwrap_or(start);
            let reason = format!("{count} is none; give 1 to {MOST_CALLS}");
            return Err(bad(place, "count", reason));
        }
        Ok(vec![call; count])
    }
}

impl Written {
    fn delay(&self, start: usize, folder: &Path) -> Result<Delay, Misplaced> {
        let table = match self {
            Self::Number(number) => {
                let delay = seconds(*number);
                let delay = delay.map_err(|why| bad(start, "delay", why))?;
                return Ok(Delay::Fixed(delay));
            }
            Self::Table(table) => table,
        };
        match table {
            Table {
                from: Some(from),
                to: Some(to),
                median: None,
                p99: None,
                file: None,
                values: None,
            } => Ok(Delay::Range {
                from: time("from", from)?,
                to: time("to", to)?,
            }),
            Table {
                from: None,
                to: None,
                median: Some(median),
                p99: Some(p99),
                file: None,
                values: None,
            } => Ok(Delay::Lognormal {
                median: time("median", median)?,
                p99: time("p99", p99)?,
            }),
            Table {
                from: None,
                to: None,
                median: None,
                p99: None,
                file: Some(file),
                values: None,
            } => {
                let values = measured(&folder.join(file.get_ref()));
                let place = file.span().start;
                let values = values.map_err(|why| bad(place, "file", why))?;
                Ok(Delay::Measured(values))
            }
            Table {
                from: None,
                to: None,
                median: None,
                p99: None,
                file: None,
                values: Some(values),
            } => {
                let place = values.span().start;
                let values = values.get_ref().iter().map(|&v| seconds(v));
                let values = values.collect::<Result<_, _>>();
                let values = values.map_err(|why| bad(place, "values", why))?;
                Ok(Delay::Measured(values))
            }
            _ => {
                let reason = "give a number, or from and to, or median and \
                              p99, or file, or values";
                Err(bad(start, "delay", reason))
            }
        }
    }

    /// Where the value of a key stands.
    fn place_of(&self, key: &str) -> Option<usize> {
        let Self::Table(table) = self else {
            return None;
        };
        match key {
            "from" => place_of(&table.from),
            "to" => place_of(&table.to),
            "median" => place_of(&table.median),
            "p99" => place_of(&table.p99),
            "values" => place_of(&table.values),
            _ => None,
        }
    }
}

fn time(
    key: &'static str,
    value: &Spanned<f64>,
) -> Result<Duration, Misplaced> {
    let place = value.span().start;
    seconds(*value.get_ref()).map_err(|reason| bad(place, key, reason))
}

fn place_of<T>(value: &Option<Spanned<T>>) -> Option<usize> {
    value.as_ref().map(|value| value.span().start)
}

fn bad(
    place: usize,
    key: &'static str,
    reason: impl Into<String>,
) -> Misplaced {
    let reason = reason.into();
    (place, BadValue { key, reason })
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
    {
        deserializer.deserialize_any(NumberOrTable)
    }
}

struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = Written;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("seconds, or a table such as { from = 0.05, to = 0.1 }")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Written, E> {
        Ok(Written::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Written, E> {
        Ok(Written::Number(number))
    }

    fn visit_map<A>(self, map: A) -> Result<Written, A::Error>
    where
        A: MapAccess<'de>,
    {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Written::Table(table))
    }
}

/// The key that stands at a place, or whose value or a part of it does.
fn key_at(text: &str, place: usize) -> Option<&str> {
    let (before, after) = text.split_at(place);
    let rest = after.trim_start_matches(is_of_a_key);
    let key = &after[..after.len() - rest.len()];
    if !key.is_empty() && rest.trim_start().starts_with('=') {
        return Some(key);
    }
    // Brackets that are closed again hold what is no part of the value.
    let (mut closed, mut opened) = (0, 0);
    for (at, sign) in before.char_indices().rev() {
        match sign {
            ']' | '}' => closed += 1,
            '[' | '{' if closed > 0 => closed -= 1,
            '[' | '{' => opened += 1,
            '=' if closed == 0 => {
                let is_value = opened > 0 || before[at + 1..].trim().is_empty();
                let key = before[..at].trim_end();
                let others = key.trim_end_matches(is_of_a_key).len();
                let key = &key[others..];
                return (is_value && !key.is_empty()).then_some(key);
            }
            _ => {}
        }
    }
    None
}

fn is_of_a_key(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_' || sign == '-'
}
