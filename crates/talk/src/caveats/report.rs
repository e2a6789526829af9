//! The evidence as a terminal shows it, and as machines read it.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde::Serialize;

use crate::caveats::Caveat;
use crate::caveats::evidence::{Evidence, Figure, Findings, Quote, Side};
use crate::options::Caveats;
use crate::print::{note, say};
use crate::put::put_json;
use crate::results::Machine;
use crate::wrap::wrap;

/// Raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// All of a `talk caveats`. Times are in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: u32,
    machine: Machine,
    quick: bool,
    caveats: Vec<Entry>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    slide: &'static str,
    runs: &'static str,
    code: Vec<Place>,
    /// `null` until it was tried.
    shown: Option<bool>,
    findings: Findings,
}

/// Where to look in the code.
#[derive(Debug, Serialize)]
struct Place {
    file: &'static str,
    function: &'static str,
}

impl Report {
    pub(crate) fn new(options: &Caveats, caveats: &[&'static Caveat]) -> Self {
        let entry = |caveat: &&'static Caveat| {
            let places = caveat.code.iter();
            Entry {
                name: caveat.name,
                slide: caveat.slide,
                runs: caveat.runs,
                code: places
                    .map(|&(file, function)| Place { file, function })
                    .collect(),
                shown: None,
                findings: Findings::default(),
            }
        };
        Self {
            version: VERSION,
            machine: Machine::this(),
            quick: options.quick,
            caveats: caveats.iter().map(entry).collect(),
            file: options.json.clone(),
        }
    }

    /// Adds what was found of the caveat in this place. It is written at
    /// once, so that what goes wrong later loses nothing.
    pub(crate) fn add(&mut self, at: usize, findings: Findings) -> Result<()> {
        let entry = &mut self.caveats[at];
        entry.shown = Some(findings.shown());
        entry.findings = findings;
        self.write()
    }

    /// Writes the JSON, where it is wanted.
    pub(crate) fn write(&self) -> Result<()> {
        let file = self.file.as_deref();
        file.map_or(Ok(()), |file| put_json(file, self))
    }

    pub(crate) fn all_shown(&self) -> bool {
        self.caveats.iter().all(|entry| entry.shown == Some(true))
    }

    /// Prints what was found of the caveat in this place.
    pub(crate) fn print(&self, at: usize) {
        let entry = &self.caveats[at];
        let bold = Style::new().bold();
        say!("{bold}{}{bold:#}", entry.name);
        paragraph("slides", entry.slide);
        paragraph("runs", entry.runs);
        let mut label = "measured";
        for evidence in &entry.findings.evidence {
            print_evidence(label, evidence);
            label = "";
        }
        for quote in &entry.findings.quotes {
            print_quote(quote);
        }
        for reason in &entry.findings.skipped {
            paragraph("skipped", reason);
        }
        let (style, verdict) = match entry.shown {
            Some(true) => (color(AnsiColor::Green), "shown"),
            _ => (color(AnsiColor::Red), "NOT SHOWN"),
        };
        let mut label = "look at";
        for places in entry.code.chunk_by(|a, b| a.file == b.file) {
            let functions: Vec<_> = places.iter().map(|p| p.function).collect();
            let (file, functions) = (places[0].file, functions.join(", "));
            paragraph(label, &format!("{file}: {functions}"));
            label = "";
        }
        say!("  {style}{verdict}{style:#}\n");
    }

    /// Says which caveats were not shown, where there are any.
    pub(crate) fn print_end(&self) {
        let missing: Vec<_> = self
            .caveats
            .iter()
            .filter(|entry| entry.shown != Some(true))
            .map(|entry| entry.name)
            .collect();
        if !missing.is_empty() {
            note!("talk: not shown: {}", missing.join(", "));
        }
    }
}

/// The widest label, and two blanks.
const LABEL: usize = 10;
/// Where lines break.
const WIDTH: usize = 79;

fn paragraph(label: &str, text: &str) {
    let mut label = label;
    let words = text.split_ascii_whitespace();
    for line in wrap(words, " ", WIDTH - 2 - LABEL) {
        say!("  {label:LABEL$}{line}");
        label = "";
    }
}

fn print_evidence(label: &str, evidence: &Evidence) {
    paragraph(label, &format!("{}:", evidence.what));
    let values = evidence.figures.iter().map(|f| f.value.to_string());
    let width = values.map(|value| value.chars().count()).max().unwrap_or(0);
    for figure in &evidence.figures {
        let Figure {
            side,
            of,
            value,
            must,
            holds,
        } = figure;
        let (style, side) = match side {
            Side::Bad => (color(AnsiColor::Red), "bad"),
            Side::Good => (color(AnsiColor::Green), "good"),
        };
        let value = format!("{value:>width$}", value = value.to_string());
        let must = match holds {
            true => String::new(),
            false => format!(" (MUST BE {})", must.in_words(figure.value)),
        };
        say!(
            "  {:LABEL$}  {style}{side:4}  {value}{style:#}  {of}{must}",
            ""
        );
    }
}

fn print_quote(Quote { from, wanted, line }: &Quote) {
    let line = match line {
        Some(line) => format!("{from}: {line}"),
        None => format!("{from}: NO LINE HAS {wanted:?}"),
    };
    paragraph("", &line);
}

fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}
