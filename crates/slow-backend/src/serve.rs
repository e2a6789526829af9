//! What a worker of the backend answers.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use harness::requests::BEAT;
use harness::{Requests, Worker};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::interval;

use crate::options::Options;
use crate::stats::Stats;
use crate::timer::Timer;

/// The delay where none is asked for.
const DEFAULT_SECONDS: f64 = 5.0;

/// Serves until the master says stop.
pub(crate) fn serve(
    worker: Worker,
    options: &Options,
    stats: &Stats,
) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    stats.forget_predecessor(worker.number);
    runtime.block_on(async {
        let waiting = options
            .max_waiting
            .map_or(Semaphore::MAX_PERMITS, |waiting| waiting as usize);
        let backend = Backend {
            worker: worker.number,
            timer: Timer::start()?,
            stats: *stats,
            longest: options.max_duration.seconds(),
            turns: Arc::new(Semaphore::new(waiting)),
            requests: worker.requests.clone(),
        };
        let listener = TcpListener::from_std(worker.listener)?;
        let stop = pipe::Receiver::from_owned_fd(worker.stop.try_clone()?)?;
        worker.requests.ready();
        tokio::spawn(beat(worker.requests));
        axum::serve(listener, router(backend))
            .with_graceful_shutdown(async move {
                stop.readable().await.ok();
            })
            .await?;
        Ok(())
    })
}

/// Tells the master that the event loop comes round.
async fn beat(requests: Requests) {
    let mut beats = interval(BEAT);
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
            get(async |State(backend): State<Backend>| {
                Json(backend.stats.snapshot())
            }),
        )
        .route(
            "/stats/reset",
            post(async |State(backend): State<Backend>| {
                backend.stats.reset();
                StatusCode::NO_CONTENT
            }),
        )
        .with_state(backend)
}

#[derive(Clone)]
struct Backend {
    worker: usize,
    timer: Timer,
    stats: Stats,
    longest: f64,
    /// One for each call that may wait; who has none queues.
    turns: Arc<Semaphore>,
    requests: Requests,
}

#[derive(Deserialize)]
struct Asked {
    duration: Option<String>,
}

/// Answers after `duration` seconds, without a thread of its own.
async fn wait(
    State(backend): State<Backend>,
    method: Method,
    target: Uri,
    Query(asked): Query<Asked>,
) -> Response {
    let line = format!("{method} {target}");
    let _in_hand = backend.requests.begin(line.as_bytes());
    let seconds = match seconds(asked.duration.as_deref(), backend.longest) {
        Ok(seconds) => seconds,
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, reason),
    };
    let Ok(_turn) = backend.turns.acquire().await else {
        return failure(&"the queue is closed");
    };
    let waiting = backend.stats.wait(backend.worker);
    let duration = Duration::from_secs_f64(seconds);
    if let Err(error) = backend.timer.wait(duration).await {
        return failure(&error);
    }
    waiting.serve();
    format!("waited {seconds} seconds\n").into_response()
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
