//! HTTP by hand: the tests see every byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use crate::server::PATIENCE;

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (left, right) = line.split_once(':')?;
            left.eq_ignore_ascii_case(name).then(|| right.trim())
        })
    }
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads an answer; `None` where the server closes without one.
pub(crate) fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut answers = Answers::of(stream);
    let answer = answers.next();
    assert!(!answers.timed_out, "no answer");
    answer
}

/// The answers that come on a connection, until it ends or its time to read
/// is over.
pub(crate) struct Answers<'a> {
    stream: &'a mut TcpStream,
    bytes: Vec<u8>,
    /// Whether they are to HEAD, and so have no body.
    pub(crate) without_body: bool,
    /// Whether it was time that ended them.
    pub(crate) timed_out: bool,
}

impl<'a> Answers<'a> {
    pub(crate) fn of(stream: &'a mut TcpStream) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            without_body: false,
            timed_out: false,
        }
    }

    /// Sends a further request.
    pub(crate) fn ask(&mut self, request: &[u8]) {
        // It may be closed by now, which reading will show.
        self.stream.write_all(request).ok();
    }

    /// Says that no further request will come.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Waits no longer than this for the next ones.
    pub(crate) fn wait_for(&mut self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).unwrap();
    }
}

impl Iterator for Answers<'_> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        let mut buffer = [0; 4096];
        loop {
            if let Some((answer, end)) = parse(&self.bytes, self.without_body) {
                self.bytes.drain(..end);
                return Some(answer);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionReset => break,
                    io::ErrorKind::WouldBlock => {
                        self.timed_out = true;
                        break;
                    }
                    _ => panic!("no answer: {error}"),
                },
            }
        }
        let rest = self.bytes.escape_ascii();
        assert!(self.bytes.is_empty(), "cut short: {rest}");
        None
    }
}

/// The first answer, and how many bytes it takes.
fn parse(bytes: &[u8], without_body: bool) -> Option<(Answer, usize)> {
    let at = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let mut answer = Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head,
        body: String::new(),
    };
    let length = answer.header("content-length").unwrap_or("0").parse();
    let length: usize = if without_body { 0 } else { length.unwrap() };
    let end = at + 4 + length;
    let body = bytes.get(at + 4..end)?;
    answer.body = String::from_utf8_lossy(body).into_owned();
    Some((answer, end))
}

/// Sends bytes on a connection of their own, and reads the answer.
pub(crate) fn exchange(port: u16, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(port);
    // A server may refuse a request before it has read all of it.
    stream.write_all(request).ok();
    read(&mut stream)
}

pub(crate) fn ask(port: u16, method: &str, path: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\
         Connection: close\r\n\r\n"
    );
    exchange(port, request.as_bytes()).expect("closed without an answer")
}

pub(crate) fn get(port: u16, path: &str) -> Answer {
    ask(port, "GET", path)
}

/// A connection with a request under way, whose answer is not waited for.
pub(crate) fn asked(port: u16, target: &str) -> TcpStream {
    let mut stream = connect(port);
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Whether somebody listens there.
pub(crate) fn is_taken(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
}
