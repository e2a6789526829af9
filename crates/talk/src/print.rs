//! Lines for standard output.

use std::fmt;
use std::io::{ErrorKind, Write};

/// Prints a line as `println!` does, which panics where nobody reads it: a
/// measurement of minutes is not lost for `cargo talk … | head`.
macro_rules! say {
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// What [`say`] does. Styles are left out where they would not be seen.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut stdout = anstream::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        // A reader that closed the pipe has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("talk: cannot print: {error}");
        }
        _ => {}
    }
}
