//! The command line that every app shares.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::deployment::{Deployment, Keys, Server};
use crate::worker::Worker;
use crate::{Plan, listener, log, master, signals};

#[derive(Parser)]
#[command(
    version,
    after_help = "Every option is also a key of a deployment file, with _ \
                  for -; an option overrides the file's key."
)]
struct Options {
    /// A deployment file, such as `process.toml`
    deployment: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Log only what goes wrong
    #[arg(long, short)]
    quiet: bool,
    /// Stop when the process that started this one ends
    #[arg(long)]
    die_with_parent: bool,
}

/// Runs an app: reads its command line and deployment, and forks workers
/// that each `serve`.
///
/// `name` is the app's; `own` are the keys that only some apps have a use
/// for and this one does.
pub fn run(
    name: &'static str,
    own: &[&str],
    serve: fn(Worker, &Deployment, &'static Plan) -> Result<()>,
) -> ExitCode {
    let mut command = Options::command().name(name).bin_name(name);
    for key in crate::deployment::OF_SOME_APPS {
        if !own.contains(&key) {
            command = command.mut_arg(key, |argument| argument.hide(true));
        }
    }
    let options = command
        .try_get_matches()
        .and_then(|matches| Options::from_arg_matches(&matches));
    match options {
        Ok(options) => report(name, start(name, own, options, serve)),
        Err(error) => usage(name, &error),
    }
}

fn start(
    name: &'static str,
    own: &[&str],
    options: Options,
    serve: fn(Worker, &Deployment, &'static Plan) -> Result<()>,
) -> Result<()> {
    let file = options.deployment.as_deref();
    let deployment = Deployment::load(name, own, file, options.keys)?;
    log::start(options.quiet);
    if options.die_with_parent && !signals::stop_with_parent()? {
        return Ok(());
    }
    // Made here even where each worker makes its own: what is wrong with it
    // is told once, before anything is forked.
    let plan = Plan::new(&deployment)?;
    let plan = (!deployment.lazy_apps).then(|| leak(plan));
    let listener = match deployment.server {
        Server::Harness => listener::bind(deployment.http, deployment.listen)?,
        Server::MayMinihttp => listener::reserve(deployment.http)?,
    };
    master::run(listener, deployment.processes, |worker| {
        let plan = match plan {
            Some(plan) => plan,
            None => leak(Plan::new(&deployment)?),
        };
        serve(worker, &deployment, plan)
    })?;
    Ok(())
}

/// A plan lives as long as its process: what threads, tasks and coroutines
/// of any kind borrow need not be counted.
fn leak(plan: Plan) -> &'static Plan {
    Box::leak(Box::new(plan))
}

/// Tells the end of `name` in one line where it failed.
pub fn report(name: &str, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells what is wrong with a command line in one line, or gives the help
/// that it asks for.
pub fn usage(name: &str, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    eprintln!("{name}: {line} (see {name} --help)");
    ExitCode::from(2)
}
