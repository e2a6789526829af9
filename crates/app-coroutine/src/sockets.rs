//! The blocking client on sockets that yield: `monkey.patch_all()`, said
//! out loud.
//!
//! ureq knows nothing of coroutines. It is given a connector that opens
//! may's sockets, whose reads and writes look as if they blocked: where they
//! would, may switches to another coroutine of the thread. A resolver that
//! knows the answer keeps names from blocking it, too.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::time::Duration;

use harness::grain;
use may::net::TcpStream;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::coroutines::heed_timeout;

/// How exact the time limits of a socket are.
const GRAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct YieldingConnector;

impl<In: Transport> Connector<In> for YieldingConnector {
    type Out = YieldingTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let address = details.addrs.first().ok_or(Error::HostNotFound)?;
        let timeout = details.timeout;
        let stream = match limit(&timeout) {
            Some(limit) => TcpStream::connect_timeout(address, limit),
            None => TcpStream::connect(address),
        };
        let stream =
            heed_timeout(stream).map_err(|error| translate(error, &timeout))?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let (input, output) =
            (config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(YieldingTransport {
            stream,
            buffers: LazyBuffers::new(input, output),
            is_drained: false,
        }))
    }
}

pub(crate) struct YieldingTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// Whether the read before has taken all that there was.
    is_drained: bool,
}

impl Transport for YieldingTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        amount: usize,
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        let limit = limit(&timeout);
        if self.stream.write_timeout()? != limit {
            self.stream.set_write_timeout(limit)?;
        }
        let output = &self.buffers.output()[..amount];
        let written = self.stream.write_all(output);
        heed_timeout(written).map_err(|error| translate(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = limit(&timeout);
        if self.stream.read_timeout()? != limit {
            self.stream.set_read_timeout(limit)?;
        }
        let room = self.buffers.input_append_buf();
        let size = room.len();
        let read = self.stream.read(room);
        let amount =
            heed_timeout(read).map_err(|error| translate(error, &timeout))?;
        self.is_drained = amount > 0 && amount < size;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // ureq asks after an answer, and again before the next request. What
        // comes in between is seen then.
        if mem::take(&mut self.is_drained) {
            return true;
        }
        // The socket underneath never blocks: nothing to read is the sign of
        // life, and bytes that nobody asked for are none.
        let mut byte = [0];
        let read = self.stream.inner().peek(&mut byte);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for YieldingTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("YieldingTransport")
            .field(&self.stream)
            .finish()
    }
}

/// The time that is left, in whole [`GRAINS`](GRAIN).
///
/// may has a list for each length of a wait, and wakes its event loop for
/// the first wait of each. What is left of a call is never twice the same to
/// the nanosecond; rounded up, it nearly always is.
pub(crate) fn coarse(left: Duration) -> Duration {
    grain::coarse(left, GRAIN)
}

fn limit(timeout: &NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| coarse(*left))
}

fn translate(error: io::Error, timeout: &NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            Error::Timeout(timeout.reason)
        }
        _ => Error::Io(error),
    }
}
