mod draws;
mod files;
mod properties;
mod times;

use std::path::Path;
use std::time::Duration;

use crate::{Call, Delay, Workload};

fn parse(text: &str) -> Result<Workload, String> {
    let read = Workload::parse(Path::new("shop.toml"), text);
    read.map_err(|error| error.to_string())
}

#[track_caller]
fn workload(text: &str) -> Workload {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fixed(ms: u64) -> Call {
    Call::of(Delay::Fixed(millis(ms)))
}
