//! Calls by name, and what goes on meanwhile: the same for every way to
//! look a name up.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

/// What each of the calls by name asks the backend for.
pub const NAMED: &str = "/?duration=0";
/// What the calls beside them ask for, one after the other.
pub const OTHER: &str = "/?duration=0.02";

/// Calls to a host by its name.
#[derive(Args, Clone, Debug)]
pub struct Calls {
    /// The host's name
    #[arg(long, default_value = "localhost")]
    pub name: String,
    /// The backend's port there
    #[arg(long, default_value_t = 7001)]
    pub port: u16,
    /// How many calls are under way at once
    #[arg(long, default_value_t = 4)]
    pub at_once: usize,
    /// How many follow each other
    #[arg(long, default_value_t = 50)]
    pub rounds: usize,
}

impl Calls {
    /// The name's address, looked up here and now.
    ///
    /// # Errors
    ///
    /// The look-up's.
    pub fn look_up(&self) -> Result<SocketAddr> {
        let all = (&*self.name, self.port).to_socket_addrs();
        let all = all.with_context(|| format!("cannot find {}", self.name))?;
        let mut all = all.filter(SocketAddr::is_ipv4);
        all.next().context("the name has no IPv4 address")
    }

    /// Where the calls beside go, which are never to be held up by a name.
    pub fn other(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What the calls by name ask for.
    pub fn url(&self) -> String {
        format!("http://{}:{}{NAMED}", self.name, self.port)
    }

    /// What the calls beside ask for.
    pub fn other_url(&self) -> String {
        format!("http://{}{OTHER}", self.other())
    }
}

/// What went on while the calls by name were under way.
#[derive(Debug)]
pub struct Meanwhile {
    start: Instant,
    others: AtomicUsize,
}

impl Meanwhile {
    /// From now on.
    pub fn begin() -> Self {
        Self {
            start: Instant::now(),
            others: AtomicUsize::new(0),
        }
    }

    /// A call beside was answered.
    pub fn answered(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    /// Prints it.
    pub fn tell(&self) {
        let told = json!({
            "seconds": self.start.elapsed().as_secs_f64(),
            "others": self.others.load(Ordering::Relaxed),
        });
        println!("{told}");
    }
}
