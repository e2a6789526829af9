//! What counts as shown: figures, each with what it must be.
//!
//! A figure is held against a number of the same run: a count, or a share of
//! a time that was waited for. No time of this machine is ever assumed.

use std::fmt;

use serde::Serialize;

/// All that was found of one caveat.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) quotes: Vec<Quote>,
    /// What could not be tried here, and why.
    pub(crate) skipped: Vec<String>,
}

/// One thing that was measured, where it is bad and where it is good.
#[derive(Debug, Serialize)]
pub(crate) struct Evidence {
    pub(crate) what: String,
    pub(crate) figures: Vec<Figure>,
}

/// A figure, and what it must be.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) side: Side,
    /// Whose it is.
    pub(crate) of: String,
    #[serde(flatten)]
    pub(crate) value: Value,
    pub(crate) must: Must,
    pub(crate) holds: bool,
}

/// A line that somebody wrote, such as the reason in a log.
#[derive(Debug, Serialize)]
pub(crate) struct Quote {
    pub(crate) from: String,
    /// What is to stand in it.
    pub(crate) wanted: &'static str,
    /// `null` where nobody wrote it.
    pub(crate) line: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Bad,
    Good,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "unit", content = "value", rename_all = "snake_case")]
pub(crate) enum Value {
    Count(u64),
    Seconds(f64),
    /// So many times what arithmetic allows.
    TimesBound(f64),
}

/// What a figure must be to show what it is there for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Must {
    AtLeast(f64),
    AtMost(f64),
    Be(f64),
}

/// A figure of what goes wrong.
pub(crate) fn bad(of: impl Into<String>, value: Value, must: Must) -> Figure {
    Figure::new(Side::Bad, of.into(), value, must)
}

/// A figure of what does not.
pub(crate) fn good(of: impl Into<String>, value: Value, must: Must) -> Figure {
    Figure::new(Side::Good, of.into(), value, must)
}

impl Figure {
    fn new(side: Side, of: String, value: Value, must: Must) -> Self {
        Self {
            side,
            of,
            value,
            must,
            holds: must.holds(value),
        }
    }
}

impl Findings {
    /// Adds one thing that was measured.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        figures: impl IntoIterator<Item = Figure>,
    ) {
        self.evidence.push(Evidence {
            what: what.into(),
            figures: figures.into_iter().collect(),
        });
    }

    /// Adds the first line of `text` that has `wanted` in it.
    pub(crate) fn quote(
        &mut self,
        from: impl Into<String>,
        wanted: &'static str,
        text: &str,
    ) {
        let line = text.lines().find(|line| line.contains(wanted));
        self.quotes.push(Quote {
            from: from.into(),
            wanted,
            line: line.map(|line| line.trim().to_owned()),
        });
    }

    /// Whether all of it is as it must be.
    pub(crate) fn shown(&self) -> bool {
        let mut figures = self.evidence.iter().flat_map(|e| &e.figures);
        !self.evidence.is_empty()
            && figures.all(|figure| figure.holds)
            && self.quotes.iter().all(|quote| quote.line.is_some())
    }
}

impl Must {
    fn holds(self, value: Value) -> bool {
        let value = value.number();
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Be(exactly) => value == exactly,
        }
    }

    /// In words, in the unit of `value`.
    pub(crate) fn in_words(self, value: Value) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", value.like(least)),
            Self::AtMost(most) => format!("at most {}", value.like(most)),
            Self::Be(exactly) => value.like(exactly).to_string(),
        }
    }
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Seconds(number) | Self::TimesBound(number) => number,
        }
    }

    /// Another number of the same unit.
    fn like(self, number: f64) -> Self {
        match self {
            Self::Count(_) => Self::Count(number as u64),
            Self::Seconds(_) => Self::Seconds(number),
            Self::TimesBound(_) => Self::TimesBound(number),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Seconds(seconds) => write!(f, "{seconds:.3} s"),
            Self::TimesBound(times) => write!(f, "{times:.2} × bound"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caveat_is_shown_where_each_figure_is_what_it_must_be() {
        let mut findings = Findings::default();
        assert!(!findings.shown(), "nothing shows nothing");
        let (five, none) = (Value::Count(5), Value::Count(0));
        findings.add(
            "calls",
            [
                bad("wrong", five, Must::AtLeast(1.0)),
                good("right", none, Must::Be(0.0)),
            ],
        );
        assert!(findings.shown());
        findings.quote("log", "why", "a line\n  that says why \n");
        assert!(findings.shown());
        let quoted = findings.quotes[0].line.as_deref();
        assert_eq!(quoted, Some("that says why"));
        findings.quote("log", "because", "a line\n");
        assert!(!findings.shown(), "a line that nobody wrote");
        findings.quotes.clear();
        let late = Value::Seconds(0.7);
        findings.add("waits", [good("right", late, Must::AtMost(0.5))]);
        assert!(!findings.shown());
    }

    #[test]
    fn what_a_figure_must_be_is_said_in_its_unit() {
        let said = |must: Must, value| must.in_words(value);
        let times = Value::TimesBound(1.9);
        assert_eq!(said(Must::AtLeast(1.5), times), "at least 1.50 × bound");
        assert_eq!(said(Must::Be(3.0), Value::Count(4)), "3");
    }
}
