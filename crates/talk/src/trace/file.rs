//! The files that an app's workers trace to, as the harness lays them out
//! (`crates/harness/src/trace/rings.rs` says how).
//!
//! They are read while they are written: what is not whole yet is left for
//! the next time, and what a killed worker left unfinished is left out.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

const VERSION: u32 = 1;
const RINGS: u64 = 4;
/// Of a ring.
const RECORDS: u64 = 1 << 16;
const THREADS: usize = 512;
const WORD: u64 = 8;
const PAGE: u64 = 512 * WORD;
/// The counts of the rings, each in a line of its own.
const COUNTS: u64 = PAGE - RINGS * LINE;
const LINE: u64 = 8 * WORD;
const ENTRY: u64 = 4 * WORD;
const FIRST_RING: u64 = PAGE + THREADS as u64 * ENTRY;
const RECORD: u64 = 2 * WORD;
const RING: u64 = RECORDS * RECORD;
/// By how much what one thread records may be older than what another has
/// recorded before it. What is older still is of the ring's last round.
const DISORDER: u64 = 1_000_000_000;

/// Something that a worker recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Event {
    /// Nanoseconds of the clock that all processes share.
    pub(crate) moment: u64,
    pub(crate) request: u32,
    /// The entry of the thread that recorded it.
    pub(crate) thread: usize,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    Accepted,
    /// Which call.
    Started(u16),
    Ended(u16),
    Failed(u16),
    /// The status.
    Answered(u16),
    GivenUp,
}

impl Event {
    fn of(moment: u64, word: u64) -> Option<Self> {
        let more = (word & 0xffff) as u16;
        let what = match word >> 16 & 0xf {
            1 => What::Accepted,
            2 => What::Started(more),
            3 => What::Ended(more),
            4 => What::Failed(more),
            5 => What::Answered(more),
            6 => What::GivenUp,
            _ => return None,
        };
        Some(Self {
            moment,
            request: (word >> 32) as u32,
            thread: (word >> 20 & 0xfff) as usize,
            what,
        })
    }
}

/// A thread of a worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    pub(crate) name: String,
}

/// What a file says of itself.
#[derive(Clone, Debug, Deserialize)]
struct Head {
    talk_trace: u32,
    worker: usize,
    pid: u32,
}

/// The record of one worker, read as it grows.
pub(crate) struct Reader {
    file: File,
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    rings: [Ring; RINGS as usize],
    /// Events that were overwritten before they were read.
    pub(crate) lost: u64,
}

/// How far a ring was read.
#[derive(Clone, Copy, Default)]
struct Ring {
    /// The first event that was not read yet.
    next: u64,
    newest: u64,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::try_open(path)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    fn try_open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let mut page = [0; PAGE as usize];
        file.read_exact_at(&mut page, 0).context("it is cut off")?;
        let line = page.split(|&byte| byte == b'\n').next();
        let head: Head = serde_json::from_slice(line.unwrap_or_default())
            .context("it is no trace")?;
        if head.talk_trace != VERSION {
            bail!("it is of version {}", head.talk_trace);
        }
        Ok(Self {
            file,
            worker: head.worker,
            pid: head.pid,
            rings: [Ring::default(); RINGS as usize],
            lost: 0,
        })
    }

    /// What was recorded since the last time, up to what is not whole yet;
    /// or `past_gaps`, which a worker that is gone may have left.
    pub(crate) fn events(&mut self, past_gaps: bool) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for (at, mut ring) in (0..).zip(self.rings) {
            self.read_ring(at, &mut ring, past_gaps, &mut events)?;
            self.rings[at as usize] = ring;
        }
        events.sort_by_key(|event| event.moment);
        Ok(events)
    }

    fn read_ring(
        &mut self,
        at: u64,
        ring: &mut Ring,
        past_gaps: bool,
        events: &mut Vec<Event>,
    ) -> Result<()> {
        let count = self.word(COUNTS + at * LINE)?;
        let from = ring.next.max(count.saturating_sub(RECORDS));
        self.lost += from - ring.next;
        ring.next = from;
        while ring.next < count {
            let place = ring.next % RECORDS;
            let many = (count - ring.next).min(RECORDS - place);
            let mut bytes = vec![0; (many * RECORD) as usize];
            let place = FIRST_RING + at * RING + place * RECORD;
            self.file
                .read_exact_at(&mut bytes, place)
                .context("a trace is cut off")?;
            for record in bytes.chunks_exact(RECORD as usize) {
                let moment = word(&record[..8]);
                let unwritten = moment == 0 || moment + DISORDER < ring.newest;
                if unwritten && !past_gaps {
                    return Ok(());
                }
                ring.next += 1;
                if !unwritten {
                    ring.newest = ring.newest.max(moment);
                    events.extend(Event::of(moment, word(&record[8..])));
                }
            }
        }
        Ok(())
    }

    /// The thread of this entry.
    pub(crate) fn thread(&self, entry: usize) -> Result<Thread> {
        let mut bytes = [0; ENTRY as usize];
        let place = PAGE + entry.min(THREADS - 1) as u64 * ENTRY;
        self.file.read_exact_at(&mut bytes, place)?;
        let name = bytes[8..].split(|&byte| byte == 0).next();
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        Ok(Thread {
            id: word(&bytes[..8]),
            name: name.into_owned(),
        })
    }

    fn word(&self, place: u64) -> Result<u64> {
        let mut bytes = [0; WORD as usize];
        self.file
            .read_exact_at(&mut bytes, place)
            .context("a trace is cut off")?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

fn word(bytes: &[u8]) -> u64 {
    let bytes = bytes.try_into().unwrap_or_default();
    u64::from_ne_bytes(bytes)
}

/// All that one worker recorded.
pub(crate) struct Record {
    pub(crate) worker: usize,
    pub(crate) pid: u32,
    pub(crate) threads: Vec<Thread>,
    pub(crate) events: Vec<Event>,
    pub(crate) lost: u64,
}

/// All that was traced to a folder.
pub(crate) fn read(folder: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in files(folder) {
        let mut reader = Reader::open(&path)?;
        let events = reader.events(true)?;
        let threads = events.iter().map(|event| event.thread + 1).max();
        let threads = 0..threads.unwrap_or(0);
        records.push(Record {
            worker: reader.worker,
            pid: reader.pid,
            threads: threads
                .map(|entry| reader.thread(entry))
                .collect::<Result<_>>()?,
            events,
            lost: reader.lost,
        });
    }
    Ok(records)
}

/// The files of a folder that are traces by their name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.map(|file| file.path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "trace"))
        .collect();
    files.sort();
    files
}

/// The moment that it is now, by the clock of the events.
pub(crate) fn now() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    // This clock cannot fail.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    let now =
        now.map_or_else(|_| Default::default(), std::time::Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A file with these events, as a worker writes it.
    pub(crate) fn written(
        folder: &Path,
        pid: u32,
        events: &[Event],
    ) -> PathBuf {
        let path = folder.join(format!("worker-1-{pid}.trace"));
        let file = File::create(&path).unwrap();
        file.set_len(FIRST_RING + RINGS * RING).unwrap();
        let head = format!("{{\"talk_trace\":1,\"worker\":1,\"pid\":{pid}}}\n");
        file.write_all_at(head.as_bytes(), 0).unwrap();
        let thread = [&7_u64.to_ne_bytes()[..], b"worker-1-core-0"].concat();
        file.write_all_at(&thread, PAGE).unwrap();
        for (at, event) in events.iter().enumerate() {
            write(&file, at as u64, event);
        }
        path
    }

    fn write(file: &File, at: u64, event: &Event) {
        let (kind, more) = match event.what {
            What::Accepted => (1, 0),
            What::Started(call) => (2, call),
            What::Ended(call) => (3, call),
            What::Failed(call) => (4, call),
            What::Answered(status) => (5, status),
            What::GivenUp => (6, 0),
        };
        let word = u64::from(event.request) << 32
            | (event.thread as u64) << 20
            | kind << 16
            | u64::from(more);
        let bytes = [event.moment.to_ne_bytes(), word.to_ne_bytes()].concat();
        let place = FIRST_RING + at % RECORDS * RECORD;
        file.write_all_at(&bytes, place).unwrap();
        file.write_all_at(&(at + 1).to_ne_bytes(), COUNTS).unwrap();
    }

    pub(crate) fn event(moment: u64, request: u32, what: What) -> Event {
        Event {
            moment,
            request,
            thread: 0,
            what,
        }
    }

    #[test]
    fn a_trace_is_read_as_it_grows() {
        let folder = TempDir::new().unwrap();
        let first = event(5, 1, What::Accepted);
        let path = written(folder.path(), 9, &[first]);
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.events(false).unwrap(), [first]);
        assert_eq!(reader.events(false).unwrap(), []);
        let file = File::options().write(true).open(&path).unwrap();
        let torn = event(0, 1, What::Started(0));
        let last = event(7, 1, What::Answered(200));
        write(&file, 1, &torn);
        write(&file, 2, &last);
        assert_eq!(reader.events(false).unwrap(), [], "one is not whole yet");
        let whole = Event { moment: 6, ..torn };
        write(&file, 1, &whole);
        file.write_all_at(&3_u64.to_ne_bytes(), COUNTS).unwrap();
        assert_eq!(reader.events(false).unwrap(), [whole, last]);
        let thread = reader.thread(0).unwrap();
        assert_eq!((thread.id, &*thread.name), (7, "worker-1-core-0"));
    }

    #[test]
    fn what_a_killed_worker_left_unfinished_is_left_out() {
        let folder = TempDir::new().unwrap();
        let whole = [
            event(5, 1, What::Accepted),
            event(7, 1, What::Answered(200)),
        ];
        let torn = event(0, 1, What::Started(0));
        written(folder.path(), 9, &[whole[0], torn, whole[1]]);
        let records = read(folder.path()).unwrap();
        assert_eq!(records[0].events, whole);
    }

    #[test]
    fn what_was_overwritten_is_counted() {
        let folder = TempDir::new().unwrap();
        let path = written(folder.path(), 9, &[]);
        let file = File::options().write(true).open(&path).unwrap();
        for at in RECORDS..RECORDS + 3 {
            write(&file, at, &event(at, at as u32, What::Accepted));
        }
        let records = read(folder.path()).unwrap();
        let requests = records[0].events.iter().map(|event| event.request);
        let latest = RECORDS as u32..RECORDS as u32 + 3;
        assert!(requests.eq(latest), "{:?}", records[0].events);
        assert_eq!(records[0].lost, 3);
    }

    #[test]
    fn a_file_that_is_no_trace_is_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("mine.trace");
        fs::write(&path, "mine").unwrap();
        let error = format!("{:#}", read(folder.path()).err().unwrap());
        assert!(error.contains("mine.trace: it is cut off"), "{error}");
        fs::write(&path, vec![b'x'; PAGE as usize]).unwrap();
        let error = format!("{:#}", read(folder.path()).err().unwrap());
        assert!(error.contains("mine.trace: it is no trace"), "{error}");
    }
}
