//! The work of one request: calls to the delay backend, and their log lines.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::{info, warn};

use crate::answer::{CallError, Failure};
use crate::deployment::{self, Deployment};
use crate::trace::{Trace, TracedCall};

/// The calls that every request of an app makes.
#[derive(Clone, Debug)]
pub struct Plan {
    calls: Vec<Call>,
    backend: SocketAddr,
    timeout: Duration,
    heavy: Duration,
    trace: Option<&'static Trace>,
}

/// The backend's name has no address.
#[derive(Debug, Error)]
#[error("cannot resolve the backend {backend}")]
pub struct UnknownBackend {
    backend: String,
    source: io::Error,
}

impl Plan {
    /// The plan of a deployment.
    ///
    /// The backend's name is looked up here, once, so that no model pays
    /// for names while it serves.
    ///
    /// # Errors
    ///
    /// [`UnknownBackend`], where the name has no address.
    pub fn new(deployment: &Deployment) -> Result<Self, UnknownBackend> {
        let backend =
            deployment::resolve(&deployment.backend).map_err(|source| {
                let backend = deployment.backend.clone();
                UnknownBackend { backend, source }
            })?;
        let durations = deployment.calls.iter();
        Ok(Self {
            calls: durations.map(|&d| Call::new(backend, d)).collect(),
            backend,
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

    /// The calls in their order. A request asks for them once: where
    /// requests are traced, only what it is given first is known to be its.
    pub fn calls(&self) -> &[Call] {
        let own = self.trace.and_then(|trace| trace.calls(&self.calls));
        own.unwrap_or(&self.calls)
    }

    /// The one address that every call goes to.
    pub fn backend(&self) -> SocketAddr {
        self.backend
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

/// One call: a GET that the backend answers after `duration` seconds.
#[derive(Clone, Debug)]
pub struct Call {
    duration: f64,
    url: Arc<str>,
    trace: Option<TracedCall>,
}

impl Call {
    pub(crate) fn new(backend: SocketAddr, duration: f64) -> Self {
        let url = format!("http://{backend}/?duration={duration}");
        let url = url.into();
        Self {
            duration,
            url,
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
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Logs that the call starts.
    pub fn start(&self) {
        if let Some(trace) = &self.trace {
            trace.started();
        }
        info!("start network call with duration {}", self.duration);
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
                info!("end network call with duration {}", self.duration);
                Ok(())
            }
            Err(failure) => {
                let error = CallError::new(self.duration, failure.into());
                warn!("{error}");
                Err(error)
            }
        }
    }
}
