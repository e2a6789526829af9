//! How the view looks, and how it fits a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{self, Cell, LineGauge, Paragraph, Table};

use super::{News, View};
use crate::ps::NOTHING;
use crate::ps::hammering::{REQUESTS, State};
use crate::ps::tree::{COLUMNS, HEAD, Kind, Row, SPARED};
use crate::wrap::wrap;

/// A state needs so much of a line to tell anything.
const STATE: usize = 12;
const NAME_AT: usize = 0;
const STATE_AT: usize = COLUMNS - 1;

/// What is said in a line, where there is room.
type Said = &'static [&'static str];
const KEYS: [Said; 1] =
    [&["q quit", "h hammer", "s sort", "t threads", "? all keys"]];
const ALL_KEYS: [Said; 3] = [
    &[
        "q quit",
        "↑ ↓ j k PgUp PgDn Home End select",
        "t threads",
        "? fewer keys",
    ],
    &[
        "h hammer what is selected",
        "(20 requests, 50 at once)",
        "Esc give that up",
    ],
    &[
        "s sort by the next of:",
        "p port",
        "n name",
        "c CPU",
        "m memory",
        "r in hand",
    ],
];

impl View {
    pub(in crate::ps) fn draw(&mut self, frame: &mut Frame<'_>) {
        let unheard = self.sight.iter().flat_map(|sight| &sight.unheard);
        let unheard: Vec<_> = unheard.map(ToString::to_string).collect();
        let news = !matches!(self.news, News::None);
        let keys = match self.all_keys {
            true => ALL_KEYS.as_slice(),
            false => &KEYS,
        };
        let width = frame.area().width.into();
        let keys = keys.iter().copied();
        let keys =
            keys.flat_map(|said| wrap(said.iter().copied(), "  ", width));
        let keys: Vec<_> = keys.map(|keys| Line::from(keys).dim()).collect();
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
        // The line of the heads shows none of them.
        let shown = usize::from(body.height).saturating_sub(1);
        let hidden =
            self.rows.len().saturating_sub(self.table.offset() + shown);
        if hidden > 0 {
            let more = Line::from(format!(" ↓ {hidden} more"));
            frame.render_widget(more.bold().right_aligned(), title);
        }
        let unheard = unheard.into_iter().map(Line::from);
        let unheard = unheard.collect::<Vec<_>>();
        frame.render_widget(Paragraph::new(unheard), below);
        self.draw_news(frame, bar);
        frame.render_widget(Paragraph::new(keys), help);
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
        let head = widgets::Row::new(head).underlined();
        let rows = self.rows.iter().zip(cells).map(|(row, cells)| {
            let shown = columns.iter().map(|&(at, _)| {
                let style = self.style(row, at);
                aligned(at, cells[at].clone()).style(style)
            });
            widgets::Row::new(shown.collect::<Vec<_>>())
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
