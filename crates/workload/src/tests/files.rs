//! Files, and words of a command line, that are right and wrong.

use std::fs;

use super::*;

#[test]
fn a_file_is_read_as_it_is_written() {
    let text = "seed = 7\nwork = 0.002\ncalls = [{ delay = 0.125 }, { \
                count = 2, delay = { median = 0.05, p99 = 0.4 }, fails = \
                0.01, hangs = 0.001, size = 2048 }]\n";
    let read = workload(text);
    let (median, p99) = (millis(50), millis(400));
    let other = Call {
        delay: Delay::Lognormal { median, p99 },
        fails: 0.01,
        hangs: 0.001,
        size: 2048,
    };
    let expected = Workload {
        seed: 7,
        work: millis(2),
        steps: vec![vec![fixed(125), other.clone(), other]],
    };
    assert_eq!(read, expected);
    let in_sequence = workload(&format!("{text}order = \"in_sequence\"\n"));
    let lengths = in_sequence.steps.iter().map(Vec::len);
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 1, 1]);
    let at_once = workload(&format!("{text}order = \"at_once\"\n"));
    assert_eq!(at_once, expected);
}

#[test]
fn steps_are_read_as_they_are_written() {
    let text = "steps = [\n  [{ delay = { from = 0.05, to = 0.1 } }, { \
                delay = 0.05 }],\n  [{ count = 3, delay = 1 }],\n]\n";
    let read = workload(text);
    let (from, to) = (millis(50), millis(100));
    let range = Call::of(Delay::Range { from, to });
    assert_eq!(read.steps, [vec![range, fixed(50)], vec![fixed(1000); 3]]);
    assert_eq!((read.seed, read.work), (0, Duration::ZERO));
}

#[test]
fn a_table_to_a_call_is_read_too() {
    let read = workload("[[calls]]\ndelay = 0.05\n[[calls]]\ndelay = 0.1\n");
    assert_eq!(read.steps, [[fixed(50), fixed(100)]]);
}

#[test]
fn latencies_are_read_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    let latencies = folder.path().join("latencies.txt");
    fs::write(&latencies, "0.05\n0.075\n\n  1e-1\n").unwrap();
    fs::write(&path, "calls = [{ delay = { file = \"latencies.txt\" } }]")
        .unwrap();
    let read = Workload::load(&path).unwrap();
    let values = [50, 75, 100].map(millis);
    let expected = Call::of(Delay::Measured(values.into()));
    assert_eq!(read.steps, [[expected.clone()]]);
    let spec = format!("file:{}", latencies.display());
    assert_eq!(spec.parse(), Ok(expected.delay));
}

#[test]
fn what_is_wrong_is_told_with_its_file_line_and_key() {
    let cases = [
        ("", "1: calls: a request needs at least one call"),
        ("calls = []", "1: calls: a request needs at least one call"),
        (
            "\nsteps = []",
            "2: steps: a request needs at least one call",
        ),
        (
            "steps = [\n[{ delay = 1 }],\n[]]",
            "3: steps: a step needs at least one call",
        ),
        ("seed = 1\ncals = []", "2: unknown field `cals`"),
        (
            "calls = [\n{ delay = 1, cuont = 2 }]",
            "2: unknown field `cuont`",
        ),
        (
            "calls = [{ delay = { form = 1 } }]",
            "1: unknown field `form`",
        ),
        ("calls = [{ count = 2 }]", "1: calls: missing field `delay`"),
        ("seed = 1\n[[calls]]\ncount = 2", "2: missing field `delay`"),
        ("calls = 3", "1: calls: invalid type: integer `3`"),
        ("calls = [3]", "1: calls: invalid type: integer `3`"),
        (
            "calls = [{ delay = \"1\" }]",
            "1: delay: invalid type: string \"1\", expected seconds",
        ),
        ("seed = -1\n", "1: seed: invalid value: integer `-1`"),
        (
            "calls = [{ delay = 1 }]\norder = \"shuffled\"",
            "2: order: unknown variant `shuffled`",
        ),
        (
            "calls = [{ delay = 1 }]\nsteps = [[{ delay = 1 }]]",
            "2: steps: calls are there too",
        ),
        (
            "order = \"at_once\"\nsteps = [[{ delay = 1 }]]",
            "1: order: steps have an order",
        ),
        ("work = nan", "1: work: NaN is no time in seconds"),
        ("work = inf", "1: work: inf is no time in seconds"),
        ("work = -0.1", "1: work: -0.1 is no time in seconds"),
        (
            "calls = [{ delay = 1 },\n{ delay = -0.5 }]",
            "2: delay: -0.5 is no time in seconds; give 0 to 86400",
        ),
        (
            "calls = [{ delay = 86401 }]",
            "1: delay: 86401 is no time in seconds",
        ),
        (
            "calls = [{ delay = 1 },\n{ delay = 1,\nfails = 1.5 }]",
            "3: fails: 1.5 is no share; give 0 to 1",
        ),
        (
            "calls = [{ delay = 1, hangs = -1 }]",
            "1: hangs: -1 is no share",
        ),
        (
            "calls = [{ delay = 1, hangs = nan }]",
            "1: hangs: NaN is no share",
        ),
        (
            "calls = [{ delay = 1, fails = 0.6,\nhangs = 0.6 }]",
            "2: hangs: 0.6 beside 0.6 that fail is over 1",
        ),
        (
            "calls = [{ delay = 1, size = -1 }]",
            "1: size: invalid value: integer `-1`",
        ),
        (
            "calls = [{ delay = 1, size = 1e6 }]",
            "1: size: invalid type: floating point `1000000.0`",
        ),
        (
            "calls = [{ delay = 1, size = 100000000 }]",
            "1: size: 100000000 bytes are too many; give 8388608 at most",
        ),
        (
            "calls = [{ delay = 1, count = 0 }]",
            "1: count: 0 is no number of calls; give 1 to 1000",
        ),
        (
            "calls = [{ delay = 1, count = 1001 }]",
            "1: count: 1001 is no number of calls",
        ),
        (
            "calls = [{ delay = 1, count = 600 }, { delay = 1, count = 600 }]",
            "1: count: 1200 calls are too many; give 1000 at most",
        ),
        (
            "calls = [{ delay = { from = 0.2, to = 0.1 } }]",
            "1: from: 0.2 is more than to, which is 0.1",
        ),
        (
            "calls = [{ delay = { from = 0.2 } }]",
            "1: delay: give a number",
        ),
        ("calls = [{ delay = {} }]", "1: delay: give a number"),
        (
            "calls = [{ delay = { from = 0.1, p99 = 1 } }]",
            "1: delay: give a number, or from and to, or median and p99",
        ),
        (
            "calls = [{ delay = { median = 0.4, p99 = 0.1 } }]",
            "1: median: 0.4 is more than p99, which is 0.1",
        ),
        (
            "calls = [{ delay = { median = 0, p99 = 0.1 } }]",
            "1: median: 0 has no times around it",
        ),
        (
            "calls = [\n{ delay = { file = \"/no/such\" } }]",
            "2: file: cannot read /no/such: No such file",
        ),
        (
            "calls = [{ delay = { values = [] } }]",
            "1: values: there is none",
        ),
        (
            "calls = [{ delay = { values = [1, -1] } }]",
            "1: values: -1 is no time",
        ),
        ("calls = [", "1: "),
        ("seed = 1\nseed = 2", "2: seed: duplicate key"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err();
        let told = error.strip_prefix("shop.toml:").unwrap_or_default();
        assert!(told.starts_with(expected), "{text:?} gave {error:?}");
        assert!(!error.contains('\n'), "{text:?} gave {error:?}");
    }
}

#[test]
fn latencies_that_cannot_be_are_told_with_their_own_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    let text = "seed = 7\ncalls = [{ delay = { file = \"latencies.txt\" } }]";
    for (latencies, expected) in [
        ("", " has no latency; give seconds, one a line"),
        ("\n\n", " has no latency; give seconds, one a line"),
        ("0.1\nsoon\n", ":2: `soon` is no time in seconds; try 0.125"),
        (
            "0.1\n\n-1\n",
            ":3: -1 is no time in seconds; give 0 to 86400",
        ),
    ] {
        let beside = folder.path().join("latencies.txt");
        fs::write(&beside, latencies).unwrap();
        let error = Workload::parse(&path, text).unwrap_err().to_string();
        let (path, beside) = (path.display(), beside.display());
        let expected = format!("{path}:2: file: {beside}{expected}");
        assert_eq!(error, expected, "{latencies:?}");
    }
}

#[test]
fn the_example_is_a_workload() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = Workload::load(&root.join("shop.toml")).unwrap();
    assert_eq!(read.steps.iter().map(Vec::len).collect::<Vec<_>>(), [3, 20]);
}

#[test]
fn a_file_that_is_not_there_is_told_of() {
    let error = Workload::load(Path::new("/no/such.toml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read workload file /no/such.toml");
}

#[test]
fn a_delay_is_read_from_a_word() {
    assert_eq!("0.125".parse(), Ok(Delay::Fixed(millis(125))));
    let (from, to) = (millis(50), millis(100));
    assert_eq!("0.05..0.1".parse(), Ok(Delay::Range { from, to }));
    let (median, p99) = (millis(50), millis(400));
    let lognormal = Delay::Lognormal { median, p99 };
    assert_eq!("median:0.05,p99:0.4".parse(), Ok(lognormal));
    for (text, expected) in [
        ("soon", "`soon` is no delay; try 0.125, 0.05..0.1, "),
        ("", "`` is no delay; try"),
        ("-1", "-1 is no time in seconds; give 0 to 86400"),
        ("0.2..0.1", "from: 0.2 is more than to"),
        ("..", "`` is no delay"),
        ("median:0.4,p99:0.1", "median: 0.4 is more than p99"),
        ("median:0.4", "`median:0.4` is no delay"),
        ("file:/no/such", "cannot read /no/such: No such file"),
    ] {
        let error = text.parse::<Delay>().unwrap_err();
        assert!(error.starts_with(expected), "{text:?} gave {error:?}");
    }
}

#[test]
fn a_workload_of_flags_is_held_to_the_same() {
    let bad = Workload {
        steps: vec![vec![fixed(1)], vec![]],
        ..Workload::slides()
    };
    let error = bad.check().unwrap_err();
    assert_eq!(error.to_string(), "steps: a step needs at least one call");
    let call = Call {
        fails: 2.0,
        ..fixed(1)
    };
    let bad = Workload {
        steps: vec![vec![call]],
        ..Workload::slides()
    };
    let error = bad.check().unwrap_err();
    assert_eq!(error.to_string(), "fails: 2 is no share; give 0 to 1");
}
