//! HTTP by hand: the tests see every byte.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
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
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(answer) = parse(&bytes) {
            return Some(answer);
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                break;
            }
            Err(error) => panic!("no answer: {error}"),
        }
    }
    assert!(bytes.is_empty(), "cut short: {}", bytes.escape_ascii());
    None
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut answer = Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        body: body.to_owned(),
    };
    let length = answer.header("content-length").unwrap_or("0").parse();
    let length: usize = length.unwrap();
    if body.len() < length {
        return None;
    }
    answer.body.truncate(length);
    Some(answer)
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

/// Whether somebody listens there.
pub(crate) fn is_taken(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
}
