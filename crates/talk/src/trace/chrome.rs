//! A timeline in the trace event format that Perfetto and Chrome's own
//! viewer open.
//!
//! Bars of a thread have to nest there. Requests that share a thread do not,
//! once a model interleaves them: those go to tracks of their own.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::timeline::{Call, End, Request, Timeline};

/// Writes the timelines of these deployments.
pub(crate) fn write(
    to: &mut impl Write,
    deployments: &[(&str, &Timeline)],
) -> io::Result<()> {
    write!(to, "{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    let mut separator = "\n";
    for (name, timeline) in deployments {
        for event in names(name, timeline).chain(bars(timeline)) {
            write!(to, "{separator}{event}")?;
            separator = ",\n";
        }
    }
    writeln!(to, "\n]}}")
}

fn names<'a>(
    deployment: &'a str,
    timeline: &'a Timeline,
) -> impl Iterator<Item = Value> + 'a {
    timeline.lanes.iter().flat_map(move |lane| {
        let (pid, tid) = (lane.process, lane.thread);
        let process = format!("{deployment}, worker {}", lane.worker);
        [
            ("process_name", process),
            ("thread_name", lane.name.clone()),
        ]
        .map(|(what, name)| {
            json!({"ph": "M", "name": what, "pid": pid, "tid": tid,
                       "args": {"name": name}})
        })
    })
}

fn bars(timeline: &Timeline) -> impl Iterator<Item = Value> + '_ {
    let nests = nesting(timeline);
    let requests = timeline.requests.iter();
    requests.flat_map(move |request| {
        let nested = nests[request.lane];
        let mut events = bar(timeline, request, nested);
        for call in &request.calls {
            // A call of another thread is no part of its request's bar.
            let nested = nested && call.lane == request.lane;
            events.extend(call_bar(timeline, request, call, nested));
        }
        events
    })
}

/// For each lane, whether its requests, and the calls of each, follow one
/// another.
fn nesting(timeline: &Timeline) -> Vec<bool> {
    let mut nests = vec![true; timeline.lanes.len()];
    let mut until = vec![0; timeline.lanes.len()];
    for request in &timeline.requests {
        let lane = request.lane;
        nests[lane] &= request.begin >= until[lane];
        until[lane] = request.ended().unwrap_or(u64::MAX);
        let mut before = 0;
        let calls = request.calls.iter();
        for call in calls.filter(|call| call.lane == lane) {
            nests[lane] &= call.begin >= before;
            before = call.end.map_or(u64::MAX, |(end, _)| end);
        }
    }
    nests
}

fn bar(timeline: &Timeline, request: &Request, nested: bool) -> Vec<Value> {
    let name = format!("request {}", request.number);
    let outcome = match request.end {
        End::At(_, status) => json!(status),
        End::GivenUp(_) => json!("given up by its client"),
        End::Never => json!("not recorded"),
    };
    let args = json!({"status": outcome});
    let span = (request.begin, request.ended());
    events(timeline, request, request.lane, &name, span, &args, nested)
}

fn call_bar(
    timeline: &Timeline,
    request: &Request,
    call: &Call,
    nested: bool,
) -> Vec<Value> {
    let name = format!("call {}", call.nth + 1);
    let well = call.end.map(|(_, well)| well);
    let args = json!({"request": request.number, "well": well});
    let span = (call.begin, call.end.map(|(end, _)| end));
    events(timeline, request, call.lane, &name, span, &args, nested)
}

fn events(
    timeline: &Timeline,
    request: &Request,
    lane: usize,
    name: &str,
    (begin, end): (u64, Option<u64>),
    args: &Value,
    nested: bool,
) -> Vec<Value> {
    let lane = &timeline.lanes[lane];
    let (pid, tid) = (lane.process, lane.thread);
    if nested {
        return match end {
            Some(end) => {
                vec![json!({"ph": "X", "name": name, "pid": pid, "tid": tid,
                       "ts": begin, "dur": end - begin, "args": args})]
            }
            None => {
                vec![json!({"ph": "B", "name": name, "pid": pid, "tid": tid,
                       "ts": begin, "args": args})]
            }
        };
    }
    let id = format!("{pid}.{}", request.number);
    let event = |phase: &str, moment: u64| {
        json!({"ph": phase, "cat": "request", "id": id, "name": name,
               "pid": pid, "tid": tid, "ts": moment, "args": args})
    };
    let mut events = vec![event("b", begin)];
    events.extend(end.map(|end| event("e", end)));
    events
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Lane;
    use super::*;

    fn request(number: u32, begin: u64, end: u64) -> Request {
        Request {
            number,
            lane: 0,
            begin,
            end: End::At(end, 200),
            calls: vec![Call {
                nth: 0,
                lane: 0,
                begin: begin + 1,
                end: Some((end - 1, true)),
            }],
        }
    }

    fn phases(requests: Vec<Request>) -> String {
        let timeline = Timeline {
            lanes: vec![Lane {
                worker: 1,
                process: 9,
                thread: 10,
                name: "worker-1-core-0".to_owned(),
            }],
            requests,
            ..Timeline::default()
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &[("async \"quoted\"", &timeline)]).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let events = value["traceEvents"].as_array().unwrap().iter();
        events.map(|event| event["ph"].as_str().unwrap()).collect()
    }

    #[test]
    fn bars_nest_where_a_thread_takes_one_request_at_a_time() {
        let one_by_one = vec![request(1, 0, 10), request(2, 10, 20)];
        assert_eq!(phases(one_by_one), ["MM", "XX", "XX"].concat());
    }

    #[test]
    fn requests_at_a_time_have_tracks_of_their_own() {
        let at_once = vec![request(1, 0, 10), request(2, 5, 20)];
        assert_eq!(phases(at_once), "MMbebebebe");
    }
}
