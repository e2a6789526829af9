//! Runs the command as a shell does, and looks at what it says.

use std::process::{Command, Output};

pub(crate) fn hammer(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hammer"));
    command.args(args);
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether some line of the report has these words, apart from the spaces.
#[track_caller]
pub(crate) fn assert_line(output: &Output, words: &str) {
    let text = stdout(output);
    let has = text.lines().any(|line| {
        line.split_whitespace().collect::<Vec<_>>().join(" ") == words
    });
    assert!(has, "no line {words:?} in:\n{text}");
}

#[track_caller]
pub(crate) fn assert_exit(output: &Output, code: i32) {
    let said = stdout(output) + &stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
}

/// The slide's line: a count and seconds to three digits.
#[track_caller]
pub(crate) fn assert_last_line(output: &Output, requests: u64) {
    let text = stdout(output);
    let last = text.lines().last().unwrap();
    let seconds = last
        .strip_prefix(&format!("We did {requests} requests in "))
        .unwrap_or_else(|| panic!("{last}"));
    let (whole, thousandths) = seconds.split_once('.').unwrap();
    assert!(whole.parse::<u64>().is_ok(), "{last}");
    assert_eq!(thousandths.len(), 3, "{last}");
    assert!(thousandths.parse::<u64>().is_ok(), "{last}");
    assert!(text.ends_with('\n'));
}

/// One line on stderr, none on stdout, exit 2.
#[track_caller]
pub(crate) fn assert_usage(args: &[&str], words: &[&str]) {
    let output = hammer(args);
    assert_exit(&output, 2);
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("hammer: "), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}
