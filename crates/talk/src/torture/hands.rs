//! Which connections a process has, by the kernel's word: what a worker has
//! in its hands when it is killed is lost, and nothing else may be.

use std::collections::HashSet;
use std::fs;

use anyhow::{Context, Result};

/// The states of /proc/net/tcp in which a client may still wait for an
/// answer: established, and closed by the client alone.
const OPEN: [&str; 2] = ["01", "08"];

/// How many connections from clients of `port` the process has open.
pub(super) fn connections(pid: u32, port: u16) -> Result<u64> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp"))
        .context("cannot read the kernel's table of connections")?;
    let mine = sockets(pid)?;
    let all = table.lines().skip(1);
    let held = all.filter_map(|line| inode(line, port));
    Ok(held.filter(|inode| mine.contains(*inode)).count() as u64)
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> Result<HashSet<String>> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"))
        .with_context(|| format!("cannot see the files of process {pid}"))?;
    let links = files.flatten().filter_map(|file| {
        let link = fs::read_link(file.path()).ok()?;
        let inode = link.to_str()?.strip_prefix("socket:[")?;
        Some(inode.strip_suffix(']')?.to_owned())
    });
    Ok(links.collect())
}

/// The inode of a line of the table, where it is a connection to `port`.
fn inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    let (_, local) = local.split_once(':')?;
    let to_us = u16::from_str_radix(local, 16) == Ok(port);
    let inode = fields.nth(5)?;
    (to_us && OPEN.contains(&state)).then_some(inode)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_held_once_it_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let here = std::process::id();
        let held = || connections(here, address.port()).unwrap();
        let client = TcpStream::connect(address).unwrap();
        assert_eq!(held(), 0);
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(held(), 1);
        // The client is gone, and the server does not know yet.
        drop(client);
        assert_eq!(held(), 1);
        drop(accepted);
        assert_eq!(held(), 0);
    }
}
