//! One connection and the request that it carries.
//!
//! What every request does goes to the kernel by way of rustix: each send
//! and receive of libc's is a point where a thread may be cancelled, which
//! costs two atomic operations and is of no use here.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::record::Moments;
use crate::response::Reader;

/// One connection and the request that it carries.
pub(crate) struct Connection {
    socket: Socket,
    /// Which of the plan's servers it leads to.
    pub(crate) server: usize,
    /// Tells it from others that had its place in the table.
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    /// Which of the plan's requests.
    pub(crate) request: usize,
    /// How much of it was sent.
    pub(crate) written: usize,
    /// Whether the request counts, or is part of the warm-up.
    pub(crate) measured: bool,
    pub(crate) watch: Watch,
    pub(crate) at: Moments,
    pub(crate) reader: Reader,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// To be opened.
    Connecting,
    /// For its request to be sent, or answered.
    Busy,
    /// For a request.
    Idle,
}

/// What epoll tells of a connection. It only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Watch {
    Nothing,
    /// Bytes to read.
    Input,
    /// The same, and room for bytes to send.
    Both,
}

impl Connection {
    /// Begins to open a connection.
    pub(crate) fn open(
        address: &SockAddr,
        server: usize,
        keep_alive: bool,
    ) -> io::Result<Self> {
        let domain = match address.is_ipv6() {
            true => Domain::IPV6,
            false => Domain::IPV4,
        };
        let socket = Socket::new_raw(
            domain,
            Type::STREAM.nonblocking().cloexec(),
            None,
        )?;
        if keep_alive {
            // From the second request on, Nagle's algorithm would hold the
            // end of a long one back.
            socket.set_tcp_nodelay(true)?;
        }
        match socket.connect(address) {
            Ok(()) => {}
            Err(error) if in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            socket,
            server,
            generation: 0,
            phase: Phase::Connecting,
            request: 0,
            written: 0,
            measured: false,
            watch: Watch::Nothing,
            at: Moments::default(),
            reader: Reader::new(),
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends as much as the kernel takes; how much, or `None` where it
    /// takes nothing now.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        now_or_later(send(
            &self.socket,
            &bytes[self.written..],
            SendFlags::NOSIGNAL,
        ))
    }

    /// Reads what there is; `None` where there is nothing now.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
    ) -> io::Result<Option<usize>> {
        let result = recv(&self.socket, buffer, RecvFlags::empty());
        now_or_later(result.map(|(count, _)| count))
    }

    /// Why the connection could not be opened.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.socket.take_error().ok().flatten()
    }
}

fn now_or_later(
    result: rustix::io::Result<usize>,
) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error())
}
