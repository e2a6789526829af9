//! HTTP/2: one connection to each address, which all calls share.
//!
//! This is h2, beneath hyper. hyper-util's pool shares connections, too, but
//! it takes 3 KB for each call that waits, and hyper a task of 1.6 KB; and
//! the pool cannot be told that many calls may be given up (below).

use futures_util::lock::Mutex;
use h2::Reason;
use h2::client::{Builder, SendRequest};
use http::uri::Authority;
use http::{Request, Response, Uri};
use hyper::body::Bytes;
use hyper::rt::Executor;
use hyper::service::Service;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;

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
}

#[derive(Debug)]
struct Connection {
    authority: Authority,
    /// Held while it is made, so that one is.
    sender: Mutex<Option<SendRequest<Bytes>>>,
}

impl Multiplexed {
    /// None of the connections is made yet.
    pub(super) fn new(plan: &Plan, connector: HttpConnector) -> Self {
        let mut connections: Vec<Connection> = Vec::new();
        let uris = plan.calls().iter().map(|call| call.uri());
        for authority in uris.filter_map(Uri::authority) {
            if connections.iter().all(|one| one.authority != *authority) {
                let authority = authority.clone();
                let sender = Mutex::default();
                connections.push(Connection { authority, sender });
            }
        }
        let connector = TowerToHyperService::new(connector);
        Self {
            connections,
            connector,
        }
    }

    /// The answer, whose body is read to its end.
    pub(super) async fn get(
        &self,
        uri: &Uri,
    ) -> Result<Response<Bytes>, Failure> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.clone();
        let mut sender = self.sender(uri).await?;
        // Dropped before its end, a call is given up (RST_STREAM).
        let (answer, _) = sender.send_request(request, true)?;
        let (head, mut stream) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(bytes) = stream.data().await {
            let bytes = bytes?;
            stream.flow_control().release_capacity(bytes.len())?;
            body.extend_from_slice(&bytes);
        }
        Ok(Response::from_parts(head, body.into()))
    }

    async fn sender(&self, uri: &Uri) -> Result<SendRequest<Bytes>, Failure> {
        let mut connections = self.connections.iter();
        let to = connections.find(|to| Some(&to.authority) == uri.authority());
        let to = to.ok_or_else(|| {
            Failure::Other(format!("{uri} is not of the plan"))
        })?;
        let mut sender = to.sender.lock().await;
        if let Some(sender) = &*sender
            && let Ok(sender) = sender.clone().ready().await
        {
            return Ok(sender);
        }
        // Few calls come here, and the others need no room for it.
        let made = Box::pin(connect(&self.connector, uri.clone())).await?;
        Ok(sender.insert(made).clone())
    }
}

async fn connect(
    connector: &TowerToHyperService<HttpConnector>,
    uri: Uri,
) -> Result<SendRequest<Bytes>, Failure> {
    let stream = connector.call(uri).await;
    let stream = stream.map_err(|error| Failure::other(&error))?;
    let (sender, connection) = Builder::new()
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
    // What becomes of it, the calls are told.
    TokioExecutor::new().execute(async { connection.await.unwrap_or(()) });
    Ok(sender)
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
