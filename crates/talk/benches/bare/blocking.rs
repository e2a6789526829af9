//! A loop that reads a head and writes an answer, and the apps' own ureq
//! client: app-sync, or app-threaded, without the rest.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use harness::Plan;
use harness::answer::Failure;
use harness::client::blocking::Client;
use harness::deployment::{Deployment, Keys};
use httparse::{EMPTY_HEADER, Request};
use ureq::http::Uri;

use super::{CALLS, url};

pub(super) fn serve(
    listener: &TcpListener,
    backend: SocketAddr,
    threads: usize,
) -> Result<()> {
    let keys = format!("backend = \"{backend}\"");
    let nothing = Keys::default();
    let deployment =
        Deployment::parse("bare", &[], Path::new(""), &keys, nothing)?;
    let client = Client::new(&Plan::new(&deployment)?, threads);
    let url = url(backend).parse()?;
    let serve = || -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            // A client that went away.
            serve_client(stream, &client, &url).ok();
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(serve);
        }
        serve().context("the bare server cannot accept")
    })
}

fn serve_client(
    mut stream: TcpStream,
    client: &Client,
    url: &Uri,
) -> io::Result<()> {
    let mut head = [0; 2048];
    let mut length = 0;
    loop {
        let count = stream.read(&mut head[length..])?;
        if count == 0 {
            return Ok(());
        }
        length += count;
        let mut headers = [EMPTY_HEADER; 16];
        let mut request = Request::new(&mut headers);
        let parsed = request.parse(&head[..length]);
        if parsed.map_err(io::Error::other)?.is_complete() {
            // The hammer sends a request once it has its answer.
            length = 0;
            let answer = answer(client, url).map_err(io::Error::other)?;
            stream.write_all(&answer)?;
        }
    }
}

fn answer(client: &Client, url: &Uri) -> Result<Vec<u8>, Failure> {
    let start = Instant::now();
    for _ in 0..CALLS {
        client.get(url)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let line = format!("This lasted {seconds:.3} seconds in a bare loop.\n");
    let date = httpdate::fmt_http_date(SystemTime::now());
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\ndate: {date}\r\n\r\n{line}",
        line.len(),
    );
    Ok(answer.into_bytes())
}
