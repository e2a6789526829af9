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

    fn faults(&self) -> Vec<String> {
        let Self {
            deployment,
            kills,
            reloads,
            orphans,
            ..
        } = self;
        // What waits in a queue of a worker's own goes with it: what comes
        // in within some milliseconds, at the rate of this load.
        let queued = |times: u32| match has_queues(deployment) {
            true => u64::from(times) * QUEUED,
            false => 0,
        };
        let mut faults = Vec::new();
        let mut check = |is_fault: bool, what: String| {
            if is_fault {
                faults.push(format!("{deployment}: {what}"));
            }
        };
        let lost = kills.answers.failed;
        check(
            lost > kills.in_hands + queued(kills.kills),
            format!(
                "{lost} requests were lost where the killed workers had {} \
                 in their hands ({})",
                kills.in_hands,
                reasons(&kills.answers),
            ),
        );
        check(
            kills.p90() > REPLACED,
            format!(
                "a killed worker was replaced within {:.0} ms, nine times of \
                 ten, where {:.0} are promised",
                kills.p90() * 1e3,
                REPLACED * 1e3,
            ),
        );
        check(
            kills.zombies > 0,
            format!("{} zombies are left", kills.zombies),
        );
        let (before, after) = kills.files;
        check(
            after > before,
            format!("the master had {before} files and has {after}"),
        );
        let (before, after) = kills.memory;
        check(
            after > before + GROWTH,
            format!("the master's memory grew from {before} to {after} bytes"),
        );
        let lost = reloads.answers.failed;
        check(
            lost > queued(reloads.reloads),
            format!(
                "{lost} requests were lost in {} reloads ({})",
                reloads.reloads,
                reasons(&reloads.answers),
            ),
        );
        check(
            orphans.gone > GONE,
            format!(
                "workers were gone {:.1} s after their master, where {GONE} \
                 is promised",
                orphans.gone,
            ),
        );
        faults
    }
}

fn reasons(answers: &Answers) -> String {
    let reasons = answers.why.iter().map(|(why, n)| format!("{n} × {why}"));
    reasons.collect::<Vec<_>>().join(", ")
}

impl Slow {
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
        let rows = self.rows.iter().map(|row| {
            let Row {
                kills,
                reloads,
                orphans,
                ..
            } = row;
            let ms = |seconds: f64| format!("{:.0}", seconds * 1e3);
            let took = Spread::of(reloads.took.clone());
            let (files, memory) = (kills.files, kills.memory);
            vec![
                row.deployment.clone(),
                format!("{:.0}", row.rate),
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
        });
        writeln!(f, "{}", plain(&head, rows))?;
        if !self.peers.is_empty() {
            let head =
                ["peer", "kills", "in hands", "lost", "reloads", "lost", "of"];
            let rows = self.peers.iter().map(Peer::cells);
            writeln!(f, "\n{}", plain(&head, rows))?;
        }
        let head = ["500 slow clients", "what an honest one sees"];
        let rows = self.slow.iter().map(|Slow { deployment, what }| {
            let sees = match what {
                What::HeldUp { waited, due } => format!(
                    "waited {waited:.1} s; the others' deadlines take \
                     {due:.1} s"
                ),
                What::Serves {
                    before,
                    meanwhile,
                    connected,
                } => format!(
                    "p99 {:.1} ms beside {connected} of them, {:.1} ms \
                     before: × {:.2}",
                    meanwhile.p99 * 1e3,
                    before.p99 * 1e3,
                    meanwhile.p99 / before.p99,
                ),
            };
            vec![deployment.clone(), sees]
        });
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
    fn a_reload_takes_as_long_as_half_of_them_do() {
        let mut report = Report::new(false);
        report.rows.push(row());
        let text = report.to_string();
        assert!(text.contains(" 300 "), "{text}");
    }
}
