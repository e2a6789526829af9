//! What has to hold for any bytes: of the head parser, of the loop that
//! serves a connection, and of the files of deployments and workloads.
//!
//! The targets in fuzz/ call these functions with what libFuzzer finds; a
//! test calls them with the seeds there and with changes to them.

use std::path::Path;
use std::time::{Duration, Instant};

use workload::{Drawn, Workload};

use crate::answer::Answer;
use crate::deployment::{Calls, Deployment, Keys, OF_SOME_APPS};
use crate::http::script::Script;
use crate::http::{self, HEAD_LIMIT, Head, Refusal, Route, Settings};

#[cfg(test)]
mod tests;

/// A head is the same however it is cut, and nothing in it can be read in
/// another way by the next server.
///
/// # Panics
///
/// Where that does not hold.
pub fn head(bytes: &[u8]) {
    let whole = http::parse(bytes);
    let step = bytes.len() / 16 + 1;
    for cut in (0..bytes.len()).step_by(step) {
        let part = http::parse(&bytes[..cut]);
        let agrees = part == Ok(None) || part == whole;
        assert!(agrees, "{part:?} of the first {cut} bytes, then {whole:?}");
    }
    if let Ok(Some((head, length))) = whole {
        assert_eq!(http::parse(&bytes[..length - 1]), Ok(None));
        assert_eq!(http::parse(&bytes[..length]), Ok(Some((head, length))));
        assert_clear(&bytes[..length]);
    }
}

/// Looks for what smuggles requests, by other means than the parser's.
fn assert_clear(head: &[u8]) {
    let mut lines = head
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let line = lines.next().unwrap_or_default();
    let mut counts = [0; 3];
    for field in lines {
        assert!(!field.starts_with(b" ") && !field.starts_with(b"\t"));
        let end = field.iter().position(|&byte| byte == b':');
        let name = &field[..end.unwrap_or(0)];
        let names = ["host", "content-length", "transfer-encoding"];
        for (known, count) in names.into_iter().zip(&mut counts) {
            let is_it =
                name.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
            *count += usize::from(is_it);
        }
        assert_no_control(field);
    }
    assert_no_control(line);
    let [hosts, lengths, codings] = counts;
    let is_new = line.ends_with(b" HTTP/1.1");
    assert!(hosts == 1 || (hosts == 0 && !is_new), "{hosts} hosts");
    assert!(lengths <= 1, "{lengths} lengths");
    assert!(lengths == 0 || codings == 0, "a length and a coding");
    assert!(codings == 0 || is_new, "a coding on HTTP/1.0");
}

fn assert_no_control(line: &[u8]) {
    let stands = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
    assert!(line.iter().all(stands), "a control byte");
}

/// A connection is answered as its requests ask, one answer to each, however
/// its bytes arrive.
///
/// # Panics
///
/// Where that does not hold.
pub fn connection(bytes: &[u8]) {
    let whole = vec![bytes.to_vec()];
    // With the end of the connection behind them, or nothing for a while.
    for (pieces, hangs) in [(whole, false), (cut(bytes), true)] {
        let expected = expected_answers(bytes, hangs);
        assert_eq!(answers(pieces, hangs), expected, "hangs: {hangs}");
    }
}

/// Cuts bytes as they say themselves, most often into small pieces.
fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let size = match first % 16 {
            15 => 1000,
            small => usize::from(small) + 1,
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

/// Whether an answer has a body, and its status.
type Answered = (u16, bool);

/// What a connection should be answered, by the parser alone.
fn expected_answers(bytes: &[u8], hangs: bool) -> Vec<Answered> {
    let mut answers = Vec::new();
    let mut rest = bytes;
    loop {
        let before = rest.len();
        while let Some(after) =
            rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n"))
        {
            rest = after;
        }
        let refused_body = !rest.starts_with(b"HEAD ");
        if before - rest.len() > HEAD_LIMIT {
            answers.push((431, true));
            return answers;
        }
        match http::parse(rest) {
            Ok(Some((head, length))) => {
                answers.push((status(&head), !head.without_body));
                if head.has_body || !head.keep_alive {
                    return answers;
                }
                rest = &rest[length..];
            }
            Ok(None) => {
                if hangs && !rest.is_empty() {
                    answers.push((408, refused_body));
                }
                return answers;
            }
            Err(Refusal { status, .. }) => {
                answers.push((status.code, refused_body));
                return answers;
            }
        }
    }
}

fn status(head: &Head) -> u16 {
    match head.route {
        Route::Application => 200,
        Route::NotFound => 404,
        Route::MethodNotAllowed => 405,
    }
}

/// What a connection is answered.
fn answers(pieces: Vec<Vec<u8>>, hangs: bool) -> Vec<Answered> {
    let settings = Settings {
        keep_alive: true,
        head_timeout: Duration::from_secs(60),
    };
    let mut script = Script::of(pieces);
    script.hangs = hangs;
    let served = http::serve(&mut script, &settings, |_| {
        Answer::from(Ok("served\n".to_owned()))
    });
    assert!(served.is_ok(), "{served:?}");
    let before_wait = script.sent_before_wait.unwrap_or(usize::MAX);
    let mut answers = Vec::new();
    let mut at = 0;
    while at < script.output.len() {
        let (answer, length) = read_answer(&script.output[at..]);
        let is_served = [200, 404, 405].contains(&answer.0);
        assert!(!is_served || at < before_wait, "{answer:?} came late");
        answers.push(answer);
        at += length;
    }
    answers
}

/// The first answer, and how long it is.
fn read_answer(bytes: &[u8]) -> (Answered, usize) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let (Some(status), Some(length)) = (status, length) else {
        panic!("no answer: {text:?}");
    };
    // No body of these begins as an answer does.
    let has_body = !body.is_empty() && !body.starts_with("HTTP/1.1 ");
    let end = head.len() + 4 + if has_body { length } else { 0 };
    assert!(end <= bytes.len(), "cut short: {text:?}");
    ((status, has_body), end)
}

/// A deployment file is refused in one line that says where, or every one of
/// its values can be worked with.
///
/// # Panics
///
/// Where that does not hold.
pub fn deployment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for own in [&OF_SOME_APPS[..], &[]] {
        let path = Path::new("fuzz.toml");
        let read =
            Deployment::parse("app-fuzz", own, path, text, Keys::default());
        match read {
            Ok(deployment) => assert_workable(&deployment),
            Err(error) => assert_told(&error.to_string(), text),
        }
    }
}

fn assert_workable(deployment: &Deployment) {
    let Deployment {
        processes,
        threads,
        coroutines,
        in_flight,
        listen,
        timeout,
        head_timeout,
        limits,
        calls,
        heavy,
        ..
    } = deployment;
    assert!([processes, threads, coroutines].into_iter().all(|&n| n > 0));
    assert!(*in_flight != Some(0) && *listen > 0);
    let calls = match calls {
        Calls::Durations(durations) => &durations[..],
        // It is read when the plan is made, and strict itself.
        Calls::Workload(_) => &[0.0],
    };
    assert!(!calls.is_empty());
    assert!(!timeout.is_zero() && !head_timeout.is_zero());
    let calls = calls.iter().map(|&call| Duration::from_secs_f64(call));
    let stuck = limits.harakiri.into_iter().chain(limits.heartbeat);
    let others = [*timeout, *head_timeout, *heavy, limits.stop];
    for wait in calls.chain(stuck).chain(others) {
        let deadline = Instant::now().checked_add(wait);
        assert!(deadline.is_some(), "{wait:?} from now is never");
    }
}

/// A workload file is refused in one line that says where, or it is the same
/// again once it has been written, and all of its calls can be waited for.
///
/// # Panics
///
/// Where that does not hold.
pub fn workload(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let path = Path::new("fuzz.toml");
    let workload = match Workload::parse(path, text) {
        Ok(workload) => workload,
        Err(error) => return assert_told(&error.to_string(), text),
    };
    assert_eq!(workload.check(), Ok(()));
    let again = Workload::parse(path, &workload.to_toml());
    assert!(again.is_ok_and(|again| again == workload), "not whole");
    for (index, call) in workload.calls().enumerate().take(20) {
        match call.draw(workload.seed, index, bytes.len() as u64) {
            Drawn::Answer(delay) | Drawn::Fail(delay) => {
                let deadline = Instant::now().checked_add(delay);
                assert!(deadline.is_some(), "{delay:?} from now is never");
            }
            Drawn::Hang => assert!(call.hangs > 0.0, "{call:?}"),
        }
    }
}

fn assert_told(message: &str, text: &str) {
    assert!(!message.contains(char::is_control), "no line: {message:?}");
    let Some(rest) = message.strip_prefix("fuzz.toml:") else {
        assert!(message.starts_with("calls: "), "no line: {message:?}");
        return;
    };
    let line = rest.split(':').next().and_then(|line| line.parse().ok());
    let line: usize = line.unwrap_or(0);
    let lines = text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&line), "line of {lines}: {message:?}");
}
