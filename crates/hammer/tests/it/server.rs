//! A server that does to each connection what its script says.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// An answer that leaves the connection open.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server on a port of its own. It lives as long as the tests do.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    last: Mutex<String>,
}

/// What a script is given: one connection.
pub(crate) struct Peer<'a> {
    stream: TcpStream,
    seen: &'a Seen,
    /// The number of its last request, among those of all.
    count: usize,
}

impl Server {
    /// Runs the script on each connection, on a thread of its own.
    pub(crate) fn start<S>(script: S) -> Self
    where
        S: Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn on<S>(listener: TcpListener, script: S) -> Self
    where
        S: Fn(&mut Peer<'_>) -> io::Result<()> + Send + Sync + 'static,
    {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (script, shared) = (Arc::new(script), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (script.clone(), shared.clone());
                seen.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let seen = &seen;
                    // A script ends with an error where the hammer hangs up.
                    let _ = script(&mut Peer {
                        stream,
                        seen,
                        count: 0,
                    });
                });
            }
        });
        Self { address, seen }
    }

    /// Answers every request alike.
    pub(crate) fn answering(response: &'static str) -> Self {
        Self::start(move |peer| {
            while peer.request()?.is_some() {
                peer.say(response)?;
            }
            Ok(())
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The last request, as it was sent.
    pub(crate) fn last(&self) -> String {
        self.seen.last.lock().unwrap().clone()
    }
}

impl Peer<'_> {
    /// Reads one request, its body included; `None` where the hammer hung
    /// up instead.
    pub(crate) fn request(&mut self) -> io::Result<Option<String>> {
        let mut request = Vec::new();
        let mut piece = [0; 1 << 16];
        loop {
            let text = String::from_utf8_lossy(&request);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    self.count =
                        self.seen.requests.fetch_add(1, Ordering::SeqCst) + 1;
                    *self.seen.last.lock().unwrap() = text.to_string();
                    return Ok(Some(text.into_owned()));
                }
            }
            match self.stream.read(&mut piece)? {
                0 => return Ok(None),
                count => request.extend_from_slice(&piece[..count]),
            }
        }
    }

    pub(crate) fn say(&mut self, bytes: &str) -> io::Result<()> {
        self.stream.write_all(bytes.as_bytes())
    }

    /// Reads what a request without a body takes, and looks at none of it;
    /// whether there was one.
    pub(crate) fn skim(&mut self) -> io::Result<bool> {
        let mut request = [0; 1024];
        let mut length = 0;
        while !request[..length].ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut request[length..])? {
                0 => return Ok(false),
                count => length += count,
            }
        }
        Ok(true)
    }

    /// The number of its last request, among those of all connections.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Ends the connection with a reset instead of a farewell.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(std::time::Duration::ZERO))
    }

    /// Waits until the hammer hangs up.
    pub(crate) fn hang(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(drop)
    }
}
