//! `top` in a terminal: keys, answers and time go into the model, and the screen comes out.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ask;
use super::model::{Model, Wish};
use super::view::draw;
use crate::admin::client::Client;
use crate::exit::{Exit, Failure};

/// How often the screen is drawn although nothing has come: it says how old it is.
const REDRAW: Duration = Duration::from_secs(1);

/// The terminal, which is as it was when this is dropped.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        // What cannot be opened to the end is closed too.
        let opened = ratatui::try_init().map(Self);
        opened.inspect_err(|_| ratatui::restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows a server until a key or a signal ends it; says which.
///
/// # Errors
///
/// Returns a failure if the terminal cannot be used.
pub(super) async fn show(
    mut model: Model,
    server: Client,
    every: Duration,
) -> Result<Exit, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (door, mut answers) = mpsc::channel(1);
    tokio::spawn(ask::watch(server, every, door));
    let mut screen = Screen::open()?;
    let mut events = events();
    let mut ticks = interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.0.draw(|frame| draw(&model, Instant::now(), frame))?;
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Key(key)) => match model.key(key) {
                    Wish::Stay => {}
                    Wish::Quit => return Ok(Exit::Success),
                    Wish::Interrupt => return Ok(Exit::Interrupted),
                },
                Some(_) => {}
                // The terminal is gone.
                None => return Ok(Exit::Interrupted),
            },
            Some(answer) = answers.recv() => {
                model.take(answer.map_err(|failure| failure.to_string()));
            }
            _ = ticks.tick() => {}
            _ = interrupt.recv() => return Ok(Exit::Interrupted),
            _ = hang_up.recv() => return Ok(Exit::Interrupted),
            _ = terminate.recv() => return Ok(Exit::Terminated),
        }
    }
}

/// What happens at the terminal. Reading it waits, so a thread of its own does, until the program ends.
fn events() -> mpsc::Receiver<Event> {
    let (door, events) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if door.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}
