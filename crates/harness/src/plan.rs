//! The work of one request: calls to the delay backend, and their log lines.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use thiserror::Error;
use tracing::{info, warn};
use workload::{Workload, WorkloadError};

use crate::answer::{CallError, Failure};
use crate::deployment::{self, Calls, Deployment, Library};
use crate::processor;
use crate::trace::{Trace, TracedCall};

/// What every request of an app does.
#[derive(Clone, Debug)]
pub struct Plan {
    calls: Vec<Call>,
    /// Which of the calls each step has.
    steps: Vec<Range<usize>>,
    work: Duration,
    client: Library,
    http2: bool,
    timeout: Duration,
    heavy: Duration,
    trace: Option<&'static Trace>,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The backend's name has no address.
    #[error("cannot resolve the backend {backend}")]
    UnknownBackend {
        /// Its name.
        backend: String,
        /// What the system said.
        source: io::Error,
    },
    /// The deployment's workload is refused.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
}

impl Plan {
    /// The plan of a deployment, whose workload is read.
    ///
    /// The backend's name is looked up here, once, so that no model pays
    /// for names while it serves.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn new(deployment: &Deployment) -> Result<Self, PlanError> {
        let names = deployment.backend.split(',');
        let backends = names.map(|name| {
            deployment::resolve(name).map_err(|source| {
                let backend = name.to_owned();
                PlanError::UnknownBackend { backend, source }
            })
        });
        let backends = backends.collect::<Result<Vec<_>, _>>()?;
        // The calls take the addresses in turn.
        let backend = |nth: usize| backends[nth % backends.len()];
        let (calls, steps, work) = match &deployment.calls {
            Calls::Durations(durations) => {
                let calls = durations.iter().enumerate();
                let calls = calls.map(|(n, &d)| Call::lasting(backend(n), d));
                let calls: Vec<_> = calls.collect();
                let step = 0..calls.len();
                (calls, vec![step], Duration::ZERO)
            }
            Calls::Workload(file) => {
                let Workload { steps, work, .. } = Workload::load(file)?;
                let count = steps.iter().map(Vec::len).sum();
                let calls = (0..count).map(|nth| Call::nth(backend(nth), nth));
                let mut end = 0;
                let steps = steps.iter().map(|step| {
                    let start = end;
                    end += step.len();
                    start..end
                });
                (calls.collect(), steps.collect(), work)
            }
        };
        Ok(Self {
            calls,
            steps,
            work,
            client: deployment.client,
            http2: deployment.http2,
            timeout: deployment.timeout,
            heavy: deployment.heavy,
            trace: None,
        })
    }

    /// The same plan, whose calls are recorded.
    pub(crate) fn traced(self, trace: &'static Trace) -> Self {
        let trace = Some(trace);
        Self { trace, ..self }
    }

    /// The calls, a step at a time: those of a step need nothing of each
    /// other, but all of the step before. A request asks for them once:
    /// where requests are traced, only those that it is given first are known
    /// to be its own.
    pub fn steps(&self) -> impl Iterator<Item = &[Call]> {
        let calls = self.calls();
        self.steps.iter().map(|step| &calls[step.clone()])
    }

    /// All calls in their order, for callers that need no steps.
    pub fn calls(&self) -> &[Call] {
        let own = self.trace.and_then(|trace| trace.calls(&self.calls));
        own.unwrap_or(&self.calls)
    }

    /// How many calls a request has open at a time, at the most.
    pub fn calls_at_once(&self) -> usize {
        self.steps.iter().map(Range::len).max().unwrap_or(0)
    }

    /// Does the request's own work, on the thread that asks for it: so much
    /// of its processor's time, and none where the plan has no work.
    pub fn work(&self) {
        processor::spend(self.work);
    }

    /// Which client makes the calls, where there is a choice.
    pub fn client(&self) -> Library {
        self.client
    }

    /// Whether the calls share a connection, over HTTP/2.
    pub fn http2(&self) -> bool {
        self.http2
    }

    /// How long each call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long the heavy work beside the calls takes.
    pub fn heavy(&self) -> Duration {
        self.heavy
    }
}

/// One call: a GET that the backend takes its time to answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is called in log lines and errors.
    name: Arc<str>,
    uri: Uri,
    trace: Option<TracedCall>,
}

impl Call {
    /// A call that the backend answers after so many seconds.
    pub(crate) fn lasting(backend: SocketAddr, duration: f64) -> Self {
        Self {
            name: format!("network call with duration {duration}").into(),
            uri: uri(format!("http://{backend}/?duration={duration}")),
            trace: None,
        }
    }

    /// A call of a workload, which the backend has too and answers by.
    fn nth(backend: SocketAddr, nth: usize) -> Self {
        Self {
            name: format!("network call {nth}").into(),
            uri: uri(format!("http://{backend}/?call={nth}")),
            trace: None,
        }
    }

    /// The same call, which is recorded.
    pub(crate) fn traced(&self, trace: TracedCall) -> Self {
        Self {
            trace: Some(trace),
            ..self.clone()
        }
    }

    /// What to GET.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Logs that the call starts.
    pub fn start(&self) {
        if let Some(trace) = &self.trace {
            trace.started();
        }
        info!("start {}", self.name);
    }

    /// Logs how the call ended, and names it where it failed.
    ///
    /// # Errors
    ///
    /// A [`CallError`] where `answer` is an error.
    pub fn end<T>(
        &self,
        answer: Result<T, impl Into<Failure>>,
    ) -> Result<(), CallError> {
        if let Some(trace) = &self.trace {
            trace.ended(answer.is_ok());
        }
        match answer {
            Ok(_) => {
                info!("end {}", self.name);
                Ok(())
            }
            Err(failure) => {
                let error = CallError::new(self.name.clone(), failure.into());
                warn!("{error}");
                Err(error)
            }
        }
    }
}

fn uri(text: String) -> Uri {
    text.try_into().expect("an address and a number make a URI")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::deployment::Keys;

    fn plan(workload: &str) -> Result<Plan, String> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("shop.toml");
        fs::write(&file, workload).unwrap();
        let flags = Keys {
            backend: Some("127.0.0.1:7001".parse().unwrap()),
            workload: Some(file),
            ..Keys::default()
        };
        let deployment = Deployment::load("app-test", &[], None, flags);
        let plan = Plan::new(&deployment.unwrap());
        plan.map_err(|error| error.to_string())
    }

    const STEPS: &str = "work = 0.01\nsteps = [[{ delay = 1, count = 2 }], [{ \
                         delay = 2 }], [{ delay = 3, count = 3 }]]";

    fn uris(step: &[Call]) -> Vec<String> {
        step.iter().map(|call| call.uri().to_string()).collect()
    }

    #[test]
    fn a_workloads_calls_are_asked_for_by_their_index() {
        let plan = plan(STEPS).unwrap();
        let steps: Vec<_> = plan.steps().map(uris).collect();
        let expected: [&[usize]; 3] = [&[0, 1], &[2], &[3, 4, 5]];
        let url = |nth| format!("http://127.0.0.1:7001/?call={nth}");
        assert_eq!(
            steps,
            expected.map(|step| -> Vec<_> { step.iter().map(url).collect() })
        );
        assert_eq!(plan.calls_at_once(), 3);
        assert_eq!(plan.heavy(), Duration::ZERO);
    }

    #[test]
    fn the_slides_calls_are_one_step_and_no_work() {
        let mut deployment =
            Deployment::load("app-test", &[], None, Keys::default()).unwrap();
        deployment.backend = "127.0.0.1:7001".to_owned();
        let plan = Plan::new(&deployment).unwrap();
        let steps: Vec<_> = plan.steps().map(uris).collect();
        let url = |d| format!("http://127.0.0.1:7001/?duration={d}");
        assert_eq!(steps, [[0.125, 0.25, 0.375, 0.5].map(url)]);
        assert!(plan.work.is_zero());
    }

    #[test]
    fn a_bad_workload_is_no_plan() {
        let error = plan("calls = [{ delay = -1 }]").unwrap_err();
        assert!(error.contains("shop.toml:1: delay: -1 is no"), "{error}");
    }

    #[test]
    fn the_calls_of_all_steps_are_recorded_as_their_requests() {
        let folder = TempDir::new().unwrap();
        let trace = Trace::begin(folder.path(), "app", 1).unwrap();
        let plan = plan(STEPS).unwrap().traced(trace);
        let request = trace.accept();
        request.asks_for_calls();
        for step in plan.steps() {
            assert!(step.iter().all(|call| call.trace.is_some()));
        }
        // Nobody has asked again, and so these are nobody's.
        let others = plan.steps().flatten();
        assert!(others.into_iter().all(|call| call.trace.is_none()));
        request.answered(crate::answer::Status::OK);
    }
}
