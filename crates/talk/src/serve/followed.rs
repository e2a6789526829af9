//! What a deployment's workers record, as it comes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::trace::file::{self, Event, Reader, Thread, What};

/// New requests of a deployment that are drawn in a period; what goes beyond
/// is counted only. No button asks for more at a time.
const DRAWN: usize = 200;

/// What became of a deployment's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Counts {
    accepted: u64,
    answered: u64,
    in_hand: usize,
    /// In hand of a worker that ended.
    lost: usize,
    undrawn: u64,
}

/// How far a deployment was followed.
pub(super) struct Followed {
    traces: PathBuf,
    began: u64,
    pub(super) counts: Counts,
    lives: Vec<Life>,
}

/// A worker, until it ends.
struct Life {
    path: PathBuf,
    reader: Reader,
    threads: HashMap<usize, Thread>,
    /// Its requests in hand, and whether each is drawn.
    requests: HashMap<u32, bool>,
}

impl Followed {
    /// Follows what is traced to a folder; times are counted from a moment.
    pub(super) fn of(traces: &Path, began: u64) -> Self {
        Self {
            traces: traces.to_owned(),
            began,
            counts: Counts::default(),
            lives: Vec::new(),
        }
    }

    /// What is new, where something is.
    pub(super) fn news(&mut self) -> Result<Option<Value>> {
        for path in file::files(&self.traces) {
            if self.lives.iter().all(|life| life.path != path)
                // One that is just being made is read the next time.
                && let Ok(reader) = Reader::open(&path)
            {
                self.lives.push(Life {
                    path,
                    reader,
                    threads: HashMap::new(),
                    requests: HashMap::new(),
                });
            }
        }
        let mut events = Vec::new();
        let mut ended = Vec::new();
        for (at, life) in self.lives.iter_mut().enumerate() {
            // Asked before it is read, or its last events could be missed.
            let lives = lives(life.reader.pid);
            for event in life.reader.events(!lives)? {
                if let Entry::Vacant(unknown) = life.threads.entry(event.thread)
                {
                    unknown.insert(life.reader.thread(event.thread)?);
                }
                events.push((at, event));
            }
            if !lives {
                ended.push(at);
            }
        }
        if events.is_empty() && ended.is_empty() {
            return Ok(None);
        }
        events.sort_by_key(|(_, event)| event.moment);
        let mut new = 0;
        let mut lanes = serde_json::Map::new();
        let mut told = Vec::new();
        for (at, event) in events {
            let life = &mut self.lives[at];
            if !life.count(&event, &mut self.counts, &mut new) {
                continue;
            }
            let Reader { worker, pid, .. } = life.reader;
            let lane = format!("{pid}.{}", event.thread);
            let (kind, more) = kind(event.what, self.counts.accepted);
            told.push(json!([
                kind,
                lane,
                format!("{pid}.{}", event.request),
                since(self.began, event.moment),
                more,
            ]));
            if let Some(Thread { id, name }) = life.threads.get(&event.thread) {
                lanes.insert(lane, json!([worker, pid, id, name]));
            }
        }
        let gone: Vec<_> =
            ended.into_iter().rev().map(|at| self.end(at)).collect();
        Ok(Some(json!({
            "now": since(self.began, file::now()),
            "counts": self.counts,
            "lanes": lanes,
            "events": told,
            "gone": gone,
        })))
    }

    /// Forgets a worker that ended, all of whose events were read.
    fn end(&mut self, at: usize) -> u32 {
        let life = self.lives.remove(at);
        // Or it would be taken for a new one.
        fs::remove_file(&life.path).ok();
        self.counts.in_hand -= life.requests.len();
        self.counts.lost += life.requests.len();
        life.reader.pid
    }
}

/// The milliseconds between two moments.
pub(super) fn since(began: u64, moment: u64) -> f64 {
    moment.saturating_sub(began) as f64 / 1e6
}

/// Whether there is such a process.
fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

impl Life {
    /// Counts an event, and says whether it is drawn.
    fn count(
        &mut self,
        event: &Event,
        counts: &mut Counts,
        new: &mut usize,
    ) -> bool {
        match event.what {
            What::Accepted => {
                counts.accepted += 1;
                *new += 1;
                let drawn = *new <= DRAWN;
                counts.undrawn += u64::from(!drawn);
                self.requests.insert(event.request, drawn);
                counts.in_hand += 1;
                drawn
            }
            What::Answered(_) | What::GivenUp => {
                counts.answered += 1;
                // It may have been accepted in what is overwritten.
                let drawn = self.requests.remove(&event.request);
                counts.in_hand -= usize::from(drawn.is_some());
                drawn == Some(true)
            }
            _ => self.requests.get(&event.request) == Some(&true),
        }
    }
}

/// A letter for each kind, and what it says more: of a request that is new,
/// the number that it has on the page.
fn kind(what: What, accepted: u64) -> (char, u64) {
    match what {
        What::Accepted => ('a', accepted),
        What::Started(nth) => ('s', nth.into()),
        What::Ended(nth) => ('e', nth.into()),
        What::Failed(nth) => ('f', nth.into()),
        What::Answered(status) => ('z', status.into()),
        What::GivenUp => ('g', 0),
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use tempfile::TempDir;

    use super::super::super::trace::file::tests::{event, written};
    use super::*;

    #[test]
    fn of_too_many_requests_some_are_drawn_from_end_to_end() {
        let folder = TempDir::new().unwrap();
        let many = DRAWN as u32 + 10;
        let each = |what| (0..many).map(move |n| event(1, n, what));
        let events: Vec<_> = each(What::Accepted)
            .chain(each(What::Started(0)))
            .chain(each(What::Answered(200)))
            .collect();
        written(folder.path(), process::id(), &events);
        let mut followed = Followed::of(folder.path(), 0);
        let news = followed.news().unwrap().unwrap();
        let told = news["events"].as_array().unwrap();
        let drawn: Vec<_> = told.iter().map(|event| &event[2]).collect();
        assert_eq!(drawn.len(), 3 * DRAWN);
        assert_eq!(drawn[..DRAWN], drawn[DRAWN..2 * DRAWN]);
        assert_eq!(drawn[..DRAWN], drawn[2 * DRAWN..]);
        let numbers = told[..DRAWN].iter().filter_map(|a| a[4].as_u64());
        assert!(numbers.eq(1..=DRAWN as u64), "{told:?}");
        let counts = Counts {
            accepted: many.into(),
            answered: many.into(),
            undrawn: 10,
            ..Counts::default()
        };
        assert_eq!(followed.counts, counts);
        assert_eq!(followed.lives[0].requests, HashMap::new());
    }

    #[test]
    fn a_worker_that_ended_is_read_to_its_end_and_forgotten() {
        let folder = TempDir::new().unwrap();
        // Past what a kernel gives.
        let ended = (1 << 22) + 1;
        // The second is torn, as a kill leaves it.
        let events = [
            event(5, 1, What::Accepted),
            event(0, 2, What::Accepted),
            event(7, 3, What::Accepted),
            event(9, 3, What::Answered(200)),
        ];
        let gone = written(folder.path(), ended, &events);
        let stays = written(folder.path(), process::id(), &events);
        let mut followed = Followed::of(folder.path(), 0);
        let mut news = || followed.news().unwrap();
        let told = news().unwrap();
        assert_eq!(told["events"].as_array().unwrap().len(), 4, "{told}");
        assert_eq!(told["gone"], json!([ended]));
        assert_eq!(told["counts"]["in_hand"], 1, "of the one that lives");
        assert_eq!(told["counts"]["lost"], 1);
        assert_eq!(news(), None);
        assert_eq!(followed.lives.len(), 1);
        assert_eq!((gone.exists(), stays.exists()), (false, true));
    }
}
