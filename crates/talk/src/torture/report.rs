//! What came of the torture, and whether it is as promised.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::kills::Kills;
use super::load::Answers;
use super::orphans::Orphans;
use super::peers::Peer;
use super::plan::has_queues;
use super::reloads::Reloads;
use super::slow::{CLIENTS, Slow, What};
use crate::put::put_json;
use crate::results::Spread;
use crate::table::plain;

/// A worker is replaced within so many seconds, nine times of ten.
const REPLACED: f64 = 0.050;
/// The most that a worker's own queue may hold when it ends.
const QUEUED: u64 = 5;
/// Workers are gone so many seconds after their master.
const GONE: f64 = 1.0;
/// Slow clients make others wait by so much more.
const SLOWER: f64 = 1.2;
/// Resident memory may grow by so much: pages that are touched once.
const GROWTH: u64 = 1 << 20;

/// What came of it all.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: u32,
    long: bool,
    pub(super) rows: Vec<Row>,
    pub(super) slow: Vec<Slow>,
    pub(super) peers: Vec<Peer>,
}

/// What came of it for a deployment.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) deployment: String,
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) kills: Kills,
    pub(super) reloads: Reloads,
    pub(super) orphans: Orphans,
}

impl Report {
    pub(super) fn new(long: bool) -> Self {
        Self {
            version: 1,
            long,
            rows: Vec::new(),
            slow: Vec::new(),
            peers: Vec::new(),
        }
    }

    pub(super) fn write(&self, path: Option<&Path>) -> Result<()> {
        path.map_or(Ok(()), |path| put_json(path, self))
    }

    /// What is not as promised.
    pub(super) fn faults(&self) -> Vec<String> {
        let rows = self.rows.iter().flat_map(Row::faults);
        rows.chain(self.slow.iter().filter_map(Slow::fault))
            .collect()
    }
}

impl Row {
    /// The row in a line, for those who wait for the others.
    pub(super) fn line(&self) -> String {
        let Self {
            deployment,
            kills,
            reloads,
            ..
        } = self;
        format!(
            "{deployment}: {} kills lost {} requests, with {} in hands; {} \
             reloads lost {}",
            kills.kills,
            kills.answers.failed,
            kills.in_hands,
            reloads.reloads,
            reloads.answers.failed,
        )
    }

    fn cells(&self) -> Vec<String> {
        let Self {
            kills,
            reloads,
            orphans,
            ..
        } = self;
        let ms = |seconds: f64| format!("{:.0}", seconds * 1e3);
        let took = Spread::of(reloads.took.clone());
        let (files, memory) = (kills.files, kills.memory);
        vec![
            self.deployment.clone(),
            format!("{:.0}", self.rate),
            kills.kills.to_string(),
            kills.in_hands.to_string(),
            kills.answers.failed.to_string(),
            format!("{} to {}", ms(kills.p90()), ms(kills.worst())),
            reloads.reloads.to_string(),
            reloads.answers.failed.to_string(),
            reloads.answers.requests.to_string(),
            ms(took.map_or(0.0, |took| took.median)),
            ms(orphans.gone),
            format!("{} → {}", files.0, files.1),
            format!("{} → {}", memory.0 >> 10, memory.1 >> 10),
        ]
    }

    fn faults(&self) -> impl Iterator<Item = String> {
        let deployment = &self.deployment;
        // What waits in a queue of a worker's own goes with it: what comes
        // in within some milliseconds, at the rate of this load.
        let queued = match has_queues(deployment) {
            true => QUEUED,
            false => 0,
        };
        let faults = self.kills.faults(queued);
        let faults = faults.chain(self.reloads.fault(queued));
        let faults = faults.chain(self.orphans.fault());
        faults.map(move |what| format!("{deployment}: {what}"))
    }
}

impl Kills {
    /// `queued` is what each kill may cost beside what is in hands.
    fn faults(&self, queued: u64) -> impl Iterator<Item = String> {
        let lost = self.answers.failed;
        let (files, files_after) = self.files;
        let (memory, memory_after) = self.memory;
        let faults = [
            (lost > self.in_hands + u64::from(self.kills) * queued).then(|| {
                format!(
                    "{lost} requests were lost where the killed workers had \
                     {} in their hands ({})",
                    self.in_hands,
                    reasons(&self.answers),
                )
            }),
            (self.p90() > REPLACED).then(|| {
                format!(
                    "a killed worker was replaced within {:.0} ms, nine times \
                     of ten, where {:.0} are promised",
                    self.p90() * 1e3,
                    REPLACED * 1e3,
                )
            }),
            (self.zombies > 0)
                .then(|| format!("{} zombies are left", self.zombies)),
            (files_after > files).then(|| {
                format!("the master had {files} files and has {files_after}")
            }),
            (memory_after > memory + GROWTH).then(|| {
                format!(
                    "the master's memory grew from {memory} to {memory_after} \
                     bytes"
                )
            }),
        ];
        faults.into_iter().flatten()
    }
}

impl Reloads {
    fn fault(&self, queued: u64) -> Option<String> {
        let lost = self.answers.failed;
        (lost > u64::from(self.reloads) * queued).then(|| {
            format!(
                "{lost} requests were lost in {} reloads ({})",
                self.reloads,
                reasons(&self.answers),
            )
        })
    }
}

impl Orphans {
    fn fault(&self) -> Option<String> {
        (self.gone > GONE).then(|| {
            format!(
                "workers were gone {:.1} s after their master, where {GONE} \
                 is promised",
                self.gone,
            )
        })
    }
}

fn reasons(answers: &Answers) -> String {
    let reasons = answers.why.iter().map(|(why, n)| format!("{n} × {why}"));
    reasons.collect::<Vec<_>>().join(", ")
}

impl Slow {
    fn cells(&self) -> Vec<String> {
        let sees = match &self.what {
            What::HeldUp { waited, due } => format!(
                "waited {waited:.1} s; the others' deadlines take {due:.1} s"
            ),
            What::Serves {
                before,
                meanwhile,
                connected,
            } => format!(
                "p99 {:.1} ms beside {connected} of them, {:.1} ms before: \
                 × {:.2}",
                meanwhile.p99 * 1e3,
                before.p99 * 1e3,
                meanwhile.p99 / before.p99,
            ),
        };
        vec![self.deployment.clone(), sees]
    }

    fn fault(&self) -> Option<String> {
        let Self { deployment, what } = self;
        match what {
            What::HeldUp { waited, due } => {
                (*waited > due * 1.5 + 1.0).then(|| {
                    format!(
                        "{deployment}: behind slow clients a request waited \
                     {waited:.1} s, where their deadlines take {due:.1} s"
                    )
                })
            }
            What::Serves {
                before,
                meanwhile,
                connected,
            } => {
                let slower = meanwhile.p99 / before.p99;
                let failed = before.failed + meanwhile.failed;
                let holds =
                    slower <= SLOWER && failed == 0 && *connected == CLIENTS;
                (!holds).then(|| {
                    format!(
                        "{deployment}: beside {connected} slow clients p99 \
                         was × {slower:.2} and {failed} requests failed"
                    )
                })
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "deployment",
            "req/s",
            "kills",
            "in hands",
            "lost",
            "replaced ms",
            "reloads",
            "lost",
            "of",
            "each ms",
            "master killed, gone ms",
            "master's files",
            "KB",
        ];
        let rows = self.rows.iter().map(Row::cells);
        writeln!(f, "{}", plain(&head, rows))?;
        if !self.peers.is_empty() {
            let head =
                ["peer", "kills", "in hands", "lost", "reloads", "lost", "of"];
            let rows = self.peers.iter().map(Peer::cells);
            writeln!(f, "\n{}", plain(&head, rows))?;
        }
        let head = ["500 slow clients", "what an honest one sees"];
        let rows = self.slow.iter().map(Slow::cells);
        write!(f, "\n{}", plain(&head, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            deployment: "thread".to_owned(),
            rate: 100.0,
            kills: Kills {
                kills: 2,
                answers: Answers::default(),
                in_hands: 3,
                replaced: vec![0.010, 0.020],
                zombies: 0,
                files: (9, 9),
                memory: (GROWTH, GROWTH),
            },
            reloads: Reloads {
                reloads: 4,
                answers: Answers::default(),
                took: vec![0.1, 0.2, 0.4, 0.9],
            },
            orphans: Orphans {
                workers: 1,
                gone: 0.1,
            },
        }
    }

    #[test]
    fn what_is_not_as_promised_is_told() {
        assert_eq!(row().faults().count(), 0);
        let mut bad = row();
        bad.kills.answers.failed = 4;
        bad.kills.replaced = vec![0.060];
        bad.kills.zombies = 1;
        bad.kills.files.1 += 1;
        bad.kills.memory.1 += GROWTH + 1;
        bad.reloads.answers.failed = 1;
        bad.orphans.gone = 2.0;
        let told: Vec<_> = bad.faults().collect();
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(told.iter().all(|fault| fault.starts_with("thread: ")));
        // A worker with a queue may lose what waits there, each time.
        bad.deployment = "coroutine".to_owned();
        let lost = |told: String| told.contains("requests were lost");
        assert!(!bad.faults().any(lost), "{told:?}");
    }

    #[test]
    fn nine_of_ten_are_no_fewer() {
        let mut kills = row().kills;
        for (count, last) in [(1, 1.0), (2, 2.0), (10, 9.0), (25, 23.0)] {
            kills.replaced = (1..=count).map(f64::from).collect();
            assert_eq!(kills.p90(), last, "of {count}");
        }
        kills.replaced.clear();
        assert_eq!(kills.p90(), 0.0);
    }

    #[test]
    fn a_reload_takes_as_long_as_half_of_them_do() {
        let mut report = Report::new(false);
        report.rows.push(row());
        let text = report.to_string();
        assert!(text.contains(" 300 "), "{text}");
    }
}
