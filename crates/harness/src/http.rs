//! HTTP/1.1 for blocking code (RFC 9112), on any kind of socket.
//!
//! The blocking models run it on std's sockets and the coroutine model on
//! may's: the same code waits in the kernel there and yields here, which is
//! what the talk shows with gevent.
//!
//! A body is never wanted: where a request brings one, or anything else
//! that would make the start of the next request a matter of opinion, the
//! connection closes after the answer.

mod head;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod script;
mod target;

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant, SystemTime};

use crate::answer::{ALLOW, Answer, RETRY_AFTER, Status};
use crate::deployment::Deployment;

pub use head::{
    HEAD_LIMIT, HEADERS_LIMIT, Head, LINE_LIMIT, Refusal, Route, parse,
};

/// What a connection needs of its socket besides `Read` and `Write`.
pub trait Socket: Read + Write {
    /// Makes a read that takes longer than `timeout` fail.
    ///
    /// # Errors
    ///
    /// The system's.
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Says that no more will be written; reading goes on.
    ///
    /// # Errors
    ///
    /// The system's.
    fn finish_writing(&self) -> io::Result<()>;

    /// Waits for the next request of a kept-alive connection; `false` where
    /// none comes within `timeout` or the worker should stop.
    ///
    /// # Errors
    ///
    /// The system's.
    fn next_request(&self, timeout: Duration) -> io::Result<bool>;

    /// Whether the client has sent more than was read.
    fn has_more(&self) -> bool;

    /// Whether the worker should stop, so that this request is the last.
    fn should_stop(&self) -> bool;
}

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// How long a head may take, from its first wait to its last byte.
    pub head_timeout: Duration,
}

/// How long a kept-alive connection may be idle.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long, and how much, of what a client still sends is thrown away so
/// that it can read its answer (RFC 9112 §9.6: closing earlier resets the
/// connection, which may cost the client the answer).
const LINGER_LIMIT: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;

impl Settings {
    /// The settings of a deployment.
    pub fn of(deployment: &Deployment) -> Self {
        Self {
            keep_alive: deployment.keep_alive,
            head_timeout: deployment.head_timeout,
        }
    }

    /// The same, but for a connection that is `refused`: it serves no
    /// further request.
    pub fn when(&self, refused: bool) -> Self {
        Self {
            keep_alive: self.keep_alive && !refused,
            ..*self
        }
    }
}

/// How many requests a connection carries; its client is told with the last
/// answer. One that always has another at hand would hold its thread or its
/// coroutine, and with a coroutine all others, for as long as it liked.
pub const MOST_REQUESTS: u32 = 1000;

/// Serves the requests of one connection, until it should be closed.
///
/// `application` answers `GET /`, given its request line; all else is
/// answered here.
///
/// # Errors
///
/// The socket's, where the client went away or stopped reading.
pub fn serve<S: Socket>(
    socket: &mut S,
    settings: &Settings,
    mut application: impl FnMut(&[u8]) -> Answer,
) -> io::Result<()> {
    let mut input = Input::default();
    for served in 1.. {
        let head = match input.read_head(socket, settings.head_timeout)? {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(Refusal { status, reason }) => {
                let answer = Answer::refusal(status, reason);
                // Whatever else is wrong with it: no body goes to HEAD.
                let without_body = input.bytes.starts_with(b"HEAD ");
                write_answer(socket, &answer, without_body, Some("close"))?;
                // A slow client has nothing on the way, and has held this
                // up for long enough.
                return match status {
                    Status::REQUEST_TIMEOUT => Ok(()),
                    _ => linger(socket),
                };
            }
        };
        let answer = match head.route {
            Route::Application => application(&input.line),
            Route::NotFound => Answer::not_found(),
            Route::MethodNotAllowed => Answer::method_not_allowed(),
        };
        let goes_on = settings.keep_alive
            && head.keep_alive
            && !head.has_body
            && served < MOST_REQUESTS
            && !socket.should_stop();
        let connection = match goes_on {
            true => head.is_old.then_some("keep-alive"),
            false => Some("close"),
        };
        write_answer(socket, &answer, head.without_body, connection)?;
        if !goes_on {
            let has_more =
                head.has_body || !input.is_empty() || socket.has_more();
            return if has_more { linger(socket) } else { Ok(()) };
        }
        if input.is_empty() && !socket.next_request(IDLE_LIMIT)? {
            return Ok(());
        }
    }
    Ok(())
}

/// What a connection has sent and no request has used yet.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    /// The method and the target of the request that came last.
    line: Vec<u8>,
}

impl Input {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads one head, `None` where the client closes or says nothing.
    fn read_head<S: Socket>(
        &mut self,
        socket: &mut S,
        timeout: Duration,
    ) -> io::Result<Result<Option<Head>, Refusal>> {
        let deadline = Instant::now() + timeout;
        let mut skipped = 0;
        let mut looked_at = 0;
        loop {
            // Away with them at once: a head that begins with thousands of
            // empty lines would be looked at as often.
            let empty = head::empty_lines(&self.bytes);
            self.bytes.drain(..empty);
            skipped += empty;
            if skipped > HEAD_LIMIT {
                self.bytes.clear();
                return Ok(Err(head::TOO_LARGE));
            }
            if self.is_worth_a_look(looked_at) {
                match self.look() {
                    Ok(None) => {}
                    outcome => return Ok(outcome),
                }
            }
            looked_at = self.bytes.len();
            let left = deadline.saturating_duration_since(Instant::now());
            let count = if left.is_zero() {
                Err(ErrorKind::TimedOut.into())
            } else {
                socket.set_read_timeout(left)?;
                self.read_some(socket)
            };
            match count {
                Ok(0) => return Ok(self.look()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    return Ok(match self.look() {
                        Ok(None) if !self.is_empty() => Err(head::TOO_SLOW),
                        outcome => outcome,
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the bytes from `from` on may have made the head whole, or
    /// shown that it never will be.
    ///
    /// A look at every byte would be as many looks as a head has bytes. So
    /// this says yes to the first of them, since those of another protocol
    /// rarely have lines; to the end of a line; and past a limit.
    fn is_worth_a_look(&self, from: usize) -> bool {
        let length = self.bytes.len();
        length > from
            && (from == 0
                || self.bytes[from..].contains(&b'\n')
                || (from <= LINE_LIMIT && length > LINE_LIMIT)
                || length > HEAD_LIMIT)
    }

    /// Takes the head, where it is whole.
    fn look(&mut self) -> Result<Option<Head>, Refusal> {
        let Some((head, length)) = head::parse(&self.bytes)? else {
            return Ok(None);
        };
        self.line.clear();
        self.line.extend(request_line(&self.bytes));
        self.bytes.drain(..length);
        Ok(Some(head))
    }

    fn read_some(&mut self, socket: &mut impl Read) -> io::Result<usize> {
        const STEP: usize = 2048;
        let length = self.bytes.len();
        self.bytes.resize(length + STEP, 0);
        let result = socket.read(&mut self.bytes[length..]);
        self.bytes.truncate(length + *result.as_ref().unwrap_or(&0));
        result
    }
}

/// The method and the target at the start of a head.
fn request_line(head: &[u8]) -> &[u8] {
    let mut lines = head.trim_ascii_start().split(|b| b"\r\n".contains(b));
    let line = lines.next().unwrap_or_default();
    let version = line.windows(6).rposition(|six| six == b" HTTP/");
    version.map_or(line, |at| &line[..at])
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

fn write_answer(
    socket: &mut impl Write,
    answer: &Answer,
    without_body: bool,
    connection: Option<&str>,
) -> io::Result<()> {
    let Answer { status, body } = answer;
    let mut bytes = Vec::with_capacity(256 + body.len());
    write!(
        bytes,
        "HTTP/1.1 {status}\r\n\
         content-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\n\
         date: {}\r\n",
        body.len(),
        httpdate::fmt_http_date(SystemTime::now()),
    )?;
    if *status == Status::METHOD_NOT_ALLOWED {
        write!(bytes, "allow: {ALLOW}\r\n")?;
    }
    if *status == Status::SERVICE_UNAVAILABLE {
        write!(bytes, "retry-after: {RETRY_AFTER}\r\n")?;
    }
    if let Some(option) = connection {
        write!(bytes, "connection: {option}\r\n")?;
    }
    bytes.extend_from_slice(b"\r\n");
    if !without_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    socket.write_all(&bytes)?;
    socket.flush()
}

fn linger<S: Socket>(socket: &mut S) -> io::Result<()> {
    socket.finish_writing()?;
    let deadline = Instant::now() + LINGER_LIMIT;
    let mut waste = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        let time = deadline.saturating_duration_since(Instant::now());
        if time.is_zero() {
            break;
        }
        socket.set_read_timeout(time)?;
        match socket.read(&mut waste) {
            Ok(0) => break,
            Ok(count) => left = left.saturating_sub(count),
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
