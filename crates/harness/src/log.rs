//! The slides' log lines: who does what, told by pid and thread.

mod sink;

use std::cell::RefCell;
use std::ffi::CString;
use std::thread;
use std::{fmt, process};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use sink::Lines;

/// Sends the log to standard error, a write per line, and waits for no reader;
/// `quiet` leaves out all but what went wrong.
pub fn start(quiet: bool) {
    let level = if quiet {
        LevelFilter::WARN
    } else {
        LevelFilter::INFO
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| Lines)
        // It would tell standard error that it cannot write there, and
        // panic, since it cannot.
        .log_internal_errors(false)
        .event_format(SlidesLine)
        .init();
}

thread_local! {
    static NAME: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Names the calling thread in the log, and in `ps` and `top`, which show 15
/// bytes of it.
pub fn name_thread(name: String) {
    if let Ok(name) = CString::new(name.as_str()) {
        // Not to be named is no reason not to serve.
        nix::sys::prctl::set_name(&name).ok();
    }
    NAME.replace(Some(name));
}

/// Gives the calling thread's name to `f`.
pub(crate) fn with_thread_name<T>(f: impl FnOnce(&str) -> T) -> T {
    NAME.with_borrow(|name| match name {
        Some(name) => f(name),
        None => f(thread::current().name().unwrap_or("?")),
    })
}

/// `pid: 16834 : thread: worker-1-core-0 : start network call …`
struct SlidesLine;

impl<S, F> FormatEvent<S, F> for SlidesLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut line)?;
        write!(line, " pid: {} : thread: ", process::id())?;
        with_thread_name(|name| line.write_str(name))?;
        line.write_str(" : ")?;
        context.field_format().format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
