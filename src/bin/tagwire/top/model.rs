//! What `top` knows: the newest figures, and what the person at the keys chose to see of them. No
//! terminal, no socket and no clock is here.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::time::Instant;

use super::columns::{CONNECTIONS, CONNECTIONS_BY, Column, ROOMS, ROOMS_BY};
use super::figures::{ConnectionRow, Figures, RoomRow};
use super::sample::Sample;

/// Longest text to look for.
const FILTER: usize = 64;

/// Which table is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    #[default]
    Connections,
    Rooms,
}

/// What a key asks the program to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Go on.
    Stay,
    /// End, as wished.
    Quit,
    /// End, as by a signal.
    Interrupt,
}

/// What a person chose to see of one table.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The column by which it is ordered.
    pub(super) by: usize,
    pub(super) reverse: bool,
    /// The row that is chosen, by its session or name.
    pub(super) row: Option<String>,
}

/// Everything that is to be seen.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Where the server is.
    pub(super) address: String,
    pub(super) figures: Figures,
    /// When they were asked for.
    pub(super) seen: Option<Instant>,
    /// Why there are none that are newer.
    pub(super) trouble: Option<String>,
    pub(super) paused: bool,
    pub(super) tab: Tab,
    pub(super) connections: Choice,
    pub(super) rooms: Choice,
    /// What rows have to have in them.
    pub(super) filter: String,
    /// Whether keys are the filter's text.
    pub(super) typing: bool,
    pub(super) colour: bool,
    last: Option<Sample>,
}

impl Model {
    /// One that knows nothing of the server at that address.
    pub(super) fn new(address: String, colour: bool) -> Self {
        let choice = |by| Choice { by, reverse: false, row: None };
        Self {
            address,
            figures: Figures::default(),
            seen: None,
            trouble: None,
            paused: false,
            tab: Tab::default(),
            connections: choice(CONNECTIONS_BY),
            rooms: choice(ROOMS_BY),
            filter: String::new(),
            typing: false,
            colour,
            last: None,
        }
    }

    /// Takes what was asked for, or why it did not come; while paused, nothing.
    pub(super) fn take(&mut self, answer: Result<Sample, String>) {
        match answer {
            Err(why) => self.trouble = Some(why),
            Ok(_) if self.paused => self.trouble = None,
            Ok(sample) => {
                self.trouble = None;
                self.figures = Figures::of(self.last.as_ref(), &sample);
                self.seen = Some(sample.at);
                self.last = Some(sample);
            }
        }
    }

    /// Does what a key asks for.
    pub(super) fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let is_end = matches!(key.code, KeyCode::Char('c' | 'd'));
            return if is_end { Wish::Interrupt } else { Wish::Stay };
        }
        if self.typing {
            self.type_filter(key.code);
            return Wish::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('1') => self.tab = Tab::Connections,
            KeyCode::Char('2') => self.tab = Tab::Rooms,
            KeyCode::Tab | KeyCode::BackTab => {
                self.tab = match self.tab {
                    Tab::Connections => Tab::Rooms,
                    Tab::Rooms => Tab::Connections,
                };
            }
            KeyCode::Char('s') => {
                let columns = self.columns();
                let choice = self.choice();
                choice.by = (choice.by + 1) % columns;
            }
            KeyCode::Char('r') => self.choice().reverse ^= true,
            KeyCode::Char('p') => self.paused ^= true,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Esc => {
                self.filter.clear();
                self.choice().row = None;
            }
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-10),
            KeyCode::PageDown => self.go(10),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            _ => {}
        }
        Wish::Stay
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.len() < FILTER => {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    fn columns(&self) -> usize {
        match self.tab {
            Tab::Connections => CONNECTIONS.len(),
            Tab::Rooms => ROOMS.len(),
        }
    }

    fn choice(&mut self) -> &mut Choice {
        match self.tab {
            Tab::Connections => &mut self.connections,
            Tab::Rooms => &mut self.rooms,
        }
    }

    /// Chooses another row, that many further down.
    fn go(&mut self, by: isize) {
        let names: Vec<String> = match self.tab {
            Tab::Connections => {
                self.listed_connections().iter().map(|c| c.name().to_owned()).collect()
            }
            Tab::Rooms => self.listed_rooms().iter().map(|r| r.name().to_owned()).collect(),
        };
        let choice = self.choice();
        let at = choice.row.as_ref().and_then(|row| names.iter().position(|name| name == row));
        let to = match at {
            Some(at) => at.saturating_add_signed(by).min(names.len().saturating_sub(1)),
            None if by > 1 => names.len().saturating_sub(1).min(by.unsigned_abs()),
            None => 0,
        };
        choice.row = names.into_iter().nth(to);
    }

    /// The connections that the filter leaves, in order.
    pub(super) fn listed_connections(&self) -> Vec<&ConnectionRow> {
        listed(&self.figures.connections, CONNECTIONS, &self.connections, &self.filter)
    }

    /// The rooms that the filter leaves, in order.
    pub(super) fn listed_rooms(&self) -> Vec<&RoomRow> {
        listed(&self.figures.rooms, ROOMS, &self.rooms, &self.filter)
    }
}

/// A row of a table.
pub(super) trait Row {
    /// By what it is known.
    fn name(&self) -> &str;

    /// Whether that text is in it.
    fn has(&self, text: &str) -> bool;
}

impl Row for ConnectionRow {
    fn name(&self) -> &str {
        &self.session
    }

    fn has(&self, text: &str) -> bool {
        let words = [&self.session, &self.user, &self.peer, &self.protocol];
        let rooms = self.rooms.iter().map(|(room, _)| room);
        words.into_iter().chain(rooms).any(|word| word.contains(text))
    }
}

impl Row for RoomRow {
    fn name(&self) -> &str {
        &self.name
    }

    fn has(&self, text: &str) -> bool {
        self.name.contains(text)
    }
}

fn listed<'a, R: Row>(
    rows: &'a [R],
    columns: &[Column<R>],
    choice: &Choice,
    filter: &str,
) -> Vec<&'a R> {
    let mut listed: Vec<_> = rows.iter().filter(|row| row.has(filter)).collect();
    if let Some(column) = columns.get(choice.by) {
        column.sort(&mut listed, choice.reverse);
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::example::{connection, room, sample, seat};

    fn model() -> Model {
        let mut now = sample(Instant::now(), "");
        now.connections.connections =
            ["ann", "bob", "cid"].map(|user| connection(&format!("n-{user}"), user)).into();
        now.connections.connections[1].rooms = vec![seat("den", "bob", (5, 50, 500))];
        now.rooms.rooms = vec![room("den", 7), room("lobby", 9)];
        let mut model = Model::new("127.0.0.1:9433".to_owned(), false);
        model.take(Ok(now));
        model
    }

    fn press(model: &mut Model, keys: &str) -> Wish {
        let wishes = keys.chars().map(|key| {
            let code = match key {
                '↓' => KeyCode::Down,
                '↑' => KeyCode::Up,
                '⇟' => KeyCode::End,
                '⏎' => KeyCode::Enter,
                '⎋' => KeyCode::Esc,
                '⇥' => KeyCode::Tab,
                '⌫' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            };
            model.key(code.into())
        });
        wishes.last().unwrap()
    }

    fn users(model: &Model) -> String {
        let users: Vec<_> = model.listed_connections().iter().map(|c| c.user.as_str()).collect();
        users.join(" ")
    }

    #[test]
    fn the_furthest_behind_are_first_until_one_wants_it_otherwise() {
        let mut model = model();
        assert_eq!(users(&model), "bob ann cid");
        press(&mut model, "r");
        assert_eq!(users(&model), "ann cid bob");
        // From LAG to the end and around to USER.
        let round = "s".repeat(CONNECTIONS.len() - CONNECTIONS_BY + 1);
        press(&mut model, &round);
        assert_eq!(
            (CONNECTIONS[model.connections.by].title, &*users(&model)),
            ("USER", "cid bob ann")
        );
        assert_eq!(model.rooms.by, ROOMS_BY, "each table has its own order");
    }

    #[test]
    fn a_chosen_row_stays_chosen_wherever_it_goes() {
        let mut model = model();
        press(&mut model, "↑");
        assert_eq!(model.connections.row.as_deref(), Some("n-bob"));
        press(&mut model, "↓");
        assert_eq!(model.connections.row.as_deref(), Some("n-ann"));
        press(&mut model, "r↓");
        assert_eq!(model.connections.row.as_deref(), Some("n-cid"));
        press(&mut model, "↓↓↓");
        assert_eq!(model.connections.row.as_deref(), Some("n-bob"), "there is an end");
        press(&mut model, "⇥⇟");
        assert_eq!((model.tab, model.rooms.row.as_deref()), (Tab::Rooms, Some("lobby")));
        press(&mut model, "1⎋");
        assert_eq!((model.tab, model.connections.row.as_deref()), (Tab::Connections, None));
        model.figures.connections.clear();
        press(&mut model, "↓⇟↑");
        assert_eq!(model.connections.row, None);
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let mut model = model();
        press(&mut model, "/den");
        assert_eq!(users(&model), "bob");
        assert_eq!(press(&mut model, "q"), Wish::Stay, "a letter of the filter");
        assert_eq!(users(&model), "");
        press(&mut model, "⌫⏎");
        assert_eq!((users(&model).as_str(), model.typing), ("bob", false));
        press(&mut model, "⎋");
        assert_eq!(users(&model), "bob ann cid");
    }

    #[test]
    fn one_ends_it_by_q_or_as_a_signal_would() {
        let mut model = model();
        assert_eq!(press(&mut model, "q"), Wish::Quit);
        press(&mut model, "/");
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(model.key(control_c), Wish::Interrupt);
        assert_eq!(press(&mut model, "c"), Wish::Stay);
    }

    #[test]
    fn a_pause_keeps_what_is_shown_and_trouble_is_remembered_until_it_is_over() {
        let mut model = model();
        press(&mut model, "p");
        let at = model.seen.unwrap();
        model.take(Ok(sample(at, "tagwire_connections 9\n")));
        assert_eq!(model.figures.totals.connections, 0);
        press(&mut model, "p");
        model.take(Err("nobody".to_owned()));
        assert_eq!(
            (model.trouble.as_deref(), users(&model).as_str()),
            (Some("nobody"), "bob ann cid")
        );
        model.take(Ok(sample(at, "tagwire_connections 9\n")));
        assert_eq!((model.trouble.as_deref(), model.figures.totals.connections), (None, 9));
    }
}
