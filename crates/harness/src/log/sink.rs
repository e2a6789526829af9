//! Where log lines go, so that nobody waits for who reads them.
//!
//! A pipe holds 64 KiB. Once a reader has stopped (`| less`), the next line
//! would hold its process up, and the master with its clocks and signals.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

/// How long a line may wait for a reader that is slow. Where one waited in
/// vain, the next does not wait until lines are read again.
const PATIENCE: Duration = Duration::from_millis(100);

static OUTPUT: OnceLock<Output> = OnceLock::new();
static STALLED: AtomicBool = AtomicBool::new(false);
static LOST: AtomicU64 = AtomicU64::new(0);

/// Standard error, which does not block where it would for a reader.
enum Output {
    /// A file, or whatever could not be opened again.
    Plain,
    /// A pipe or a terminal, opened again: whoever else has it is to find it
    /// as it was.
    Opened(File),
    Socket,
}

impl Output {
    fn open() -> Self {
        const PATH: &str = "/proc/self/fd/2";
        let kind = std::fs::metadata(PATH).map(|data| data.file_type());
        if kind.as_ref().is_ok_and(FileTypeExt::is_socket) {
            return Self::Socket;
        }
        let waits =
            |kind: std::fs::FileType| kind.is_fifo() || kind.is_char_device();
        let mut options = OpenOptions::new();
        options.append(true).custom_flags(O_NONBLOCK | O_NOCTTY);
        match kind.is_ok_and(waits) {
            true => options.open(PATH).map_or(Self::Plain, Self::Opened),
            false => Self::Plain,
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain => io::stderr().write(bytes),
            Self::Opened(file) => (&*file).write(bytes),
            Self::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                Ok(send(io::stderr().as_raw_fd(), bytes, flags)?)
            }
        }
    }

    fn wait(&self, deadline: Instant) -> bool {
        let stderr = io::stderr();
        let file: BorrowedFd<'_> = match self {
            Self::Opened(file) => file.as_fd(),
            _ => stderr.as_fd(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut files = [PollFd::new(file, PollFlags::POLLOUT)];
        poll(&mut files, left).is_ok_and(|ready| ready > 0)
    }

    /// Whether all of it was written.
    fn write_all(&self, mut bytes: &[u8]) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return true,
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let in_vain = STALLED.load(Ordering::Relaxed);
                    if in_vain || !self.wait(deadline) {
                        STALLED.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
                // A full disk costs the lines and nothing else.
                Err(_) => return true,
            }
        }
        STALLED.store(false, Ordering::Relaxed);
        true
    }
}

/// Writes lines of the log.
pub(super) struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let output = OUTPUT.get_or_init(Output::open);
        let lost = LOST.swap(0, Ordering::Relaxed);
        let mut missing = lost;
        if lost > 0 {
            let pid = process::id();
            let note = format!(
                "pid: {pid} : {lost} lines are missing here: nobody read them \
                 in time\n"
            );
            if output.write_all(note.as_bytes()) {
                missing = 0;
            }
        }
        if missing > 0 || !output.write_all(line) {
            LOST.fetch_add(missing + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
