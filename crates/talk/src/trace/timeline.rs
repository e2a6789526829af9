//! What was traced, put together again: requests, and the calls of each.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::file::{Record, Thread, What};

/// Requests of one run that are kept with the results; of more, every so
/// many is.
pub(crate) const KEPT: usize = 500;
/// Points that a curve over time is kept with.
const POINTS: usize = 200;

/// What the workers of a deployment did in one run. Times are in
/// microseconds from its start.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Timeline {
    /// When the recording ended.
    pub(crate) until: u64,
    /// Requests that were recorded.
    pub(crate) recorded: usize,
    /// Events that were recorded and overwritten by later ones.
    pub(crate) lost: u64,
    /// The most requests in hand at once.
    pub(crate) most_at_once: usize,
    pub(crate) lanes: Vec<Lane>,
    /// In the order in which they were accepted.
    pub(crate) requests: Vec<Request>,
    /// How many were answered by when.
    pub(crate) answered: Vec<(u64, usize)>,
}

/// A thread.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Lane {
    pub(crate) worker: usize,
    pub(crate) process: u32,
    pub(crate) thread: u64,
    pub(crate) name: String,
}

/// A request, from when it was accepted to when its answer was ready.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(from = "RequestRow", into = "RequestRow")]
pub(crate) struct Request {
    /// Its place in the order in which they were accepted, from 1 on.
    pub(crate) number: u32,
    pub(crate) lane: usize,
    pub(crate) begin: u64,
    pub(crate) end: End,
    pub(crate) calls: Vec<Call>,
}

/// How a request or a call ended, as far as was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// With this status: for a call, 200, or 0 where it failed.
    At(u64, u16),
    /// Its client went away.
    GivenUp(u64),
    /// It had not ended when the recording did.
    Never,
}

/// A call of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Its place in the plan.
    pub(crate) nth: u16,
    /// The thread that it began on.
    pub(crate) lane: usize,
    pub(crate) begin: u64,
    /// When it ended, and whether it went well.
    pub(crate) end: Option<(u64, bool)>,
}

/// As it is written: a number each, since there are many.
type RequestRow = (u32, usize, u64, Option<u64>, Option<u16>, Vec<CallRow>);
type CallRow = (u16, usize, u64, Option<u64>, bool);

impl From<Request> for RequestRow {
    fn from(request: Request) -> Self {
        let (end, status) = match request.end {
            End::At(end, status) => (Some(end), Some(status)),
            End::GivenUp(end) => (Some(end), None),
            End::Never => (None, None),
        };
        let calls = request.calls.into_iter().map(|call| {
            let (end, well) = call.end.unzip();
            let well = well.unwrap_or(false);
            (call.nth, call.lane, call.begin, end, well)
        });
        let calls = calls.collect();
        let Request {
            number,
            lane,
            begin,
            ..
        } = request;
        (number, lane, begin, end, status, calls)
    }
}

impl From<RequestRow> for Request {
    fn from(row: RequestRow) -> Self {
        let (number, lane, begin, end, status, calls) = row;
        let end = match (end, status) {
            (Some(end), Some(status)) => End::At(end, status),
            (Some(end), None) => End::GivenUp(end),
            (None, _) => End::Never,
        };
        let calls = calls.into_iter();
        let calls = calls.map(|(nth, lane, begin, end, well)| Call {
            nth,
            lane,
            begin,
            end: end.map(|end| (end, well)),
        });
        Self {
            number,
            lane,
            begin,
            end,
            calls: calls.collect(),
        }
    }
}

impl Request {
    /// When it ended, in whatever way.
    pub(crate) fn ended(&self) -> Option<u64> {
        match self.end {
            End::At(end, _) | End::GivenUp(end) => Some(end),
            End::Never => None,
        }
    }
}

impl Timeline {
    /// What was recorded of the requests that were accepted within these
    /// moments.
    pub(crate) fn of(records: Vec<Record>, from: u64, to: u64) -> Self {
        let since = |moment: u64| moment.saturating_sub(from) / 1000;
        let mut timeline = Self {
            until: since(to),
            ..Self::default()
        };
        for record in records {
            timeline.lost += record.lost;
            let first_lane = timeline.lanes.len();
            let lanes = record.threads.iter();
            let lanes = lanes.map(|Thread { id, name }| Lane {
                worker: record.worker,
                process: record.pid,
                thread: *id,
                name: name.clone(),
            });
            timeline.lanes.extend(lanes);
            let mut places = HashMap::new();
            for event in record.events {
                let lane = first_lane + event.thread;
                let moment = since(event.moment);
                if event.what == What::Accepted {
                    if (from..=to).contains(&event.moment) {
                        places.insert(event.request, timeline.requests.len());
                        timeline.requests.push(Request {
                            number: event.request,
                            lane,
                            begin: moment,
                            end: End::Never,
                            calls: Vec::new(),
                        });
                    }
                    continue;
                }
                let Some(&place) = places.get(&event.request) else {
                    // Its beginning was before the run, or is lost.
                    continue;
                };
                timeline.requests[place].goes_on(event.what, lane, moment);
            }
        }
        timeline.requests.sort_by_key(|request| request.begin);
        // What the app calls them is apart for each of its processes.
        for (number, request) in (1..).zip(&mut timeline.requests) {
            request.number = number;
        }
        timeline.recorded = timeline.requests.len();
        timeline.sort_lanes();
        timeline.most_at_once = timeline.most_at_once();
        timeline.answered = timeline.answered_by();
        timeline
    }

    /// The same with no more requests than [`KEPT`].
    pub(crate) fn sampled(mut self) -> Self {
        let every = self.requests.len().div_ceil(KEPT).max(1);
        let requests = self.requests.into_iter();
        self.requests = requests.step_by(every).collect();
        self
    }

    /// When the last of the requests ended; one whose end was not recorded
    /// may have gone on as long as the recording.
    pub(crate) fn length(&self) -> u64 {
        let requests = self.requests.iter();
        let ends = requests.map(|r| r.ended().unwrap_or(self.until));
        let last = self.answered.last().map(|(moment, _)| *moment);
        ends.chain(last).max().unwrap_or(0)
    }

    /// How long the requests took, without what the hammer does before the
    /// first.
    pub(crate) fn took(&self) -> u64 {
        let first = self.requests.first().map_or(0, |request| request.begin);
        self.length().saturating_sub(first)
    }

    /// Puts the lanes in the order of their names, and drops those that
    /// have nothing.
    fn sort_lanes(&mut self) {
        let mut used = vec![false; self.lanes.len()];
        for request in &self.requests {
            used[request.lane] = true;
            request.calls.iter().for_each(|call| used[call.lane] = true);
        }
        let mut order: Vec<_> =
            (0..used.len()).filter(|&at| used[at]).collect();
        order.sort_by_key(|&at| {
            let lane = &self.lanes[at];
            let (kind, number) = natural(&lane.name);
            let takes_requests = kind.contains("core");
            (lane.worker, lane.process, !takes_requests, kind, number)
        });
        let mut place = vec![0; used.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        for request in &mut self.requests {
            request.lane = place[request.lane];
            for call in &mut request.calls {
                call.lane = place[call.lane];
            }
        }
        let lanes = order.iter().map(|&old| self.lanes[old].clone());
        self.lanes = lanes.collect();
    }

    fn most_at_once(&self) -> usize {
        let begins = self.requests.iter().map(|r| (r.begin, 1));
        let ends = self.requests.iter().filter_map(Request::ended);
        // At the same moment, the end comes first.
        let mut steps: Vec<_> = begins.chain(ends.map(|e| (e, -1))).collect();
        steps.sort_unstable();
        let mut now = 0_i64;
        let counts = steps.iter().map(|(_, step)| {
            now += step;
            now
        });
        usize::try_from(counts.max().unwrap_or(0)).unwrap_or(0)
    }

    fn answered_by(&self) -> Vec<(u64, usize)> {
        let mut ends: Vec<_> = self
            .requests
            .iter()
            .filter_map(|request| match request.end {
                End::At(end, _) => Some(end),
                _ => None,
            })
            .collect();
        ends.sort_unstable();
        let count = ends.len();
        let every = count.div_ceil(POINTS).max(1);
        let points = ends.into_iter().zip(1..);
        points
            .filter(|(_, n)| n % every == 0 || *n == count)
            .collect()
    }
}

impl Request {
    fn goes_on(&mut self, what: What, lane: usize, moment: u64) {
        let mut end_call = |nth, well| {
            let open = self.calls.iter_mut().rev();
            let mut open = open.filter(|c| c.nth == nth && c.end.is_none());
            if let Some(call) = open.next() {
                call.end = Some((moment, well));
            }
        };
        match what {
            What::Accepted => {}
            What::Started(nth) => self.calls.push(Call {
                nth,
                lane,
                begin: moment,
                end: None,
            }),
            What::Ended(nth) => end_call(nth, true),
            What::Failed(nth) => end_call(nth, false),
            What::Answered(status) => self.end = End::At(moment, status),
            What::GivenUp => self.end = End::GivenUp(moment),
        }
    }
}

/// A name and the number at its end, so that 10 comes after 9.
fn natural(name: &str) -> (&str, u64) {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (kind, name[kind.len()..].parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::event;
    use super::*;

    fn thread(name: &str) -> Thread {
        let name = name.to_owned();
        Thread { id: 1, name }
    }

    fn record(events: Vec<super::super::file::Event>) -> Record {
        Record {
            worker: 1,
            pid: 9,
            threads: vec![thread("worker-1-core-0")],
            events,
            lost: 0,
        }
    }

    #[test]
    fn calls_are_put_to_their_requests() {
        let timeline = Timeline::of(
            vec![record(vec![
                event(1_000, 1, What::Accepted),
                event(2_000, 2, What::Accepted),
                event(3_000, 1, What::Started(0)),
                event(4_000, 2, What::Started(0)),
                event(5_000, 1, What::Ended(0)),
                event(6_000, 2, What::Failed(0)),
                event(7_000, 2, What::Answered(502)),
            ])],
            1_000,
            9_000,
        );
        let [one, two] = &timeline.requests[..] else {
            panic!("{timeline:?}");
        };
        assert_eq!((one.begin, one.end), (0, End::Never));
        assert_eq!(one.calls[0].end, Some((4, true)));
        assert_eq!(two.end, End::At(6, 502));
        assert_eq!(two.calls[0].end, Some((5, false)));
        assert_eq!((timeline.recorded, timeline.most_at_once), (2, 2));
        assert_eq!(timeline.answered, [(6, 1)]);
        assert_eq!(timeline.length(), 8, "as long as one may have gone on");
    }

    #[test]
    fn what_passes_before_the_first_request_is_no_time_of_theirs() {
        let events = vec![
            event(4_000, 1, What::Accepted),
            event(7_000, 1, What::Answered(200)),
        ];
        let timeline = Timeline::of(vec![record(events)], 1_000, 9_000);
        assert_eq!((timeline.length(), timeline.took()), (6, 3));
    }

    #[test]
    fn what_began_before_the_run_is_left_out() {
        let timeline = Timeline::of(
            vec![record(vec![
                event(1_000, 1, What::Accepted),
                event(5_000, 1, What::Answered(200)),
                event(6_000, 2, What::Accepted),
                event(7_000, 6, What::Accepted),
            ])],
            3_000,
            9_000,
        );
        let requests = timeline.requests.iter();
        let numbers: Vec<_> = requests.map(|r| (r.number, r.begin)).collect();
        assert_eq!(numbers, [(1, 3), (2, 4)]);
    }

    #[test]
    fn of_many_requests_every_so_many_is_kept() {
        let events = (1..=10_000).flat_map(|n| {
            let at = u64::from(n) * 1_000;
            let accepted = event(at, n, What::Accepted);
            [accepted, event(at + 500, n, What::Answered(200))]
        });
        let all = Timeline::of(vec![record(events.collect())], 0, u64::MAX);
        let some = all.clone().sampled();
        assert_eq!((all.recorded, some.recorded), (10_000, 10_000));
        assert_eq!(some.requests.len(), KEPT);
        assert!(some.answered.len() <= POINTS + 1);
        assert_eq!(some.answered.last().unwrap().1, 10_000);
    }

    #[test]
    fn lanes_are_in_the_order_of_their_names() {
        let mut record = record(Vec::new());
        let names = ["pool-10", "pool-9", "idle", "worker-1-core-0"];
        record.threads = names.map(thread).to_vec();
        for (at, thread) in [0, 1, 3].into_iter().enumerate() {
            let mut accepted = event(at as u64, at as u32, What::Accepted);
            accepted.thread = thread;
            record.events.push(accepted);
        }
        let timeline = Timeline::of(vec![record], 0, 9);
        let names = timeline.lanes.iter().map(|lane| &*lane.name);
        let expected = ["worker-1-core-0", "pool-9", "pool-10"];
        assert!(names.eq(expected), "{:?}", timeline.lanes);
        let lanes = timeline.requests.iter().map(|request| request.lane);
        assert!(lanes.eq([2, 1, 0]), "{:?}", timeline.requests);
    }

    #[test]
    fn a_timeline_is_read_as_it_was_written() {
        let timeline = Timeline::of(
            vec![record(vec![
                event(1_000, 1, What::Accepted),
                event(3_000, 1, What::Started(0)),
                event(4_000, 1, What::Started(1)),
                event(5_000, 1, What::Failed(0)),
                event(6_000, 1, What::GivenUp),
                event(7_000, 2, What::Accepted),
                event(8_000, 2, What::Answered(200)),
            ])],
            0,
            9_000,
        );
        let text = serde_json::to_string(&timeline).unwrap();
        let read: Timeline = serde_json::from_str(&text).unwrap();
        assert_eq!(read, timeline);
    }
}
