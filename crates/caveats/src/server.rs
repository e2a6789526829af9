//! The command line of a program that serves, and its master.

use anyhow::{Result, bail};
use clap::Args;
use harness::deployment::{Deployment, Keys};
use harness::master::Service;
use harness::{Plan, Worker, listener, log, master, signals};

use crate::Which;

/// How a worker serves.
pub type Serve = fn(Worker, &Deployment, &'static Plan) -> Result<()>;

/// A program that serves: wrongly, or rightly.
#[derive(Args, Debug)]
pub struct Server {
    /// The program that goes wrong, or its cure
    which: Which,
    #[command(flatten)]
    keys: Keys,
    /// Stop when the process that started this one ends
    #[arg(long)]
    die_with_parent: bool,
}

/// What a server needs before it serves.
pub struct Settings {
    /// Which of the two is to serve.
    pub which: Which,
    /// Its keys, all settled.
    pub deployment: Deployment,
    /// The calls of a request.
    pub plan: &'static Plan,
}

impl Server {
    /// Runs one of the two under the harness's master, as an app is run.
    ///
    /// `own` are the keys of some apps that this program understands.
    ///
    /// # Errors
    ///
    /// What keeps it from serving.
    pub fn run(
        self,
        name: &'static str,
        own: &[&str],
        wrong: Serve,
        right: Serve,
    ) -> Result<()> {
        let Some(settings) = self.settle(name, own)? else {
            return Ok(());
        };
        let serve = match settings.which {
            Which::Wrong => wrong,
            Which::Right => right,
        };
        settings
            .fork(|worker| serve(worker, &settings.deployment, settings.plan))
    }

    /// What [`run`](Self::run) does first, for a program that is a master
    /// itself; `None` where the process that wanted it is gone.
    ///
    /// # Errors
    ///
    /// What keeps it from serving.
    pub fn settle(
        self,
        name: &'static str,
        own: &[&str],
    ) -> Result<Option<Settings>> {
        let deployment = Deployment::load(name, own, None, self.keys)?;
        log::start(false);
        if self.die_with_parent && !signals::stop_with_parent()? {
            return Ok(None);
        }
        let plan = Box::leak(Box::new(Plan::new(&deployment)?));
        Ok(Some(Settings {
            which: self.which,
            deployment,
            plan,
        }))
    }
}

impl Settings {
    /// Binds, and lets the harness's master fork workers that each `work`.
    ///
    /// # Errors
    ///
    /// The master's.
    pub fn fork(&self, work: impl Fn(Worker) -> Result<()>) -> Result<()> {
        let Deployment {
            http,
            listen,
            processes,
            limits,
            ..
        } = self.deployment;
        let listener = listener::bind(http, listen)?;
        let service = Service {
            name: "caveat".to_owned(),
            processes,
            limits,
            work: Box::new(work),
        };
        master::run(listener, service, || {
            bail!("there is no file to read again")
        })?;
        Ok(())
    }
}
