//! What a user relies on, tried on the real binaries.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to tell")]

mod browser;
mod http;
mod interrupted;
mod scale;
mod server;

mod answer;
mod answers;
mod backend;
mod backend_lives;
mod bench;
mod caveats;
mod failures;
mod lives;
mod names;
mod overload;
mod ps;
mod reload;
mod report;
mod requests;
mod restart;
mod serve;
mod slow_clients;
mod start;
mod status;
mod stuck;
mod sweep;
mod system;
mod tidy;
mod torture;
mod trace;
mod workload;
