//! What a user relies on, tried on the real binaries.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to tell")]

mod bench;
mod tidy;
