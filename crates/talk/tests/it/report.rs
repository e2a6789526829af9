//! The report, as a reader uses it: in a browser.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::free_base;
use crate::browser::Page;
use crate::server::run;

/// What a quick bench of three deployments leaves.
fn benched() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
    command
        .arg(format!("--port-base={}", free_base()))
        .args(["bench", "--quick", "process", "async", "native"])
        .arg("--output")
        .arg(folder.path());
    let output = run(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(folder.path().join("report.html").exists(), "{told}");
    folder
}

fn report(results: &Path, page: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talk"));
    command.arg("report").arg(results).arg("-o").arg(page);
    run(command)
}

const FIRST_CELLS: &str = "[...document.querySelectorAll(\
    '.sortable tbody tr')].map((row) => row.cells[2].textContent).join()";
const WINDOW: &str =
    "document.querySelector('.lane svg').viewBox.baseVal.width";

#[test]
fn a_reader_sorts_zooms_hovers_and_switches() {
    let folder = benched();
    let path = folder.path().join("report.html");
    let Some(page) = Page::open_file(&path) else {
        return;
    };
    for (width, scheme) in [(390, "dark"), (390, "light"), (1280, "dark")] {
        page.look(width, scheme);
        page.keep(&format!("report-{width}-{scheme}"));
        let wider = "document.documentElement.scrollWidth > innerWidth";
        assert_eq!(page.value(wider), false, "at {width} it does not fit");
    }
    page.look(1280, "light");
    page.keep("report-1280-light");

    let before = page.text(FIRST_CELLS);
    page.click(".sortable thead th:nth-child(3) button");
    let sorted = page.text(FIRST_CELLS);
    let seconds = sorted.split(',').filter_map(|cell| cell.parse().ok());
    let seconds: Vec<f64> = seconds.collect();
    assert!(seconds.is_sorted(), "{sorted}");
    page.click(".sortable thead th:nth-child(3) button");
    page.click(".sortable thead th:nth-child(3) button");
    assert_eq!(page.text(FIRST_CELLS), before);

    let whole = page.number(WINDOW);
    page.click("[data-zoom=in]");
    assert_eq!(page.number(WINDOW), whole / 2.0);
    page.value("document.querySelector('.plot').focus()");
    page.press("+");
    assert_eq!(page.number(WINDOW), whole / 4.0);
    page.press("ArrowDown");
    let tip = page.text("document.querySelector('#tip').textContent");
    assert!(tip.contains("request") && tip.contains(" ms)"), "{tip}");
    page.press("0");
    assert_eq!(page.number(WINDOW), whole);
    page.hover(".lane rect.c");
    page.wait_for("!document.querySelector('#tip').hidden");

    let shown = "document.querySelector('.pair:not([hidden])').dataset.pair";
    assert_eq!(page.text(shown), "0-3");
    page.value(
        "document.querySelector('#right').value = '4'; \
         document.querySelector('#right').dispatchEvent(new Event('change'))",
    );
    assert_eq!(page.text(shown), "0-4");
    let code =
        page.text("document.querySelector('.pair:not([hidden])').innerText");
    assert!(code.contains("spawn(move || long_network_call"), "{code}");

    page.click(".legend button");
    page.wait_for("document.querySelector('.curves').matches('.alone')");
    page.nothing_went_wrong();
    // Told, not judged: a machine may be as slow as it likes.
    let loaded = page
        .number("performance.getEntriesByType('navigation')[0].loadEventEnd");
    let size = fs::metadata(&path).unwrap().len();
    eprintln!("the page has {size} bytes, and opened in {loaded:.0} ms");
    assert!(size < 2_000_000, "{size} bytes");
}

#[test]
fn text_of_others_stays_text() {
    let folder = benched();
    let path = folder.path().join("results.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    let hostile = "</script><script>document.title='taken'</script>\
                   <img src=x onerror=\"document.title='taken'\">\" x=\"y";
    let rows = results["rows"].as_array_mut().unwrap();
    let reasons = json!({"refused": [format!("500: {hostile}")]});
    for row in rows {
        row["measurements"] = json!([reasons]);
        row["summary"] = Value::Null;
        let seen = &mut row["seen"];
        let last = |points: &Value| points.as_array().unwrap().last().cloned();
        let answered = last(&seen["timeline"]["answered"]).unwrap()[0].as_u64();
        let looked = last(&seen["looks"]).unwrap()[0].as_u64();
        assert!(looked >= answered, "not looked at to its end: {seen}");
        // The status of a request.
        seen["timeline"]["requests"][0][4] = 500.into();
        for field in ["deployment", "model", "run"] {
            row[field] = hostile.into();
        }
        for lane in row["seen"]["timeline"]["lanes"].as_array_mut().unwrap() {
            lane["name"] = hostile.into();
        }
    }
    for field in ["command", "commit", "compiler"] {
        results["made"][field] = hostile.into();
    }
    results["machine"]["processor"] = hostile.into();
    fs::write(&path, results.to_string()).unwrap();
    let page = folder.path().join("report.html");
    let output = report(&path, &page);
    assert!(output.status.success(), "{output:?}");
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<script").count(), 1);
    assert!(!html.contains("<img"));
    assert!(html.contains("; the run was refused"));
    assert!(html.contains("class=\"swatch failed\""));
    let Some(page) = Page::open_file(&page) else {
        return;
    };
    assert_eq!(page.number("document.scripts.length"), 1.0);
    assert_eq!(page.number("document.images.length"), 0.0);
    assert!(page.text("document.title").starts_with("Which"));
    let refused = page.text("document.querySelector('.refused').textContent");
    assert!(refused.contains("<img src=x"), "{refused}");
    page.nothing_went_wrong();
}

#[test]
fn results_that_are_broken_or_of_others_are_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results.json");
    let page = folder.path().join("report.html");
    for (text, why) in [
        ("", "no results of a bench"),
        ("{\"version\": 3, \"rows\": [", "no results of a bench"),
        ("[1, 2]", "no results of a bench"),
        ("{\"name\": \"mine\"}", "no results of a bench"),
        ("{\"version\": 2, \"rows\": []}", "they are of version 2"),
        ("{\"version\": 3, \"rows\": []}", "no whole results"),
    ] {
        fs::write(&results, text).unwrap();
        let output = report(&results, &page);
        assert_eq!(output.status.code(), Some(1), "{text:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let named = format!("cannot read {}: {why}", results.display());
        assert!(stderr.contains(&named), "{stderr}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let output = report(&folder.path().join("nothing"), &page);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("nothing: No such file"), "{stderr}");
    assert!(stderr.contains("; cargo talk bench writes it"), "{stderr}");
}

#[test]
fn a_page_that_cannot_be_written_leaves_no_part_of_it() {
    let folder = benched();
    let results = folder.path().join("results.json");
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    let output = report(&results, &taken);
    assert_eq!(output.status.code(), Some(1));
    let after = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(before, after);
}
