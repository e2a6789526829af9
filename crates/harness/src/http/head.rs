//! The head of a request: its line and its headers (RFC 9112 §3 and §5).

use httparse::{EMPTY_HEADER, Error, Header, Request};

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

const TOO_LARGE: Refusal = Refusal {
    status: Status::HEADERS_TOO_LARGE,
    reason: "the head of the request is too large\n",
};

/// Whether the bytes from `from` on may end a head: an empty line.
///
/// Parsing only then keeps a head that comes byte by byte from being parsed
/// as many times as it has bytes.
pub(super) fn may_be_whole(bytes: &[u8], from: usize) -> bool {
    // The empty line may have begun up to three bytes earlier.
    let tail = &bytes[from.saturating_sub(3)..];
    let ends = |window: &[u8]| {
        window.starts_with(b"\n\n") || window.starts_with(b"\n\r\n")
    };
    (0..tail.len()).any(|at| ends(&tail[at..]))
}

/// Checks what there is of a head against the limits.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), Refusal> {
    let line = &bytes[..bytes.len().min(LINE_LIMIT + 1)];
    if line.len() > LINE_LIMIT && !line.contains(&b'\n') {
        return Err(Refusal {
            status: Status::URI_TOO_LONG,
            reason: "the request line is too long\n",
        });
    }
    if bytes.len() > HEAD_LIMIT {
        return Err(TOO_LARGE);
    }
    Ok(())
}

/// Parses a head and tells how many bytes it took; `None` where it is not
/// whole yet.
///
/// # Errors
///
/// A [`Refusal`], where no answer of an application could be right.
pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
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
    check_size(&bytes[..length])?;
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Ok(None);
    };
    let head = Head::of(method, target, version, request.headers)?;
    Ok(Some((head, length)))
}

impl Head {
    /// Judges a head that has been parsed; `version` is HTTP/1's minor one.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], where no answer of an application could be right.
    pub fn of(
        method: &str,
        target: &str,
        version: u8,
        headers: &[Header<'_>],
    ) -> Result<Self, Refusal> {
        let fields = Fields::read(headers)?;
        if version == 1 && fields.hosts != 1 {
            // RFC 9112 §3.2
            return Err(bad("a request of HTTP/1.1 names one host\n"));
        }
        if version == 0 && fields.chunked {
            // RFC 9112 §6.1
            return Err(bad("HTTP/1.0 has no transfer codings\n"));
        }
        Ok(Self {
            route: route(method, target),
            without_body: method == "HEAD",
            keep_alive: !fields.close && (version == 1 || fields.keep_alive),
            has_body: fields.chunked || fields.length.is_some_and(|n| n > 0),
        })
    }
}

fn route(method: &str, target: &str) -> Route {
    match (path(target), method) {
        ("/", "GET" | "HEAD") => Route::Application,
        ("/", _) => Route::MethodNotAllowed,
        _ => Route::NotFound,
    }
}

/// The path of a target in origin or absolute form (RFC 9112 §3.2).
fn path(target: &str) -> &str {
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    match target.split('?').next() {
        Some("") => "/",
        Some(path) => path,
        None => target,
    }
}

/// What the headers say of framing and of the connection.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            if name.eq_ignore_ascii_case("host") {
                fields.hosts += 1;
            } else if name.eq_ignore_ascii_case("content-length") {
                fields.add_length(value)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                fields.add_coding(value)?;
            } else if name.eq_ignore_ascii_case("connection") {
                fields.add_options(value);
            }
        }
        if fields.chunked && fields.length.is_some() {
            // RFC 9112 §6.3: this may be an attempt at smuggling.
            return Err(bad("a body has one length, not two\n"));
        }
        Ok(fields)
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

    fn add_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal {
                status: Status::NOT_IMPLEMENTED,
                reason: "this transfer coding is not served\n",
            });
        }
        self.chunked = true;
        Ok(())
    }

    fn add_options(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
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
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
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
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                501,
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
        let line = vec![b'a'; LINE_LIMIT + 1];
        assert_eq!(check_size(&line).unwrap_err().status.code, 414);
        let mut head = b"GET / HTTP/1.1\r\na: ".to_vec();
        head.resize(HEAD_LIMIT + 1, b'a');
        assert_eq!(check_size(&head).unwrap_err().status.code, 431);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            parse(&bytes).ok();
            check_size(&bytes).ok();
        }

        #[test]
        fn a_head_is_noticed_as_whole_however_it_is_cut(
            cut in 0..40usize,
            end in prop::sample::select(vec!["\r\n\r\n", "\n\n", "\n\r\n"]),
        ) {
            let text = format!("GET / HTTP/1.1\r\nHost: localhost{end}");
            let cut = cut.min(text.len() - 1);
            prop_assert!(may_be_whole(text.as_bytes(), cut));
            prop_assert!(parse(text.as_bytes()).unwrap().is_some());
            prop_assert!(!may_be_whole(&text.as_bytes()[..cut], 0));
        }
    }
}
