//! What the results were made with: the versions, the commit, the command.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::site::Site;

/// The versions that this program, and all of the workspace, is built of.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// Those that a model rests on.
const LIBRARIES: [&str; 8] = [
    "ureq",
    "rayon",
    "tokio",
    "hyper",
    "axum",
    "reqwest",
    "may",
    "may_minihttp",
];

/// What results were made with.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Made {
    pub(crate) command: String,
    pub(crate) version: String,
    /// `None` where git does not tell.
    pub(crate) commit: Option<String>,
    /// Whether the sources differed from the commit.
    pub(crate) changed: bool,
    pub(crate) compiler: String,
    /// Name and version.
    pub(crate) libraries: Vec<(String, String)>,
}

impl Made {
    /// By this program.
    pub(crate) fn here(site: &Site) -> Result<Self> {
        let arguments = env::args_os().skip(1);
        let git = |arguments: &[&str]| {
            told(Command::new("git").args(arguments).current_dir(site.root()))
        };
        let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let compiler = told(Command::new(rustc).arg("--version"));
        Ok(Self {
            command: ["cargo talk".to_owned()]
                .into_iter()
                .chain(arguments.map(|a| a.to_string_lossy().into_owned()))
                .collect::<Vec<_>>()
                .join(" "),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: git(&["rev-parse", "HEAD"]),
            changed: changes.is_some_and(|changes| !changes.is_empty()),
            compiler: compiler.unwrap_or_else(|| "unknown".to_owned()),
            libraries: libraries()?,
        })
    }
}

/// What a command says, where it succeeds.
fn told(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}

fn libraries() -> Result<Vec<(String, String)>> {
    let lock: Table = LOCK.parse().context("Cargo.lock is not understood")?;
    let packages = lock.get("package").and_then(|all| all.as_array());
    let packages = packages.context("Cargo.lock has no package")?;
    let version = |name: &str| {
        let named = |package: &&toml::Value| {
            package.get("name").and_then(|n| n.as_str()) == Some(name)
        };
        let package = packages.iter().find(named)?;
        let version = package.get("version")?.as_str()?.to_owned();
        Some((name.to_owned(), version))
    };
    Ok(LIBRARIES.into_iter().filter_map(version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_has_a_version() {
        let libraries = libraries().unwrap();
        let names = libraries.iter().map(|(name, _)| &**name);
        assert!(names.eq(LIBRARIES), "{libraries:?}");
    }
}
