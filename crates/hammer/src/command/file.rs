//! A file that a report goes to.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::Usage;

/// A file that a report goes to.
pub(crate) struct ReportFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl ReportFile {
    /// A file that is written as the run goes on.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        Self::open(path, true)
    }

    /// A file that is written after the run. What is in it stays until then:
    /// there may be no run.
    pub(crate) fn keep(path: &Path) -> anyhow::Result<Self> {
        Self::open(path, false)
    }

    fn open(path: &Path, truncate: bool) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(truncate);
        let file = options.open(path).map_err(|error| {
            Usage(format!("cannot write {}: {error}", path.display()))
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    /// Writes this and nothing else.
    pub(crate) fn replace(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(|file| {
            // A pipe has no length.
            if file.get_ref().metadata()?.is_file() {
                file.get_ref().set_len(0)?;
            }
            Ok(file.write_all(bytes)?)
        })
    }

    /// Writes what `write` writes, to the end, so that who follows the file
    /// sees it.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        write(&mut self.file)
            .and_then(|()| Ok(self.file.flush()?))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
