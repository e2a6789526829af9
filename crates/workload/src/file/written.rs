//! What a file may say, before anybody knows whether it can be.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use crate::check::{BadValue, MOST_CALLS, seconds};
use crate::{Call, Delay, Workload, latencies};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
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
    delay: Spanned<WrittenDelay>,
    count: Option<Spanned<usize>>,
    fails: Option<Spanned<f64>>,
    hangs: Option<Spanned<f64>>,
    size: Option<Spanned<usize>>,
}

/// A delay as it is written: a number, or a table.
enum WrittenDelay {
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

impl Written {
    /// The workload that is meant; files are looked for in `folder`.
    pub(super) fn workload(self, folder: &Path) -> Result<Workload, Misplaced> {
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
            let reason = format!(
                "{count} is no number of calls; give 1 to {MOST_CALLS}"
            );
            return Err(bad(place, "count", reason));
        }
        Ok(vec![call; count])
    }
}

impl WrittenDelay {
    fn delay(&self, start: usize, folder: &Path) -> Result<Delay, Misplaced> {
        let table = match self {
            Self::Number(number) => {
                let delay = seconds(*number);
                let delay = delay.map_err(|why| bad(start, "delay", why))?;
                return Ok(Delay::Fixed(delay));
            }
            Self::Table(table) => table,
        };
        let Table {
            from,
            to,
            median,
            p99,
            file,
            values,
        } = table;
        match (from, to, median, p99, file, values) {
            (Some(from), Some(to), None, None, None, None) => {
                let (from, to) = (time("from", from)?, time("to", to)?);
                Ok(Delay::Range { from, to })
            }
            (None, None, Some(median), Some(p99), None, None) => {
                let median = time("median", median)?;
                let p99 = time("p99", p99)?;
                Ok(Delay::Lognormal { median, p99 })
            }
            (None, None, None, None, Some(file), None) => {
                let values = latencies::read(&folder.join(file.get_ref()));
                let place = file.span().start;
                let values = values.map_err(|why| bad(place, "file", why))?;
                Ok(Delay::Measured(values))
            }
            (None, None, None, None, None, Some(values)) => {
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

impl<'de> Deserialize<'de> for WrittenDelay {
    fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
    where
        D: Deserializer<'de>,
    {
        deserializer.deserialize_any(NumberOrTable)
    }
}

struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = WrittenDelay;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds, or a table such as { from = 0.05, to = 0.1 }")
    }

    fn visit_i64<E>(self, number: i64) -> Result<WrittenDelay, E> {
        Ok(WrittenDelay::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<WrittenDelay, E> {
        Ok(WrittenDelay::Number(number))
    }

    fn visit_map<A>(self, map: A) -> Result<WrittenDelay, A::Error>
    where
        A: MapAccess<'de>,
    {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(WrittenDelay::Table(table))
    }
}
