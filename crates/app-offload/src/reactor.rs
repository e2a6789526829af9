//! An event loop on a thread of its own, which blocking code hands work to.
//!
//! The slides build it of a tornado loop, a thread and a future from
//! `concurrent.futures`; their crochet and fido are it ready-made.

use std::future::{Future, pending};
use std::io;
use std::thread;

use harness::log;
use reqwest::Client;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// An event loop that runs until its process ends.
pub(crate) struct Reactor {
    runtime: Handle,
    client: Client,
}

impl Reactor {
    /// Starts the thread. A worker's main does so after the fork, which
    /// would not copy it (`lazy-apps = 1` on the slides).
    pub(crate) fn start(client: Client) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().spawn(move || {
            log::name_thread("reactor".to_owned());
            runtime.block_on(pending::<()>())
        })?;
        let runtime = handle;
        Ok(Self { runtime, client })
    }

    /// Hands `work` over; it begins at once, on the reactor's thread.
    pub(crate) fn submit<T, F>(
        &self,
        work: impl FnOnce(Client) -> F,
    ) -> Offloaded<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work = work(self.client.clone());
        self.runtime.spawn(async {
            // Nobody waits where the request failed before it asked.
            sender.send(work.await).ok();
        });
        Offloaded(receiver)
    }
}

/// Work that was handed over.
pub(crate) struct Offloaded<T>(oneshot::Receiver<T>);

impl<T> Offloaded<T> {
    /// Holds the calling thread until the work is done.
    ///
    /// # Panics
    ///
    /// Where the work panicked.
    pub(crate) fn result(self) -> T {
        self.0.blocking_recv().expect("the offloaded work panicked")
    }
}
