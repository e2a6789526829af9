//! Lines for standard output and standard error.

use std::fmt;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::terminal;

/// Prints a line as `println!` does, which panics where nobody reads it: a
/// measurement of minutes is not lost for `cargo talk … | head`.
macro_rules! say {
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a line as `eprintln!` does, which panics where nobody can hear it.
macro_rules! note {
    ($($text:tt)*) => { $crate::print::aside(format_args!($($text)*)) };
}
pub(crate) use note;

/// Whether something could not be printed that somebody waits for.
static FAILED: AtomicBool = AtomicBool::new(false);

pub(crate) fn failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// How many letters of a line can be seen: of one in a pipe, all.
pub(crate) fn room(to: &impl IsTerminal) -> usize {
    let size = to.is_terminal().then(terminal::size);
    match size {
        Some(Ok((columns @ 1.., _))) => columns.into(),
        _ => usize::MAX,
    }
}

/// What [`say`] does. Styles are left out where they would not be seen.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut stdout = anstream::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        // A reader that closed the pipe has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            FAILED.store(true, Ordering::Relaxed);
            note!("talk: cannot print: {error}");
        }
        _ => {}
    }
}

/// What [`note`] does.
pub(crate) fn aside(text: fmt::Arguments<'_>) {
    writeln!(anstream::stderr(), "{text}").ok();
}
