//! The models' code side by side, as it was built into this program.

use std::ops::Range;

use maud::{Markup, html};
use similar::{ChangeTag, DiffOp, TextDiff};

macro_rules! source {
    ($path:literal) => {
        include_str!(concat!("../../../", $path))
    };
}

/// What can be compared: a model, and the files that have its `application`
/// and its `long_network_call`.
const MODELS: [Model; 6] = [
    Model {
        class: "m-sync",
        name: "app-sync",
        what: "one call after the other",
        sources: [source!("app-sync/src/main.rs"); 2],
    },
    Model {
        class: "m-threaded",
        name: "app-threaded",
        what: "the same under threads",
        sources: [source!("app-threaded/src/main.rs"); 2],
    },
    Model {
        class: "m-executor",
        name: "executor",
        what: "calls on a pool of threads",
        sources: [
            source!("app-threaded/src/executor.rs"),
            source!("app-threaded/src/main.rs"),
        ],
    },
    Model {
        class: "m-async",
        name: "app-async",
        what: "calls joined on an event loop",
        sources: [source!("app-async/src/main.rs"); 2],
    },
    Model {
        class: "m-coroutine",
        name: "app-coroutine",
        what: "calls that block a coroutine",
        sources: [source!("app-coroutine/src/main.rs"); 2],
    },
    Model {
        class: "m-offload",
        name: "app-offload",
        what: "calls on a loop beside the server",
        sources: [source!("app-offload/src/main.rs"); 2],
    },
];

/// Those that are shown first.
const FIRST: (usize, usize) = (0, 3);

struct Model {
    class: &'static str,
    name: &'static str,
    what: &'static str,
    sources: [&'static str; 2],
}

impl Model {
    fn code(&self) -> String {
        let [application, call] = self.sources;
        format!(
            "{}\n{}",
            function(application, "application"),
            function(call, "long_network_call")
        )
    }
}

/// A function and the comment above it.
fn function(source: &str, name: &str) -> String {
    let lines: Vec<_> = source.lines().collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    let is_head = |line: &&str| heads.iter().any(|h| line.starts_with(&**h));
    let Some(head) = lines.iter().position(is_head) else {
        return String::new();
    };
    let comment = lines[..head].iter().rev();
    let comment = comment.take_while(|line| line.starts_with("///"));
    let first = head - comment.count();
    let rest = lines[first..].iter();
    let body = rest.take_while(|line| **line != "}");
    let mut text = String::new();
    for line in body.chain(&["}"]) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

pub(crate) fn section() -> Markup {
    let codes = MODELS.each_ref().map(Model::code);
    let pairs = (0..MODELS.len())
        .flat_map(|a| (a + 1..MODELS.len()).map(move |b| (a, b)));
    html! {
        section #code {
            h2 { "What differs in the code" }
            p {
                "Two models at a time, from the sources that this program was "
                "built of: one request, and one of its calls. What differs is "
                "marked."
            }
            div.choose {
                (choice("left", "Left", FIRST.0))
                (choice("right", "Right", FIRST.1))
            }
            @for (a, b) in pairs {
                div.pair data-pair={ (a) "-" (b) } hidden[(a, b) != FIRST] {
                    (head(&MODELS[a], "l")) (head(&MODELS[b], "r"))
                    (sides(&codes[a], &codes[b]))
                }
            }
            p #same hidden { "That is the same model twice." }
        }
    }
}

fn choice(id: &str, label: &str, first: usize) -> Markup {
    html! {
        label for=(id) { (label) " " }
        select id=(id) {
            @for (at, model) in MODELS.iter().enumerate() {
                option value=(at) selected[at == first] {
                    (model.name) ": " (model.what)
                }
            }
        }
    }
}

fn head(model: &Model, side: &str) -> Markup {
    html! {
        h3.(side).(model.class) { i.dot {} (model.name) }
    }
}

/// The lines of both, those that are alike beside each other.
fn sides(left: &str, right: &str) -> Markup {
    let diff = TextDiff::from_lines(left, right);
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    let (left, right): (Vec<String>, Vec<String>) = (lines(left), lines(right));
    html! {
        @for op in diff.ops() {
            @let (old, new) = (op.old_range(), op.new_range());
            @let equal = matches!(op, DiffOp::Equal { .. });
            @for at in 0..old.len().max(new.len()) {
                @let (old, new) = (line(&left, &old, at), line(&right, &new, at));
                (cell("l", old, new, equal)) (cell("r", new, old, equal))
            }
        }
    }
}

fn line<'a>(
    lines: &'a [String],
    range: &Range<usize>,
    at: usize,
) -> Option<&'a str> {
    let at = range.clone().nth(at)?;
    lines.get(at).map(String::as_str)
}

/// A line of one side, given what stands beside it.
fn cell(
    side: &str,
    mine: Option<&str>,
    other: Option<&str>,
    equal: bool,
) -> Markup {
    html! {
        @match (mine, other) {
            (None, _) => div.(side).none {},
            (Some(mine), _) if equal => div.(side) { (indented(mine)) },
            (Some(mine), None) => div.(side).differs { (mine) },
            (Some(mine), Some(other)) => div.(side).differs {
                (words(mine, other))
            },
        }
    }
}

/// An empty line has its height, too.
fn indented(line: &str) -> &str {
    if line.is_empty() { " " } else { line }
}

/// Lines that have less than this in common are other lines.
const ALIKE: f32 = 0.5;

/// A line whose words that are not in the `other` are marked.
fn words(mine: &str, other: &str) -> Markup {
    let diff = TextDiff::from_words(mine, other);
    if diff.ratio() < ALIKE {
        return html! { (mine) };
    }
    let mine = diff.iter_all_changes();
    let mine = mine.filter(|change| change.tag() != ChangeTag::Insert);
    html! {
        @for change in mine {
            @let word = change.value();
            @if change.tag() == ChangeTag::Equal || word.trim().is_empty() {
                (word)
            } @else {
                mark { (word) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_has_both_functions_with_their_comments() {
        for model in &MODELS {
            let code = model.code();
            for part in [
                "/// One request: its calls, ",
                "fn application(",
                "lasted {seconds:.3} seconds",
                "/// One call, which ",
                "fn long_network_call(",
                "call.end(",
            ] {
                assert!(code.contains(part), "no {part:?} in {code}");
            }
            assert_eq!(code.matches("\n}\n").count(), 2, "{code}");
        }
    }

    #[test]
    fn what_differs_is_marked_and_nothing_is_lost() {
        let html = sides("a\nb a c\n", "a\nb a d\ne\n").into_string();
        assert!(html.contains(r#"<div class="l">a</div>"#), "{html}");
        assert!(html.contains("b a <mark>c</mark>"), "{html}");
        assert!(html.contains("b a <mark>d</mark>"), "{html}");
        assert!(html.contains(r#"<div class="r differs">e</div>"#), "{html}");
        assert!(html.contains(r#"<div class="l none"></div>"#), "{html}");
    }
}
