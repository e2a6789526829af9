//! When a request is refused rather than made to wait: `shed_above`.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

use crate::deployment::Deployment;

/// When requests are refused; never, unless the deployment says so.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    above: Option<u64>,
}

impl Overload {
    /// The limit of a deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let above = deployment.shed_above;
        Self { above }
    }

    /// Whether a connection that was just accepted leaves so many behind it
    /// that its request should be refused.
    pub fn refuses(self, listener: &impl AsFd) -> bool {
        // Where nobody can be counted, nobody is refused.
        self.above.is_some_and(|above| {
            waiting(listener).is_ok_and(|count| u64::from(count) > above)
        })
    }

    /// Whether a request should be refused where so many wait or are in
    /// hand, itself included.
    pub fn refuses_among(self, requests: u64) -> bool {
        self.above.is_some_and(|above| requests > above)
    }
}

/// How many connections wait in the kernel for a worker: what the kernel
/// gives as `tcpi_unacked` of a socket that listens.
#[allow(unsafe_code)]
fn waiting(listener: &impl AsFd) -> io::Result<u32> {
    // SAFETY: all of its fields are numbers, of which zero is one.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut size = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `info`, which is as
    // large and outlives the call.
    let result = unsafe {
        libc::getsockopt(
            listener.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut size,
        )
    };
    match result {
        0 => Ok(info.tcpi_unacked),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn those_who_wait_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let overload = Overload { above: Some(1) };
        let mut waiting = Vec::new();
        for expected in [false, false, true] {
            assert_eq!(overload.refuses(&listener), expected);
            waiting.push(TcpStream::connect(address).unwrap());
        }
        assert_eq!(super::waiting(&listener).unwrap(), 3);
        assert!(!Overload { above: None }.refuses(&listener));
    }
}
