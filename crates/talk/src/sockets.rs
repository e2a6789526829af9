//! TCP connections, as the kernel tells of them (proc_net_tcp in the kernel's
//! documentation).

use std::collections::HashSet;
use std::fs;

/// Every TCP socket of this machine, or of this part of it.
pub(crate) struct Sockets(Vec<Socket>);

struct Socket {
    inode: u64,
    port: u16,
    /// Where it listens: how many connections nobody has accepted yet.
    waiting: Option<u64>,
}

const LISTENS: &str = "0A";

impl Sockets {
    pub(crate) fn read() -> Self {
        let files = ["/proc/net/tcp", "/proc/net/tcp6"];
        // Without IPv6 there is only one.
        let texts = files.map(fs::read_to_string);
        let texts = texts.iter().flatten();
        Self(
            texts
                .flat_map(|text| text.lines().filter_map(parse))
                .collect(),
        )
    }

    /// How many connections to its own `port` a process has `open`.
    pub(crate) fn connections(&self, open: &HashSet<u64>, port: u16) -> usize {
        let taken = self.0.iter().filter(|socket| {
            socket.waiting.is_none()
                && socket.port == port
                && open.contains(&socket.inode)
        });
        taken.count()
    }

    /// How many connections wait at the listening sockets among `open`.
    pub(crate) fn waiting(&self, open: &HashSet<&u64>) -> u64 {
        let ours = self.0.iter().filter(|s| open.contains(&s.inode));
        ours.filter_map(|socket| socket.waiting).sum()
    }
}

fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (_, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    // Of a socket that listens, these are lengths of its queue.
    let (_, queue) = fields.next()?.split_once(':')?;
    let queue = u64::from_str_radix(queue, 16).ok()?;
    Some(Socket {
        inode: fields.nth(4)?.parse().ok()?,
        port: u16::from_str_radix(port, 16).ok()?,
        waiting: (state == LISTENS).then_some(queue),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process;

    use super::*;
    use crate::procfs::Process;

    #[test]
    fn a_connection_waits_until_it_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counts = || {
            let open = Process::of(process::id()).sockets;
            let sockets = Sockets::read();
            // Other tests listen as well.
            let ours = sockets.0.into_iter();
            let ours = ours.filter(|socket| socket.port == address.port());
            let ours = Sockets(ours.collect());
            let taken = ours.connections(&open, address.port());
            (ours.waiting(&open.iter().collect()), taken)
        };
        assert_eq!(counts(), (0, 0));
        let _clients = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        assert_eq!(counts(), (2, 0));
        let _taken = listener.accept().unwrap();
        assert_eq!(counts(), (1, 1));
    }

    #[test]
    fn a_line_that_is_no_socket_is_none() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr \
                    tm->when retrnsmt   uid  timeout inode";
        assert!(parse(head).is_none());
        assert!(parse("").is_none());
    }
}
