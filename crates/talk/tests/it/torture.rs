//! The torture and the soak themselves, in short.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{free_base, talk};
use crate::server::run;

#[test]
fn torture_tells_what_was_lost_and_whose_it_was() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("torture.json");
    let mut command = talk(free_base(), &["torture", "thread", "native"]);
    command
        .args(["--kills=3", "--reloads=2", "--json"])
        .arg(&json);
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let text = fs::read_to_string(json).unwrap_or_else(|_| panic!("{stderr}"));
    let report: Value = serde_json::from_str(&text).unwrap();
    for row in report["rows"].as_array().unwrap() {
        let kills = &row["kills"];
        let lost = kills["answers"]["failed"].as_u64().unwrap();
        assert!(lost <= kills["in_hands"].as_u64().unwrap(), "{row}");
        assert_eq!(kills["replaced"].as_array().unwrap().len(), 3, "{row}");
        assert_eq!(kills["zombies"], 0, "{row}");
        assert_eq!(kills["files"][0], kills["files"][1], "{row}");
        assert!(row["reloads"]["answers"]["requests"].as_u64() > Some(0));
        assert_eq!(row["reloads"]["answers"]["failed"], 0, "{row}");
    }
    let slow = report["slow"].as_array().unwrap();
    assert!(slow[0]["what"]["held_up"]["waited"].as_f64() > Some(1.0));
    assert_eq!(slow[1]["what"]["serves"]["connected"], 500);
    assert_eq!(slow[1]["what"]["serves"]["meanwhile"]["failed"], 0);
    assert!(stdout.contains("500 slow clients"), "{stdout}");
    // What took too long, on a machine that is busy with other tests, is
    // told, and whatever is told is a failure.
    let told = stderr.lines().any(|line| line.starts_with("talk: "));
    assert_eq!(output.status.code(), Some(i32::from(told)), "{stderr}");
}

#[test]
fn a_soak_tells_whether_anything_has_grown() {
    let command = talk(free_base(), &["soak", "thread", "--seconds=4"]);
    let output = run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let row = stdout.lines().find(|line| line.starts_with("thread"));
    let row = row.unwrap_or_else(|| panic!("{stdout}{stderr}"));
    let cells: Vec<_> = row.split_whitespace().collect();
    assert!(cells[2].parse::<u64>().unwrap() > 20, "{row}");
    assert_eq!(cells[3], "0", "{row}{stderr}");
    let told = stderr.lines().any(|line| line.starts_with("talk: "));
    assert_eq!(output.status.code(), Some(i32::from(told)), "{stderr}");
}
