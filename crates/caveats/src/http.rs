//! HTTP/1.1 by hand, as little as a demonstration needs: one request per
//! connection, on any kind of socket.

use std::io::{self, ErrorKind, Read, Write};

use harness::answer::Answer;

/// No head here is longer.
const HEAD_LIMIT: usize = 4096;

/// Reads the head of a request, and returns its path.
///
/// # Errors
///
/// The socket's, or `InvalidData` where that is no request.
pub fn read_path(stream: &mut impl Read) -> io::Result<String> {
    let head = read_head(stream)?;
    let mut words = head.split(' ');
    match (words.next(), words.next()) {
        (Some("GET"), Some(path)) => Ok(path.to_owned()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "this is no GET")),
    }
}

/// Writes an answer, after which the connection is to be closed.
///
/// # Errors
///
/// The socket's.
pub fn write_answer(
    stream: &mut impl Write,
    answer: &Answer,
) -> io::Result<()> {
    let Answer { status, body } = answer;
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes())
}

/// Asks for `path`, and reads the answer to its end.
///
/// # Errors
///
/// The socket's, or `InvalidData` where the answer is not 200.
pub fn get<S: Read + Write>(stream: &mut S, path: &str) -> io::Result<()> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: backend\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.strip_prefix("HTTP/1.1 200 ") {
        Some(_) => Ok(()),
        None => {
            let line = answer.lines().next().unwrap_or("nothing").to_owned();
            Err(io::Error::new(ErrorKind::InvalidData, line))
        }
    }
}

fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() > HEAD_LIMIT {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_and_anything_else_refused() {
        let path = |request: &str| read_path(&mut request.as_bytes()).ok();
        let request = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
        assert_eq!(path(request).as_deref(), Some("/slow"));
        assert_eq!(path("POST / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(path("GET / HTTP/1.1\r\n"), None);
        assert_eq!(path(&"x".repeat(2 * HEAD_LIMIT)), None);
    }
}
