//! What a service manager is told (sd_notify(3)), without waiting for it.

use std::env;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use sd_notify::NotifyState;
use tracing::warn;

/// Tells NOTIFY_SOCKET, where there is one, that the workers are there.
pub(super) fn notify_booted() {
    if let Err(error) = send(&[NotifyState::Ready]) {
        warn!("cannot tell NOTIFY_SOCKET: {error}");
    }
}

/// The same of what comes later, which not everybody listens for.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    let gone = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];
    match send(states) {
        Err(error) if !gone.contains(&error.kind()) => {
            warn!("cannot tell NOTIFY_SOCKET: {error}");
        }
        _ => {}
    }
}

/// sd_notify's own way to send waits for a socket that nobody reads.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    let lines = states.iter().map(|state| format!("{state}\n"));
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(lines.collect::<String>().as_bytes(), &address)?;
    Ok(())
}
