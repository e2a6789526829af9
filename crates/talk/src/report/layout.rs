//! Where the bars of a timeline go: a row of a lane for each request that
//! its thread has in hand at the time, and in it a strip for each call.

use crate::trace::timeline::{Call, End, Lane, Request, Timeline};

/// The height of a row where there are few.
const ROW: f64 = 20.0;
/// The height that a lane of many rows should not exceed,
const LANE: f64 = 120.0;
/// and the least that a row then has.
const LEAST: f64 = 3.0;

/// What a bar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A request in hand.
    Request,
    /// One that was answered with an error, or given up.
    Failed,
    /// One whose end was not recorded.
    Open,
    /// A call under way: the request waits for the backend.
    Call,
    FailedCall,
    /// No call is under way: the app works, or the request waits for it.
    Own,
}

/// A rectangle. Times are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) kind: Kind,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) top: f64,
    pub(crate) height: f64,
    /// What it is, exactly.
    pub(crate) text: String,
}

/// A thread with its bars.
#[derive(Debug)]
pub(crate) struct Laid<'a> {
    pub(crate) lane: &'a Lane,
    pub(crate) height: f64,
    pub(crate) bars: Vec<Bar>,
}

/// Lays a timeline out.
pub(crate) fn lay_out(timeline: &Timeline) -> Vec<Laid<'_>> {
    let until = timeline.length();
    let lanes = timeline.lanes.iter().enumerate();
    lanes
        .map(|(at, lane)| lay_lane(timeline, at, lane, until))
        .collect()
}

/// Something that takes a row of a lane.
enum Item<'a> {
    Request(&'a Request),
    /// A call that ran on another thread than its request's.
    Call(&'a Request, &'a Call),
}

fn lay_lane<'a>(
    timeline: &'a Timeline,
    at: usize,
    lane: &'a Lane,
    until: u64,
) -> Laid<'a> {
    let requests = timeline.requests.iter();
    let mut items: Vec<_> = requests
        .flat_map(|request| {
            let calls = request.calls.iter();
            let calls =
                calls.filter(|c| c.lane == at && c.lane != request.lane);
            let calls = calls.map(|call| Item::Call(request, call));
            let own = (request.lane == at).then_some(Item::Request(request));
            own.into_iter().chain(calls)
        })
        .map(|item| {
            let (begin, end) = match item {
                Item::Request(request) => (request.begin, request.ended()),
                Item::Call(_, call) => (call.begin, end(call)),
            };
            (begin, end.unwrap_or(until).max(begin), item)
        })
        .collect();
    items.sort_by_key(|(begin, ..)| *begin);
    let spans = items.iter().map(|(begin, end, _)| (*begin, *end));
    let (rows, places) = pack(spans);
    let height = match rows as f64 * ROW {
        height if height <= LANE => ROW,
        _ => (LANE / rows as f64).max(LEAST),
    };
    let mut bars = Vec::new();
    for ((begin, end, item), row) in items.into_iter().zip(places) {
        let place = Place {
            begin,
            end,
            top: row as f64 * height,
            height: height - gap(height),
        };
        match item {
            Item::Request(request) => lay_request(request, &place, &mut bars),
            Item::Call(request, call) => {
                bars.push(call_bar(request, call, &place));
            }
        }
    }
    Laid {
        lane,
        height: rows.max(1) as f64 * height,
        bars,
    }
}

fn gap(height: f64) -> f64 {
    if height >= 8.0 { 2.0 } else { 0.5 }
}

/// Where a bar goes.
struct Place {
    begin: u64,
    end: u64,
    top: f64,
    height: f64,
}

impl Place {
    fn bar(&self, kind: Kind, text: String) -> Bar {
        Bar {
            kind,
            begin: self.begin,
            end: self.end,
            top: self.top,
            height: self.height,
            text,
        }
    }
}

fn lay_request(request: &Request, place: &Place, bars: &mut Vec<Bar>) {
    let (kind, outcome) = match request.end {
        End::At(_, 200) => (Kind::Request, "200".to_owned()),
        End::At(_, status) => (Kind::Failed, status.to_string()),
        End::GivenUp(_) => (Kind::Failed, "given up by its client".to_owned()),
        End::Never => (Kind::Open, "its end was not recorded".to_owned()),
    };
    let text = format!(
        "request {}: {}, {outcome}",
        request.number,
        span(place.begin, request.ended())
    );
    bars.push(place.bar(kind, text));
    let calls = request.calls.iter();
    let inner: Vec<_> =
        calls.filter(|call| call.lane == request.lane).collect();
    let clamp = |moment: u64| moment.clamp(place.begin, place.end);
    let within = |call: &Call| {
        (clamp(call.begin), clamp(end(call).unwrap_or(place.end)))
    };
    let (rows, places) = pack(inner.iter().map(|call| within(call)));
    let inset = gap(place.height);
    let strip = (place.height - 2.0 * inset) / rows.max(1) as f64;
    for (call, row) in inner.into_iter().zip(places) {
        let (begin, end) = within(call);
        let place = Place {
            begin,
            end,
            top: place.top + inset + row as f64 * strip,
            height: if strip > 3.0 { strip - 0.5 } else { strip },
        };
        bars.push(call_bar(request, call, &place));
    }
    for (begin, end) in own(request, place) {
        let text = format!(
            "request {}, no call under way: {}",
            request.number,
            span(begin, Some(end))
        );
        let place = Place {
            begin,
            end,
            ..*place
        };
        bars.push(place.bar(Kind::Own, text));
    }
}

fn call_bar(request: &Request, call: &Call, place: &Place) -> Bar {
    let (kind, outcome) = match call.end {
        Some((_, true)) => (Kind::Call, ""),
        Some((_, false)) => (Kind::FailedCall, ", failed"),
        None => (Kind::Call, ", its end was not recorded"),
    };
    let text = format!(
        "call {} of request {}: {}{outcome}",
        call.nth + 1,
        request.number,
        span(call.begin, end(call))
    );
    place.bar(kind, text)
}

fn end(call: &Call) -> Option<u64> {
    call.end.map(|(end, _)| end)
}

/// The stretches of a request in which none of its calls is under way.
fn own(request: &Request, place: &Place) -> Vec<(u64, u64)> {
    let mut stretches = Vec::new();
    let mut from = place.begin;
    let mut calls: Vec<_> = request.calls.iter().collect();
    calls.sort_by_key(|call| call.begin);
    for call in calls {
        if call.begin > from {
            stretches.push((from, call.begin.min(place.end)));
        }
        from = from.max(end(call).unwrap_or(place.end));
    }
    // What went on after a recording ended is not known.
    if from < place.end && request.ended().is_some() {
        stretches.push((from, place.end));
    }
    stretches
}

/// Puts each span, in the order of their beginnings, into the first row that
/// is free; how many rows there are, and the row of each.
fn pack(spans: impl Iterator<Item = (u64, u64)>) -> (usize, Vec<usize>) {
    let mut free_at: Vec<u64> = Vec::new();
    let places = spans.map(|(begin, end)| {
        match free_at.iter().position(|&free| free <= begin) {
            Some(row) => {
                free_at[row] = end;
                row
            }
            None => {
                free_at.push(end);
                free_at.len() - 1
            }
        }
    });
    let places = places.collect();
    (free_at.len(), places)
}

/// `0.125–0.250 s (125.0 ms)`
fn span(begin: u64, end: Option<u64>) -> String {
    let seconds = |moment: u64| moment as f64 / 1e6;
    match end {
        Some(end) => format!(
            "{:.4}–{:.4} s ({:.1} ms)",
            seconds(begin),
            seconds(end),
            end.saturating_sub(begin) as f64 / 1e3
        ),
        None => format!("from {:.4} s", seconds(begin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(nth: u16, begin: u64, end: u64) -> Call {
        Call {
            nth,
            lane: 0,
            begin,
            end: Some((end, true)),
        }
    }

    fn request(begin: u64, end: End, calls: Vec<Call>) -> Request {
        Request {
            number: 1,
            lane: 0,
            begin,
            end,
            calls,
        }
    }

    fn laid(requests: Vec<Request>) -> Vec<(Kind, u64, u64, f64)> {
        let timeline = Timeline {
            lanes: vec![Lane {
                worker: 1,
                process: 2,
                thread: 3,
                name: "core".to_owned(),
            }],
            requests,
            ..Timeline::default()
        };
        let laid = lay_out(&timeline);
        let bars = laid[0].bars.iter();
        bars.map(|bar| (bar.kind, bar.begin, bar.end, bar.top))
            .collect()
    }

    #[test]
    fn what_no_call_accounts_for_is_the_apps_own() {
        let calls = vec![call(0, 10, 50), call(1, 20, 40), call(2, 60, 90)];
        let bars = laid(vec![request(0, End::At(100, 200), calls)]);
        let own = bars.iter().filter(|bar| bar.0 == Kind::Own);
        let own: Vec<_> = own.map(|bar| (bar.1, bar.2)).collect();
        assert_eq!(own, [(0, 10), (50, 60), (90, 100)]);
    }

    #[test]
    fn requests_at_a_time_have_rows_of_their_own() {
        let bars = laid(vec![
            request(0, End::At(100, 200), Vec::new()),
            request(50, End::At(150, 503), Vec::new()),
            request(100, End::At(200, 200), Vec::new()),
        ]);
        let rows = bars.iter().filter(|bar| bar.0 != Kind::Own);
        let rows: Vec<_> = rows.map(|bar| (bar.0, bar.3)).collect();
        let expected = [
            (Kind::Request, 0.0),
            (Kind::Failed, ROW),
            (Kind::Request, 0.0),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn an_end_that_was_not_recorded_is_not_made_up() {
        let bars = laid(vec![
            request(0, End::Never, vec![call(0, 10, 20)]),
            request(50, End::At(150, 200), Vec::new()),
        ]);
        assert_eq!(bars[0], (Kind::Open, 0, 150, 0.0));
        let own = bars.iter().filter(|bar| bar.0 == Kind::Own);
        assert!(own.clone().all(|bar| bar.1 != 20), "{bars:?}");
    }
}
