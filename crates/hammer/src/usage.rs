//! What a thread has used of the machine.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::outcome::Cpu;

/// What a thread had used by some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    at: Instant,
    user: Duration,
    system: Duration,
    /// Ready to run, and not running: the core was another's.
    waited: Duration,
}

impl Usage {
    pub(crate) fn of_this_thread() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
        let time = |time: fn(&nix::sys::resource::Usage) -> TimeVal| {
            usage.as_ref().map_or(Duration::ZERO, |usage| {
                let time = time(usage);
                Duration::from_secs(time.tv_sec().unsigned_abs())
                    + Duration::from_micros(time.tv_usec().unsigned_abs())
            })
        };
        Self {
            at: Instant::now(),
            user: time(nix::sys::resource::Usage::user_time),
            system: time(nix::sys::resource::Usage::system_time),
            waited: waited().unwrap_or_default(),
        }
    }

    pub(crate) fn since(&self, start: &Self) -> Duration {
        self.at.duration_since(start.at)
    }

    pub(crate) fn cpu_until(&self, end: &Self) -> Cpu {
        let user = end.user.saturating_sub(self.user);
        let system = end.system.saturating_sub(self.system);
        let waited = end.waited.saturating_sub(self.waited);
        let elapsed = end.at.duration_since(self.at).as_secs_f64();
        let busy = (user + system + waited).as_secs_f64();
        Cpu {
            user,
            system,
            // What the kernel counts in ticks may be more than a short run.
            busy: match elapsed > 0.0 {
                true => (busy / elapsed).min(1.0),
                false => 0.0,
            },
        }
    }
}

/// The second number of schedstat, in nanoseconds; absent where the kernel
/// was built without it.
fn waited() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
