//! What every app is deployed on: the part that uWSGI plays in the talk.
//!
//! An app is a [`run`] of a function that says how a worker serves, and the
//! app's own `application` is what it serves. All else is here, once:
//!
//! 1. [`deployment`]: a file like the slides' ini files, and the flags
//!    that override its keys;
//! 2. [`listener`]: the socket, bound once by the master;
//! 3. [`master`]: forks the workers, replaces those that die, stops them;
//!    `files`: the files that they may have open;
//! 4. [`signals`]: how a master and a worker hear that they should stop;
//! 5. [`worker`]: what a worker is given, and the blocking way to serve;
//!    [`threads`]: on as many as a worker has;
//!    [`requests`]: what it has in hand, and `board`, the memory in which its
//!    master sees that; [`overload`]: when it refuses them;
//! 6. [`http`]: HTTP/1.1 for blocking code, on any kind of socket;
//! 7. [`plan`] and [`answer`]: the calls and the own work of a request, and
//!    what its client is told of them; `processor`: what its work is;
//! 8. [`client`]: the clients that the apps call the backend with;
//!    [`grain`]: time limits that need not be set anew;
//! 9. [`log`]: the slides' log lines; [`trace`]: the same for a machine to
//!    read; [`shared`]: memory that outlives a fork; `fuzz`: what the fuzz
//!    targets try.
//!
//! The harness starts no thread and no runtime before the fork, and knows
//! nothing of any app.

#[cfg(not(target_os = "linux"))]
compile_error!("this project runs on Linux only: it forks and reads /proc");

pub mod answer;
mod board;
pub mod client;
pub mod deployment;
mod files;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod grain;
pub mod http;
pub mod listener;
pub mod log;
pub mod master;
pub mod overload;
pub mod plan;
mod processor;
pub mod requests;
mod run;
pub mod shared;
pub mod signals;
pub mod threads;
pub mod trace;
pub mod worker;

pub use answer::CallError;
pub use plan::{Call, Plan};
pub use requests::Requests;
pub use run::{report, run, usage};
pub use worker::Worker;
