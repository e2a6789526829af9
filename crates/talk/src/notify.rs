//! Hears of it when a server is ready, by systemd's protocol: the server
//! sends `READY=1` to the socket that NOTIFY_SOCKET names (sd_notify(3)).
//!
//! The socket has a name and no file (unix(7), "abstract"): however this
//! process ends, nothing is left that would be in the way of another one.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;

/// A socket that one server tells of its readiness.
pub(crate) struct Notify {
    socket: UnixDatagram,
    /// As NOTIFY_SOCKET has it.
    name: String,
}

impl Notify {
    pub(crate) fn listen() -> io::Result<Self> {
        // In another container the same pid may be somebody else's.
        let pid = process::id();
        let bits = RandomState::new().hash_one(pid);
        let name = format!("talk-{pid}-{bits:016x}");
        let address = SocketAddr::from_abstract_name(&name)?;
        let socket = UnixDatagram::bind_addr(&address)?;
        socket.set_nonblocking(true)?;
        let name = format!("@{name}");
        Ok(Self { socket, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_ready(&self) -> bool {
        let mut message = [0; 512];
        let Ok(length) = self.socket.recv(&mut message) else {
            return false;
        };
        message[..length]
            .split(|b| *b == b'\n')
            .any(|l| l == b"READY=1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_told_to_a_name_that_is_no_file() {
        let notify = Notify::listen().unwrap();
        let _another = Notify::listen().expect("it has a name of its own");
        let name = notify.name().strip_prefix('@').expect("it is a file");
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let server = UnixDatagram::unbound().unwrap();
        assert!(!notify.is_ready());
        server
            .send_to_addr(b"STATUS=hello\nREADY=1\n", &address)
            .unwrap();
        assert!(notify.is_ready());
    }
}
