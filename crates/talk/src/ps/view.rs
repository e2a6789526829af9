//! What the live view shows, and what its keys do to it.

use std::net::SocketAddr;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, LineGauge, Paragraph, Table, TableState};

use super::NOTHING;
use super::hammering::{REQUESTS, State};
use super::sight::Sight;
use super::tree::{self, COLUMNS, HEAD, Key, Kind, Order, Row};

/// Rows that a page goes by.
const PAGE: usize = 10;
/// A state needs so much of a line to tell anything.
const STATE: usize = 12;
/// The columns that a narrow terminal does without, in this order.
const SPARED: [&str; 4] = ["conns", "served", "pid", "MB"];

const KEYS: &str = "q quit  h hammer  s sort  t threads  ? all keys";
const ALL_KEYS: [&str; 3] = [
    "q quit  ↑ ↓ j k PgUp PgDn Home End select  t threads  ? fewer keys",
    "h hammer what is selected: 20 requests, 50 at once  Esc give that up",
    "s sort by the next of: p port  n name  c CPU  m memory  r in hand",
];

/// The live view.
pub(super) struct View {
    sight: Option<Sight>,
    rows: Vec<Row>,
    order: Order,
    threads: bool,
    selected: Option<Key>,
    table: TableState,
    all_keys: bool,
    colours: bool,
    pub(super) news: News,
}

/// What there is to tell of the hammer.
pub(super) enum News {
    None,
    Hammering { name: String, state: State },
    Line(String),
}

/// What a key asks for that is not the view's to do.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    Quit,
    Hammer { name: String, http: SocketAddr },
    GiveUp,
}

impl View {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            sight: None,
            rows: Vec::new(),
            order: Order::Port,
            threads: true,
            selected: None,
            table: TableState::new(),
            all_keys: false,
            colours,
            news: News::None,
        }
    }

    pub(super) fn see(&mut self, sight: Sight) {
        self.sight = Some(sight);
        self.sort();
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Wish> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(Wish::Quit),
            _ if control => {}
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Char('h') => return self.hammer(),
            KeyCode::Esc => match self.news {
                News::Hammering { .. } => return Some(Wish::GiveUp),
                _ => self.news = News::None,
            },
            KeyCode::Down | KeyCode::Char('j') => self.select_after(1),
            KeyCode::Up | KeyCode::Char('k') => self.select_before(1),
            KeyCode::PageDown => self.select_after(PAGE),
            KeyCode::PageUp => self.select_before(PAGE),
            KeyCode::End => self.select_after(self.rows.len()),
            KeyCode::Home => self.select_before(self.rows.len()),
            KeyCode::Char('s') => self.sort_by(self.order.next()),
            KeyCode::Char('p') => self.sort_by(Order::Port),
            KeyCode::Char('n') => self.sort_by(Order::Name),
            KeyCode::Char('c') => self.sort_by(Order::Cpu),
            KeyCode::Char('m') => self.sort_by(Order::Memory),
            KeyCode::Char('r') => self.sort_by(Order::InHand),
            KeyCode::Char('t') => {
                self.threads = !self.threads;
                self.sort();
            }
            KeyCode::Char('?') => self.all_keys = !self.all_keys,
            _ => {}
        }
        None
    }

    fn hammer(&mut self) -> Option<Wish> {
        let row = self.rows.get(self.table.selected()?)?;
        let masters = &self.sight.as_ref()?.masters;
        let master = masters.iter().find(|m| m.pid == row.master)?;
        let name = tree::title(master);
        let Some(http) = master.http else {
            self.news = News::Line(format!("{name} has no address"));
            return None;
        };
        Some(Wish::Hammer { name, http })
    }

    fn select_after(&mut self, count: usize) {
        let at = self.table.selected().unwrap_or(0);
        self.select(at.saturating_add(count));
    }

    fn select_before(&mut self, count: usize) {
        let at = self.table.selected().unwrap_or(0);
        self.select(at.saturating_sub(count));
    }

    fn select(&mut self, at: usize) {
        let last = self.rows.len().checked_sub(1);
        let at = last.map(|last| at.min(last));
        self.table.select(at);
        self.selected = at.map(|at| self.rows[at].key);
    }

    fn sort_by(&mut self, order: Order) {
        self.order = order;
        self.sort();
    }

    /// The selection stays on what is selected, wherever that goes.
    fn sort(&mut self) {
        let sight = self.sight.as_ref();
        self.rows = sight.map_or(Vec::new(), |sight| {
            tree::rows(sight, self.order, self.threads)
        });
        let keys = self.rows.iter().map(|row| row.key);
        let selected = self.selected;
        let same = keys.clone().position(|key| Some(key) == selected);
        // Without threads, it goes to the process.
        let process = || {
            let pid = selected?.pid;
            keys.clone().position(|key| key.pid == pid)
        };
        let before = self.table.selected().unwrap_or(0);
        self.select(same.or_else(process).unwrap_or(before));
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let unheard = self.sight.iter().flat_map(|sight| &sight.unheard);
        let unheard: Vec<_> = unheard.map(ToString::to_string).collect();
        let news = !matches!(self.news, News::None);
        let keys = match self.all_keys {
            true => ALL_KEYS.as_slice(),
            false => &[KEYS],
        };
        let lines = |count: usize| {
            Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX))
        };
        let [title, body, below, bar, help] = Layout::vertical([
            lines(1),
            Constraint::Min(0),
            lines(unheard.len()),
            lines(news.into()),
            lines(keys.len()),
        ])
        .areas(frame.area());
        frame.render_widget(Line::from(self.title()).bold(), title);
        match (&self.sight, self.rows.is_empty()) {
            (None, _) => frame.render_widget("looking …", body),
            (Some(_), true) => frame.render_widget(NOTHING, body),
            (Some(_), false) => self.draw_tree(frame, body),
        }
        let unheard = unheard.into_iter().map(Line::from);
        let unheard = unheard.collect::<Vec<_>>();
        frame.render_widget(Paragraph::new(unheard), below);
        self.draw_news(frame, bar);
        let keys = keys.iter().map(|keys| Line::from(*keys).dim());
        frame.render_widget(Paragraph::new(keys.collect::<Vec<_>>()), help);
    }

    fn title(&self) -> String {
        let masters = self.sight.iter().flat_map(|sight| &sight.masters);
        let (mut count, mut workers, mut in_hand) = (0, 0, 0);
        for master in masters {
            count += 1;
            workers += master.workers.len();
            in_hand += master.in_hand();
        }
        let order = self.order.name();
        format!(
            "masters: {count}, workers: {workers}, requests in hand: \
             {in_hand}; by {order}"
        )
    }

    fn draw_tree(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let cells: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let columns = columns(&cells, area.width.into());
        let head = columns.iter().map(|&(at, _)| aligned(at, HEAD[at].into()));
        let head = ratatui::widgets::Row::new(head).underlined();
        let rows = self.rows.iter().zip(cells).map(|(row, cells)| {
            let shown = columns.iter().map(|&(at, _)| {
                let style = self.style(row, at);
                aligned(at, cells[at].clone()).style(style)
            });
            ratatui::widgets::Row::new(shown.collect::<Vec<_>>())
        });
        let widths = columns.iter().map(|&(at, width)| match at {
            STATE_AT => Constraint::Fill(1),
            _ => Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX)),
        });
        let table = Table::new(rows, widths)
            .header(head)
            .row_highlight_style(Style::new().reversed());
        frame.render_stateful_widget(table, area, &mut self.table);
    }

    fn style(&self, row: &Row, column: usize) -> Style {
        let style = match row.kind {
            Kind::Master => Style::new().bold(),
            Kind::Worker => Style::new(),
            Kind::Thread => Style::new().dim(),
        };
        let in_hand = matches!(HEAD[column], "in hand" | "state");
        match (self.colours, row.kind) {
            (false, _) => style,
            (true, _) if in_hand && row.is_at_work() => style.fg(Color::Yellow),
            (true, Kind::Master) => style.fg(Color::Cyan),
            (true, _) => style,
        }
    }

    fn draw_news(&self, frame: &mut Frame<'_>, area: Rect) {
        match &self.news {
            News::None => {}
            News::Line(line) => {
                frame.render_widget(Line::from(line.as_str()).bold(), area);
            }
            News::Hammering { name, state } => {
                let State {
                    answered,
                    failed,
                    elapsed,
                } = *state;
                let over = answered + failed;
                let seconds = elapsed.as_secs_f64();
                let gauge = LineGauge::default()
                    .ratio((over as f64 / REQUESTS as f64).min(1.0))
                    .label(format!(
                        "{name}: {over} of {REQUESTS} in {seconds:.1} s"
                    ))
                    .filled_symbol("━")
                    .unfilled_symbol("─");
                frame.render_widget(gauge, area);
            }
        }
    }
}

const NAME_AT: usize = 0;
const STATE_AT: usize = COLUMNS - 1;

/// Figures stand to the right.
fn aligned(column: usize, text: String) -> Cell<'static> {
    let text = Text::from(text);
    Cell::from(match column {
        NAME_AT | STATE_AT => text,
        _ => text.right_aligned(),
    })
}

/// The columns for which there is room, each with its width.
fn columns(cells: &[[String; COLUMNS]], room: usize) -> Vec<(usize, usize)> {
    let all = (0..COLUMNS).map(|at| {
        let cells = cells.iter().map(|row| row[at].chars().count());
        let width = cells.chain([HEAD[at].len()]).max().unwrap_or(0);
        (at, if at == STATE_AT { STATE } else { width })
    });
    let mut columns: Vec<_> = all.collect();
    for spared in SPARED {
        let widths = columns.iter().map(|&(_, width)| width + 1);
        if widths.sum::<usize>() <= room + 1 {
            break;
        }
        columns.retain(|&(at, _)| HEAD[at] != spared);
    }
    columns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::Modifier;

    use super::*;
    use crate::ps::example;

    fn view() -> View {
        let mut view = View::new(true);
        view.see(example::sight());
        view
    }

    fn terminal(
        view: &mut View,
        width: u16,
        height: u16,
    ) -> Terminal<TestBackend> {
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
}
