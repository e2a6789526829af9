//! What the deployments record, as it comes, for all who look.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::catalogue::{CONCURRENCY, Deployment};
use crate::measure;
use crate::trace::file::{self, Event, Reader, Thread, What};

/// How often to look for what is new.
const PERIOD: Duration = Duration::from_millis(50);
/// New requests of a deployment that are drawn in a period; what goes beyond
/// is counted only.
const DRAWN: usize = 100;
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
        }
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

    /// Ends what is under way.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Follows what is recorded, until the end.
    pub(super) fn follow(&self) {
        let mut all: Vec<_> =
            self.shown.iter().map(|_| Followed::default()).collect();
        while !self.stopping.load(Ordering::Relaxed) {
            for (shown, followed) in self.shown.iter().zip(&mut all) {
                match followed.news(shown, self) {
                    Ok(Some(news)) => self.tell(&news),
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

    /// Milliseconds since the beginning.
    fn since(&self, moment: u64) -> f64 {
        moment.saturating_sub(self.began) as f64 / 1e6
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
            let told = self.hammered(shown);
            shown.hammered.store(false, Ordering::Relaxed);
            self.tell(&json!({"d": shown.name, "hammered": told}));
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

/// How far a deployment was followed.
#[derive(Default)]
struct Followed {
    readers: HashMap<PathBuf, Reader>,
    threads: HashMap<(u32, usize), Thread>,
    /// Requests in hand that are drawn.
    drawn: HashSet<(u32, u32)>,
    accepted: u64,
    answered: u64,
    undrawn: u64,
}

impl Followed {
    /// What is new, where something is.
    fn news(&mut self, shown: &Shown, feed: &Feed) -> Result<Option<Value>> {
        let files = file::files(&shown.traces);
        for path in &files {
            if !self.readers.contains_key(path)
                // One that is just being made is read the next time.
                && let Ok(reader) = Reader::open(path)
            {
                self.readers.insert(path.clone(), reader);
            }
        }
        let mut events = Vec::new();
        for reader in self.readers.values_mut() {
            let (worker, pid) = (reader.worker, reader.pid);
            for event in reader.events(false)? {
                if let Entry::Vacant(unknown) =
                    self.threads.entry((pid, event.thread))
                {
                    unknown.insert(reader.thread(event.thread)?);
                }
                events.push((worker, pid, event));
            }
        }
        if events.is_empty() {
            return Ok(None);
        }
        events.sort_by_key(|(.., event)| event.moment);
        let mut new = 0;
        let mut lanes = serde_json::Map::new();
        let mut told = Vec::new();
        for (worker, pid, event) in events {
            if !self.count(pid, &event, &mut new) {
                continue;
            }
            let lane = format!("{pid}.{}", event.thread);
            let (kind, more) = kind(event.what);
            told.push(json!([
                kind,
                lane,
                format!("{pid}.{}", event.request),
                feed.since(event.moment),
                more,
            ]));
            if let Some(thread) = self.threads.get(&(pid, event.thread)) {
                let Thread { id, name } = thread;
                lanes.insert(lane, json!([worker, pid, id, name]));
            }
        }
        Ok(Some(json!({
            "d": shown.name,
            "now": feed.since(file::now()),
            "accepted": self.accepted,
            "answered": self.answered,
            "undrawn": self.undrawn,
            "lanes": lanes,
            "events": told,
        })))
    }

    /// Counts an event, and says whether it is drawn.
    fn count(&mut self, pid: u32, event: &Event, new: &mut usize) -> bool {
        let request = (pid, event.request);
        match event.what {
            What::Accepted => {
                self.accepted += 1;
                *new += 1;
                let drawn = *new <= DRAWN;
                match drawn {
                    true => drop(self.drawn.insert(request)),
                    false => self.undrawn += 1,
                }
                drawn
            }
            What::Answered(_) | What::GivenUp => {
                self.answered += 1;
                self.drawn.remove(&request)
            }
            _ => self.drawn.contains(&request),
        }
    }
}

/// A letter for each kind, and what it says more.
fn kind(what: What) -> (char, u16) {
    match what {
        What::Accepted => ('a', 0),
        What::Started(nth) => ('s', nth),
        What::Ended(nth) => ('e', nth),
        What::Failed(nth) => ('f', nth),
        What::Answered(status) => ('z', status),
        What::GivenUp => ('g', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::trace::file::tests::event;
    use super::*;

    #[test]
    fn of_too_many_requests_some_are_drawn_from_end_to_end() {
        let mut followed = Followed::default();
        let mut new = 0;
        let many = DRAWN as u32 + 10;
        let drawn = |followed: &mut Followed, new: &mut usize, what| {
            (0..many)
                .filter(|n| followed.count(1, &event(1, *n, what), new))
                .collect::<Vec<_>>()
        };
        let accepted = drawn(&mut followed, &mut new, What::Accepted);
        assert_eq!(accepted.len(), DRAWN);
        let started = drawn(&mut followed, &mut new, What::Started(0));
        assert_eq!(started, accepted);
        let answered = drawn(&mut followed, &mut new, What::Answered(200));
        assert_eq!(answered, accepted);
        assert_eq!(followed.undrawn, 10);
        let many = u64::from(many);
        assert_eq!((followed.accepted, followed.answered), (many, many));
        assert!(followed.drawn.is_empty());
    }
}
