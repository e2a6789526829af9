//! What is new of the deployments, for all who look, and what their buttons
//! do.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::followed::{Counts, Followed, since};
use crate::catalogue::{CONCURRENCY, Deployment};
use crate::measure;
use crate::trace::file;

/// How often to look for what is new.
const PERIOD: Duration = Duration::from_millis(50);
/// Messages that a browser may be behind.
const BEHIND: usize = 256;

/// A deployment on the page.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) app: String,
    pub(super) model: String,
    pub(super) port: u16,
    /// What its button asks for.
    pub(super) requests: u64,
    concurrency: usize,
    traces: PathBuf,
    hammered: AtomicBool,
    /// For those who begin to look.
    counts: Mutex<Counts>,
}

impl Shown {
    pub(super) fn new(
        deployment: &Deployment,
        port: u16,
        traces: PathBuf,
    ) -> Self {
        let runs = deployment.runs.iter();
        let largest = runs.max_by_key(|run| run.requests);
        Self {
            name: deployment.name.clone(),
            app: deployment.app.clone(),
            model: deployment.model.clone(),
            port,
            requests: largest.and_then(|run| run.requests).unwrap_or(20),
            concurrency: largest.map_or(CONCURRENCY, |run| run.concurrency),
            traces,
            hammered: AtomicBool::new(false),
            counts: Mutex::default(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // They are written whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a deployment is not hammered.
pub(super) enum Refused {
    NoSuch,
    /// It is under way.
    Already,
}

/// All deployments, and what is new of them.
pub(super) struct Feed {
    pub(super) shown: Vec<Shown>,
    news: Sender<Arc<str>>,
    began: u64,
    stopping: AtomicBool,
}

impl Feed {
    pub(super) fn of(shown: Vec<Shown>) -> Self {
        Self {
            shown,
            news: broadcast::channel(BEHIND).0,
            began: file::now(),
            stopping: AtomicBool::new(false),
        }
    }

    /// What is new from now on.
    pub(super) fn subscribe(&self) -> Receiver<Arc<str>> {
        self.news.subscribe()
    }

    /// How everything is now, for who knows nothing of it.
    pub(super) fn snapshot(&self) -> String {
        let all = self.shown.iter().map(|shown| {
            json!({
                "d": shown.name,
                "counts": *shown.counts(),
                "hammering": shown.hammered.load(Ordering::Relaxed),
            })
        });
        let all: Vec<_> = all.collect();
        json!({"now": since(self.began, file::now()), "all": all}).to_string()
    }

    /// Ends what is under way.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Follows what is recorded, until the end.
    pub(super) fn follow(&self) {
        let shown = self.shown.iter();
        let mut all: Vec<_> = shown
            .map(|shown| (shown, Followed::of(&shown.traces, self.began)))
            .collect();
        while !self.stopping.load(Ordering::Relaxed) {
            for (shown, followed) in &mut all {
                match followed.news() {
                    Ok(Some(mut news)) => {
                        news["d"] = shown.name.as_str().into();
                        *shown.counts() = followed.counts;
                        self.tell(&news);
                    }
                    Ok(None) => {}
                    Err(error) => self.tell(&json!({
                        "d": shown.name,
                        "wrong": format!("{error:#}"),
                    })),
                }
            }
            thread::sleep(PERIOD);
        }
    }

    fn tell(&self, news: &Value) {
        // Nobody may be looking.
        self.news.send(news.to_string().into()).ok();
    }

    /// Hammers a deployment, and tells how it went.
    pub(super) fn hammer(self: Arc<Self>, name: &str) -> Result<(), Refused> {
        let at = self.shown.iter().position(|shown| shown.name == name);
        let at = at.ok_or(Refused::NoSuch)?;
        let shown = &self.shown[at];
        if shown.hammered.swap(true, Ordering::Relaxed) {
            return Err(Refused::Already);
        }
        thread::spawn(move || {
            let shown = &self.shown[at];
            // The button may have been another page's.
            self.tell(&json!({"d": shown.name, "hammering": true}));
            let told = self.hammered(shown);
            shown.hammered.store(false, Ordering::Relaxed);
            self.tell(&json!({
                "d": shown.name,
                "hammering": false,
                "hammered": told,
            }));
        });
        Ok(())
    }

    fn hammered(&self, shown: &Shown) -> String {
        let url = format!("http://127.0.0.1:{}/", shown.port);
        let load = measure::load(url, shown.requests, shown.concurrency);
        let outcome = hammer::run(&load, |_| {
            match self.stopping.load(Ordering::Relaxed) {
                false => ControlFlow::Continue(()),
                true => ControlFlow::Break(()),
            }
        });
        match outcome {
            Ok(outcome) => format!(
                "{} requests in {:.3} s, {} failed; half took at most {:.3} s",
                outcome.requests,
                outcome.elapsed.as_secs_f64(),
                outcome.failed,
                outcome.latency.median().as_secs_f64(),
            ),
            Err(error) => format!("not hammered: {error}"),
        }
    }
}
