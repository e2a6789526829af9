//! What arithmetic allows a model, whatever the load: asked in one place, by
//! the search and by the answer alike.

use workload::Workload;

use super::record::{Model, Sweep};

/// The requests a second that no load exceeds, where one takes `mean` seconds:
/// the model's slots, and the cores, would have no moment to spare.
pub(crate) fn most(
    model: &Model,
    mean: f64,
    sweep: &Sweep,
    workload: &Workload,
) -> f64 {
    let by_slots = model.slots.map_or(f64::INFINITY, |n| n as f64 / mean);
    let cores = sweep.machine.cores.max(1) as f64;
    by_slots.min(cores / workload.work.as_secs_f64())
}
