//! Waits that end on time, by one kernel timer for all of a process.
//!
//! tokio's own clock ticks in milliseconds and its event loop sleeps in
//! whole ones: a wait ends up to two late. Four waits one after the other
//! would make that eight, and the figures of the bench would show the
//! backend's clock rather than the models. A timer file (`timerfd(2)`)
//! counts in nanoseconds.
//!
//! In a crowd, to wake up for each wait by itself would cost a sixth of the
//! backend's processor time, which the models need on the same machine:
//! those that end within a [`TICK`] of one another end together.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use harness::threads;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use tokio::net::unix::pipe::Receiver as File;
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// How late a wait may end, so that it ends together with others.
const TICK: Duration = Duration::from_micros(100);

/// The waits of a process.
#[derive(Clone)]
pub(crate) struct Timer {
    /// When its clock began to tick.
    began: Instant,
    file: Arc<TimerFd>,
    waits: Arc<Mutex<Waits>>,
}

#[derive(Default)]
struct Waits {
    wakers: BTreeMap<Key, Sender<()>>,
    count: u64,
}

/// When a wait ends, and which it is.
type Key = (Instant, u64);

/// A wait. It is forgotten where its caller went away.
struct Wait<'a> {
    timer: &'a Timer,
    key: Key,
    woken: Receiver<()>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.woken.is_terminated() {
            self.timer.lock().wakers.remove(&self.key);
        }
    }
}

impl Timer {
    /// A timer of the event loop that it is made on, which drives it.
    pub(crate) fn start() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let file = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        // Not a pipe, but read like one.
        let expirations = file.as_fd().try_clone_to_owned()?;
        let expirations = File::from_owned_fd_unchecked(expirations)?;
        let timer = Self {
            began: Instant::now(),
            file: Arc::new(file),
            waits: Arc::default(),
        };
        let driven = timer.clone().drive(expirations);
        // Without it nothing would end any more.
        tokio::spawn(async {
            if let Err(error) = driven.await {
                threads::fail(&error.into());
            }
        });
        Ok(timer)
    }

    /// Ends after `duration`, never before, and a tick later at the most.
    pub(crate) async fn wait(&self, duration: Duration) -> io::Result<()> {
        if duration.is_zero() {
            return Ok(());
        }
        let moment = Instant::now() + duration;
        let mut wait = self.add(moment)?;
        (&mut wait.woken).await.map_err(io::Error::other)
    }

    fn add(&self, moment: Instant) -> io::Result<Wait<'_>> {
        let moment = next_tick(self.began, moment);
        let (waker, woken) = channel();
        let mut waits = self.lock();
        let key = (moment, waits.count);
        waits.count += 1;
        let next = waits.wakers.keys().next().copied();
        waits.wakers.insert(key, waker);
        if next.is_none_or(|(next, _)| moment < next) {
            self.set(moment)?;
        }
        let timer = self;
        Ok(Wait { timer, key, woken })
    }

    async fn drive(self, expirations: File) -> io::Result<()> {
        loop {
            expirations.readable().await?;
            // How often it expired is of no interest; reading clears it.
            match expirations.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                result => result?,
            };
            let mut waits = self.lock();
            let now = Instant::now();
            while let Some(next) = waits.wakers.first_entry() {
                let &(moment, _) = next.key();
                if moment > now {
                    self.set(moment)?;
                    break;
                }
                // Nobody is woken where the caller just went away.
                next.remove().send(()).ok();
            }
        }
    }

    fn set(&self, moment: Instant) -> io::Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        // Zero would stop the timer.
        let left = left.max(Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(left));
        self.file.set(once, TimerSetTimeFlags::empty())?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first tick of a clock that began to tick at `began` that is no earlier
/// than `moment`.
fn next_tick(began: Instant, moment: Instant) -> Instant {
    let passed = moment.saturating_duration_since(began);
    let since_tick = passed.subsec_nanos() % TICK.subsec_nanos();
    match since_tick {
        0 => moment,
        _ => moment + (TICK - Duration::from_nanos(since_tick.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_no_earlier_and_less_than_a_tick_later() {
        let began = Instant::now();
        let month = Duration::from_secs(30 * 86_400);
        for passed in [Duration::ZERO, Duration::from_secs(1), month] {
            for nanos in [0, 1, 99_999] {
                let moment = began + passed + Duration::from_nanos(nanos);
                let later = next_tick(began, moment) - moment;
                let left = u64::from(nanos > 0) * (100_000 - nanos);
                assert_eq!(later, Duration::from_nanos(left), "{passed:?}");
            }
        }
    }

    #[tokio::test]
    async fn waits_that_end_within_a_tick_end_together() {
        let timer = Timer::start().unwrap();
        let first = next_tick(timer.began, Instant::now() + 100 * TICK);
        let waits = [1, 50_000, 99_999].map(|nanos| {
            timer.add(first + Duration::from_nanos(nanos)).unwrap()
        });
        let kept = timer.lock();
        let moments = kept.wakers.keys().map(|(moment, _)| *moment);
        assert!(moments.clone().all(|moment| moment == first + TICK));
        assert_eq!(moments.count(), waits.len());
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_is_forgotten() {
        let timer = Timer::start().unwrap();
        let long = timer.wait(Duration::from_secs(3600));
        let short = Duration::from_millis(5);
        assert!(tokio::time::timeout(short, long).await.is_err());
        timer.wait(short).await.unwrap();
        assert!(timer.lock().wakers.is_empty());
    }
}
