//! The talk's catalogue, `talk.toml`, as data.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What there is to run, and what it is held against.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    /// How long each call of a request takes, in seconds.
    pub(crate) calls: Vec<f64>,
    /// How long the heavy work beside them takes, in seconds.
    pub(crate) heavy: f64,
    pub(crate) backend: Backend,
    #[serde(rename = "deployment")]
    pub(crate) deployments: Vec<Deployment>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backend {
    pub(crate) port: u16,
    pub(crate) processes: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    /// The crate whose binary serves.
    pub(crate) app: String,
    pub(crate) port: u16,
    /// How the calls are made, in words.
    pub(crate) model: String,
    /// Whether the calls of a request are made all at once.
    pub(crate) at_once: bool,
    /// Whether a request does the heavy work besides.
    #[serde(default)]
    pub(crate) heavy: bool,
    pub(crate) processes: Processes,
    /// Threads of a process that take requests, one at a time each.
    #[serde(default)]
    pub(crate) threads: usize,
    /// Coroutines of a process that take requests, one at a time each.
    #[serde(default)]
    pub(crate) coroutines: usize,
    /// Whether a process takes any number of requests at a time.
    #[serde(default)]
    pub(crate) unlimited: bool,
    pub(crate) slide: String,
    pub(crate) uwsgi_cpu: Option<f64>,
    pub(crate) uwsgi_memory: Option<u64>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Processes {
    Count(usize),
    PerCore(Cores),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cores {
    Cores,
}

impl Processes {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Count(count) => count,
            Self::PerCore(Cores::Cores) => cores(),
        }
    }
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// How many requests; `None` is curl's single one.
    pub(crate) requests: Option<u64>,
    #[serde(default = "the_hammers_default")]
    pub(crate) concurrency: usize,
    pub(crate) talk: Option<f64>,
    pub(crate) uwsgi: Option<f64>,
}

/// Requests that the talk's hammer has under way at a time, at the most; the
/// slides never say otherwise.
pub(crate) const CONCURRENCY: usize = 50;

fn the_hammers_default() -> usize {
    CONCURRENCY
}

impl Run {
    /// How many requests it has.
    pub(crate) fn count(&self) -> u64 {
        self.requests.unwrap_or(1)
    }

    /// How many of them are under way at a time, at the most.
    pub(crate) fn at_once(&self) -> usize {
        self.requests.map_or(1, |_| self.concurrency)
    }

    pub(crate) fn name(&self) -> String {
        match (self.requests, self.concurrency) {
            (None, _) => "curl".to_owned(),
            (Some(requests), CONCURRENCY) => format!("hammer {requests}"),
            (Some(requests), many) => format!("hammer {requests} by {many}"),
        }
    }
}

impl Deployment {
    /// How many requests it takes at a time, where it has a limit.
    pub(crate) fn slots(&self) -> usize {
        self.processes.count() * (self.threads + self.coroutines)
    }
}

impl Catalogue {
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let catalogue: Self = toml::from_str(text)?;
        for (at, deployment) in catalogue.deployments.iter().enumerate() {
            let before = &catalogue.deployments[..at];
            let Deployment { name, port, .. } = deployment;
            if before.iter().any(|other| other.name == *name) {
                bail!("{name} is in it twice");
            }
            if before.iter().any(|other| other.port == *port) {
                bail!("port {port} is in it twice");
            }
            if deployment.slots() == 0 {
                bail!("{name} takes no request");
            }
        }
        Ok(catalogue)
    }

    /// The deployments of these names, in the order of the catalogue; all
    /// where there is no name.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<&Deployment>> {
        for name in names {
            self.deployment(name)?;
        }
        let wanted = |deployment: &&Deployment| {
            names.is_empty() || names.contains(&deployment.name)
        };
        Ok(self.deployments.iter().filter(wanted).collect())
    }

    pub(crate) fn deployment(&self, name: &str) -> Result<&Deployment> {
        let mut all = self.deployments.iter();
        all.find(|deployment| deployment.name == name)
            .with_context(|| {
                let names: Vec<_> =
                    self.deployments.iter().map(|d| &*d.name).collect();
                let names = names.join(", ");
                format!("no deployment {name:?}; there are {names}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: &str = include_str!("../../../talk.toml");

    #[test]
    fn the_talk_is_whole() {
        let talk = Catalogue::parse(TALK).unwrap();
        assert_eq!(talk.calls.iter().sum::<f64>(), 1.25);
        let of_the_talk = |d: &&Deployment| d.slide != "–";
        let runs = |d: &Deployment| d.runs.len();
        let deployments = talk.deployments.iter();
        assert_eq!(deployments.clone().filter(of_the_talk).count(), 9);
        assert_eq!(
            deployments.filter(of_the_talk).map(runs).sum::<usize>(),
            16
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, why) in [
            ("port = 5001", "port = 5000", "port 5000 is in it twice"),
            ("\"process\"", "\"basic\"", "basic is in it twice"),
            ("threads = 4", "threads = 0", "thread takes no request"),
            ("at_once = false", "at_onec = false", "at_onec"),
            ("\"cores\"", "\"core\"", "processes"),
        ] {
            assert!(TALK.contains(from), "{from}");
            let text = TALK.replacen(from, to, 1);
            let error = Catalogue::parse(&text).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(why), "{to}: {error}");
        }
    }

    #[test]
    fn an_unknown_name_gets_those_that_there_are() {
        let talk = Catalogue::parse(TALK).unwrap();
        let names = ["thread".to_owned(), "threads".to_owned()];
        let error = talk.select(&names).unwrap_err().to_string();
        assert!(error.contains("\"threads\"; there are basic, process"));
        assert_eq!(talk.select(&names[..1]).unwrap()[0].port, 5002);
    }
}
