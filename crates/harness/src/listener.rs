//! The socket that the master binds and its workers accept from.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use listenfd::ListenFd;
use socket2::{Domain, SockRef, Socket, Type};
use thiserror::Error;

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error(
        "{0} is in use; stop what holds it or choose another port with --http"
    )]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What was handed over cannot be listened on.
    #[error("LISTEN_FDS gives no TCP socket to listen on: {0}")]
    Given(io::Error),
}

/// How long a client may leave unread, or a network undelivered, what it was
/// sent. Then the kernel closes the connection, whoever waits for it.
const UNREAD_LIMIT: Duration = Duration::from_secs(10);

/// The socket that whoever started this process hands over, as systemd does
/// (sd_listen_fds(3)): the first of LISTEN_FDS, where there is one.
///
/// # Errors
///
/// [`ListenError::Given`], where it is no TCP socket.
pub fn inherited() -> Result<Option<TcpListener>, ListenError> {
    let take = || {
        let listener = ListenFd::from_env().take_tcp_listener(0)?;
        if let Some(listener) = &listener {
            prepare(listener.into())?;
        }
        Ok(listener)
    };
    take().map_err(ListenError::Given)
}

/// Binds `address` and listens, with room for `backlog` connections that no
/// worker has taken yet.
///
/// The socket does not block: of several workers that wait for it, those
/// that come too late for a connection go on waiting.
///
/// # Errors
///
/// [`ListenError`], which names the address.
pub fn bind(
    address: SocketAddr,
    backlog: i32,
) -> Result<TcpListener, ListenError> {
    let listen = || {
        let socket = socket(address)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        prepare((&socket).into())?;
        Ok(socket.into())
    };
    listen().map_err(|source| failure(address, source))
}

/// Holds `address` for workers that bind it themselves with SO_REUSEPORT.
///
/// First it binds as [`bind`] does, which fails where anything else listens
/// there. Then it binds again, for sharing. That socket never listens, so
/// that it is given no connection. Until the first worker listens, another
/// process could still take the port; whoever comes second then hears of it.
///
/// # Errors
///
/// [`ListenError`], which names the address.
pub fn reserve(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let reserve = || {
        let alone = socket(address)?;
        alone.bind(&address.into())?;
        let address = alone.local_addr()?;
        drop(alone);
        let shared = Socket::new(address.domain(), Type::STREAM, None)?;
        shared.set_reuse_address(true)?;
        shared.set_reuse_port(true)?;
        shared.bind(&address)?;
        Ok(shared.into())
    };
    reserve().map_err(|source| failure(address, source))
}

fn prepare(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // Answers that share a connection must not wait until the last one is
    // acknowledged (Nagle's algorithm, RFC 896). Its connections inherit
    // both (tcp(7)).
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNREAD_LIMIT))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn failure(address: SocketAddr, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        _ => ListenError::Other { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: &str = "127.0.0.1:0";

    #[test]
    fn a_port_in_use_is_named() {
        let held = bind(ANY.parse().unwrap(), 1).unwrap();
        let address = held.local_addr().unwrap();
        for again in [bind(address, 1), reserve(address)] {
            let error = again.unwrap_err();
            assert!(matches!(error, ListenError::InUse(a) if a == address));
        }
    }

    #[test]
    fn a_reserved_port_is_shared_with_those_who_ask_for_it() {
        let held = reserve(ANY.parse().unwrap()).unwrap();
        let address = held.local_addr().unwrap();
        let worker = socket(address).unwrap();
        worker.set_reuse_port(true).unwrap();
        worker.bind(&address.into()).unwrap();
        worker.listen(1).unwrap();
        assert!(matches!(bind(address, 1), Err(ListenError::InUse(_))));
        assert!(matches!(reserve(address), Err(ListenError::InUse(_))));
    }
}
