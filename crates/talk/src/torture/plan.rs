//! How much is done to a deployment, and under which load.

use std::time::Duration;

use crate::catalogue::Deployment;
use crate::options::Torture;

/// How long each call takes.
pub(super) const CALL: Duration = Duration::from_millis(5);
/// Calls of a request.
const CALLS: u32 = 4;
/// The most requests a second: a load, and no benchmark.
const MOST: f64 = 200.0;
/// From one kill to the next.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// The time that the slow connections take, about.
pub(super) const SLOW: Duration = Duration::from_secs(40);

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) kills: u32,
    pub(super) reloads: u32,
}

impl Plan {
    pub(super) fn of(options: &Torture) -> Self {
        let (kills, reloads) = match options.long {
            false => (25, 20),
            true => (100, 30),
        };
        Self {
            kills: options.kills.unwrap_or(kills),
            reloads: options.reloads.unwrap_or(reloads),
        }
    }

    /// The time that a deployment takes, about.
    pub(super) fn length(&self) -> Duration {
        PAUSE * (self.kills + self.reloads) + Duration::from_secs(1)
    }

    /// Half of what the deployment can do, requests a second: it is not to
    /// fall behind with a worker less.
    pub(super) fn rate(&self, deployment: &Deployment) -> f64 {
        let request = match deployment.at_once {
            true => CALL,
            false => CALL * CALLS,
        };
        let slots = deployment.slots() as f64;
        (slots / request.as_secs_f64() / 2.0).min(MOST)
    }
}

/// Whether each worker has a queue of its own in the kernel, which is lost
/// with it: what waits there is in nobody's hands.
pub(super) fn has_queues(deployment: &str) -> bool {
    deployment == "coroutine"
}

/// The options of a deployment's app.
pub(super) fn options(deployment: &Deployment) -> Vec<String> {
    let call = CALL.as_secs_f64().to_string();
    let calls = vec![call; CALLS as usize].join(",");
    let mut options = vec![format!("--calls={calls}"), "--quiet".to_owned()];
    if deployment.heavy {
        options.push("--heavy=0".to_owned());
    }
    options
}
