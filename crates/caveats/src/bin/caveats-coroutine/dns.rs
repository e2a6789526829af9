//! Calls to a host by its name in coroutines: they yield wherever they wait,
//! but where the name is looked up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use caveats::calls::{Calls, Meanwhile, NAMED, OTHER};
use caveats::{Which, die_with_parent, http};
use may::go;
use may::net::TcpStream;

/// A call by name.
fn wrong(calls: &Calls, _: SocketAddr) -> io::Result<()> {
    // WRONG: a name will do for an address, so the look-up hides in here. It
    // blocks the one thread, and with it every coroutine.
    let mut stream = TcpStream::connect((&*calls.name, calls.port))?;
    http::get(&mut stream, NAMED)
}

/// A call to the address that the name had.
fn right(_: &Calls, address: SocketAddr) -> io::Result<()> {
    // RIGHT: this was looked up before any coroutine ran.
    let mut stream = TcpStream::connect(address)?;
    http::get(&mut stream, NAMED)
}

/// A coroutine for each call by name, and one for the calls beside them.
pub(crate) fn run(which: Which, calls: Calls) -> Result<()> {
    die_with_parent()?;
    let other = calls.other();
    type Call = fn(&Calls, SocketAddr) -> io::Result<()>;
    let (call, address): (Call, _) = match which {
        Which::Wrong => (wrong, other),
        Which::Right => (right, calls.look_up()?),
    };
    crate::use_one_thread();
    let over = Arc::new(AtomicBool::new(false));
    let meanwhile = Arc::new(Meanwhile::begin());
    let calls = Arc::new(calls);
    let callers = (0..calls.at_once).map(|_| {
        let calls = calls.clone();
        go!(move || {
            (0..calls.rounds).try_for_each(|_| call(&calls, address))
        })
    });
    let callers: Vec<_> = callers.collect();
    let (is_over, counting) = (over.clone(), meanwhile.clone());
    let beside = go!(move || {
        while !is_over.load(Ordering::Relaxed) {
            http::get(&mut TcpStream::connect(other)?, OTHER)?;
            counting.answered();
        }
        io::Result::Ok(())
    });
    for caller in callers {
        match caller.join() {
            Ok(outcome) => outcome?,
            Err(_) => bail!("a coroutine panicked"),
        }
    }
    meanwhile.tell();
    over.store(true, Ordering::Relaxed);
    match beside.join() {
        Ok(outcome) => Ok(outcome?),
        Err(_) => bail!("a coroutine panicked"),
    }
}
