//! A short while of fuzzing with nothing but cargo: the seeds as they are,
//! then changed at random, always by the same numbers.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each target is tried with changed seeds.
const TIME: Duration = Duration::from_secs(1);

#[test]
fn heads_and_connections_hold_for_the_seeds_and_what_is_near_them() {
    let words = [
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD ",
        "POST ",
        "http://",
        "*",
        " HTTP/1.0\r\n",
        " HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "chunked",
        "0\r\n\r\n",
    ];
    try_seeds("head", &words, |bytes| {
        super::head(bytes);
        super::connection(bytes);
    });
}

#[test]
fn deployment_files_hold_for_the_seeds_and_what_is_near_them() {
    let words = [
        "\n",
        "=",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "'",
        "#",
        ".",
        ",",
        "-",
        "0",
        "1e9",
        "1e19",
        "1e308",
        "nan",
        "-inf",
        "true",
        "\"cores\"",
        "\":5000\"",
        "http",
        "harakiri",
        "heartbeat",
        "max_requests",
        "stop_limit",
        "shed_above",
        "processes",
        "threads",
        "coroutines",
        "timeout",
        "calls",
        "workload",
        "heavy",
        "client",
        "http2",
        "server",
        "backend",
        "listen",
        "\u{fc}",
        "\\u0000",
    ];
    try_seeds("deployment", &words, super::deployment);
}

#[test]
fn workload_files_hold_for_the_seeds_and_what_is_near_them() {
    let words = [
        "\n",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "-",
        "0",
        "1e9",
        "1e308",
        "nan",
        "-inf",
        "0.5",
        "calls",
        "steps",
        "order",
        "\"at_once\"",
        "work",
        "seed",
        "delay",
        "count",
        "fails",
        "hangs",
        "size",
        "from",
        "to",
        "median",
        "p99",
        "values",
        "{ delay = 1 }",
        "\u{fc}",
        "\\u0000",
    ];
    try_seeds("workload", &words, super::workload);
}

fn try_seeds(target: &str, words: &[&str], property: impl Fn(&[u8])) {
    let hold = |bytes: &[u8]| {
        let outcome = catch_unwind(AssertUnwindSafe(|| property(bytes)));
        assert!(outcome.is_ok(), "{target}: {}", bytes.escape_ascii());
    };
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| hold(seed));
    let mut random = Random(1);
    let start = Instant::now();
    while start.elapsed() < TIME {
        let mut bytes = random.of(&seeds).clone();
        for _ in 0..=random.below(4) {
            change(&mut bytes, &seeds, words, &mut random);
        }
        hold(&bytes);
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let files = fs::read_dir(folder.join(target)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 10, "only {} seeds", paths.len());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn change(
    bytes: &mut Vec<u8>,
    seeds: &[Vec<u8>],
    words: &[&str],
    random: &mut Random,
) {
    let at = random.below(bytes.len() + 1);
    let to = (at + random.below(20)).min(bytes.len());
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..to)),
        2 if at < bytes.len() => bytes[at] = random.below(256) as u8,
        3 => bytes.extend_from_within(at..to),
        4 => bytes.extend(random.of(seeds)),
        _ => {
            let word = random.of(words).bytes();
            drop(bytes.splice(at..at, word));
        }
    }
}

/// Numbers that look random and are the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
