//! Looks at a deployment's threads and memory while it is measured.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::print::note;
use crate::procfs::Family;

/// How often, of a run that takes no longer than half a second.
const PERIOD: Duration = Duration::from_millis(50);
/// Looks at a longer one. Each costs the deployment some of what its
/// processors have cached, which shows in its figures.
const LOOKS: u32 = 10;

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(from = "(u64, usize, u64)", into = "(u64, usize, u64)")]
pub(crate) struct Look {
    /// Microseconds since the run began.
    pub(crate) moment: u64,
    /// Of all workers.
    pub(crate) threads: usize,
    /// Resident bytes of all workers.
    pub(crate) memory: u64,
}

impl From<(u64, usize, u64)> for Look {
    fn from((moment, threads, memory): (u64, usize, u64)) -> Self {
        Self {
            moment,
            threads,
            memory,
        }
    }
}

impl From<Look> for (u64, usize, u64) {
    fn from(look: Look) -> Self {
        (look.moment, look.threads, look.memory)
    }
}

/// Somebody who looks.
pub(crate) struct Watch {
    master: u32,
    start: Instant,
    stop: Sender<()>,
    /// Or why there is nobody.
    looks: io::Result<JoinHandle<Vec<Look>>>,
}

impl Watch {
    /// Begins to look at the workers of `master`, in a run that takes about
    /// as long as `expected`.
    pub(crate) fn begin(master: u32, expected: Duration) -> Self {
        let period = PERIOD.max(expected / LOOKS);
        let (stop, stopped) = mpsc::channel();
        let start = Instant::now();
        let looks = Builder::new().spawn(move || {
            let mut looks = Vec::new();
            let mut ended = false;
            // Once more at the end, or the curve would stop before it.
            loop {
                looks.extend(look(master, start));
                if ended {
                    return looks;
                }
                ended = stopped.recv_timeout(period)
                    != Err(RecvTimeoutError::Timeout);
            }
        });
        Self {
            master,
            start,
            stop,
            looks,
        }
    }

    /// What was seen until now.
    pub(crate) fn end(self) -> Vec<Look> {
        drop(self.stop);
        match self.looks {
            Ok(looks) => looks.join().unwrap_or_default(),
            Err(error) => {
                note!("talk: cannot start a thread that looks: {error}");
                // One late look is no peak, but no zero either.
                look(self.master, self.start).into_iter().collect()
            }
        }
    }
}

fn look(master: u32, start: Instant) -> Option<Look> {
    let moment = start.elapsed().as_micros();
    let (threads, memory) = Family::of(master).size()?;
    Some(Look {
        moment: u64::try_from(moment).unwrap_or(u64::MAX),
        threads,
        memory,
    })
}
