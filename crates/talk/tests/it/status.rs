//! What a master tells those who ask.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::http::asked;
use crate::server::{Server, wait_until, with_each};

pub(crate) fn status(server: &Server) -> Value {
    let name = format!("harness-{}", server.pid());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let mut stream = UnixStream::connect_addr(&address).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn requests_in_hand_are_told_with_their_worker() {
    let backend = Server::backend(&[]);
    with_each(|deployment| {
        let server = Server::deploy(deployment, backend.port, &["--calls=30"]);
        let before = status(&server);
        assert_eq!(before["version"], 1);
        assert_eq!(before["name"], deployment.name);
        assert_eq!(before["state"], "serving");
        assert_eq!(before["generation"], 1);
        let workers = before["workers"].as_array().unwrap();
        let pids = workers.iter().map(|worker| worker["pid"].as_u64());
        let pids: Vec<_> = pids.map(Option::unwrap).collect();
        let children = server.workers().into_iter().map(u64::from);
        assert_eq!(pids, children.collect::<Vec<_>>());
        assert!(workers.iter().all(|worker| worker["in_hand"] == 0));

        let stream = asked(server.port, "/?x=1");
        let holder = || {
            let status = status(&server);
            let workers = status["workers"].as_array().unwrap();
            let holds = |worker: &&Value| worker["in_hand"] == 1;
            workers.iter().find(holds).cloned()
        };
        wait_until("a request in hand", || holder().is_some());
        let holder = holder().unwrap();
        assert_eq!(holder["oldest"]["request"], "GET /?x=1", "{holder}");
        assert_eq!(holder["served"], 0, "{holder}");

        server.signal(Signal::SIGUSR1);
        let pid = &holder["pid"];
        let told = format!("(pid {pid}): serving, served 0, connections ");
        wait_until("the same in the log", || {
            let log = server.log();
            log.contains(&told) && log.contains(" s: GET /?x=1\n")
        });
        // hyper sees a client go only where it reads.
        drop(stream);
    });
}
