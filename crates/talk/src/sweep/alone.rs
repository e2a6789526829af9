//! What a request takes where nothing is scarce: asked in one place, by what
//! is refused, by the search and by the answer.

use std::collections::BTreeMap;

use workload::Workload;

use super::held::TIMEOUT;
use super::record::{Model, Target};

/// In seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone {
    /// At the target's quantile.
    pub(crate) slowest: f64,
    pub(crate) mean: f64,
}

impl Alone {
    /// Of each of these models.
    pub(crate) fn of_each(
        models: &[Model],
        target: &Target,
        workload: &Workload,
    ) -> Vec<Self> {
        // Drawn from thousands of requests, and the same for many models.
        let mut known = BTreeMap::new();
        let alone = models.iter().map(|model| {
            let manner = model.manner();
            *known.entry(manner).or_insert_with(|| {
                let slowest = workload.time(manner, target.quantile, TIMEOUT);
                let mean = workload.mean_time(manner, TIMEOUT);
                Self {
                    slowest: slowest.as_secs_f64(),
                    mean: mean.as_secs_f64(),
                }
            })
        });
        alone.collect()
    }
}
