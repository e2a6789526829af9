//! A worker's place, which its successor takes over.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::child::Child;

/// How long a place stays empty after a worker died before it was ready:
/// twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A worker that ends by itself so soon might as well not have been ready.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// A worker's place.
#[derive(Debug, Default)]
pub(super) struct Place {
    worker: Option<Child>,
    /// Takes over once it is ready; until then the worker goes on.
    successor: Option<Child>,
    /// When to fork a worker where there is none, and a successor otherwise.
    pub(super) fork_at: Option<Instant>,
    /// How many died here, one after the other, before they were of use.
    early_deaths: u32,
}

/// What came of what the workers of a place have said.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing to be done.
    Nothing,
    /// The successor has taken over from this worker.
    TakenOver(Child),
}

impl Place {
    /// So many places, for which workers are to be forked.
    pub(super) fn vacant(count: usize) -> Vec<Self> {
        let vacant = || Self {
            fork_at: Some(Instant::now()),
            ..Self::default()
        };
        (0..count).map(|_| vacant()).collect()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        self.worker.iter().chain(&self.successor)
    }

    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        self.worker.iter_mut().chain(&mut self.successor)
    }

    pub(super) fn into_children(self) -> impl Iterator<Item = Child> {
        self.worker.into_iter().chain(self.successor)
    }

    /// Whether its worker takes requests.
    pub(super) fn is_ready(&self) -> bool {
        self.worker.as_ref().is_some_and(Child::is_ready)
    }

    /// Whether its worker takes requests, and nobody is about to replace it.
    pub(super) fn is_settled(&self) -> bool {
        self.is_ready() && self.successor.is_none() && self.fork_at.is_none()
    }

    pub(super) fn is_of(&self, generation: u64) -> bool {
        let worker = self.worker.as_ref();
        worker.is_some_and(|worker| worker.generation() == generation)
    }

    /// Whether a worker is to be forked for it.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.fork_at.is_some_and(|at| at <= now)
    }

    /// Takes in a worker that was forked for it.
    pub(super) fn settle(&mut self, child: Child) {
        self.fork_at = None;
        match self.worker {
            None => self.worker = Some(child),
            Some(_) => self.successor = Some(child),
        }
    }

    /// Removes the worker that has this pid.
    pub(super) fn take(&mut self, pid: Pid) -> Option<Child> {
        let is_it = |child: &mut Child| child.pid() == pid;
        if let Some(child) = self.successor.take_if(is_it) {
            return Some(child);
        }
        let child = self.worker.take_if(is_it)?;
        self.worker = self.successor.take();
        Some(child)
    }

    /// Removes the successor that has not taken over.
    pub(super) fn take_successor(&mut self) -> Option<Child> {
        self.successor.take()
    }

    /// Takes note of what its workers have said.
    pub(super) fn hear(&mut self) -> Heard {
        self.children_mut().for_each(Child::hear);
        if let Some(successor) = self.successor.take_if(|c| c.is_ready()) {
            self.early_deaths = 0;
            return match self.worker.replace(successor) {
                Some(old) => Heard::TakenOver(old),
                None => Heard::Nothing,
            };
        }
        let wants_relief = self
            .worker
            .as_ref()
            .is_some_and(|worker| worker.is_ready() && worker.wants_relief());
        if wants_relief {
            self.replace_at_once();
        }
        Heard::Nothing
    }

    /// Has a worker forked now, unless one is under way.
    pub(super) fn replace_at_once(&mut self) {
        let under_way = match &self.worker {
            Some(worker) => !worker.is_ready() || self.successor.is_some(),
            None => false,
        };
        if !under_way && self.fork_at.is_none() {
            self.fork_at = Some(Instant::now());
        }
    }

    /// The same, where it has no worker.
    pub(super) fn replace_if_empty(&mut self) {
        if self.worker.is_none() {
            self.replace_at_once();
        }
    }

    /// Has another worker forked after one that was ready and lived for so
    /// long: at once, unless it ended by itself as soon as it had begun. A
    /// pause is returned.
    pub(super) fn replace_after(
        &mut self,
        life: Duration,
        was_killed: bool,
    ) -> Option<Duration> {
        if life >= SHORT_LIFE {
            self.early_deaths = 0;
        } else if !was_killed {
            return Some(self.replace_after_a_pause());
        }
        self.replace_at_once();
        None
    }

    /// Has a worker forked after a pause, which is returned.
    pub(super) fn replace_after_a_pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.early_deaths);
        let pause = pause.min(LONGEST_PAUSE);
        self.early_deaths = self.early_deaths.saturating_add(1).min(16);
        self.fork_at = Some(Instant::now() + pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_dies_as_soon_as_it_is_ready_is_waited_for_longer_each_time() {
        let mut place = Place::default();
        let mut after = |life, was_killed| {
            place.replace_after(life, was_killed).map(|p| p.as_millis())
        };
        let soon = SHORT_LIFE / 2;
        assert_eq!(after(soon, false), Some(100));
        assert_eq!(after(soon, false), Some(200));
        assert_eq!(after(soon, true), None, "it did not end by itself");
        assert_eq!(after(soon, false), Some(400));
        assert_eq!(after(SHORT_LIFE, false), None, "it was of use");
        assert_eq!(after(soon, false), Some(100));
    }
}
