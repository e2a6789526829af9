//! The threads of a worker, which go on together or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{process, thread};

use anyhow::{Result, bail};
use tracing::error;

/// Does `what` on `count` threads, the calling one among them, and comes back
/// once it is done on all.
///
/// Each is given its number, from 0. It is called a core, as on the slides
/// (uwsgiWorker1Core0), and is none of the machine's.
///
/// Where one fails or panics, the process ends: see [`fail`].
pub fn run(count: usize, what: impl Fn(usize) -> Result<()> + Sync) {
    let what = |core| {
        let done = caught(|| what(core));
        done.unwrap_or_else(|error| fail(&error));
    };
    thread::scope(|scope| {
        for core in 1..count {
            let what = &what;
            thread::Builder::new()
                .spawn_scoped(scope, move || what(core))
                .unwrap_or_else(|error| fail(&error.into()));
        }
        what(0);
    });
}

/// Ends a worker of which a thread cannot go on: its master will fork a
/// whole one, while the other threads would wait for its end for ever.
pub fn fail(error: &anyhow::Error) -> ! {
    error!("a thread of this worker failed: {error:#}");
    process::exit(1)
}

/// A panic was told by its hook: what is left of it is that it happened.
fn caught(what: impl FnOnce() -> Result<()>) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(done) => done,
        Err(_) => bail!("it panicked"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn what_is_to_be_done_is_done_on_each_thread() {
        let cores = AtomicUsize::new(0);
        run(4, |core| {
            cores.fetch_or(1 << core, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(cores.into_inner(), 0b1111);
    }

    #[test]
    fn a_panic_is_a_failure() {
        let error = caught(|| panic!("as a thread may")).unwrap_err();
        assert_eq!(error.to_string(), "it panicked");
        assert!(caught(|| Ok(())).is_ok());
    }
}
