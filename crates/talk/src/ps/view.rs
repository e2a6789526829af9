//! The live view: what it has seen, and what its keys do to it.

mod draw;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;

use super::hammering::State;
use super::sight::Sight;
use super::tree::{self, Key, Order, Row};

/// Rows that a page goes by.
const PAGE: usize = 10;

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
}
