//! The command line that every app shares.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser};
use tracing::error;

use crate::deployment::{Deployment, Keys, Server};
use crate::master::Service;
use crate::trace::{self, Trace};
use crate::worker::Worker;
use crate::{Plan, listener, log, master, signals};

#[derive(Parser)]
#[command(version)]
struct Options {
    /// A deployment file: what the slides' ini files are
    deployment: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Log only what goes wrong
    #[arg(long, short)]
    quiet: bool,
    /// Record each request and call in files of this folder
    #[arg(long, value_name = "FOLDER")]
    trace: Option<PathBuf>,
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
    let mut command = Options::command()
        .name(name)
        .bin_name(name)
        .max_term_width(100)
        .about("An app of the talk: a master, and workers that it forks")
        .after_help(format!(
            "Options are also keys of a deployment file, with _ for -, all but \
             --quiet, --trace and --die-with-parent; an option overrides the \
             file's key. SIGHUP reads the file again and \
             exchanges the workers; SIGTTIN and SIGTTOU add and take one; \
             SIGUSR1 logs what they do.\n\n\
             Example, with slow-backend beside it:\n  \
             {name} --http :8000 --processes 2"
        ));
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
    let load = || -> Result<Deployment> {
        let keys = options.keys.clone();
        Ok(Deployment::load(name, own, file, keys)?)
    };
    let deployment = load()?;
    log::start(options.quiet);
    if options.die_with_parent && !signals::stop_with_parent()? {
        return Ok(());
    }
    let trace = options.trace.as_deref();
    if let Some(folder) = trace {
        trace::make_folder(folder)?;
    }
    let given = listener::inherited()?;
    let named = file
        .and_then(Path::file_stem)
        .map_or(name.into(), |stem| stem.to_string_lossy().into_owned());
    let first = service(&named, &deployment, trace, serve)?;
    let listener = match (given, deployment.server) {
        (Some(listener), Server::Harness) => listener,
        (None, Server::Harness) => {
            listener::bind(deployment.http, deployment.listen)?
        }
        (None, Server::MayMinihttp) => listener::reserve(deployment.http)?,
        (Some(_), Server::MayMinihttp) => bail!(
            "LISTEN_FDS gives a socket, and may_minihttp takes none: it binds \
             its own; say --server harness"
        ),
    };
    master::run(listener, first, || {
        let changed = load()?;
        let fixed = |d: &Deployment| (d.http, d.listen, d.server);
        if fixed(&changed) != fixed(&deployment) {
            bail!("http, listen and server change only with a restart");
        }
        service(&named, &changed, trace, serve)
    })?;
    Ok(())
}

/// What the workers of a deployment do.
fn service<'a>(
    name: &str,
    deployment: &Deployment,
    trace: Option<&'a Path>,
    serve: fn(Worker, &Deployment, &'static Plan) -> Result<()>,
) -> Result<Service<'a>> {
    // Made here even where each worker makes its own: what is wrong with it
    // is told once, before anything is forked.
    let plan = Plan::new(deployment)?;
    let deployment = deployment.clone();
    let name = name.to_owned();
    Ok(Service {
        name: name.clone(),
        processes: deployment.processes,
        limits: deployment.limits,
        work: Box::new(move |mut worker| {
            let mut plan = match deployment.lazy_apps {
                false => plan.clone(),
                true => Plan::new(&deployment)?,
            };
            if let Some(folder) = trace {
                match Trace::begin(folder, &name, worker.number) {
                    Ok(trace) => {
                        plan = plan.traced(trace);
                        worker.requests = worker.requests.traced(trace);
                    }
                    // The folder was there at the start, and a worker that
                    // is not recorded is better than none.
                    Err(error) => {
                        let error = anyhow::Error::from(error);
                        error!("{error:#}; serving without it");
                    }
                }
            }
            // It lives as long as the worker: what threads, tasks and
            // coroutines of any kind borrow need not be counted.
            serve(worker, &deployment, Box::leak(Box::new(plan)))
        }),
    })
}

/// Tells the end of `name` in one line where it failed.
pub fn report(name: &str, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("{name}: {error:#}"));
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
    complain(format_args!("{name}: {line} (see {name} --help)"));
    ExitCode::from(2)
}

/// `eprintln!` would panic where nobody can hear it.
fn complain(line: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{line}").ok();
}
