//! The head of a request: its line and its headers (RFC 9112 §3 and §5).

use httparse::{EMPTY_HEADER, Error, Request};

use super::target;
use crate::answer::Status;

/// The longest request line.
pub const LINE_LIMIT: usize = 8 << 10;
/// The largest head.
pub const HEAD_LIMIT: usize = 32 << 10;
/// The most headers.
pub const HEADERS_LIMIT: usize = 100;

/// What a request's head comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Who answers.
    pub route: Route,
    /// Whether the answer is sent without its body (to HEAD).
    pub without_body: bool,
    /// Whether the client would send further requests on the connection.
    pub keep_alive: bool,
    /// Whether it is of HTTP/1.0, whose clients keep a connection alive only
    /// where the answer says so.
    pub is_old: bool,
    /// Whether a body follows.
    pub has_body: bool,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// The application.
    Application,
    /// Nobody: the path is not served.
    NotFound,
    /// Nobody: the path does not serve the method.
    MethodNotAllowed,
}

/// Why a head is refused; the connection closes after the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The answer's status.
    pub status: Status,
    /// The answer's body.
    pub reason: &'static str,
}

/// The head took longer than its deadline.
pub(super) const TOO_SLOW: Refusal = Refusal {
    status: Status::REQUEST_TIMEOUT,
    reason: "the head of the request took too long\n",
};

const fn bad(reason: &'static str) -> Refusal {
    let status = Status::BAD_REQUEST;
    Refusal { status, reason }
}

const LINE_TOO_LONG: Refusal = Refusal {
    status: Status::URI_TOO_LONG,
    reason: "the request line is too long\n",
};

pub(super) const TOO_LARGE: Refusal = Refusal {
    status: Status::HEADERS_TOO_LARGE,
    reason: "the head of the request is too large\n",
};

/// How many bytes of empty lines stand before a request; they mean nothing
/// (RFC 9112 §2.2).
pub(super) fn empty_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(after) = rest
        .strip_prefix(b"\r\n")
        .or_else(|| rest.strip_prefix(b"\n"))
    {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Parses a head and tells how many bytes it took; `None` where it is not
/// whole yet.
///
/// What it says of some bytes it says of any that begin with them: a head is
/// the same however it is cut.
///
/// # Errors
///
/// A [`Refusal`], where no answer of an application could be right.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let before = empty_lines(bytes);
    let bytes = &bytes[before..];
    if bytes.len() > LINE_LIMIT && !bytes[..LINE_LIMIT].contains(&b'\n') {
        // What was wrong before the line was too long is told first.
        parse_within(&bytes[..LINE_LIMIT])?;
        return Err(LINE_TOO_LONG);
    }
    match parse_within(&bytes[..bytes.len().min(HEAD_LIMIT)])? {
        None if bytes.len() > HEAD_LIMIT => Err(TOO_LARGE),
        None => Ok(None),
        Some((head, length)) => Ok(Some((head, before + length))),
    }
}

fn parse_within(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let mut headers = [EMPTY_HEADER; HEADERS_LIMIT];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(Error::Version) => {
            return Err(bad("the request is not of HTTP/1.0 or HTTP/1.1\n"));
        }
        Err(_) => return Err(bad("the request cannot be understood\n")),
    };
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Ok(None);
    };
    let fields = request
        .headers
        .iter()
        .map(|field| (field.name, field.value));
    let head = Head::of(method, target, version, fields)?;
    Ok(Some((head, length)))
}

impl Head {
    /// Judges a head that has been parsed, by this module or another;
    /// `version` is HTTP/1's minor one.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], where no answer of an application could be right.
    pub fn of<'a>(
        method: &str,
        target: &str,
        version: u8,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Refusal> {
        // Another parser may have larger limits, or none. The rest of the
        // line is two spaces, the version and the line's end.
        let line = method.len() + target.len() + 12;
        if line > LINE_LIMIT {
            return Err(LINE_TOO_LONG);
        }
        let fields = Fields::read(line, fields)?;
        let path = target::path(method, target)
            .ok_or(bad("the target of the request is none\n"))?;
        // RFC 9112 §3.2
        if fields.hosts > 1 || version == 1 && fields.hosts == 0 {
            return Err(bad("a request names one host\n"));
        }
        let is_chunked = fields.is_chunked(version)?;
        Ok(Self {
            route: route(method, path),
            without_body: method == "HEAD",
            keep_alive: !fields.close && (version == 1 || fields.keep_alive),
            is_old: version == 0,
            has_body: is_chunked || fields.length.is_some_and(|n| n > 0),
        })
    }
}

fn route(method: &str, path: &str) -> Route {
    match (path, method) {
        ("/", "GET" | "HEAD") => Route::Application,
        ("/", _) => Route::MethodNotAllowed,
        _ => Route::NotFound,
    }
}

/// What the headers say of framing and of the connection.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    coding: Option<Coding>,
    close: bool,
    keep_alive: bool,
}

/// What the body is coded as, by all its codings.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Coding {
    /// In chunks, and no more.
    Chunked,
    /// In chunks, and before that in a way that is not served.
    UnknownChunked,
    /// In a way that does not tell where the body ends.
    Endless,
}

impl Fields {
    fn read<'a>(
        line: usize,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let mut size = line;
        for (name, value) in headers {
            size += name.len() + value.len() + ": \r\n".len();
            if size > HEAD_LIMIT {
                return Err(TOO_LARGE);
            }
            if name.eq_ignore_ascii_case("host") {
                fields.add_host(value)?;
            } else if name.eq_ignore_ascii_case("content-length") {
                fields.add_length(value)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                fields.add_codings(value);
            } else if name.eq_ignore_ascii_case("connection") {
                fields.add_options(value);
            }
        }
        if fields.coding.is_some() && fields.length.is_some() {
            // RFC 9112 §6.3: this may be an attempt at smuggling.
            return Err(bad("a body has one length, not two\n"));
        }
        Ok(fields)
    }

    fn add_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.hosts += 1;
        let is_host = std::str::from_utf8(value).is_ok_and(target::is_host);
        is_host.then_some(()).ok_or(bad("the host is none\n"))
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value)
            .ok()
            .filter(|_| digits)
            .and_then(|text| text.parse().ok())
            .ok_or(bad("the length of the body is no number\n"))?;
        if self.length.replace(length).is_some() {
            return Err(bad("a body has one length, not two\n"));
        }
        Ok(())
    }

    fn add_codings(&mut self, value: &[u8]) {
        for coding in list(value) {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match (self.coding, is_chunked) {
                (None, true) => Coding::Chunked,
                (Some(Coding::Endless), true) => Coding::UnknownChunked,
                // Chunks in chunks have an end, and nobody may send them.
                (_, true) | (_, false) => Coding::Endless,
            });
        }
        // A list that is empty names no last coding.
        self.coding.get_or_insert(Coding::Endless);
    }

    /// Whether the body is in chunks.
    fn is_chunked(&self, version: u8) -> Result<bool, Refusal> {
        match self.coding {
            None => Ok(false),
            // RFC 9112 §6.1
            Some(_) if version == 0 => {
                Err(bad("HTTP/1.0 has no transfer codings\n"))
            }
            Some(Coding::Chunked) => Ok(true),
            Some(Coding::UnknownChunked) => Err(Refusal {
                status: Status::NOT_IMPLEMENTED,
                reason: "this transfer coding is not served\n",
            }),
            // RFC 9112 §6.3
            Some(Coding::Endless) => {
                Err(bad("the body has to be chunked, last and once\n"))
            }
        }
    }

    fn add_options(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

/// The members of a list that are not empty (RFC 9110 §5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Head {
        let (head, length) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    fn refused(text: &str) -> u16 {
        parse(text.as_bytes()).unwrap_err().status.code
    }

    #[test]
    fn the_slides_request_goes_to_the_application() {
        let text = "GET / HTTP/1.1\r\nHost: localhost:5000\r\n\r\n";
        let expected = Head {
            route: Route::Application,
            without_body: false,
            keep_alive: true,
            is_old: false,
            has_body: false,
        };
        assert_eq!(parsed(text), expected);
    }

    #[test]
    fn targets_and_methods_are_routed() {
        use Route::{Application, MethodNotAllowed, NotFound};
        let cases = [
            ("GET /?a=b", Application),
            ("HEAD /", Application),
            ("GET http://localhost:5000", Application),
            ("GET http://localhost/?x", Application),
            ("GET http://localhost/a", NotFound),
            ("GET /a?b=http://c/", NotFound),
            ("GET /a://b/", NotFound),
            ("POST /", MethodNotAllowed),
            ("POST /a", NotFound),
            ("OPTIONS *", NotFound),
            ("CONNECT localhost:80", NotFound),
        ];
        for (line, route) in cases {
            let text = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(parsed(&text).route, route, "{line}");
        }
    }

    #[test]
    fn a_connection_goes_on_as_its_version_and_options_say() {
        let cases = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "connection: x, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ];
        for (version, option, expected) in cases {
            let text =
                format!("GET / HTTP/{version}\r\nHost: a\r\n{option}\r\n");
            assert_eq!(parsed(&text).keep_alive, expected, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        ];
        for (text, status) in cases {
            assert_eq!(refused(text), status, "{text:?}");
        }
        let framing = [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
            ("Content-Length: 1\r\nContent-Length: 1", 400),
            ("Content-Length: +1", 400),
            ("Content-Length: 1, 1", 400),
            ("Content-Length:", 400),
            ("Content-Length: 99999999999999999999", 400),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: chunked, gzip", 400),
            ("Transfer-Encoding: chunked;a=b", 400),
            ("Transfer-Encoding:", 400),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                400,
            ),
        ];
        for (fields, status) in framing {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            assert_eq!(refused(&text), status, "{text:?}");
        }
    }

    #[test]
    fn a_body_is_noticed() {
        for (field, expected) in [
            ("Content-Length: 0", false),
            ("Content-Length: 5", true),
            ("Transfer-Encoding: Chunked", true),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
            assert_eq!(parsed(&text).has_body, expected, "{field}");
        }
    }

    #[test]
    fn limits_hold() {
        let many = "a: b\r\n".repeat(HEADERS_LIMIT);
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
        assert_eq!(refused(&text), 431);
        let status = |bytes: &[u8]| parse(bytes).map_err(|r| r.status.code);
        let mut line = b"GET /".to_vec();
        line.resize(LINE_LIMIT, b'a');
        assert_eq!(status(&line), Ok(None));
        line.push(b'a');
        assert_eq!(status(&line), Err(414));
        let mut head = b"GET / HTTP/1.1\r\na: ".to_vec();
        head.resize(HEAD_LIMIT, b'a');
        assert_eq!(status(&head), Ok(None));
        head.push(b'a');
        assert_eq!(status(&head), Err(431));
    }

    #[test]
    fn the_first_fault_of_a_line_is_told_however_long_it_is() {
        let mut line = b"G@T /".to_vec();
        line.resize(LINE_LIMIT + 1, b'a');
        assert_eq!(parse(&line).unwrap_err().status.code, 400);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            parse(&bytes).ok();
        }

        #[test]
        fn a_head_is_whole_with_its_last_byte_and_not_before(
            cut in 0..40usize,
            end in prop::sample::select(vec!["\r\n\r\n", "\n\n", "\n\r\n"]),
        ) {
            let text = format!("GET / HTTP/1.1\r\nHost: localhost{end}");
            let cut = cut.min(text.len() - 1);
            prop_assert!(parse(text.as_bytes()).unwrap().is_some());
            prop_assert_eq!(parse(&text.as_bytes()[..cut]).unwrap(), None);
        }
    }
}
