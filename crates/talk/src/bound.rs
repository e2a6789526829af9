//! What arithmetic says of a run: how long it takes at the least, and how
//! many calls the backend has waiting at the most.
//!
//! A bound is computed here and nowhere else.

use std::time::Duration;

use crate::catalogue::{Catalogue, Deployment, Run};

/// What a deployment's model comes down to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Requests at a time; `None` is no limit.
    pub(crate) slots: Option<u64>,
    /// How long one request takes at the least.
    pub(crate) request: Duration,
    /// Calls that one request has open at once.
    pub(crate) open_calls: u64,
    /// Calls of a request.
    pub(crate) calls: u64,
}

impl Shape {
    pub(crate) fn of(catalogue: &Catalogue, deployment: &Deployment) -> Self {
        let calls = &catalogue.calls;
        let (seconds, open_calls) = match deployment.at_once {
            false => (calls.iter().sum(), 1),
            true => (calls.iter().copied().fold(0.0, f64::max), calls.len()),
        };
        let heavy = if deployment.heavy {
            catalogue.heavy
        } else {
            0.0
        };
        let slots = deployment.slots() as u64;
        Self {
            slots: (!deployment.unlimited).then_some(slots),
            request: Duration::from_secs_f64(f64::max(seconds, heavy)),
            open_calls: open_calls as u64,
            calls: calls.len() as u64,
        }
    }

    /// Requests that are served at once, of `requests` that are sent
    /// `concurrency` at a time.
    fn at_once(&self, requests: u64, concurrency: u64) -> u64 {
        let slots = self.slots.unwrap_or(u64::MAX);
        slots.min(concurrency).min(requests)
    }

    /// The least time that so many requests take: as many rounds of one
    /// request's time as it takes to serve all, where each round is full.
    pub(crate) fn bound(&self, requests: u64, concurrency: u64) -> Duration {
        let at_once = self.at_once(requests, concurrency).max(1);
        let rounds = requests.div_ceil(at_once);
        self.request * u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// The most calls that the backend has waiting at once.
    pub(crate) fn peak(&self, requests: u64, concurrency: u64) -> u64 {
        self.at_once(requests, concurrency) * self.open_calls
    }

    /// The same run with so few requests that two rounds serve them.
    pub(crate) fn quick(&self, run: Run) -> Run {
        let concurrency = run.concurrency as u64;
        let requests = run
            .requests
            .map(|all| all.min(2 * self.at_once(all, concurrency)));
        Run {
            requests,
            // The figures are of the whole run.
            talk: run.talk.filter(|_| requests == run.requests),
            uwsgi: run.uwsgi.filter(|_| requests == run.requests),
            ..run
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(slots: Option<u64>) -> Shape {
        Shape {
            slots,
            request: Duration::from_millis(500),
            open_calls: 4,
            calls: 4,
        }
    }

    /// The catalogue's own rows: deployment, requests, concurrency, bound in
    /// milliseconds, peak.
    const ROWS: [(&str, u64, u64, u128, u64); 21] = [
        ("basic", 1, 50, 1250, 1),
        ("basic", 20, 50, 25_000, 1),
        ("process", 20, 50, 6250, 4),
        ("thread", 20, 50, 6250, 4),
        ("mix", 20, 50, 6250, 4),
        ("async", 1, 50, 500, 4),
        ("async", 20, 50, 5000, 8),
        ("async-threads", 20, 50, 2500, 16),
        ("coroutine", 1, 50, 500, 4),
        ("coroutine", 50, 50, 500, 200),
        ("coroutine", 100, 50, 1000, 200),
        ("coroutine", 200, 50, 2000, 200),
        ("coroutine-sockets", 200, 50, 2000, 200),
        ("offload", 1, 50, 1000, 4),
        ("offload", 20, 50, 10_000, 8),
        ("executor", 1, 50, 500, 4),
        ("executor", 20, 50, 5000, 8),
        ("native", 1, 50, 500, 4),
        ("native", 50, 50, 500, 200),
        ("native", 200, 50, 2000, 200),
        ("native", 200, 200, 500, 800),
    ];

    #[test]
    fn the_bounds_are_the_catalogues() {
        let talk = include_str!("../../../talk.toml");
        let talk: Catalogue = toml::from_str(talk).unwrap();
        for (name, requests, concurrency, bound, peak) in ROWS {
            let deployment = talk.deployment(name).unwrap();
            let shape = Shape::of(&talk, deployment);
            let told = shape.bound(requests, concurrency).as_millis();
            assert_eq!(told, bound, "bound of {name} {requests}");
            let told = shape.peak(requests, concurrency);
            assert_eq!(told, peak, "peak of {name} {requests}");
        }
    }

    #[test]
    fn a_quick_run_fills_every_slot_twice() {
        let run = Run {
            requests: Some(20),
            concurrency: 50,
            talk: Some(1.0),
            uwsgi: None,
        };
        let quick = shape(Some(2)).quick(run);
        assert_eq!((quick.requests, quick.talk), (Some(4), None));
        assert_eq!(shape(Some(100)).quick(run), run);
    }

    proptest! {
        #[test]
        fn more_requests_never_take_less(
            slots in proptest::option::of(1u64..100),
            requests in 1u64..1000,
            concurrency in 1u64..100,
        ) {
            let shape = shape(slots);
            let bound = shape.bound(requests, concurrency);
            prop_assert!(bound <= shape.bound(requests + 1, concurrency));
            prop_assert!(bound >= shape.bound(requests, concurrency + 1));
            // No server could do it in less: each slot is busy all along.
            let at_once = slots.unwrap_or(u64::MAX).min(concurrency);
            let work = shape.request.as_secs_f64() * requests as f64;
            prop_assert!(
                bound.as_secs_f64() >= work / at_once as f64 - 1e-9
            );
        }
    }
}
