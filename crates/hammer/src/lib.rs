//! An HTTP/1.1 load generator to trust.
//!
//! A [`Load`] says what to ask for, when to [`Stop`] and on which
//! [`Schedule`] requests start; [`run`] runs it, and its [`Outcome`] says
//! what came of it.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//!
//! use hammer::{Load, Schedule, Stop, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server that answers each connection once.
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let url = format!("http://{}/", listener.local_addr()?);
//! std::thread::spawn(move || {
//!     for mut stream in listener.incoming().flatten() {
//!         let _ = stream.read(&mut [0; 1024]);
//!         let _ = stream
//!             .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
//!     }
//! });
//!
//! let load = Load {
//!     targets: vec![Target::get(url)],
//!     stop: Stop::Requests(20),
//!     schedule: Schedule::Closed { concurrency: 5 },
//!     keep_alive: false,
//!     timeout: Duration::from_secs(5),
//!     ..Load::default()
//! };
//! let outcome = hammer::run(&load, |snapshot| {
//!     eprintln!("{} of 20", snapshot.answered);
//!     ControlFlow::Continue(()) // or Break, to end it early
//! })?;
//!
//! assert_eq!((outcome.requests, outcome.failed), (20, 0));
//! assert!(outcome.errors.is_empty());
//! println!(
//!     "We did {} requests in {:.3}, half of them in {:?} or less, \
//!      p95 {:?}, the longest in {:?}",
//!     outcome.requests,
//!     outcome.elapsed.as_secs_f64(),
//!     outcome.latency.median(),
//!     outcome.latency.p95(),
//!     outcome.latency.max(),
//! );
//! # Ok(())
//! # }
//! ```
//!
//! How it is built, in reading order: a load ([`Load`]) is made ready
//! (`plan`); each thread's loop (`engine`) asks its `pacer` when to start the
//! next request, which follows from n (`schedule`); a `connection` sends it,
//! and its `response` is read in place; what is measured (`record`) goes
//! into arrays of the thread's own (`counts`), and a few times a second to
//! the thread that sums up (`collect`).
//!
//! [`compare`] tells a difference between two services from noise.

mod error;
mod load;
mod seconds;

mod plan;
mod run;

mod engine;
mod pacer;
mod schedule;

mod connection;
mod response;

mod counts;
mod record;
mod usage;

mod collect;
mod compare;
mod latency;
mod limits;
mod outcome;
mod snapshot;
mod verdict;

pub use compare::{Difference, compare};
pub use error::Error;
pub use latency::{Latency, QUANTILES};
pub use limits::most_connections;
pub use load::{
    Arrivals, Family, LONGEST, Load, Rate, Schedule, Stage, Stop, Target,
};
pub use outcome::{
    Counted, Cpu, Each, ErrorKind, Open, Outcome, Series, Slice,
};
pub use run::run;
pub use snapshot::{Second, Snapshot};
pub use verdict::Flaw;
