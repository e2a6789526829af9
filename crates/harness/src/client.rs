//! The clients that the apps call the backend with.
//!
//! The talk says `requests.get(…)`. Here is what each library must be told
//! so that it does that and nothing behind the reader's back: no look-up,
//! no proxy, no redirect, a pool that reopens no connection, and a
//! time-out for the call as a whole.

#[cfg(any(feature = "asynchronous", feature = "ureq"))]
use std::time::Duration;

#[cfg(any(feature = "asynchronous", feature = "ureq"))]
use http::StatusCode;

#[cfg(any(feature = "asynchronous", feature = "ureq"))]
use crate::answer::Failure;

#[cfg(feature = "asynchronous")]
pub mod asynchronous;
#[cfg(feature = "ureq")]
pub mod blocking;
#[cfg(feature = "asynchronous")]
mod multiplexed;

/// How long a connection may be idle: less than the backend lets it, which
/// would close it while a call is on its way.
#[cfg(any(feature = "asynchronous", feature = "ureq"))]
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// More than this is no answer: as ureq has it.
#[cfg(feature = "asynchronous")]
const LONGEST_BODY: usize = 10 << 20;

/// Whether an answer is one. A redirect is none either: nobody follows it.
#[cfg(any(feature = "asynchronous", feature = "ureq"))]
fn successful(status: StatusCode) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    Err(Failure::Other(format!("http status: {}", status.as_u16())))
}
