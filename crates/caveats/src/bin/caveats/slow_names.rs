//! A name server that takes its time: real packets, and every name is this
//! machine.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use caveats::die_with_parent;
use clap::Args;
use harness::deployment::Delay;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::runtime::Builder;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where to answer
    #[arg(long, default_value = "127.0.0.53:53")]
    address: SocketAddr,
    /// How long each answer takes
    #[arg(long, value_name = "SECONDS", default_value = "0.5")]
    delay: Delay,
}

/// Answers for ever; prints a line once it does.
pub(crate) fn run(options: &Options) -> Result<()> {
    die_with_parent()?;
    let Options { address, delay } = options;
    let delay = Duration::from_secs_f64(delay.seconds());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = UdpSocket::bind(address).await;
        let socket = Arc::new(
            socket.with_context(|| format!("cannot answer at {address}"))?,
        );
        let mut stdout = std::io::stdout();
        writeln!(stdout, "answering")?;
        stdout.flush()?;
        let mut packet = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut packet).await?;
            let Some(answer) = answer(&packet[..length]) else {
                continue;
            };
            let socket = socket.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                socket.send_to(&answer, client).await
            });
        }
    })
}

/// Every name has the address of loopback, and none other; nobody is to
/// remember it.
fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    const SECONDS_TO_LIVE: u32 = 0;
    let mut answer = Message::from_vec(packet).ok()?.into_response();
    answer.metadata.recursion_available = true;
    for query in answer.queries.clone() {
        if query.query_type() == RecordType::A {
            let address = RData::A(A(Ipv4Addr::LOCALHOST));
            let name = query.name().clone();
            let record = Record::from_rdata(name, SECONDS_TO_LIVE, address);
            answer.add_answer(record);
        }
    }
    answer.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, Query};
    use hickory_proto::rr::Name;

    use super::*;

    #[test]
    fn a_name_has_the_address_of_this_machine_and_no_other() {
        for (kind, expected) in [(RecordType::A, 1), (RecordType::AAAA, 0)] {
            let name = Name::from_ascii("backend.talk.test.").unwrap();
            let mut query = Message::query();
            query.add_query(Query::query(name, kind));
            let answer = answer(&query.to_vec().unwrap()).unwrap();
            let answer = Message::from_vec(&answer).unwrap();
            assert_eq!(answer.metadata.id, query.metadata.id);
            assert_eq!(answer.metadata.message_type, MessageType::Response);
            assert_eq!(answer.queries, query.queries);
            assert_eq!(answer.answers.len(), expected, "{kind}");
        }
        assert_eq!(answer(b"no packet"), None);
    }
}
