//! The slides' warnings, live: each caveat is made to happen here, bad
//! beside good, and measured.
//!
//! What goes wrong is a program of crates/caveats, or one of the apps where
//! its options alone show it. docs/caveats.md tells each in half a page.
//!
//! Read next: evidence.rs, what counts as shown; stage.rs, what a caveat is
//! shown with; and then the caveats, in the order below.

mod evidence;
mod program;
mod report;
mod stage;

mod no_reactor;

mod dns;

mod fork_after_threads;

mod blocking_the_loop;

mod pool_exhaustion;

mod keep_alive_hoarding;

mod backend_limit;

mod abandoned_requests;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::caveats::evidence::Findings;
use crate::caveats::report::Report;
use crate::caveats::stage::Stage;
use crate::interrupt::Interrupt;
use crate::options::Caveats;
use crate::progress::Progress;
use crate::site::Site;

/// A warning, and how it is shown.
struct Caveat {
    name: &'static str,
    /// What the slides say of it, and where.
    slide: &'static str,
    /// What is done to show it.
    runs: &'static str,
    /// Files and functions to read, the cause before the cure.
    code: &'static [(&'static str, &'static str)],
    /// About how long it takes, in full and quickly.
    seconds: [f64; 2],
    show: fn(&Stage<'_>) -> Result<Findings>,
}

/// In the order of docs/caveats.md.
static ALL: [Caveat; 8] = [
    no_reactor::CAVEAT,
    dns::CAVEAT,
    fork_after_threads::CAVEAT,
    blocking_the_loop::CAVEAT,
    pool_exhaustion::CAVEAT,
    keep_alive_hoarding::CAVEAT,
    backend_limit::CAVEAT,
    abandoned_requests::CAVEAT,
];

/// Whether every caveat that was asked for was shown.
pub(crate) fn caveats(site: &Site, options: &Caveats) -> Result<bool> {
    let caveats = select(&options.names)?;
    site.build_apps()?;
    // Apart: what one asks of a crate that they share would be built into the
    // others.
    site.build(&["caveats"])?;

    let interrupt = Interrupt::block()?;
    let expected = |caveat: &Caveat| {
        Duration::from_secs_f64(caveat.seconds[usize::from(options.quick)])
    };
    let total = caveats.iter().map(|caveat| expected(caveat)).sum();
    let mut progress = Progress::new(total);
    let mut report = Report::new(options, &caveats);
    report.write()?;
    for (at, caveat) in caveats.iter().enumerate() {
        let stage = Stage {
            site,
            interrupt: &interrupt,
            progress: &progress,
            caveat: caveat.name,
            expected: expected(caveat),
            begun: Instant::now(),
            quick: options.quick,
        };
        let findings = (caveat.show)(&stage).context(caveat.name)?;
        progress.over(expected(caveat));
        report.add(at, findings)?;
        progress.print(|| report.print(at));
    }
    drop(progress);
    report.print_end();
    Ok(report.all_shown())
}

fn select(names: &[String]) -> Result<Vec<&'static Caveat>> {
    for name in names {
        if !ALL.iter().any(|caveat| caveat.name == name) {
            let names: Vec<_> = ALL.iter().map(|caveat| caveat.name).collect();
            bail!("no caveat {name:?}; there are {}", names.join(", "));
        }
    }
    let wanted = |caveat: &&Caveat| {
        names.is_empty() || names.iter().any(|name| name == caveat.name)
    };
    Ok(ALL.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn where_to_look_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for Caveat { name, code, .. } in &ALL {
            assert!(!code.is_empty(), "{name} leads nowhere");
            for (file, function) in *code {
                let text = fs::read_to_string(root.join(file));
                let text = text.unwrap_or_else(|_| panic!("{name}: no {file}"));
                let defines =
                    |kind: &str| text.contains(&format!("{kind}{function}"));
                assert!(
                    // A key, in a deployment file.
                    ["fn ", "struct ", "\n"].into_iter().any(defines),
                    "{name}: no {function} in {file}"
                );
            }
        }
    }
}
