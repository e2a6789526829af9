//! What the command adds to the library: words in, words out.

mod args;
mod compare;
mod csv;
mod exit;
mod file;
mod hlog;
mod interrupt;
mod json;
mod live;
mod load;
mod merge;
mod note;
mod report;
mod threshold;
mod units;

use std::process::ExitCode;

use args::{Args, Command};

pub(crate) fn main() -> ExitCode {
    let result = Args::read().and_then(|args| match &args.command {
        None => load::run(&args),
        Some(Command::Merge(options)) => merge::run(options),
        Some(Command::Compare(options)) => compare::run(options),
    });
    match result {
        Ok(exit) => exit.code(),
        Err(error) => exit::refuse(&error),
    }
}
