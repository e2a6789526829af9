//! What the client is told: the outcome of a request as status and body.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use tracing::error;

/// A call of a request that did not succeed, and which one.
#[derive(Debug, Error)]
#[error("{call} failed: {failure}")]
pub struct CallError {
    call: Arc<str>,
    failure: Failure,
}

/// Why a call did not succeed.
#[derive(Debug, Error)]
pub enum Failure {
    /// No whole answer within the deployment's timeout.
    #[error("timed out")]
    TimedOut,
    /// Anything else, in the client's words.
    #[error("{0}")]
    Other(String),
}

impl CallError {
    /// The call that is named so failed.
    pub fn new(call: Arc<str>, failure: Failure) -> Self {
        Self { call, failure }
    }
}

impl Failure {
    /// Any failure but a time-out, with its causes in one line.
    pub fn other(error: &dyn StdError) -> Self {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // Some libraries repeat their cause in their own text.
            let text = error.to_string();
            if !line.ends_with(&text) {
                line = format!("{line}: {text}");
            }
            cause = error.source();
        }
        Self::Other(line.replace(['\r', '\n'], " "))
    }
}

/// A status of RFC 9110 §15 that the apps answer with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    /// The code.
    pub code: u16,
    /// The phrase that goes with it on the wire.
    pub phrase: &'static str,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.phrase)
    }
}

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal $phrase:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Status = Status {
                code: $code,
                phrase: $phrase,
            };)*
        }
    };
}

statuses! {
    /// Every call succeeded.
    OK = 200 "OK";
    /// The request cannot be understood.
    BAD_REQUEST = 400 "Bad Request";
    /// Only `/` is served.
    NOT_FOUND = 404 "Not Found";
    /// Only GET and HEAD are served.
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed";
    /// The head took too long to arrive.
    REQUEST_TIMEOUT = 408 "Request Timeout";
    /// The request's target is longer than the limit.
    URI_TOO_LONG = 414 "URI Too Long";
    /// The head is larger than the limit.
    HEADERS_TOO_LARGE = 431 "Request Header Fields Too Large";
    /// The application failed in a way that it should not.
    INTERNAL_SERVER_ERROR = 500 "Internal Server Error";
    /// A transfer coding that is not served.
    NOT_IMPLEMENTED = 501 "Not Implemented";
    /// A call failed.
    BAD_GATEWAY = 502 "Bad Gateway";
    /// More requests wait than are let.
    SERVICE_UNAVAILABLE = 503 "Service Unavailable";
    /// A call took too long.
    GATEWAY_TIMEOUT = 504 "Gateway Timeout";
}

/// The methods that are served, as the `Allow` header lists them.
pub const ALLOW: &str = "GET,HEAD";

/// When to try again after [`Answer::overloaded`], in seconds, as the
/// `Retry-After` header says it (RFC 9110 §10.2.3).
pub const RETRY_AFTER: &str = "1";

/// A status and a body of plain text.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The body; a line.
    pub body: Cow<'static, str>,
}

impl Answer {
    /// An answer that the app was not asked for, with its reason.
    pub fn refusal(status: Status, reason: &'static str) -> Self {
        let body = Cow::Borrowed(reason);
        Self { status, body }
    }

    /// 404: only `/` is served.
    pub fn not_found() -> Self {
        let reason = "there is nothing here; GET / is served\n";
        Self::refusal(Status::NOT_FOUND, reason)
    }

    /// 405: only [`ALLOW`] is served.
    pub fn method_not_allowed() -> Self {
        let reason = "this method is not served; GET / is\n";
        Self::refusal(Status::METHOD_NOT_ALLOWED, reason)
    }

    /// 503: too many requests wait already.
    pub fn overloaded() -> Self {
        let reason = "too many requests wait; try again later\n";
        Self::refusal(Status::SERVICE_UNAVAILABLE, reason)
    }

    /// 500: the application panicked. Logs it.
    pub fn panicked() -> Self {
        error!("the application panicked");
        let reason = "the application panicked\n";
        Self::refusal(Status::INTERNAL_SERVER_ERROR, reason)
    }
}

impl From<Result<String, CallError>> for Answer {
    /// 200 with the app's line; 504 where a call timed out and 502 where it
    /// failed otherwise (RFC 9110 §15.6.3 and §15.6.5), saying which.
    fn from(outcome: Result<String, CallError>) -> Self {
        let (status, body) = match outcome {
            Ok(line) => (Status::OK, line),
            Err(error) => {
                let status = match error.failure {
                    Failure::TimedOut => Status::GATEWAY_TIMEOUT,
                    Failure::Other(_) => Status::BAD_GATEWAY,
                };
                (status, format!("{error}\n"))
            }
        };
        let body = Cow::Owned(body);
        Self { status, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_is_a_bad_gateway_and_names_the_call() {
        let failure = Failure::Other("connection refused".into());
        let call = "network call with duration 0.25".into();
        let answer = Answer::from(Err(CallError::new(call, failure)));
        assert_eq!(answer.status, Status::BAD_GATEWAY);
        let expected =
            "network call with duration 0.25 failed: connection refused\n";
        assert_eq!(answer.body, expected);
    }

    #[test]
    fn a_call_out_of_time_is_a_gateway_timeout() {
        let call = "network call 3".into();
        let error = CallError::new(call, Failure::TimedOut);
        let answer = Answer::from(Err(error));
        assert_eq!(answer.status, Status::GATEWAY_TIMEOUT);
        let expected = "network call 3 failed: timed out\n";
        assert_eq!(answer.body, expected);
    }

    #[test]
    fn causes_stand_in_one_line_and_once() {
        #[derive(Debug, Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);

        let cause = std::io::Error::other("in\nner");
        let Failure::Other(line) = Failure::other(&Outer(cause)) else {
            panic!("not a time-out");
        };
        assert_eq!(line, "outer: in ner");
    }
}
