//! What a run must not be, as in `p99>300ms`: the way to fail a pipeline on
//! a slow service and not just on a broken one.

use std::cmp::Ordering;
use std::time::Duration;

use hammer::Outcome;

use super::units::{self, parse_duration, parse_rate};

/// A condition under which a run has failed.
#[derive(Clone, Debug)]
pub(crate) struct Threshold {
    text: String,
    metric: Metric,
    operator: Operator,
    limit: Limit,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    /// Failed requests, statuses from 400 on included.
    Errors,
    Shed,
    Rate,
    Min,
    Mean,
    Max,
    Quantile(f64),
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Time(Duration),
    Rate(f64),
    Count(f64),
    /// Of the requests, those shed included.
    Share(f64),
}

#[derive(Clone, Copy, Debug)]
struct Operator {
    ordering: Ordering,
    or_equal: bool,
}

impl Threshold {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or("a condition has a < or a >, as in p99>300ms or errors>0")?;
        let (metric, rest) = text.split_at(at);
        let metric = Metric::parse(metric.trim())?;
        let (limit, or_equal) = match rest[1..].strip_prefix('=') {
            Some(limit) => (limit, true),
            None => (&rest[1..], false),
        };
        Ok(Self {
            text: text.to_owned(),
            metric,
            operator: Operator {
                ordering: match rest.starts_with('<') {
                    true => Ordering::Less,
                    false => Ordering::Greater,
                },
                or_equal,
            },
            limit: metric.limit(limit.trim())?,
        })
    }

    /// Whether it says how many of these may be, so that no other rule
    /// does.
    pub(crate) fn is_about(&self, metric: Metric) -> bool {
        self.metric == metric
    }

    /// Why the run has failed, where it has.
    pub(crate) fn broken(&self, outcome: &Outcome) -> Option<String> {
        let Some(found) = self.metric.of(outcome) else {
            let text = &self.text;
            return Some(format!("{text}: there was no answer to time"));
        };
        let all = (outcome.requests + outcome.shed).max(1) as f64;
        let (found, limit, shown) = match self.limit {
            Limit::Time(limit) => {
                let shown = match Duration::try_from_secs_f64(found) {
                    Ok(found) => units::duration(found),
                    Err(_) => "no answer in time".to_owned(),
                };
                (found, limit.as_secs_f64(), shown)
            }
            Limit::Rate(limit) => (found, limit, units::rate(found)),
            Limit::Count(limit) => (found, limit, found.to_string()),
            Limit::Share(limit) => {
                let share = found / all;
                (share, limit, format!("{:.3}%", share * 100.0))
            }
        };
        let ordering = found.partial_cmp(&limit)?;
        let broken = ordering == self.operator.ordering
            || (self.operator.or_equal && ordering == Ordering::Equal);
        broken.then(|| format!("{}: it is {shown}", self.text))
    }
}

impl Metric {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "errors" | "failed" => Self::Errors,
            "shed" => Self::Shed,
            "rate" => Self::Rate,
            "min" => Self::Min,
            "mean" => Self::Mean,
            "median" => Self::Quantile(0.5),
            "max" => Self::Max,
            _ => {
                let percent = name.strip_prefix('p');
                let percent = percent.and_then(|text| text.parse().ok());
                match percent {
                    Some(percent) if (0.0..=100.0).contains(&percent) => {
                        Self::Quantile(percent / 100.0)
                    }
                    _ => {
                        return Err(format!(
                            "{name:?} is none of errors, shed, rate, min, \
                             mean, median, p0 to p100, max"
                        ));
                    }
                }
            }
        })
    }

    fn limit(self, text: &str) -> Result<Limit, String> {
        let number = |text: &str| match text.parse() {
            Ok(number) if f64::is_finite(number) => Ok(number),
            _ => Err("this metric is a count, or a share as in 1%".to_owned()),
        };
        match self {
            Self::Rate => parse_rate(text).map(Limit::Rate),
            Self::Errors | Self::Shed => match text.strip_suffix('%') {
                Some(percent) => Ok(Limit::Share(number(percent)? / 100.0)),
                None => number(text).map(Limit::Count),
            },
            _ => parse_duration(text).map(Limit::Time),
        }
    }

    /// Durations in seconds; `None` where nothing was measured.
    ///
    /// A request that was shed had no answer at all: it, too, counts as
    /// slower than any that had one.
    fn of(self, outcome: &Outcome) -> Option<f64> {
        let latency = &outcome.latency;
        let longer = outcome.overdue() + outcome.shed;
        let time = match self {
            Self::Errors => return Some(outcome.failed as f64),
            Self::Shed => return Some(outcome.shed as f64),
            Self::Rate => return Some(outcome.rate),
            Self::Min => Some(latency.min()),
            Self::Mean => (longer == 0).then(|| latency.mean()),
            Self::Max => (longer == 0).then(|| latency.max()),
            Self::Quantile(quantile) => {
                latency.quantile_beside(quantile, longer)
            }
        };
        match time {
            None => Some(f64::INFINITY),
            Some(time) => (latency.count() > 0).then_some(time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use hammer::ErrorKind;

    use super::*;

    /// Of a hundred requests, 1 ms to 98 ms and two failures.
    fn outcome() -> Outcome {
        let mut outcome = Outcome {
            requests: 100,
            failed: 2,
            rate: 50.0,
            ..Outcome::default()
        };
        let mut histogram = outcome.latency.histogram().clone();
        (1..=98).for_each(|ms| histogram.record(ms * 1_000_000).unwrap());
        outcome.latency = histogram.into();
        outcome
    }

    #[test]
    fn a_condition_is_broken_where_it_holds() {
        for (text, expected) in [
            ("p99>300ms", false),
            ("p99>90ms", true),
            ("p50 > 0.04", true),
            ("max<98", true),
            ("errors>0", true),
            ("errors>2", false),
            ("errors>=2", true),
            ("errors>1%", true),
            ("errors>2%", false),
            ("rate<60/s", true),
            ("shed>0", false),
        ] {
            let threshold = Threshold::parse(text).unwrap();
            let broken = threshold.broken(&outcome());
            assert_eq!(broken.is_some(), expected, "{text}: {broken:?}");
        }
    }

    #[test]
    fn what_was_not_answered_in_time_is_slower_than_all_that_was() {
        let mut outcome = outcome();
        outcome.errors.insert(ErrorKind::Timeout, 2);
        for (text, expected) in [
            ("p98>99ms", false),
            ("p98>97ms", true),
            ("p99>1h", true),
            ("max>1h", true),
            ("mean>1h", true),
            ("min>2ms", false),
        ] {
            let broken = Threshold::parse(text).unwrap().broken(&outcome);
            assert_eq!(broken.is_some(), expected, "{text}: {broken:?}");
        }
    }

    #[test]
    fn what_was_shed_is_slower_than_all_that_was_answered() {
        let mut outcome = outcome();
        outcome.shed = 98;
        for (text, expected) in [
            ("p50>99ms", false),
            ("p51>1h", true),
            ("max>1h", true),
            ("mean>1h", true),
            ("min>2ms", false),
            ("shed>60%", false),
        ] {
            let broken = Threshold::parse(text).unwrap().broken(&outcome);
            assert_eq!(broken.is_some(), expected, "{text}: {broken:?}");
        }
    }

    #[test]
    fn a_percentile_beside_a_time_out_is_of_its_own_rank() {
        // The answers took 1 ms, 2 ms and so on.
        for answers in 4..=99 {
            let mut outcome = Outcome::default();
            let mut histogram = outcome.latency.histogram().clone();
            (1..=answers)
                .for_each(|ms| histogram.record(ms * 1_000_000).unwrap());
            outcome.latency = histogram.into();
            outcome.errors.insert(ErrorKind::Timeout, 1);
            // With the time-out they are one more.
            let rank = ((answers + 1) * 4).div_ceil(5);
            let limit = format!("p80>{rank}.5ms");
            let threshold = Threshold::parse(&limit).unwrap();
            assert_eq!(threshold.broken(&outcome), None, "of {answers}");
        }
    }

    #[test]
    fn no_answer_is_not_a_fast_one() {
        let threshold = Threshold::parse("p99>1h").unwrap();
        assert!(threshold.broken(&Outcome::default()).is_some());
    }

    #[test]
    fn a_condition_that_makes_no_sense_is_refused() {
        for text in [
            "p99",
            "p101>1s",
            "speed>1",
            "p99>fast",
            "errors>x",
            "p99>",
            ">1",
            "errors>NaN",
            "pNaN>1s",
        ] {
            assert!(Threshold::parse(text).is_err(), "{text}");
        }
    }
}
