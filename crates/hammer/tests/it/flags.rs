//! What each flag does, as the server sees it or the exit code tells it.

use crate::server::{OK, Server};
use crate::shell::{
    assert_exit, assert_last_line, assert_line, assert_usage, hammer, stderr,
    stdout,
};

#[test]
fn a_connection_is_kept_only_where_that_was_asked_for() {
    let server = Server::answering(OK);
    hammer(&["-n20", "-c2", &server.url()]);
    assert_eq!(server.connections(), 20);
    let output = hammer(&["-n20", "-c2", "--keep-alive", &server.url()]);
    assert_exit(&output, 0);
    assert_eq!((server.connections(), server.requests()), (22, 40));
}

#[test]
fn a_kept_connection_is_not_used_after_the_server_said_close() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert_exit(&hammer(&["-n9", "-c1", "-k", &server.url()]), 0);
    assert_eq!(server.connections(), 9);
}

#[test]
fn a_request_is_what_was_asked_for() {
    let server = Server::answering(OK);
    let url = server.url() + "path?query";
    let headers = ["-H", "Accept: text/html", "-H", "Host: example.org"];
    let args = [&["-n1", &url, "-X", "PUT", "-d", "body"], &headers[..]];
    assert_exit(&hammer(&args.concat()), 0);
    assert_eq!(
        server.last(),
        "PUT /path?query HTTP/1.1\r\nConnection: close\r\n\
         Content-Length: 4\r\nAccept: text/html\r\nHost: example.org\r\n\r\n\
         body"
    );
}

#[test]
fn a_body_comes_from_a_file_and_makes_a_post() {
    let server = Server::answering(OK);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("body");
    let body = "0123456789".repeat(100_000);
    std::fs::write(&path, &body).unwrap();
    let file = format!("--body-file={}", path.display());
    assert_exit(&hammer(&["-n2", "-c2", "-k", &file, &server.url()]), 0);
    assert!(server.last().starts_with("POST / HTTP/1.1\r\n"));
    assert!(server.last().ends_with(&format!("\r\n\r\n{body}")));
}

#[test]
fn several_urls_take_turns() {
    let (a, b) = (Server::answering(OK), Server::answering(OK));
    assert_exit(&hammer(&["-n9", "-c3", "-k", &a.url(), &b.url()]), 0);
    assert_eq!((a.requests(), b.requests()), (5, 4));
}

#[test]
fn a_chunked_answer_is_read_whole() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n",
    );
    assert_exit(&hammer(&["-n9", "-c1", "-k", &server.url()]), 0);
    assert_eq!((server.connections(), server.requests()), (1, 9));
}

#[test]
fn a_duration_ends_a_run() {
    let server = Server::answering(OK);
    let output = hammer(&["-z300ms", "-c2", "-k", &server.url()]);
    // The verdict on itself is the machine's business.
    assert!(matches!(output.status.code(), Some(0 | 4)));
    assert_last_line(&output, server.requests() as u64);
}

#[test]
fn a_warm_up_is_in_none_of_the_figures() {
    let server = Server::answering(OK);
    let args = ["--rate=100", "-n20", "--warmup=300ms", &server.url()];
    let output = hammer(&args);
    assert_last_line(&output, 20);
    assert_line(&output, "requests 20");
    assert_eq!(server.requests(), 50);
}

#[test]
fn an_open_loop_sends_what_its_schedule_says() {
    let server = Server::answering(OK);
    let url = &server.url();
    assert_last_line(&hammer(&["--rate=1000/s", "-z", "200ms", url]), 200);
    // From rest to 200/s in 0.5 s is 50 requests, then 0.2 s at 200/s.
    let stages = "--stages=500ms:200,200ms:200";
    assert_last_line(&hammer(&[stages, url]), 90);
    // The first half of the ramp is a quarter of its requests.
    let before = server.requests();
    let output = hammer(&[stages, "--warmup=250ms", url]);
    assert_last_line(&output, 77);
    assert_eq!(server.requests() - before, 90);
    let poisson = "--arrivals=poisson";
    let args = ["--rate=200/s", poisson, "--seed=7", "-z", "200ms", url];
    let (one, other) = (hammer(&args), hammer(&args));
    let count = |output| {
        let text = stdout(output);
        let words: Vec<_> = text.rsplit(' ').collect();
        words[3].parse::<u64>().unwrap()
    };
    assert_eq!(count(&one), count(&other));
}

#[test]
fn threads_share_the_load() {
    let server = Server::answering(OK);
    let output = hammer(&["-n31", "-c5", "--threads=3", "-k", &server.url()]);
    assert_last_line(&output, 31);
    assert_eq!((server.requests(), server.connections()), (31, 5));
}

#[test]
fn a_name_is_looked_up_in_the_family_that_was_asked_for() {
    let server = Server::answering(OK);
    let url = format!("http://localhost:{}/", server.port());
    assert_exit(&hammer(&["-4", "-n3", &url]), 0);
    let output = hammer(&["-6", "-n3", &url.replace("localhost", "127.0.0.1")]);
    assert_exit(&output, 1);
    assert!(stderr(&output).contains("family"), "{}", stderr(&output));
}

#[test]
fn an_ipv6_address_is_one_in_brackets() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let server = Server::on(listener, |peer| {
        peer.request()?;
        peer.say(OK)
    });
    assert_exit(&hammer(&["-6", "-n3", &server.url()]), 0);
    let port = server.port();
    assert!(server.last().contains(&format!("Host: [::1]:{port}\r\n")));
    // Nobody listens on the other address of that name.
    let url = format!("http://localhost:{port}/");
    assert_eq!(hammer(&["-4", "-n3", &url]).status.code(), Some(1));
}

#[test]
fn a_connection_that_nobody_accepts_is_given_up() {
    // Its backlog is full: nobody accepts, and further ones are ignored.
    let socket = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::STREAM,
        None,
    )
    .unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let filler = std::net::TcpStream::connect(address).unwrap();
    let url = format!("http://{address}/");
    let output =
        hammer(&["-n3", "--connect-timeout=200ms", "--timeout=9s", &url]);
    assert_exit(&output, 1);
    assert_line(&output, "not connected in time 3");
    drop((filler, socket));
}

#[test]
fn the_exit_code_tells_a_slow_service_from_a_broken_one() {
    let fine = Server::answering(OK);
    let broken =
        Server::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let exit = |server: &Server, condition| {
        let output = hammer(&["-n9", "--fail-if", condition, &server.url()]);
        output.status.code().unwrap()
    };
    assert_eq!(exit(&fine, "p99>1h"), 0);
    assert_eq!(exit(&fine, "p99>0s"), 3);
    assert_eq!(exit(&fine, "errors>0"), 0);
    assert_eq!(exit(&broken, "rate>1000000"), 1);
    assert_eq!(exit(&broken, "errors>0"), 3);
    assert_eq!(exit(&broken, "errors>9"), 0);
    let output = hammer(&["-n9", "--fail-if=p99>0s", &fine.url()]);
    assert!(stderr(&output).contains("p99>0s: it is "));
    assert_usage(&["--fail-if=p99"], &["--fail-if", "p99>300ms"]);
}

#[test]
fn a_measurement_that_is_not_to_be_trusted_says_so() {
    let server = Server::start(|peer| {
        peer.request()?;
        peer.hang()
    });
    let url = &server.url();
    // One connection, and it hangs: all but the first request are shed.
    let rate = ["--rate=100", "--max-connections=1", "-z300ms"];
    let args = [&rate[..], &["--timeout=600ms", url]].concat();
    let output = hammer(&args);
    assert_exit(&output, 4);
    assert_last_line(&output, 1);
    assert_line(&output, "shed 29");
    assert!(stdout(&output).contains("INVALID"), "{}", stdout(&output));
    assert!(stderr(&output).contains("INVALID"), "{}", stderr(&output));
}

#[test]
fn more_connections_than_files_are_refused_with_the_limit() {
    assert_usage(&["-c999999999", "-z1s"], &["RLIMIT_NOFILE"]);
}

#[test]
fn help_has_examples_and_exit_codes_and_shells_complete() {
    let help = stdout(&hammer(&["--help"]));
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = hammer(&["--completions", shell]);
        assert_exit(&output, 0);
        assert!(stdout(&output).contains("keep-alive"), "{shell}");
    }
}
