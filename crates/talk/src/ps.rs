//! What runs now: the slides' htop, of masters, workers and threads.
//!
//! 1. ../masters.rs: who is asked, and what each tells;
//! 2. look.rs: that and what the kernel tells, at one moment;
//!    ../sockets.rs: who has which connections;
//! 3. sight.rs: two looks, and what happened between them;
//! 4. tree.rs: a sight as sorted rows, for whoever shows them;
//! 5. watch.rs: the live view: a loop over sights and keys; view.rs: what it
//!    shows; hammering.rs: the hammer in it.

#[cfg(test)]
mod example;
mod hammering;
mod look;
mod sight;
mod tree;
mod view;
mod watch;

use std::io;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use self::look::Look;
use self::sight::Sight;
use self::tree::{Order, Row};
use crate::options::Ps;
use crate::print::{self, note, say};
use crate::table;

/// Long enough for a share of it to mean something.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

const NOTHING: &str = "nothing runs; start something with: cargo talk run-all";

/// Shows what runs: once, or until the user has seen enough.
pub(crate) fn ps(options: &Ps) -> Result<()> {
    if options.watch {
        return watch::watch();
    }
    let before = Look::take()?;
    thread::sleep(BETWEEN_LOOKS);
    let sight = Sight::between(&before, &Look::take()?);
    for unheard in &sight.unheard {
        note!("talk: {unheard}");
    }
    let text = if options.json {
        serde_json::to_string_pretty(&sight)?
    } else if sight.masters.is_empty() {
        NOTHING.to_owned()
    } else {
        let rows = tree::rows(&sight, Order::Port, true);
        let cells = rows.iter().map(Row::cells);
        table::processes(
            &tree::HEAD,
            cells,
            &tree::SPARED,
            print::room(&io::stdout()),
        )
    };
    say!("{text}");
    Ok(())
}
