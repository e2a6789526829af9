//! What a worker of the backend answers.

use std::fmt::Display;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use harness::{Requests, Worker};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::time::interval;
use workload::Drawn;

use crate::accept;
use crate::options::Options;
use crate::plan::{Due, Plan};
use crate::stats::Stats;
use crate::timer::Timer;

/// The delay where none is asked for.
const DEFAULT_SECONDS: f64 = 5.0;

/// Serves until the master says stop.
pub(crate) fn serve(
    worker: Worker,
    options: &Options,
    stats: &Stats,
    plan: Option<&'static Plan>,
) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stats = stats.of_worker(process::id());
    runtime.block_on(async {
        let waiting = options
            .max_waiting
            .map_or(Semaphore::MAX_PERMITS, |waiting| waiting as usize);
        let (stops, stopping) = watch::channel(());
        let backend = Backend {
            timer: Timer::start()?,
            stats,
            longest: options.max_duration.seconds(),
            plan,
            stopping,
            turns: Semaphore::new(waiting),
            requests: worker.requests.clone(),
        };
        let listener = TcpListener::from_std(worker.listener)?;
        let stop = pipe::Receiver::from_owned_fd(worker.stop.try_clone()?)?;
        worker.requests.beat(0);
        worker.requests.ready();
        tokio::spawn(beat(worker.requests));
        accept::serve(listener, stop, router(backend), || drop(stops)).await
    })
}

/// Tells the master that the event loop comes round.
async fn beat(requests: Requests) {
    let mut beats = interval(requests.beats());
    loop {
        beats.tick().await;
        requests.beat(0);
    }
}

fn router(backend: Backend) -> Router {
    Router::new()
        .route("/", get(wait))
        .route(
            "/stats",
            get(async |State(backend): State<Arc<Backend>>| {
                Json(backend.stats.snapshot())
            }),
        )
        .route(
            "/stats/reset",
            post(async |State(backend): State<Arc<Backend>>| {
                backend.stats.reset();
                if let Some(plan) = backend.plan {
                    plan.reset();
                }
                StatusCode::NO_CONTENT
            }),
        )
        .with_state(Arc::new(backend))
}

struct Backend {
    timer: Timer,
    stats: Stats,
    longest: f64,
    plan: Option<&'static Plan>,
    /// Closed once the worker is to stop.
    stopping: watch::Receiver<()>,
    /// One for each call that may wait; who has none queues.
    turns: Semaphore,
    requests: Requests,
}

#[derive(Deserialize)]
struct Asked {
    duration: Option<String>,
    call: Option<String>,
}

/// Answers when it is time to, without a thread of its own.
async fn wait(
    State(backend): State<Arc<Backend>>,
    method: Method,
    target: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let line = format!("{method} {target}");
    let _in_hand = backend.requests.begin(line.as_bytes());
    let Due { drawn, body } = match backend.due(&asked) {
        Ok(due) => due,
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, reason),
    };
    let Ok(_turn) = backend.turns.acquire().await else {
        return failure(&"the queue is closed");
    };
    let waiting = backend.stats.wait();
    let (Drawn::Answer(duration) | Drawn::Fail(duration)) = drawn else {
        return backend.hang().await;
    };
    if let Err(error) = backend.timer.wait(duration).await {
        return failure(&error);
    }
    waiting.serve();
    match (drawn, body) {
        (Drawn::Answer(_), Some(body)) => body.into_response(),
        (Drawn::Answer(_), None) => {
            format!("waited {} seconds\n", duration.as_secs_f64())
                .into_response()
        }
        _ => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            refusal(status, "this call is one that fails".to_owned())
        }
    }
}

impl Backend {
    fn due(&self, asked: &Asked) -> Result<Due, String> {
        match (&asked.call, &asked.duration) {
            (None, duration) => {
                let seconds = seconds(duration.as_deref(), self.longest)?;
                let drawn = Drawn::Answer(Duration::from_secs_f64(seconds));
                Ok(Due { drawn, body: None })
            }
            (Some(_), Some(_)) => {
                Err("call and duration do not go together".to_owned())
            }
            (Some(call), None) => self.call(call),
        }
    }

    fn call(&self, asked: &str) -> Result<Due, String> {
        let plan = self.plan.ok_or_else(|| {
            format!("call={asked} needs a workload; start with --workload")
        })?;
        let index = asked.parse();
        let index = index.map_err(|_| format!("call={asked:?} is no index"))?;
        plan.draw(index).ok_or_else(|| {
            let last = plan.calls() - 1;
            format!("call={asked}: the calls of the workload are 0 to {last}")
        })
    }

    /// Lasts until the caller goes away, which ends all that is under way for
    /// it, or until the worker is to stop, which waits for no such caller.
    async fn hang(&self) -> Response {
        let mut stopping = self.stopping.clone();
        while stopping.changed().await.is_ok() {}
        failure(&"this server stops")
    }
}

fn seconds(asked: Option<&str>, longest: f64) -> Result<f64, String> {
    let Some(text) = asked else {
        return Ok(DEFAULT_SECONDS.min(longest));
    };
    match text.parse::<f64>() {
        Err(_) => Err(format!("duration={text:?} is no number of seconds")),
        Ok(seconds) if !seconds.is_finite() => {
            Err(format!("duration={text} is not finite"))
        }
        Ok(seconds) if seconds < 0.0 => {
            Err(format!("duration={text} is negative"))
        }
        Ok(seconds) if seconds > longest => Err(format!(
            "duration={text} is over the limit of {longest} seconds"
        )),
        Ok(seconds) => Ok(seconds),
    }
}

fn failure(error: &dyn Display) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    refusal(status, format!("cannot wait: {error}"))
}

fn refusal(status: StatusCode, reason: String) -> Response {
    (status, format!("{reason}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_taken_as_it_is_asked_for() {
        assert_eq!(seconds(None, 60.0), Ok(5.0));
        assert_eq!(seconds(Some("0.125"), 60.0), Ok(0.125));
        assert_eq!(seconds(Some("0"), 60.0), Ok(0.0));
        assert_eq!(seconds(Some("60"), 60.0), Ok(60.0));
    }

    #[test]
    fn a_duration_that_cannot_be_waited_is_refused_with_its_reason() {
        let cases = [
            ("", "no number"),
            ("soon", "no number"),
            ("-0.5", "is negative"),
            ("inf", "not finite"),
            ("NaN", "not finite"),
            ("60.5", "over the limit of 60 seconds"),
        ];
        for (asked, reason) in cases {
            let error = seconds(Some(asked), 60.0).unwrap_err();
            assert!(error.contains(reason), "{asked:?} gave {error:?}");
        }
    }
}
