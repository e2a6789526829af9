//! HTTP/2: one connection to each address, which all calls share.
//!
//! This is h2, beneath hyper. hyper-util's pool shares connections, too, but
//! it takes 3 KB for each call that waits, and hyper a task of 1.6 KB; and
//! the pool cannot be told that many calls may be given up (below).
//!
//! A connection that has gone silent would be shared for ever, since a call
//! that takes too long gives up itself alone. So after such a call the other
//! side is asked for a sign of life (PING, RFC 9113, 6.7).

use std::future::{pending, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;
use futures_util::task::AtomicWaker;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong, Reason};
use http::uri::Authority;
use http::{Request, Uri};
use hyper::body::Bytes;
use hyper::rt::{Executor, Timer};
use hyper::service::Service;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::service::TowerToHyperService;

use super::asynchronous::Body;
use super::successful;
use crate::answer::Failure;
use crate::plan::Plan;

/// Calls that a connection may have before the server says how many: more
/// than it will.
const CALLS: usize = 1 << 16;
/// Bytes of an answer that may be on their way before it is read (RFC 9113,
/// 5.2), and those of all answers: as hyper has it.
const WINDOW: u32 = 2 << 20;
const WINDOW_FOR_ALL: u32 = 5 << 20;

/// A connection to each of the backend's addresses, made when a call needs
/// it.
#[derive(Debug)]
pub(super) struct Multiplexed {
    connections: Vec<Connection>,
    connector: TowerToHyperService<HttpConnector>,
    /// How long a sign of life may take.
    patience: Duration,
}

#[derive(Debug)]
struct Connection {
    authority: Authority,
    /// Held while it is made, so that one is.
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    sender: SendRequest<Bytes>,
    /// Told where it may have gone silent.
    doubt: Arc<Doubt>,
}

impl Multiplexed {
    /// None of the connections is made yet.
    pub(super) fn new(plan: &Plan, connector: HttpConnector) -> Self {
        let mut connections: Vec<Connection> = Vec::new();
        let uris = plan.calls().iter().map(|call| call.uri());
        for authority in uris.filter_map(Uri::authority) {
            if connections.iter().all(|one| one.authority != *authority) {
                let authority = authority.clone();
                let open = Mutex::default();
                connections.push(Connection { authority, open });
            }
        }
        let connector = TowerToHyperService::new(connector);
        Self {
            connections,
            connector,
            patience: plan.timeout(),
        }
    }

    /// The body of the answer.
    pub(super) async fn get(&self, uri: &Uri) -> Result<Bytes, Failure> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.clone();
        let mut sender = self.sender(uri).await?;
        let given_up = GivenUp { of: self, uri };
        // Dropped before its end, a call is given up (RST_STREAM).
        let (answer, _) = sender.send_request(request, true)?;
        let answer = answer.await?;
        let status = answer.status();
        let mut stream = answer.into_body();
        let mut body = Body::default();
        while let Some(bytes) = stream.data().await {
            let bytes = bytes?;
            stream.flow_control().release_capacity(bytes.len())?;
            body.add(&bytes)?;
        }
        mem::forget(given_up);
        successful(status)?;
        Ok(body.0.into())
    }

    /// Says that a call to `uri` was given up.
    fn doubt(&self, uri: &Uri) {
        // Where it is locked, one is being made.
        let open = self.to(uri).and_then(|to| to.open.try_lock());
        if let Some(Some(open)) = open.as_deref() {
            open.doubt.raise();
        }
    }

    fn to(&self, uri: &Uri) -> Option<&Connection> {
        let mut connections = self.connections.iter();
        connections.find(|to| Some(&to.authority) == uri.authority())
    }

    async fn sender(&self, uri: &Uri) -> Result<SendRequest<Bytes>, Failure> {
        let to = self.to(uri).ok_or_else(|| {
            Failure::Other(format!("{uri} is not of the plan"))
        })?;
        let mut open = to.open.lock().await;
        if let Some(Open { sender, .. }) = &*open
            && let Ok(sender) = sender.clone().ready().await
        {
            return Ok(sender);
        }
        // Few calls come here, and the others need no room for it.
        let made = connect(&self.connector, uri.clone(), self.patience);
        let made = Box::pin(made).await?;
        Ok(open.insert(made).sender.clone())
    }
}

/// A call without an answer yet. Dropped, it was given up, by its time limit
/// or by whoever asked for it, and the connection may be why.
struct GivenUp<'a> {
    of: &'a Multiplexed,
    uri: &'a Uri,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.of.doubt(self.uri);
    }
}

async fn connect(
    connector: &TowerToHyperService<HttpConnector>,
    uri: Uri,
    patience: Duration,
) -> Result<Open, Failure> {
    let stream = connector.call(uri).await;
    let stream = stream.map_err(|error| Failure::other(&error))?;
    let (sender, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW_FOR_ALL)
        .initial_max_send_streams(CALLS)
        // A call that took too long is given up, and answered all the same.
        // Of those, h2 remembers fifty; answers to others are errors to it,
        // and after a thousand it closes the connection on all that wait.
        .max_concurrent_reset_streams(CALLS)
        .max_local_error_reset_streams(None)
        .handshake(stream.into_inner())
        .await?;
    let doubt = Arc::<Doubt>::default();
    let silence = match connection.ping_pong() {
        Some(pings) => silence(pings, doubt.clone(), patience).left_future(),
        None => pending().right_future(),
    };
    // What becomes of it, the calls are told; one that is silent is closed.
    let silence = Box::pin(silence);
    TokioExecutor::new().execute(async {
        select(connection, silence).await;
    });
    Ok(Open { sender, doubt })
}

/// Ends once the other side gives no sign of life.
async fn silence(mut pings: PingPong, doubt: Arc<Doubt>, patience: Duration) {
    loop {
        doubt.raised().await;
        let pong = pin!(pings.ping(Ping::opaque()));
        let limit = TokioTimer::new().sleep(patience);
        if !matches!(select(pong, limit).await, Either::Left((Ok(_), _))) {
            return;
        }
    }
}

/// Whether a connection may have gone silent.
#[derive(Debug, Default)]
struct Doubt {
    is_raised: AtomicBool,
    waker: AtomicWaker,
}

impl Doubt {
    fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for it, and settles it.
    async fn raised(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            match self.is_raised.swap(false, Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        let answer_is_http1 = error.is_library()
            && error.reason() == Some(Reason::FRAME_SIZE_ERROR);
        match answer_is_http1 {
            true => Self::Other(format!(
                "{error}; a backend that has no HTTP/2 needs http2 = false"
            )),
            false => Self::other(&error),
        }
    }
}
