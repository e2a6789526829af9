//! The command and the library against servers that follow a script.

// Clippy takes only the tests themselves for tests, not what they share.
#![allow(clippy::unwrap_used)]

mod command;
mod files;
mod flags;
mod many;
mod server;
mod shell;
mod truth;
