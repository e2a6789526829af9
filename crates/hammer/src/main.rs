//! The command: reads what was asked for, runs it, and reports.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
