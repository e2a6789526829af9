//! Hears of it when a server is ready, by systemd's protocol: the server
//! sends `READY=1` to the socket that NOTIFY_SOCKET names (sd_notify(3)).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use anyhow::{Context, Result};

/// A socket that one server tells of its readiness.
pub(crate) struct Notify {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notify {
    /// A socket in TMPDIR: one without a file would not be everyone's, since
    /// sd-notify knows none.
    pub(crate) fn listen() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("talk-{}-{count}.notify", process::id());
        let path = env::temp_dir().join(name);
        // A process that had this pid before may have been killed.
        fs::remove_file(&path).ok();
        let bind = || {
            let socket = UnixDatagram::bind(&path)?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        let socket = bind().with_context(|| {
            let path = path.display();
            format!("cannot make {path} to hear of readiness (TMPDIR)")
        })?;
        Ok(Self { socket, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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

impl Drop for Notify {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}
