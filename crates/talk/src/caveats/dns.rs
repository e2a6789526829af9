//! What looks a name up, behind the back of those who call by it.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use crate::backend::Backend;
use crate::caveats::Caveat;
use crate::caveats::evidence::{Findings, Must, Value, bad, good};
use crate::caveats::stage::Stage;
use crate::procfs;

const CLIENTS: &str = "crates/caveats/src/bin/caveats/dns.rs";
const COROUTINE: &str = "crates/caveats/src/bin/caveats-coroutine/dns.rs";

pub(super) const CAVEAT: Caveat = Caveat {
    name: "dns",
    slide: "\"aiohttp spawns extra threads for dns resolution (which is kind \
            of what we don't want)\"; \"DNS resolution ... again\" of gevent: \
            4 threads where 1 is expected. strace shows them open \
            /etc/hosts. \"Beware of DNS resolutions.\"",
    runs: "Four calls at once to a host by its name, again and again, with \
           ureq on threads, reqwest on an event loop and may's coroutines; \
           beside them calls to an address. Each as it comes, and cured: the \
           name looked up once, or by a resolver on the loop (hickory). \
           First the name is localhost; then it is one that a slow name \
           server of ours knows, in namespaces of our own.",
    code: &[
        (CLIENTS, "ureq_wrong"),
        (CLIENTS, "ureq_right"),
        (CLIENTS, "reqwest_wrong"),
        (CLIENTS, "reqwest_hickory"),
        (COROUTINE, "wrong"),
        (COROUTINE, "right"),
        ("crates/harness/src/plan.rs", "new"),
    ],
    seconds: [15.0, 12.0],
    show,
};

/// Calls by name that are under way at once.
const AT_ONCE: u64 = 4;
/// A name that no hosts file has: `.test` is nobody's (RFC 6761).
const NAME: &str = "backend.talk.test";
/// What private_names.rs returns where it may not do its work.
const SKIPPED: i32 = 77;

/// Who calls, and what looks the name up.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Caller {
    UreqWrong,
    UreqRight,
    ReqwestWrong,
    ReqwestRight,
    ReqwestHickory,
    MayWrong,
    MayRight,
}

use Caller::{
    MayRight, MayWrong, ReqwestHickory, ReqwestRight, ReqwestWrong, UreqRight,
    UreqWrong,
};

impl Caller {
    const ALL: [Self; 7] = [
        UreqWrong,
        UreqRight,
        ReqwestWrong,
        ReqwestRight,
        ReqwestHickory,
        MayWrong,
        MayRight,
    ];

    fn name(self) -> &'static str {
        match self {
            UreqWrong => "ureq as it comes",
            UreqRight => "ureq, looked up once",
            ReqwestWrong => "reqwest as it comes",
            ReqwestRight => "reqwest, looked up once",
            ReqwestHickory => "reqwest with hickory",
            MayWrong => "may, connecting to a name",
            MayRight => "may, looked up once",
        }
    }

    /// The program and its arguments.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            UreqWrong => ("caveats", "ureq-wrong"),
            UreqRight => ("caveats", "ureq-right"),
            ReqwestWrong => ("caveats", "reqwest-wrong"),
            ReqwestRight => ("caveats", "reqwest-right"),
            ReqwestHickory => ("caveats", "reqwest-hickory"),
            MayWrong => ("caveats-coroutine", "wrong"),
            MayRight => ("caveats-coroutine", "right"),
        }
    }

    /// Its own threads: a main one, which the model adds to.
    fn threads(self) -> u64 {
        match self {
            UreqWrong | UreqRight => 1 + AT_ONCE,
            ReqwestWrong | ReqwestRight | ReqwestHickory => 1,
            // One for the coroutines and one for timers.
            MayWrong | MayRight => 1 + 2,
        }
    }
}

/// What a program tells of itself.
#[derive(Deserialize)]
struct Told {
    seconds: f64,
    others: u64,
}

/// The threads of a process over its life.
#[derive(Default)]
struct Threads {
    all: HashSet<u32>,
    most: usize,
}

impl Threads {
    fn look(&mut self, process: u32) {
        let now = procfs::tasks(process);
        self.most = self.most.max(now.len());
        self.all.extend(now);
    }
}

fn show(stage: &Stage<'_>) -> Result<Findings> {
    let mut findings = Findings::default();
    let backend = stage.backend(&[])?;
    threads(stage, &backend, &mut findings)?;
    openings(stage, &backend, &mut findings)?;
    slow_names(stage, &mut findings)?;
    Ok(findings)
}

/// The threads that are seen while calls to localhost run.
fn threads(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    let seen = |caller: Caller| -> Result<Value> {
        stage.say(&format!("the threads of {}", caller.name()));
        let (program, who) = caller.program();
        let port = backend.address.port().to_string();
        let mut threads = Threads::default();
        let ended = stage.run_watched(
            stage.site.program(program),
            ["dns", who, "--port", &port, "--rounds", "100"],
            // A thread that looks localhost up lives for a blink.
            Duration::ZERO,
            |pid| threads.look(pid),
        )?;
        let _: Told = ended.told()?;
        Ok(Value::Count(threads.all.len() as u64))
    };
    for (wrong, right) in [
        (UreqWrong, &[UreqRight][..]),
        (ReqwestWrong, &[ReqwestRight, ReqwestHickory]),
    ] {
        let own = wrong.threads();
        let least = Must::AtLeast((own + 1) as f64);
        let mut figures = vec![bad(wrong.name(), seen(wrong)?, least)];
        for &right in right {
            let own = Must::Be(own as f64);
            figures.push(good(right.name(), seen(right)?, own));
        }
        findings.add(
            format!(
                "threads seen over 400 calls to localhost, where {own} would do"
            ),
            figures,
        );
    }
    let own = Must::Be(MayWrong.threads() as f64);
    findings.add(
        "threads of coroutines, which start none, and wait instead",
        [
            bad(MayWrong.name(), seen(MayWrong)?, own),
            good(MayRight.name(), seen(MayRight)?, own),
        ],
    );
    Ok(())
}

/// Which threads open the files that a look-up reads, as strace sees it.
fn openings(
    stage: &Stage<'_>,
    backend: &Backend,
    findings: &mut Findings,
) -> Result<()> {
    const LOOK_UPS: &str = "10";
    const FILES: [&str; 2] = ["\"/etc/hosts\"", "\"/etc/resolv.conf\""];
    if !has_strace() {
        findings.skipped.push(
            "which threads open /etc/hosts and /etc/resolv.conf: strace is \
             not installed"
                .to_owned(),
        );
        return Ok(());
    }
    let trace = stage.site.log("caveat-dns-strace");
    let port = backend.address.port().to_string();
    let mut figures = Vec::new();
    let mut quoted = String::new();
    for caller in Caller::ALL {
        stage.say(&format!("strace of {}", caller.name()));
        let (program, who) = caller.program();
        let mut arguments: Vec<_> = ["-f", "-qq", "-e", "trace=openat", "-o"]
            .map(Into::into)
            .into();
        arguments.push(trace.clone().into_os_string());
        arguments.push(stage.site.program(program).into_os_string());
        let calls = ["dns", who, "--port", &port, "--at-once", "1"];
        arguments.extend(calls.map(Into::into));
        arguments.extend(["--rounds", LOOK_UPS].map(Into::into));
        let strace = PathBuf::from("strace");
        let pause = Duration::from_millis(5);
        let ended = stage.run_watched(strace, arguments, pause, |_| ())?;
        if ended.code() != Some(0) {
            let why = ended.last_words();
            let what = "which threads open /etc/hosts and /etc/resolv.conf";
            findings.skipped.push(format!("{what}: {why}"));
            return Ok(());
        }
        let text = fs::read_to_string(&trace)?;
        // The process starts as its main thread.
        let thread = |line: &str| line.split(' ').next().map(str::to_owned);
        let main = text.lines().next().and_then(thread);
        let opens = text.lines().filter(|line| {
            FILES.iter().any(|file| line.contains(file)) && thread(line) != main
        });
        let opens: Vec<_> = opens.collect();
        let threads: HashSet<_> = opens.iter().map(|l| thread(l)).collect();
        let count = Value::Count(opens.len() as u64);
        let name = caller.name();
        if matches!(caller, UreqWrong | ReqwestWrong | MayWrong) {
            let of = match threads.len() {
                1 => format!("{name}, on one thread"),
                many => format!("{name}, on {many} threads"),
            };
            figures.push(bad(of, count, Must::AtLeast(1.0)));
            let hosts = opens.iter().find(|line| line.contains(FILES[0]));
            quoted.push_str(&format!("{}\n", hosts.unwrap_or(&"")));
        } else {
            figures.push(good(name, count, Must::Be(0.0)));
        }
    }
    findings.add(
        format!(
            "openings of /etc/hosts and /etc/resolv.conf off the main \
             thread, over {LOOK_UPS} calls to localhost"
        ),
        figures,
    );
    findings.quote("strace, thread first", FILES[0], &quoted);
    Ok(())
}

fn has_strace() -> bool {
    let mut strace = Command::new("strace");
    strace.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}

/// What a slow name server does to each.
fn slow_names(stage: &Stage<'_>, findings: &mut Findings) -> Result<()> {
    let delay = stage.either(0.5, 0.3);
    let launcher = stage.site.program("caveats");
    let mut flows = Vec::new();
    let mut times = Vec::new();
    let mut threads = Vec::new();
    for caller in [MayWrong, UreqWrong, ReqwestWrong, ReqwestHickory] {
        stage.say(&format!("look-ups of {delay} s for {}", caller.name()));
        let (program, who) = caller.program();
        let program = stage.site.program(program).display().to_string();
        let delay_text = delay.to_string();
        let mut seen = Threads::default();
        let ended = stage.run_watched(
            launcher.clone(),
            [
                "private-names",
                "--delay",
                &delay_text,
                "--",
                &program,
                "dns",
                who,
                "--name",
                NAME,
                "--rounds",
                "1",
            ],
            Duration::from_millis(1),
            |pid| seen.look(pid),
        )?;
        if ended.code() == Some(SKIPPED) {
            let why = ended.last_words();
            let what = "what a slow name server does";
            findings.skipped.push(format!("{what}: {why}"));
            return Ok(());
        }
        let Told { seconds, others } = ended.told()?;
        let name = caller.name();
        let flow = (others as f64 * delay / seconds).round();
        let flow = Value::Count(flow as u64);
        let most = Value::Count(seen.most as u64);
        let seconds = Value::Seconds(seconds);
        let several = 2.5 * delay;
        let own = caller.threads();
        if caller == MayWrong {
            flows.push(bad(name, flow, Must::AtMost(2.0)));
            times.push(bad(name, seconds, Must::AtLeast(several)));
        } else {
            flows.push(good(name, flow, Must::AtLeast(4.0)));
            times.push(good(name, seconds, Must::AtMost(several)));
        }
        if caller == ReqwestHickory {
            threads.push(good(name, most, Must::Be(own as f64)));
        } else if caller != MayWrong {
            let more = Must::AtLeast((own + AT_ONCE) as f64);
            threads.push(bad(
                format!("{name}, where {own} would do"),
                most,
                more,
            ));
        }
    }
    findings.add(
        format!(
            "calls to an address answered in the time of one look-up \
             ({delay} s), while {AT_ONCE} calls wait for theirs"
        ),
        flows,
    );
    findings.add(
        format!("{AT_ONCE} calls at once, each with its look-up"),
        times,
    );
    findings.add("threads at once meanwhile", threads);
    Ok(())
}
