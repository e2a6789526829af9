//! Lines on standard error, which somebody may have closed.

use std::fmt::Display;
use std::io::{self, Write};

/// `eprintln!` would panic where nobody can hear it, and end a measurement.
pub(crate) fn note(line: impl Display) {
    writeln!(io::stderr(), "{line}").ok();
}
