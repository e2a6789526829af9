//! The outcome for other programs, and for `compare`. The README documents
//! it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hammer::{Load, Outcome};
use serde::{Deserialize, Serialize};

use super::file::ReportFile;

/// Raised where a reader of the old form would misread the new one.
const VERSION: u32 = 1;

/// A file for the outcome.
pub(crate) struct Json(ReportFile);

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    load: &'a Load,
    runs: &'a [Outcome],
}

/// Such a file, as it is read.
#[derive(Deserialize)]
struct Document {
    version: u32,
    load: serde_json::Value,
    runs: Vec<Outcome>,
}

/// What was read of some files.
#[derive(Default)]
pub(crate) struct Read {
    /// Not understood, only compared.
    pub(crate) loads: Vec<serde_json::Value>,
    pub(crate) runs: Vec<Outcome>,
}

impl Json {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        ReportFile::keep(path).map(Self)
    }

    pub(crate) fn write(
        mut self,
        load: &Load,
        runs: &[Outcome],
    ) -> anyhow::Result<()> {
        let version = VERSION;
        let document = Written {
            version,
            load,
            runs,
        };
        let mut text = serde_json::to_vec(&document)?;
        text.push(b'\n');
        self.0.replace(&text)
    }
}

impl Read {
    /// The runs of all these files.
    pub(crate) fn all(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let read = Document::read(path);
            let document = read
                .with_context(|| format!("cannot read {}", path.display()))?;
            all.loads.push(document.load);
            all.runs.extend(document.runs);
        }
        Ok(all)
    }
}

impl Document {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path)?;
        let read: Self = serde_json::from_slice(&text)?;
        if read.version != VERSION {
            bail!("it is of version {}, not {VERSION}", read.version);
        }
        Ok(read)
    }
}
