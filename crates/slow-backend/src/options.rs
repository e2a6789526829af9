//! The backend's command line.

use std::path::PathBuf;

use clap::Parser;
use harness::deployment::{Delay, Http, Processes};

/// A server that answers as late as it is asked to.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  slow-backend
  slow-backend --http :8001 --processes 1 --max-waiting 100
  slow-backend --workload crates/workload/shop.toml
  curl 'localhost:7001/?duration=0.5'     answered after half a second
  curl 'localhost:7001/?call=0'           as the first call of the workload
  curl localhost:7001/stats               calls served, most waiting at once
  curl -X POST localhost:7001/stats/reset"
)]
pub(crate) struct Options {
    /// Where to listen: `:7001` is port 7001 on loopback, `:0` a free port
    #[arg(long, value_name = "ADDR", default_value = ":7001")]
    pub(crate) http: Http,
    /// Workers to fork, or `cores`
    #[arg(long, value_name = "N|cores", default_value = "2")]
    pub(crate) processes: Processes,
    /// A workload, whose calls are answered as it says
    #[arg(long, value_name = "FILE")]
    pub(crate) workload: Option<PathBuf>,
    /// Requests that each worker lets wait at once; more of them queue
    /// [default: no limit]
    #[arg(long, value_name = "N", value_parser =
          clap::value_parser!(u32).range(1..))]
    pub(crate) max_waiting: Option<u32>,
    /// The longest delay that may be asked for
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    pub(crate) max_duration: Delay,
    /// Connections that wait in the kernel for a worker
    #[arg(long, value_name = "N", default_value = "4096", value_parser =
          clap::value_parser!(i32).range(1..))]
    pub(crate) listen: i32,
    /// Stop when the process that started this one ends
    #[arg(long)]
    pub(crate) die_with_parent: bool,
}
