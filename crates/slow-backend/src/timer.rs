//! Waits that end on time, by one kernel timer for all of a process.
//!
//! tokio's own clock ticks in milliseconds and its event loop sleeps in
//! whole ones: a wait ends up to two late. Four waits one after the other
//! would make that eight, and the figures of the bench would show the
//! backend's clock rather than the models. A timer file (`timerfd(2)`)
//! counts in nanoseconds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use tokio::net::unix::pipe::Receiver as File;
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// The waits of a process.
#[derive(Clone)]
pub(crate) struct Timer {
    file: Arc<TimerFd>,
    waits: Arc<Mutex<Waits>>,
}

#[derive(Default)]
struct Waits {
    /// The moments, the next first, with the index of each wait.
    moments: BinaryHeap<Reverse<(Instant, u64)>>,
    wakers: HashMap<u64, Sender<()>>,
    count: u64,
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
            file: Arc::new(file),
            waits: Arc::default(),
        };
        tokio::spawn(timer.clone().drive(expirations));
        Ok(timer)
    }

    /// Ends after `duration`, never before.
    pub(crate) async fn wait(&self, duration: Duration) -> io::Result<()> {
        if duration.is_zero() {
            return Ok(());
        }
        let moment = Instant::now() + duration;
        self.add(moment)?.await.map_err(io::Error::other)
    }

    fn add(&self, moment: Instant) -> io::Result<Receiver<()>> {
        let (waker, woken) = channel();
        let mut waits = self.lock();
        let index = waits.count;
        waits.count += 1;
        waits.wakers.insert(index, waker);
        let next = waits.moments.peek().map(|Reverse((next, _))| *next);
        waits.moments.push(Reverse((moment, index)));
        if next.is_none_or(|next| moment < next) {
            self.set(moment)?;
        }
        Ok(woken)
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
            while let Some(&Reverse((moment, index))) = waits.moments.peek() {
                if moment > now {
                    self.set(moment)?;
                    break;
                }
                waits.moments.pop();
                if let Some(waker) = waits.wakers.remove(&index) {
                    // Nobody is woken where the caller went away.
                    waker.send(()).ok();
                }
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
