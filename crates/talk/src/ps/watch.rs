//! The live view's loop: sights come in from one side, keys from the other.

use std::env;
use std::io::{self, IsTerminal};
use std::process;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event;

use super::BETWEEN_LOOKS;
use super::hammering::Hammering;
use super::look::Look;
use super::sight::Sight;
use super::view::{News, View, Wish};
use crate::interrupt::{Interrupt, Stopped};

const REFRESH: Duration = Duration::from_secs(1);
/// How long a signal, or news of the hammer, may wait.
const TICK: Duration = Duration::from_millis(100);

/// Shows what runs until the user has seen enough.
pub(super) fn watch() -> Result<()> {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_dumb || !io::stdout().is_terminal() {
        bail!(
            "--watch needs a terminal to draw on; for a pipe, or a dumb one, \
             leave it out"
        );
    }
    let interrupt = Interrupt::block_hangup_too()?;
    let (sender, sights) = mpsc::channel();
    // In a thread, since a master that does not answer takes its time.
    thread::spawn(move || {
        if let Err(error) = look_again_and_again(&sender) {
            sender.send(Err(error)).ok();
        }
    });
    // It also sees to it that a panic leaves the terminal as it was.
    let mut terminal =
        ratatui::try_init().context("cannot draw on this terminal")?;
    let result = show(&mut terminal, &sights, &interrupt);
    ratatui::try_restore().context("cannot restore the terminal")?;
    match result {
        Err(end) if end.is::<Stopped>() => Ok(()),
        result => result,
    }
}

fn look_again_and_again(sights: &Sender<Result<Sight>>) -> Result<()> {
    let mut before = Look::take()?;
    thread::sleep(BETWEEN_LOOKS);
    loop {
        // Whoever waits for keys of a terminal that is gone waits without
        // rest, and does not come back; nor is there any more to restore.
        if !io::stdout().is_terminal() {
            process::exit(1);
        }
        let now = Look::take()?;
        if sights.send(Ok(Sight::between(&before, &now))).is_err() {
            return Ok(());
        }
        before = now;
        thread::sleep(REFRESH);
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    sights: &Receiver<Result<Sight>>,
    interrupt: &Interrupt,
) -> Result<()> {
    let colours = env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let mut view = View::new(colours);
    let mut hammering: Option<Hammering> = None;
    let mut is_old = true;
    loop {
        interrupt.check()?;
        match sights.try_recv() {
            Ok(sight) => {
                view.see(sight?);
                is_old = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => bail!("nobody looks any more"),
        }
        if let Some(over) = hammering.take_if(|h| h.is_over()) {
            view.news = News::Line(over.result());
            is_old = true;
        } else if let Some(hammering) = &hammering {
            view.news = News::Hammering {
                name: hammering.name().to_owned(),
                state: hammering.state(),
            };
            is_old = true;
        }
        if is_old {
            let drawn = terminal.draw(|frame| view.draw(frame));
            drawn.context("cannot draw")?;
        }
        if !event::poll(TICK).context("cannot wait for keys")? {
            is_old = false;
            continue;
        }
        is_old = true;
        let event = event::read().context("cannot read keys")?;
        let key = event.as_key_press_event();
        match key.and_then(|key| view.press(key)) {
            None => {}
            Some(Wish::Quit) => return Ok(()),
            Some(Wish::GiveUp) => {
                hammering.iter().for_each(Hammering::give_up);
            }
            // One at a time, or they would measure each other.
            Some(Wish::Hammer { .. }) if hammering.is_some() => {}
            Some(Wish::Hammer { name, http }) => {
                match Hammering::start(name, http) {
                    Ok(begun) => hammering = Some(begun),
                    Err(error) => view.news = News::Line(error.to_string()),
                }
            }
        }
    }
}
