//! An event loop on a thread of its own, which blocking code hands work to.
//!
//! The slides build it of a tornado loop, a thread and a future from
//! `concurrent.futures`; their crochet and fido are it ready-made.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread;

use harness::client::asynchronous::Client;
use harness::log;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

/// An event loop that runs until its process ends.
pub(crate) struct Reactor {
    /// To spawn from another thread wakes the loop each time; to send wakes
    /// it once, however much it finds then.
    queue: mpsc::UnboundedSender<Work>,
    client: Client,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Reactor {
    /// Starts the thread. A worker's main does so after the fork, which
    /// would not copy it (`lazy-apps = 1` on the slides).
    pub(crate) fn start(client: Client) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (queue, mut handed_over) = mpsc::unbounded_channel();
        thread::Builder::new().spawn(move || {
            log::name_thread("reactor".to_owned());
            runtime.block_on(async {
                while let Some(work) = handed_over.recv().await {
                    tokio::spawn(work);
                }
            });
        })?;
        Ok(Self { queue, client })
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
        let work = Box::pin(async {
            // Nobody waits where the request failed before it asked.
            sender.send(work.await).ok();
        });
        // The loop takes from the queue for as long as there is one.
        self.queue.send(work).ok();
        Offloaded(receiver)
    }
}

/// Work that was handed over.
pub(crate) struct Offloaded<T>(oneshot::Receiver<T>);

/// Holds the calling thread until all of it is done.
///
/// To wait for the first of many is to be woken for nearly each; the last is
/// mostly done last.
///
/// # Panics
///
/// Where work panicked.
pub(crate) fn results<T>(work: Vec<Offloaded<T>>) -> Vec<T> {
    let last_first = work.into_iter().rev();
    let results = last_first.map(|Offloaded(result)| {
        let result = result.blocking_recv();
        result.expect("the offloaded work panicked")
    });
    let mut results: Vec<_> = results.collect();
    results.reverse();
    results
}
