//! Servers whose latencies are known, and whether the hammer finds them.
//!
//! A machine under load is late by itself, so nothing here is held against
//! the clock on the wall: what a quantile should be is computed from what the
//! server itself timed, and the noise of the run, as the run measured it, is
//! allowed for.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hammer::{
    Arrivals, ErrorKind, Load, Outcome, Rate, Schedule, Stage, Stop, Target,
};

use crate::server::{OK, Server};

const MS: Duration = Duration::from_millis(1);

fn run(load: &Load) -> Outcome {
    hammer::run(load, |_| ControlFlow::Continue(())).unwrap()
}

fn open(server: &Server, rate: f64, length: Duration) -> Load {
    Load {
        targets: vec![Target::get(server.url())],
        stop: Stop::After(length),
        schedule: Schedule::Open {
            rate: Rate::constant(rate),
            arrivals: Arrivals::Constant,
            max_connections: 2000,
        },
        keep_alive: true,
        ..Load::default()
    }
}

fn closed(server: &Server, concurrency: usize, requests: u64) -> Load {
    Load {
        stop: Stop::Requests(requests),
        schedule: Schedule::Closed { concurrency },
        ..open(server, 1.0, MS)
    }
}

/// A server that is away for `stall` in every `period`, from `first` on, so
/// often; and how long it was away in all, by its own clock.
fn stalling(
    first: Duration,
    period: Duration,
    stall: Duration,
    times: u32,
) -> Server {
    let start = OnceLock::new();
    Server::start(move |peer| {
        while peer.request()?.is_some() {
            let start = *start.get_or_init(Instant::now);
            let since = start.elapsed().saturating_sub(first);
            let number = (since.as_nanos() / period.as_nanos()) as u32;
            let begin = first + period * number;
            let end = start + begin + stall;
            if start.elapsed() >= begin && number < times {
                sleep(end.saturating_duration_since(Instant::now()));
            }
            peer.say(OK)?;
        }
        Ok(())
    })
}

/// Holds quantiles against S − (1 − q) · T plus the base, which is the median
/// here, within 2% and what the machine itself was late by.
#[track_caller]
fn assert_stall(outcome: &Outcome, stall: Duration, period: Duration) {
    let open = outcome.open.as_ref().unwrap();
    let base = outcome.latency.quantile(0.3);
    let noise = stall / 50 + open.lag.p99() + base;
    let share = stall.as_secs_f64() / period.as_secs_f64();
    for part in [0.25, 0.5, 0.75, 0.9] {
        let quantile = 1.0 - share * (1.0 - part);
        let truth = base + stall.mul_f64(part);
        let found = outcome.latency.quantile(quantile);
        assert!(
            found.abs_diff(truth) <= noise,
            "q {quantile}: {found:?} instead of {truth:?} ± {noise:?}"
        );
    }
}

#[test]
fn a_stall_is_felt_by_all_who_come_meanwhile() {
    let (length, stall) = (2000 * MS, 1000 * MS);
    let server = stalling(500 * MS, length, stall, 1);
    let outcome = run(&open(&server, 200.0, length));
    assert_eq!(outcome.requests, 400);
    assert_stall(&outcome, stall, length);
}

#[test]
fn a_periodic_stall_is_felt_each_time() {
    let (period, stall) = (800 * MS, 400 * MS);
    let server = stalling(200 * MS, period, stall, 3);
    let outcome = run(&open(&server, 200.0, 3 * period));
    assert_eq!(outcome.requests, 480);
    assert_stall(&outcome, stall, period);
}

#[test]
fn a_closed_loop_omits_what_an_open_one_does_not() {
    let stall = 400 * MS;
    let server = || stalling(300 * MS, 3600 * 1000 * MS, stall, 1);
    let slow = |outcome: &Outcome| {
        let half = (stall / 2).as_nanos() as u64;
        outcome.latency.histogram().count_between(half, u64::MAX)
    };
    let one = Load {
        stop: Stop::After(1000 * MS),
        ..closed(&server(), 1, 1)
    };
    assert_eq!(slow(&run(&one)), 1);
    // Of 200 who come at 200/s, 80 come in the stall, half of them early.
    let found = slow(&run(&open(&server(), 200.0, 1000 * MS)));
    assert!((30..=50).contains(&found), "{found}");
}

#[test]
fn each_request_is_told_of_where_that_is_asked_for() {
    let count = AtomicU64::new(0);
    let server = Server::start(move |peer| {
        while peer.request()?.is_some() {
            // Every second one fails.
            let fails = count.fetch_add(1, Ordering::Relaxed) % 2 == 1;
            let bad = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
            peer.say(if fails { bad } else { OK })?;
        }
        Ok(())
    });
    let mut load = open(&server, 200.0, 500 * MS);
    load.warmup = 250 * MS;
    let silent = run(&load);
    assert!(silent.each.is_empty(), "nobody asked for {:?}", silent.each);
    load.tell_each = true;
    let outcome = run(&load);
    assert_eq!((outcome.warmed, outcome.each.len()), (50, 100));
    let due = outcome.each.iter().map(|each| each.due);
    assert!(due.eq((50..150).map(|n| n * 5 * MS)), "{:?}", outcome.each);
    let latencies = outcome.each.iter().filter_map(|each| each.latency);
    let latencies: Vec<_> = latencies.collect();
    assert_eq!(latencies.len() as u64, outcome.latency.count());
    let longest = outcome.latency.max();
    assert!(latencies.iter().all(|&latency| latency <= longest));
}

#[test]
fn what_waits_for_a_connection_waits_from_its_own_moment() {
    // One connection and 40 ms for each of those who come every 20 ms: the
    // sender alone would see 40 ms each.
    let server = Server::start(|peer| {
        while peer.request()?.is_some() {
            sleep(40 * MS);
            peer.say(OK)?;
        }
        Ok(())
    });
    let mut load = open(&server, 50.0, 600 * MS);
    load.schedule = Schedule::Open {
        rate: Rate::constant(50.0),
        arrivals: Arrivals::Constant,
        max_connections: 1,
    };
    let outcome = run(&load);
    // Nothing is queued in secret: who finds no connection is shed, aloud.
    assert_eq!(outcome.requests + outcome.shed, 30);
    assert!(outcome.shed >= 10, "{} shed", outcome.shed);
    assert!(!outcome.valid());
}

#[test]
fn a_slow_start_is_told_from_what_follows() {
    // So slow that a busy machine is seldom half as slow by itself.
    let (warm, slow) = (500 * MS, 400 * MS);
    let slow_ones = Arc::new(AtomicU64::new(0));
    let counted = slow_ones.clone();
    let start = OnceLock::new();
    let server = Server::start(move |peer| {
        while peer.request()?.is_some() {
            let start: &Instant = start.get_or_init(Instant::now);
            if start.elapsed() < warm {
                counted.fetch_add(1, Ordering::SeqCst);
                sleep(slow);
            }
            peer.say(OK)?;
        }
        Ok(())
    });
    let outcome = run(&open(&server, 200.0, 1500 * MS));
    let half = (slow / 2).as_nanos() as u64;
    let found = outcome.latency.histogram().count_between(half, u64::MAX);
    let truth = slow_ones.load(Ordering::SeqCst);
    // The machine itself may have been that slow once or twice.
    assert!((truth..=truth + 10).contains(&found), "{found} not {truth}");
    let (p50, p90) = (outcome.latency.median(), outcome.latency.quantile(0.9));
    assert!(p50 < slow && p90 >= slow, "{p50:?} {p90:?}");
}

#[test]
fn a_warm_up_leaves_a_slow_start_out() {
    let server = stalling(Duration::ZERO, 3600 * 1000 * MS, 300 * MS, 1);
    let mut load = open(&server, 200.0, 500 * MS);
    load.warmup = 500 * MS;
    let outcome = run(&load);
    assert_eq!((outcome.requests, server.requests()), (100, 200));
    let slow = outcome
        .latency
        .histogram()
        .count_between(150_000_000, u64::MAX);
    assert!(slow <= 2, "{slow} slow ones");
}

/// Five at once, and a warm-up of 250 ms whose requests are answered at
/// 500 ms, all others at 1500 ms; given up at `end`.
fn answered_late(stop: Stop, end: Duration) -> Outcome {
    let elapsed = Arc::new(AtomicU64::new(0));
    let clock = elapsed.clone();
    let server = Server::start(move |peer| {
        while peer.request()?.is_some() {
            let moment = if peer.count() <= 5 { 500 } else { 1500 };
            while clock.load(Ordering::SeqCst) < moment {
                sleep(MS);
            }
            peer.say(OK)?;
        }
        Ok(())
    });
    let mut load = closed(&server, 5, 5);
    load.warmup = 250 * MS;
    load.stop = stop;
    // The server goes by the run's own clock, however slow the machine is.
    hammer::run(&load, |snapshot| {
        let millis = snapshot.elapsed.as_millis() as u64;
        elapsed.store(millis, Ordering::SeqCst);
        match snapshot.elapsed < end {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })
    .unwrap()
}

#[test]
fn the_rate_is_of_all_answers_that_come_after_the_warm_up() {
    let second = Stop::After(1000 * MS);
    let outcome = answered_late(second, Duration::MAX);
    // In that second came those to the warm-up's requests, and no others.
    assert_eq!((outcome.rate, outcome.warmed), (5.0, 5));
    assert_eq!((outcome.requests, outcome.latency.count()), (5, 5));
    let early = answered_late(second, 1000 * MS);
    assert_eq!((early.requests, early.unfinished), (0, 5));
    // Of the 750 ms after the warm-up, not of the half second after them.
    assert!((1.0..6.7).contains(&early.rate), "{}", early.rate);
}

/// Whether the slices make the rate that the run says it had.
#[track_caller]
fn assert_compared(outcome: &Outcome) {
    let runs = std::slice::from_ref(outcome);
    let rate = &hammer::compare(runs, runs)[0];
    let difference = (rate.before - outcome.rate).abs();
    assert!(difference < 1e-6, "{} not {}", rate.before, outcome.rate);
    let slices = &outcome.series.slices;
    let answers: u64 = slices.iter().map(|slice| slice.in_window).sum();
    let truth = outcome.rate * outcome.window.as_secs_f64();
    assert!(
        (answers as f64 - truth).abs() < 1e-6,
        "{answers} not {truth}"
    );
}

/// Takes `time` for each answer, and hangs at one of the requests.
fn hanging_at(number: usize, time: Duration) -> Server {
    Server::start(move |peer| {
        while peer.request()?.is_some() {
            if peer.count() == number {
                return peer.hang();
            }
            sleep(time);
            peer.say(OK)?;
        }
        Ok(())
    })
}

#[test]
fn runs_are_compared_by_the_rate_that_they_report() {
    // One hangs, and is given up long after all others.
    let server = hanging_at(5, 10 * MS);
    let mut load = closed(&server, 4, 1);
    load.stop = Stop::After(600 * MS);
    load.timeout = 1500 * MS;
    let waits = run(&load);
    assert_eq!(waits.errors[&ErrorKind::Timeout], 1);
    assert_eq!(waits.window, 600 * MS);
    assert_compared(&waits);
    // A warm-up may end within a slice, and more so in several threads.
    load.warmup = 330 * MS;
    load.threads = 3;
    assert_compared(&run(&load));
    assert_compared(&answered_late(load.stop, 1000 * MS));
    assert_compared(&run(&closed(&server, 4, 100)));
    // The last of three is answered half a second before the end.
    assert_compared(&run(&open(&server, 2.0, 1500 * MS)));
}

#[test]
fn what_comes_at_the_end_is_told_with_its_time() {
    let server = Server::answering(OK);
    let mut load = closed(&server, 1, 1);
    load.keep_alive = true;
    load.stop = Stop::After(500 * MS);
    let slices = run(&load).series.slices;
    let in_window: Vec<_> = slices.iter().map(|s| s.in_window).collect();
    assert!(in_window[..2].iter().all(|&n| n > 0), "{in_window:?}");
    assert!(in_window[2..].iter().all(|&n| n == 0), "{in_window:?}");
}

#[test]
fn a_wait_that_is_cut_short_is_no_part_of_the_rate() {
    let server = hanging_at(20, Duration::ZERO);
    let mut load = closed(&server, 1, 1);
    load.stop = Stop::After(300 * MS);
    let outcome =
        hammer::run(&load, |snapshot| match snapshot.elapsed < 1000 * MS {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
        .unwrap();
    assert!(outcome.interrupted);
    assert_eq!(outcome.window, 300 * MS);
    assert!((outcome.rate - 19.0 / 0.3).abs() < 1e-6, "{}", outcome.rate);
    assert_eq!((outcome.unfinished, outcome.waiting.len()), (1, 1));
    assert!(outcome.waiting[0] > 500 * MS, "{:?}", outcome.waiting);
    assert_compared(&outcome);
}

#[test]
fn a_run_by_count_has_the_rate_of_its_own_requests() {
    let outcome = answered_late(Stop::Requests(5), Duration::MAX);
    assert_eq!((outcome.requests, outcome.warmed), (5, 5));
    let answers = outcome.rate * outcome.elapsed.as_secs_f64();
    assert!((answers - 5.0).abs() < 1e-6, "{answers}");
}

#[test]
fn a_server_that_stops_answering_is_no_fast_one() {
    let server = Server::start(|peer| {
        while peer.request()?.is_some() {
            if peer.count() > 100 {
                return peer.hang();
            }
            peer.say(OK)?;
        }
        Ok(())
    });
    let mut load = open(&server, 200.0, 1000 * MS);
    load.timeout = 500 * MS;
    let outcome = run(&load);
    assert_eq!(outcome.requests, 200);
    assert_eq!(outcome.answered, 100);
    assert_eq!(outcome.latency.count(), 100);
    assert_eq!(outcome.errors[&ErrorKind::Timeout], 100);
    assert_eq!(outcome.failed, 100);
    // They belong to the second in which they were due.
    let slices = outcome.series.slices.iter();
    let overdue: Vec<_> = slices.map(|slice| slice.overdue).collect();
    assert_eq!(overdue[..4].iter().sum::<u64>(), 100, "{overdue:?}");
    // It waited for the last of them.
    assert!(outcome.elapsed >= 1400 * MS);
}

#[test]
fn fast_errors_do_not_flatter_the_rest() {
    let slow = Duration::from_millis(40);
    let server = Server::start(move |peer| {
        while peer.request()?.is_some() {
            if peer.count() % 2 == 0 {
                sleep(slow);
                peer.say(OK)?;
            } else {
                peer.say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")?;
            }
        }
        Ok(())
    });
    let outcome = run(&closed(&server, 4, 100));
    assert_eq!((outcome.answered, outcome.failed), (100, 50));
    assert_eq!(outcome.statuses[&503], 50);
    assert_eq!(outcome.latency.count(), 50);
    assert!(outcome.latency.min() >= slow);
    let errors = &outcome.latency_by_class["5xx"];
    assert_eq!(errors.count(), 50);
    assert!(errors.median() < outcome.latency.min());
    assert_eq!(outcome.latency_by_class["2xx"], outcome.latency);
}

#[test]
fn opening_waiting_and_reading_are_told_apart() {
    let pause = Duration::from_millis(50);
    let server = Server::start(move |peer| {
        peer.request()?;
        sleep(pause);
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")?;
        sleep(pause);
        peer.say("lf")
    });
    let mut load = closed(&server, 2, 10);
    load.keep_alive = false;
    let outcome = run(&load);
    assert!(outcome.connect.max() < outcome.first_byte.min());
    assert!(outcome.first_byte.min() >= pause);
    assert!(outcome.latency.min() >= 2 * pause);
    assert!(outcome.first_byte.median() < outcome.latency.min());
}

#[test]
fn counts_are_exact_over_a_hundred_thousand_requests() {
    const ANSWERS: [(u16, &str); 5] = [
        (200, "200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        (
            201,
            "201 Made\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        ),
        (204, "204 Nothing\r\n\r\n"),
        (404, "404 No\r\nContent-Length: 3\r\n\r\nno."),
        (503, "503 Busy\r\nContent-Length: 0\r\n\r\n"),
    ];
    let said = Arc::new([const { AtomicU64::new(0) }; ANSWERS.len()]);
    let (bytes, counted) = (Arc::new(AtomicUsize::new(0)), said.clone());
    let sum = bytes.clone();
    let server = Server::start(move |peer| {
        let mut number = 0;
        let answers = ANSWERS.map(|(_, answer)| format!("HTTP/1.1 {answer}"));
        while peer.skim()? {
            // Some answers more often than others.
            let which = [0, 1, 0, 2, 3, 0, 4][number % 7];
            number += 1;
            counted[which].fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(answers[which].len(), Ordering::Relaxed);
            peer.say(&answers[which])?;
        }
        Ok(())
    });
    let total = 100_000;
    let mut load = closed(&server, 8, total);
    load.threads = 2;
    let mut seen = 0;
    let outcome = hammer::run(&load, |snapshot| {
        seen += snapshot.seconds.iter().map(|s| s.answered).sum::<u64>();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((outcome.requests, outcome.answered), (total, total));
    assert_eq!((seen, outcome.errors.len()), (total, 0));
    let slices = outcome.series.slices.iter();
    assert_eq!(slices.map(|slice| slice.answered).sum::<u64>(), total);
    for ((status, _), said) in ANSWERS.iter().zip(&*said) {
        let said = said.load(Ordering::Relaxed);
        assert_eq!(outcome.statuses[status], said, "{status}");
    }
    assert_eq!(
        outcome.failed,
        outcome.statuses[&404] + outcome.statuses[&503]
    );
    assert_eq!(outcome.latency.count(), total - outcome.failed);
    assert_eq!(outcome.first_byte.count(), total);
    assert_eq!(outcome.bytes_received, bytes.load(Ordering::Relaxed) as u64);
    let url = server.url();
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let request = format!("GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    assert_eq!(outcome.bytes_sent, total * request.len() as u64);
}

#[test]
fn an_answer_byte_by_byte_is_whole() {
    let server = Server::start(|peer| {
        while peer.request()?.is_some() {
            for at in 0..OK.len() {
                peer.say(&OK[at..=at])?;
            }
        }
        Ok(())
    });
    let outcome = run(&closed(&server, 3, 60));
    assert_eq!((outcome.answered, outcome.failed), (60, 0));
    assert_eq!(outcome.bytes_received, 60 * OK.len() as u64);
}

#[test]
fn an_open_loop_keeps_its_rate_whatever_the_server_does() {
    // The send error at this rate is the benchmark's to measure: here other
    // tests have the core too.
    let server = Server::answering(OK);
    let outcome = run(&open(&server, 2000.0, 500 * MS));
    let open = outcome.open.as_ref().unwrap();
    assert_eq!((open.due, open.sent + outcome.shed), (1000, 1000));
    assert!((open.wanted_rate - 2000.0).abs() < 1.0, "{open:?}");
    assert_eq!(open.lag.count(), open.sent);
}

#[test]
fn a_schedule_that_comes_to_rest_ends_its_run() {
    let server = Server::answering(OK);
    let mut load = open(&server, 0.0, 60_000 * MS);
    let stage = |rate| Stage {
        length: 500 * MS,
        rate,
    };
    load.schedule = Schedule::Open {
        rate: Rate {
            start: 0.0,
            stages: vec![stage(100.0), stage(0.0)],
        },
        arrivals: Arrivals::Constant,
        max_connections: 100,
    };
    let mut progress = 0.0;
    let outcome = hammer::run(&load, |snapshot| {
        progress = snapshot.progress;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((outcome.requests, outcome.window), (50, 1000 * MS));
    assert!(outcome.rate > 40.0, "{}", outcome.rate);
    assert_compared(&outcome);
    assert!(progress > 0.7, "{progress}");
}
