//! The outcome for other programs. The README documents it.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use hammer::{Load, Outcome};
use serde::Serialize;

use super::args::Usage;

/// Raised where a reader of the old form would misread the new one.
const VERSION: u32 = 1;

/// A file that is known to be writable.
pub(crate) struct File {
    path: PathBuf,
    file: fs::File,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    load: &'a Load,
    runs: &'a [&'a Outcome],
}

impl File {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = fs::File::create(path).map_err(|error| {
            Usage(format!("cannot write {}: {error}", path.display()))
        })?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    pub(crate) fn write(
        self,
        load: &Load,
        outcome: &Outcome,
    ) -> anyhow::Result<()> {
        let document = Document {
            version: VERSION,
            load,
            runs: &[outcome],
        };
        let mut file = BufWriter::new(self.file);
        serde_json::to_writer_pretty(&mut file, &document)
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(file.write_all(b"\n")?))
            .and_then(|()| Ok(file.flush()?))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
