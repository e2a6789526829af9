//! The view on terminals of all sizes, and under keys.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::ps::NOTHING;
use crate::ps::example;

fn view() -> View {
    let mut view = View::new(true);
    view.see(example::sight());
    view
}

fn terminal(view: &mut View, width: u16, height: u16) -> Terminal<TestBackend> {
    let backend = TestBackend::new(width, height);
    let mut terminal = Terminal::new(backend).unwrap();
    terminal.draw(|frame| view.draw(frame)).unwrap();
    terminal
}

/// The screen, line by line, without what is blank at their ends.
fn screen(view: &mut View, width: u16, height: u16) -> Vec<String> {
    let terminal = terminal(view, width, height);
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(width.into()).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.collect()
}

fn press(view: &mut View, keys: &str) -> Option<Wish> {
    let press = |key| view.press(KeyEvent::from(KeyCode::Char(key)));
    keys.chars().map(press).last().flatten()
}

#[test]
fn the_tree_fits_a_terminal_of_80_by_24() {
    let screen = screen(&mut view(), 80, 24);
    let shown = screen.join("\n");
    assert_eq!(
        screen[0],
        "masters: 3, workers: 3, requests in hand: 1; by port"
    );
    for (line, parts) in [
        (1, &["what runs", "pid", "CPU %", "conns", "state"][..]),
        (2, &["thread :5002", " 30 ", "serving"]),
        (7, &["   └─ worker-1-core-3", " 34 ", " 40.0"]),
        (9, &["├─ worker 1", " 1 ", "0.4 s GET /"]),
        (12, &["   └─ worker-2-core-0"]),
        (13, &["slow-backend :7001"]),
        (23, &["q quit"]),
    ] {
        for part in parts {
            assert!(
                screen[line].contains(part),
                "no {part:?} in line {line} of\n{shown}"
            );
        }
    }
    assert!(!shown.contains('\u{1b}'), "a request moves the cursor");
}

#[test]
fn a_narrow_terminal_does_without_some_columns() {
    let head = |width| screen(&mut view(), width, 10).swap_remove(1);
    assert!(head(66).contains("served"), "{}", head(66));
    assert!(!head(66).contains("conns"), "{}", head(66));
    let narrow = head(40);
    assert!(!narrow.contains("pid"), "{narrow}");
    assert!(narrow.contains("in hand"), "{narrow}");
}

#[test]
fn a_narrow_terminal_tells_of_all_keys() {
    let mut view = view();
    press(&mut view, "?");
    for width in [40, 60, 80] {
        let shown = screen(&mut view, width, 24).join(" ");
        for key in ["? fewer", "20 requests, 50 at once", "r in hand"] {
            assert!(shown.contains(key), "no {key:?} in {shown}");
        }
    }
}

#[test]
fn what_is_below_is_counted() {
    let mut view = view();
    let rows = view.rows.len();
    let lines = screen(&mut view, 60, 6);
    let more = format!(" ↓ {} more", rows - 3);
    assert!(lines[0].ends_with(&more), "{lines:?}");
    view.press(KeyCode::End.into());
    let lines = screen(&mut view, 60, 6);
    assert!(!lines[0].contains("more"), "{lines:?}");
}

#[test]
fn no_terminal_is_too_small() {
    let mut view = view();
    view.news = News::Line("We did 20 requests in 5.007".to_owned());
    press(&mut view, "?");
    for width in 1..40 {
        for height in 1..12 {
            terminal(&mut view, width, height);
        }
    }
}

#[test]
fn keys_sort_and_the_selection_stays_where_it_was() {
    let mut view = view();
    press(&mut view, "jjjjjj");
    let selected = view.selected;
    assert!(screen(&mut view, 80, 24)[8].starts_with("async :5100"));
    press(&mut view, "n");
    let lines = screen(&mut view, 80, 24);
    assert!(lines[0].ends_with("; by name"), "{}", lines[0]);
    assert!(lines[2].starts_with("async :5100"), "{}", lines[2]);
    assert_eq!(view.selected, selected);
    assert_eq!(view.table.selected(), Some(0));
    press(&mut view, "s");
    assert!(screen(&mut view, 80, 24)[0].ends_with("; by CPU"));
    press(&mut view, "m");
    assert!(screen(&mut view, 80, 24)[0].ends_with("; by memory"));
}

#[test]
fn without_threads_their_process_is_selected() {
    let mut view = view();
    press(&mut view, "jjj");
    press(&mut view, "t");
    assert_eq!(view.rows.len(), 6);
    assert_eq!(view.table.selected(), Some(1));
}

#[test]
fn what_is_selected_scrolls_into_sight_and_may_go() {
    let mut view = view();
    view.press(KeyCode::End.into());
    let lines = screen(&mut view, 80, 6);
    assert!(lines[4].starts_with("slow-backend"), "{lines:?}");
    view.see(Sight {
        masters: Vec::new(),
        ..example::sight()
    });
    let lines = screen(&mut view, 80, 6);
    assert_eq!(lines[1], NOTHING);
    assert_eq!(press(&mut view, "jkh"), None);
}

#[test]
fn the_hammer_is_for_the_deployment_of_what_is_selected() {
    let mut view = view();
    // A thread of async's first worker.
    let wish = press(&mut view, "jjjjjjjjh");
    let hammer = Wish::Hammer {
        name: "async :5100".to_owned(),
        http: ([127, 0, 0, 1], 5100).into(),
    };
    assert_eq!(wish, Some(hammer));
    view.news = News::Hammering {
        name: "async :5100".to_owned(),
        state: State {
            answered: 5,
            failed: 0,
            elapsed: Duration::from_millis(1500),
        },
    };
    let line = screen(&mut view, 80, 24).swap_remove(22);
    assert!(
        line.starts_with("async :5100: 5 of 20 in 1.5 s ━"),
        "{line}"
    );
    assert!(line.ends_with('─'), "{line}");
    assert_eq!(view.press(KeyCode::Esc.into()), Some(Wish::GiveUp));
    view.news = News::Line("We did 20 requests in 5.007".to_owned());
    assert_eq!(view.press(KeyCode::Esc.into()), None);
    assert!(matches!(view.news, News::None), "Esc takes the line away");
}

#[test]
fn control_c_quits_and_c_sorts() {
    let mut view = view();
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.press(key), Some(Wish::Quit));
    assert_eq!(press(&mut view, "c"), None);
    assert_eq!(view.order, Order::Cpu);
    assert_eq!(press(&mut view, "q"), Some(Wish::Quit));
}

#[test]
fn without_colours_what_is_selected_still_stands_out() {
    let mut view = view();
    view.colours = false;
    let terminal = terminal(&mut view, 80, 24);
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset));
    let selected = cells[2 * 80].modifier;
    assert!(selected.contains(Modifier::REVERSED), "{selected:?}");
}
