//! The calls of a workload, and what each gets that asks for one.
//!
//! Each call's askers are counted over all processes, so that the n-th gets
//! what the workload draws for it, whichever process it asks. Two runs then
//! give the same delays, if not in the same order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use axum::body::Bytes;
use harness::shared::Counters;
use workload::{Call, Drawn, Workload};

/// A workload that is served. It lives as long as the process.
pub(crate) struct Plan {
    seed: u64,
    calls: Vec<Call>,
    asked: Counters,
    /// As long as the largest answer, which all others are the end of.
    body: Bytes,
}

/// What a caller gets.
pub(crate) struct Due {
    pub(crate) drawn: Drawn,
    /// Instead of a line.
    pub(crate) body: Option<Bytes>,
}

impl Plan {
    /// To be made before the fork, after which the counts are shared.
    pub(crate) fn new(workload: &Workload) -> Result<&'static Self> {
        let calls: Vec<_> = workload.calls().cloned().collect();
        let count = NonZeroUsize::new(calls.len()).context("no call")?;
        let size = calls.iter().map(|call| call.size).max().unwrap_or(0);
        let mut body = vec![b'.'; size];
        body.pop();
        body.push(b'\n');
        Ok(Box::leak(Box::new(Self {
            seed: workload.seed,
            calls,
            asked: Counters::new(count).context("cannot share counters")?,
            body: body.into(),
        })))
    }

    /// What the next asker for the call of this index gets; `None` where
    /// there is no such call.
    pub(crate) fn draw(&self, index: usize) -> Option<Due> {
        let call = self.calls.get(index)?;
        let n = self.asked[index].fetch_add(1, Ordering::Relaxed);
        let unused = self.body.len() - call.size;
        let body = (call.size > 0).then(|| self.body.slice(unused..));
        let drawn = call.draw(self.seed, index, n);
        Some(Due { drawn, body })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Starts afresh: who asks next is the first.
    pub(crate) fn reset(&self) {
        let zero = |asked: &AtomicU64| asked.store(0, Ordering::Relaxed);
        self.asked.iter().for_each(zero);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn who_asks_gets_what_its_turn_is_to_get() {
        let text = "seed = 7\ncalls = [{ delay = 1, size = 3 }, { delay = { \
                    from = 0, to = 1 }, fails = 0.5 }]";
        let workload = Workload::parse(Path::new("shop.toml"), text).unwrap();
        let plan = Plan::new(&workload).unwrap();
        let draws = || -> Vec<_> {
            (0..20).map(|_| plan.draw(1).unwrap().drawn).collect()
        };
        let (first, further) = (draws(), draws());
        let call = workload.calls().nth(1).unwrap();
        let expected = (0..20).map(|n| call.draw(7, 1, n));
        assert!(expected.eq(first.iter().copied()));
        assert_ne!(first, further);
        plan.reset();
        assert_eq!(draws(), first);
        let body = plan.draw(0).unwrap().body.unwrap();
        assert_eq!(&body[..], b"..\n");
        assert!(plan.draw(1).unwrap().body.is_none());
        assert!(plan.draw(2).is_none());
    }
}
