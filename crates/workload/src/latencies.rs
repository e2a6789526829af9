//! Latencies that were measured, in a file of their own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::check::seconds;

/// The most latencies of a file.
const MOST: usize = 1_000_000;

/// Reads the latencies of a file: seconds, one a line.
pub(crate) fn read(path: &Path) -> Result<Arc<[Duration]>, String> {
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
        count if count > MOST => {
            Err(format!("{name} has {count} latencies; give {MOST} at most"))
        }
        _ => Ok(values.into()),
    }
}
