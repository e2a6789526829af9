//! A socket that is a script, for tests and fuzzing: no kernel, no waiting.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use super::Socket;

/// Gives out its pieces, one a read; then a time-out or the end.
#[derive(Default)]
pub(crate) struct Script {
    pieces: VecDeque<Vec<u8>>,
    /// Whether a client that has sent all waits, rather than closing.
    pub(crate) hangs: bool,
    /// What it was sent.
    pub(crate) output: Vec<u8>,
    /// How much that was when it was first waited for in vain.
    pub(crate) sent_before_wait: Option<usize>,
    /// Whether it was told that no more will come.
    pub(crate) finished: Cell<bool>,
}

impl Script {
    pub(crate) fn of(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        Self {
            pieces: pieces.collect(),
            ..Self::default()
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.pieces.pop_front() {
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buffer.len()));
                if !rest.is_empty() {
                    self.pieces.push_front(rest);
                }
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            None => {
                self.sent_before_wait.get_or_insert(self.output.len());
                match self.hangs {
                    true => Err(ErrorKind::WouldBlock.into()),
                    false => Ok(0),
                }
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Script {
    fn set_read_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn finish_writing(&self) -> io::Result<()> {
        self.finished.set(true);
        Ok(())
    }

    fn next_request(&self, _: Duration) -> io::Result<bool> {
        Ok(self.has_more())
    }

    fn has_more(&self) -> bool {
        !self.pieces.is_empty()
    }

    fn should_stop(&self) -> bool {
        false
    }
}
