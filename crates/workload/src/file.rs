//! The file of a workload: TOML, and strict.
//!
//! What is not known or cannot be is refused in one line that names the
//! file, the line and the key: a typing error never runs as a default.

mod written;

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Workload;
use crate::check::BadValue;
use written::Written;

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
        let written: Written = toml::from_str(text).map_err(|error| {
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
        let read = written.workload(folder);
        read.map_err(|(place, BadValue { key, reason })| {
            at(place, format!("{key}: {reason}"))
        })
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
