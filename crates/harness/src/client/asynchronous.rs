//! reqwest, whose calls are futures of the runtime that polls them.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Error};

use crate::answer::Failure;
use crate::plan::Plan;

/// A client whose pool keeps the connections of `calls` calls at a time.
///
/// The plan's URLs hold an address, which reqwest does not look up.
///
/// # Errors
///
/// reqwest's, where it cannot be set up.
pub fn client(plan: &Plan, calls: usize) -> Result<Client, Error> {
    Client::builder()
        .timeout(plan.timeout())
        .pool_max_idle_per_host(calls)
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(Policy::none())
        .no_proxy()
        .build()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // The URL says no more than the name of the call does.
        let error = error.without_url();
        if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::other(&error)
        }
    }
}
