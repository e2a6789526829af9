//! Reads responses where they lie, in the buffer that the socket filled.
//!
//! A load generator needs little of a response: its status, where it ends,
//! and whether the connection lives on. So nothing is copied, but for a head
//! that straddles two reads, and a body is only counted. What it does look
//! at it checks: an answer that is no HTTP is a failure, not a success.

use memchr::memchr;

use crate::outcome::ErrorKind;

/// The longest head that is read. Servers' own limits are 8 to 64 KiB.
const HEAD_LIMIT: usize = 64 * 1024;
/// The longest line between two chunks, extensions included.
const CHUNK_LINE_LIMIT: u16 = 4096;

/// The state of one response, over as many reads as it takes.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    status: u16,
    close: bool,
    /// HEAD has the head of a GET and no body.
    bodiless: bool,
    /// The part of a head that came before the rest of it. Boxed, since
    /// most connections never have one and there may be ten thousand.
    #[allow(clippy::box_collection)]
    carry: Option<Box<Vec<u8>>>,
}

/// What a read led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fed {
    /// The response goes on.
    More,
    /// It is whole; so many bytes of this read were its own.
    Whole { used: usize },
    /// It is no response.
    Bad(ErrorKind),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Head,
    Length(u64),
    UntilClose,
    Chunked(Chunk),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Chunk {
    Size {
        size: u64,
        digits: u8,
    },
    /// The rest of the line after the size, which nobody uses.
    Extension {
        size: u64,
        length: u16,
    },
    /// The line feed after the size.
    SizeEnd {
        size: u64,
    },
    Data(u64),
    /// What follows the data: a carriage return if any, and a line feed.
    DataEnd,
    DataEndFeed,
    /// In a line of the trailer, of so many bytes so far.
    Trailer {
        line: u16,
        total: u16,
    },
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            status: 0,
            close: false,
            bodiless: false,
            carry: None,
        }
    }

    /// Readies it for the next response.
    pub(crate) fn reset(&mut self, bodiless: bool) {
        self.state = State::Head;
        self.bodiless = bodiless;
        if let Some(carry) = &mut self.carry {
            carry.clear();
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the server said that it closes after this response.
    pub(crate) fn close(&self) -> bool {
        self.close
    }

    pub(crate) fn feed(&mut self, data: &[u8]) -> Fed {
        match self.state {
            State::Head => self.feed_head(data),
            _ => self.feed_body(data, 0),
        }
    }

    /// What the end of the stream means: `None` where it ends a whole
    /// response.
    pub(crate) fn end(&self) -> Option<ErrorKind> {
        match self.state {
            State::UntilClose => None,
            State::Head if self.carry.as_ref().is_none_or(|c| c.is_empty()) => {
                Some(ErrorKind::Closed)
            }
            _ => Some(ErrorKind::CutShort),
        }
    }

    fn feed_head(&mut self, data: &[u8]) -> Fed {
        if self.carry.as_ref().is_none_or(|carry| carry.is_empty()) {
            let (fed, rest) = self.heads(data);
            if let Some(rest) = rest {
                self.carry.get_or_insert_default().extend_from_slice(rest);
            }
            return fed;
        }
        let mut carry = self.carry.take().unwrap_or_default();
        let before = carry.len();
        carry.extend_from_slice(data);
        // Without a line feed among the new bytes no head can have ended.
        let fed = if memchr(b'\n', data).is_some() {
            let (fed, rest) = self.heads(&carry);
            let rest = rest.map_or(0, <[u8]>::len);
            carry.drain(..carry.len() - rest);
            fed
        } else if carry.len() > HEAD_LIMIT {
            Fed::Bad(ErrorKind::HeadTooLarge)
        } else {
            Fed::More
        };
        self.carry = Some(carry);
        match fed {
            // The carried bytes were counted when they were read.
            Fed::Whole { used } => Fed::Whole {
                used: used.saturating_sub(before),
            },
            fed => fed,
        }
    }

    /// The head at the start of `data`, after any interim ones (1xx); and
    /// the bytes to keep where it is not whole.
    fn heads<'a>(&mut self, data: &'a [u8]) -> (Fed, Option<&'a [u8]>) {
        let mut at = 0;
        loop {
            let head = match Head::parse(&data[at..]) {
                Parsed::Whole(head) => head,
                Parsed::Partial if data.len() - at > HEAD_LIMIT => {
                    return (Fed::Bad(ErrorKind::HeadTooLarge), None);
                }
                Parsed::Partial => return (Fed::More, Some(&data[at..])),
                Parsed::Bad => return (Fed::Bad(ErrorKind::Garbage), None),
            };
            if head.length > HEAD_LIMIT {
                return (Fed::Bad(ErrorKind::HeadTooLarge), None);
            }
            at += head.length;
            match head.status {
                // Nobody asked for another protocol.
                101 => return (Fed::Bad(ErrorKind::Garbage), None),
                100..=199 if at == data.len() => return (Fed::More, None),
                100..=199 => continue,
                _ => {}
            }
            self.status = head.status;
            self.close = head.close;
            let bodiless = self.bodiless || matches!(head.status, 204 | 304);
            self.state = match head.body {
                _ if bodiless => State::Length(0),
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Chunked(Chunk::START),
                Framing::UntilClose => {
                    self.close = true;
                    State::UntilClose
                }
            };
            return (self.feed_body(data, at), None);
        }
    }

    fn feed_body(&mut self, data: &[u8], at: usize) -> Fed {
        let here = (data.len() - at) as u64;
        match self.state {
            State::Length(left) if left <= here => Fed::Whole {
                used: at + left as usize,
            },
            State::Length(left) => {
                self.state = State::Length(left - here);
                Fed::More
            }
            State::Chunked(chunk) => self.feed_chunks(chunk, data, at),
            State::Head | State::UntilClose => Fed::More,
        }
    }

    fn feed_chunks(
        &mut self,
        mut chunk: Chunk,
        data: &[u8],
        mut at: usize,
    ) -> Fed {
        while at < data.len() {
            if let Chunk::Data(left) = chunk {
                let here = left.min((data.len() - at) as u64);
                at += here as usize;
                chunk = match left - here {
                    0 => Chunk::DataEnd,
                    left => Chunk::Data(left),
                };
                continue;
            }
            let byte = data[at];
            at += 1;
            chunk = match chunk.step(byte) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Fed::Whole { used: at },
                Err(kind) => return Fed::Bad(kind),
            };
        }
        self.state = State::Chunked(chunk);
        Fed::More
    }
}

impl Chunk {
    const START: Self = Self::Size { size: 0, digits: 0 };

    /// The state after a byte that is not data; `None` at the very end.
    fn step(self, byte: u8) -> Result<Option<Self>, ErrorKind> {
        let bad = Err(ErrorKind::Garbage);
        Ok(Some(match (self, byte) {
            (
                Self::Size { digits: 0, .. },
                b'\r' | b'\n' | b';' | b' ' | b'\t',
            ) => {
                return bad;
            }
            (Self::Size { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, .. }, b'\n')
            | (Self::SizeEnd { size }, b'\n')
            | (Self::Extension { size, .. }, b'\n') => match size {
                0 => Self::Trailer { line: 0, total: 0 },
                size => Self::Data(size),
            },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => {
                Self::Extension { size, length: 0 }
            }
            (Self::Size { size, digits }, byte) => {
                let Some(digit) = (byte as char).to_digit(16) else {
                    return bad;
                };
                // Sixteen digits are all that 64 bits hold.
                if digits == 16 {
                    return bad;
                }
                Self::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (Self::Extension { size, length }, _) => {
                if length == CHUNK_LINE_LIMIT {
                    return Err(ErrorKind::HeadTooLarge);
                }
                Self::Extension {
                    size,
                    length: length + 1,
                }
            }
            (Self::DataEnd, b'\r') => Self::DataEndFeed,
            (Self::DataEnd | Self::DataEndFeed, b'\n') => Self::START,
            (Self::Trailer { line: 0, .. }, b'\n') => return Ok(None),
            (Self::Trailer { line: 0, total }, b'\r') => {
                Self::Trailer { line: 0, total }
            }
            (Self::Trailer { total, .. }, b'\n') => {
                Self::Trailer { line: 0, total }
            }
            (Self::Trailer { line, total }, _) => {
                if total == u16::MAX {
                    return Err(ErrorKind::HeadTooLarge);
                }
                Self::Trailer {
                    line: line.saturating_add(1),
                    total: total + 1,
                }
            }
            (Self::SizeEnd { .. } | Self::DataEnd | Self::DataEndFeed, _) => {
                return bad;
            }
            (Self::Data(_), _) => unreachable!("data is skipped, not stepped"),
        }))
    }
}

/// What a head says about the bytes after it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Head {
    length: usize,
    status: u16,
    close: bool,
    body: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Parsed {
    Whole(Head),
    Partial,
    Bad,
}

impl Head {
    fn parse(data: &[u8]) -> Parsed {
        let Some((keeps_alive, status, mut at)) = status_line(data) else {
            let known = &data[..data.len().min(VERSION.len())];
            // A line feed ends the line, well-formed or not; and what does
            // not start as a response never becomes one.
            let over = memchr(b'\n', data).is_some();
            return match over || !VERSION.starts_with(known) {
                true => Parsed::Bad,
                false => Parsed::Partial,
            };
        };
        let mut fields = Fields::default();
        loop {
            let Some(feed) = memchr(b'\n', &data[at..]) else {
                return Parsed::Partial;
            };
            let mut line = &data[at..at + feed];
            at += feed + 1;
            if let [rest @ .., b'\r'] = line {
                line = rest;
            }
            if line.is_empty() {
                break;
            }
            if fields.read(line).is_none() {
                return Parsed::Bad;
            }
        }
        let body = match (fields.chunked, fields.length) {
            (Some(true), _) => Framing::Chunked,
            (Some(false), _) | (None, None) => Framing::UntilClose,
            (None, Some(length)) => Framing::Length(length),
        };
        Parsed::Whole(Self {
            length: at,
            status,
            close: fields.close || !(keeps_alive || fields.keep_alive),
            body,
        })
    }
}

const VERSION: &[u8] = b"HTTP/1.";

/// Whether the version keeps connections, the status, and where the line
/// ends. `None` where it is not whole, or not well-formed.
fn status_line(data: &[u8]) -> Option<(bool, u16, usize)> {
    let rest = data.strip_prefix(VERSION)?;
    let [minor @ (b'0' | b'1'), b' ', a, b, c, rest @ ..] = rest else {
        return None;
    };
    let digits = [a, b, c].map(|digit| u16::from(digit.wrapping_sub(b'0')));
    let [a @ 1..=5, b @ 0..=9, c @ 0..=9] = digits else {
        return None;
    };
    let (b' ' | b'\r' | b'\n') = rest.first()? else {
        return None;
    };
    let feed = memchr(b'\n', rest)?;
    let end = data.len() - rest.len() + feed + 1;
    Some((*minor == b'1', a * 100 + b * 10 + c, end))
}

#[derive(Default)]
struct Fields {
    length: Option<u64>,
    /// Whether the last transfer coding is chunked, where there is any.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Option<()> {
        let colon = line.iter().position(|&b| !NAME[usize::from(b)])?;
        if colon == 0 || line[colon] != b':' {
            return None;
        }
        // The lengths of the three names tell them from most others.
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        match colon {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(value.trim_ascii())?;
                // Two lengths that differ are an attack or a fault.
                if self.length.is_some_and(|other| other != length) {
                    return None;
                }
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let last = value.rsplit(|&byte| byte == b',').next()?;
                let last = last.trim_ascii();
                self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |=
                        option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        match digit {
            0..=9 => number.checked_mul(10)?.checked_add(digit),
            _ => None,
        }
    })
}

/// The bytes that a header's name may have (RFC 9110, token).
static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests;
