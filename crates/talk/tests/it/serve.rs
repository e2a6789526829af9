//! The live page: that it shows what is asked for, and does nothing that its
//! own page did not ask for.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::bench::free_base;
use crate::browser::Page;
use crate::http;
use crate::server::{run, send, wait_until};

/// `talk serve`, which runs until this is dropped.
struct Live {
    child: Child,
    base: u16,
    port: u16,
    _stdout: BufReader<ChildStdout>,
}

impl Live {
    #[track_caller]
    fn start(names: &[&str]) -> Self {
        Self::at(free_base(), 0, names)
    }

    #[track_caller]
    fn at(base: u16, page: u16, names: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_talk"))
            .arg(format!("--port-base={base}"))
            .args(["serve", "--page", &page.to_string()])
            .args(names)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line
            .split_once("http://127.0.0.1:")
            .and_then(|(_, rest)| rest.split_once('/'))
            .and_then(|(port, _)| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no page: {line}"));
        Self {
            child,
            base,
            port,
            _stdout: stdout,
        }
    }

    /// The status of the answer to a request with these headers.
    #[track_caller]
    fn status(&self, request: &str, headers: &[&str]) -> u16 {
        let mut text = format!("{request} HTTP/1.1\r\n");
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        text.push_str("connection: close\r\ncontent-length: 0\r\n\r\n");
        let mut stream = http::connect(self.port);
        stream.write_all(text.as_bytes()).unwrap();
        http::read(&mut stream).expect("it does not answer").status
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            send(self.child.id(), Signal::SIGINT);
        }
        self.child.wait().ok();
    }
}

#[test]
fn a_hammered_request_grows_on_the_page_while_it_is_in_hand() {
    let live = Live::start(&["basic", "coroutine"]);
    let url = format!("http://127.0.0.1:{}/", live.port);
    let Some(page) = Page::open(&url) else {
        return;
    };
    page.wait_for("document.querySelector('#line').textContent === 'live'");
    // When the button is pressed, and when the first bar is there.
    page.value(
        "window.seen = new Promise((resolve) => {\
             let begun;\
             document.querySelector('[data-hammer=basic]').addEventListener(\
                 'click', () => { begun = performance.now(); }, true);\
             new MutationObserver((changes, observer) => {\
                 const bar = document.querySelector(\
                     '[data-d=basic] rect.r[data-open]');\
                 if (!bar) return;\
                 observer.disconnect();\
                 resolve(performance.now() - begun);\
             }).observe(document.querySelector('[data-d=basic]'),\
                 { childList: true, subtree: true });\
         }); 0",
    );
    page.click("[data-hammer=basic]");
    // A request of basic takes 1.25 s, and its bar is open: it is shown
    // before it is answered.
    let after = page.number("window.seen");
    eprintln!("the first bar was there {after:.0} ms after the click");
    page.click("[data-hammer=coroutine]");
    page.wait_for(
        "document.querySelector('[data-d=coroutine] .outcome')\
         .textContent.startsWith('200 requests in ')",
    );
    let counts = page.text(
        "document.querySelector('[data-d=coroutine] .counts').textContent",
    );
    assert!(counts.starts_with("0 in hand, 200 answered"), "{counts}");
    for kind in ["r", "c"] {
        let bars = format!(
            "document.querySelectorAll('[data-d=coroutine] rect.{kind}').length"
        );
        assert!(page.number(&bars) > 0.0, "no {kind}");
    }
    let grows = "[...document.querySelectorAll('[data-d=basic] \
                 rect[data-open]')].map((r) => r.width.baseVal.value)[0]";
    let before = page.number(grows);
    wait_until("a wider bar", || page.number(grows) != before);
    for (width, scheme) in [(1280, "light"), (390, "dark")] {
        page.look(width, scheme);
        page.keep(&format!("live-{width}-{scheme}"));
        let wider = "document.documentElement.scrollWidth > innerWidth";
        assert_eq!(page.value(wider), false, "at {width} it does not fit");
    }
    page.nothing_went_wrong();
}

#[test]
fn a_page_goes_on_with_a_server_that_was_started_again() {
    let names = ["basic", "coroutine"];
    let live = Live::start(&names);
    let (base, port) = (live.base, live.port);
    let Some(page) = Page::open(&format!("http://127.0.0.1:{port}/")) else {
        return;
    };
    page.wait_for("document.querySelector('#line').textContent === 'live'");
    // It does not end, and the next server knows nothing of it.
    page.click("[data-hammer=basic]");
    page.wait_for("!!document.querySelector('[data-d=basic] rect.r')");
    drop(live);
    page.wait_for("document.querySelector('#line').textContent !== 'live'");
    let _live = Live::at(base, port, &names);
    page.wait_for("document.querySelector('#line').textContent === 'live'");
    let told = "document.querySelector('[data-d=basic] .told').textContent";
    assert_eq!(page.text(told).trim(), "No request yet.");
    page.wait_for("!document.querySelector('[data-hammer=basic]').disabled");
    page.click("[data-hammer=coroutine]");
    // In the window that is shown, that is.
    page.wait_for(
        "[...document.querySelectorAll('[data-d=coroutine] rect.r')]\
         .some((rect) => {\
             const box = rect.ownerSVGElement.viewBox.baseVal;\
             const x = rect.x.baseVal.value;\
             return x > box.x && x < box.x + box.width;\
         })",
    );
}

#[test]
fn who_begins_to_look_is_told_how_it_is() {
    let live = Live::start(&["basic"]);
    let host = format!("host: 127.0.0.1:{}", live.port);
    let origin = format!("origin: http://127.0.0.1:{}", live.port);
    let pressed = live.status("POST /hammer/basic", &[&host, &origin]);
    assert_eq!(pressed, 202);
    wait_until("a request that is told of at once", || {
        let stream = http::connect(live.port);
        write!(&stream, "GET /news HTTP/1.1\r\n{host}\r\n\r\n").unwrap();
        let lines = BufReader::new(stream).lines().map(Result::unwrap);
        let mut lines = lines.skip_while(|line| line != "event: begin");
        let data = lines.nth(1).unwrap();
        let told = data.strip_prefix("data: ").unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        let basic = &told["all"][0];
        assert_eq!(basic["d"], "basic");
        assert_eq!(basic["hammering"], true, "{told}");
        basic["counts"]["in_hand"] == 1
    });
}

#[test]
fn what_a_killed_worker_had_in_hand_is_lost() {
    let live = Live::start(&["basic"]);
    let url = format!("http://127.0.0.1:{}/", live.port);
    let Some(page) = Page::open(&url) else {
        return;
    };
    page.wait_for("document.querySelector('#line').textContent === 'live'");
    page.value(
        "const select = document.querySelector('#window');\
         select.options[0].value = '1';\
         select.selectedIndex = 0;\
         select.dispatchEvent(new Event('change'))",
    );
    page.click("[data-hammer=basic]");
    let open = "document.querySelector('[data-d=basic] rect.r[data-open]')";
    page.wait_for(&format!("!!{open}"));
    let who = "document.querySelector('[data-d=basic] .who').textContent";
    let told = page.text(who);
    let pid = told.split_once(" pid ").and_then(|(_, rest)| {
        let (pid, _) = rest.split_once(',')?;
        pid.parse().ok()
    });
    send(
        pid.unwrap_or_else(|| panic!("no pid in {told}")),
        Signal::SIGKILL,
    );
    let counts = "document.querySelector('.counts').textContent";
    page.wait_for(&format!("{counts}.includes('1 lost with a worker')"));
    let text = page.text(counts);
    assert!(!text.starts_with("2 in hand"), "{text}");
    // Its lane goes once nothing of it is to be seen.
    page.wait_for(&format!(
        "![...document.querySelectorAll('.who')]\
         .some((who) => who.textContent.includes(`{told}`))",
    ));
    page.nothing_went_wrong();
}

#[test]
fn only_its_own_page_may_press_a_button() {
    let live = Live::start(&["basic"]);
    let host = format!("host: 127.0.0.1:{}", live.port);
    let origin = format!("origin: http://127.0.0.1:{}", live.port);
    let press = "POST /hammer/basic";
    for (headers, what) in [
        (vec![&*host], "no origin"),
        (vec![&host, "origin: http://example.org"], "another origin"),
        (vec![&host, "origin: null"], "no origin that it tells"),
        (
            vec![&host, &origin, "sec-fetch-site: cross-site"],
            "a trick",
        ),
        (
            vec!["host: example.org", "origin: http://example.org"],
            "a name that was made to point here",
        ),
    ] {
        assert_eq!(live.status(press, &headers), 403, "{what}");
    }
    assert_eq!(live.status("GET /", &["host: example.org"]), 403);
    assert_eq!(live.status("GET /", &[&host]), 200);
    assert_eq!(live.status("GET /hammer/basic", &[&host]), 405);
    let none = live.status("POST /hammer/none", &[&host, &origin]);
    assert_eq!(none, 404);
    assert_eq!(live.status(press, &[&host, &origin]), 202);
    assert_eq!(live.status(press, &[&host, &origin]), 409, "twice at once");
}

#[test]
fn a_stop_ends_it_though_a_browser_follows() {
    let mut live = Live::start(&["coroutine"]);
    let mut stream = TcpStream::connect(("127.0.0.1", live.port)).unwrap();
    let request = format!(
        "GET /news HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n",
        live.port
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = String::new();
    BufReader::new(&stream).read_line(&mut head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    send(live.child.id(), Signal::SIGINT);
    let mut status = None;
    wait_until("the end", || {
        status = live.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn a_page_whose_port_is_taken_starts_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
    command.args(["serve", "basic", &format!("--page={port}")]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let named = format!("the page's port {port} is taken");
    assert!(stderr.lines().last().unwrap().contains(&named), "{stderr}");
}
