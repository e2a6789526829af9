//! Where things are: the workspace, its binaries, the ports.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::backend::Backend;
use crate::catalogue::{Catalogue, Deployment};
use crate::deploy::{Log, Server};
use crate::interrupt::Interrupt;
use crate::ports::Ports;

/// The workspace that this program was built in.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where things are.
pub(crate) struct Site {
    root: PathBuf,
    /// Where this program and all others are built to.
    binaries: PathBuf,
    pub(crate) catalogue: Catalogue,
    pub(crate) ports: Ports,
    /// Locked while this has the notes to itself.
    lock: OnceLock<File>,
}

impl Site {
    pub(crate) fn find(port_base: u16) -> Result<Self> {
        let root = Path::new(ROOT).canonicalize().with_context(|| {
            format!("the workspace is gone that this was built in: {ROOT}")
        })?;
        let program =
            env::current_exe().context("cannot tell where this program is")?;
        let binaries = program.parent().context("this program is nowhere")?;
        Ok(Self {
            catalogue: Catalogue::load(&root.join("talk.toml"))?,
            root,
            binaries: binaries.to_owned(),
            ports: Ports::from(port_base),
            lock: OnceLock::new(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Builds the apps for a command that keeps notes. It takes them first:
    /// another one on the same ports would empty them long before it found
    /// that a port is taken.
    pub(crate) fn build_apps(&self) -> Result<()> {
        self.take_notes()?;
        self.build_servers()
    }

    fn take_notes(&self) -> Result<()> {
        let base = self.ports.base();
        let notes = self.notes();
        let lock = notes.join("lock");
        let open =
            || fs::create_dir_all(&notes).and_then(|()| File::create(&lock));
        let file = open()
            .with_context(|| format!("cannot write {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another talk uses the ports from {base}; stop it or give \
                 another --port-base"
            ),
            Err(TryLockError::Error(error)) => Err(error)
                .with_context(|| format!("cannot lock {}", lock.display()))?,
        }
        self.lock.get_or_init(|| file);
        Ok(())
    }

    /// Builds the backend and all apps, whichever are needed: another set
    /// would build what they share with other features, and put binaries
    /// into the place of those that somebody else is about to start.
    pub(crate) fn build_servers(&self) -> Result<()> {
        let apps = self.catalogue.deployments.iter().map(|d| &*d.app);
        let mut apps: Vec<_> = apps.chain(["slow-backend"]).collect();
        apps.dedup();
        self.build(&apps)
    }

    /// Builds the binaries of some packages, the way this one was built. On
    /// a terminal, cargo shows its progress.
    pub(crate) fn build(&self, packages: &[&str]) -> Result<()> {
        let profile = match self.binaries.file_name() {
            Some(name) if name != "debug" => name.to_string_lossy(),
            _ => "dev".into(),
        };
        let target = self.binaries.parent().context("no target directory")?;
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(&self.root)
            .args(["build", "--profile", &profile])
            .arg("--target-dir")
            .arg(target);
        if !io::stderr().is_terminal() {
            command.arg("--quiet");
        }
        for package in packages {
            command.args(["--package", package]);
        }
        let status = command
            .status()
            .context("cannot run cargo, which builds what is needed")?;
        if !status.success() {
            bail!("cargo could not build {}", packages.join(", "));
        }
        Ok(())
    }

    pub(crate) fn program(&self, app: &str) -> PathBuf {
        self.binaries.join(app)
    }

    /// The deployment's file, as a path from the root.
    pub(crate) fn file(deployment: &Deployment) -> String {
        let Deployment { app, name, .. } = deployment;
        format!("crates/{app}/{name}.toml")
    }

    /// Where the log of `name` goes while it is measured: apart for each
    /// `--port-base`, since two benches may run at once on different ports.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.notes().join(format!("{name}.log"))
    }

    /// Where `name` is to record its requests, beside its log: a folder that
    /// has nothing of an earlier time in it.
    pub(crate) fn traces(&self, name: &str) -> Result<PathBuf> {
        let folder = self.notes().join(format!("{name}.traces"));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
                .with_context(|| format!("cannot empty {}", folder.display())),
            _ => Ok(folder),
        }
    }

    fn notes(&self) -> PathBuf {
        self.kept().join(self.ports.base().to_string())
    }

    /// Where what the runner keeps has a place, unless told otherwise.
    pub(crate) fn kept(&self) -> PathBuf {
        let target = self.binaries.parent().unwrap_or(&self.binaries);
        target.join("talk")
    }

    /// Starts a deployment that records its requests.
    pub(crate) fn deploy_traced(
        &self,
        deployment: &Deployment,
        backend: &Backend,
        traces: &Path,
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Server> {
        let trace = [format!("--trace={}", traces.display())];
        self.deploy(deployment, backend, &trace, log, interrupt)
    }

    /// Starts a deployment.
    pub(crate) fn deploy(
        &self,
        deployment: &Deployment,
        backend: &Backend,
        further: &[String],
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Server> {
        let address = backend.address.to_string();
        self.deploy_to(deployment, &address, further, log, interrupt)
    }

    /// The same, with a backend at these addresses.
    pub(crate) fn deploy_to(
        &self,
        deployment: &Deployment,
        backend: &str,
        further: &[String],
        log: Log,
        interrupt: &Interrupt,
    ) -> Result<Server> {
        let Deployment {
            name, app, port, ..
        } = deployment;
        let file = self.root.join(Self::file(deployment));
        let mut arguments = vec![
            file.display().to_string(),
            format!("--http=:{}", self.ports.of(*port)?),
            format!("--backend={backend}"),
        ];
        arguments.extend_from_slice(further);
        let program = self.program(app);
        Server::start(name, &program, &arguments, log, interrupt)
    }
}
