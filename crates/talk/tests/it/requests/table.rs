//! docs/requests.md, whose table is the list.

use std::env;
use std::fmt::Write;
use std::fs;

use super::case::{Case, Reader, Then};
use super::groups;
use crate::server::root;

const DOCUMENT: &str = "docs/requests.md";
const UPDATE: &str = "UPDATE_DOCS";

#[test]
fn the_document_says_what_the_list_says() {
    let path = root().join(DOCUMENT);
    let document = fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- cases -->\n", "<!-- /cases -->\n");
    let (before, rest) = document.split_once(start).expect("no cases");
    let (_, after) = rest.split_once(end).expect("no end of cases");
    let right = format!("{before}{start}{}{end}{after}", tables());
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, right).unwrap();
        return;
    }
    let differs = document.lines().zip(right.lines()).find(|(a, b)| a != b);
    assert!(
        document == right,
        "{DOCUMENT} is not what the list says, first here:\n{differs:#?}\n\
         To mend it: {UPDATE}=1 cargo test -p talk --test it requests"
    );
}

fn tables() -> String {
    let mut text = String::new();
    let count: usize = groups().iter().map(|(_, cases)| cases.len()).sum();
    writeln!(text, "\n{count} requests:").unwrap();
    for (subject, cases) in groups() {
        writeln!(text, "\n### {subject}\n").unwrap();
        text.push_str(
            "| request | bytes | answer | why |\n|---|---|---|---|\n",
        );
        for case in cases {
            let (name, why) = (case.name, case.why);
            let (bytes, answer) = (bytes(&case), answer(&case));
            writeln!(text, "| {name} | {bytes} | {answer} | {why} |").unwrap();
        }
    }
    text.push('\n');
    text
}

fn answer(case: &Case) -> String {
    let answer = |reader| case.answer(reader);
    let mut text = answer(Reader::Harness).to_owned();
    for (reader, name) in
        [(Reader::Hyper, "app-async"), (Reader::Minihttp, ":5200")]
    {
        if answer(reader) != answer(Reader::Harness) {
            write!(text, "; {name}: {}", answer(reader)).unwrap();
        }
    }
    text
}

fn bytes(case: &Case) -> String {
    const SHOWN: usize = 120;
    let then = match case.then {
        Then::Reads => "",
        Then::HalfCloses => " and no more to come",
        Then::Waits => " and nothing for a while",
    };
    let bytes = &case.bytes;
    if bytes.is_empty() {
        return format!("none,{then}");
    }
    let escape = |bytes: &[u8]| {
        let text = bytes.escape_ascii().to_string();
        // Quotes are no harm here; these two would be in a table.
        let text = text.replace("\\\"", "\"").replace("\\'", "'");
        text.replace('|', "\\x7c").replace('`', "\\x60")
    };
    if bytes.len() <= SHOWN {
        return format!("`{}`{then}", escape(bytes));
    }
    let shown = escape(&bytes[..SHOWN / 2]);
    format!("`{shown}`… {} bytes{then}", bytes.len())
}
