//! The columns of both tables: what they say, how wide they are, how they order rows.

use std::cmp::Ordering;

use super::figures::{ConnectionRow, Rate, RoomRow};
use super::words;

/// A column of a table.
pub(super) struct Column<Row> {
    pub(super) title: &'static str,
    /// How wide it is; 0 for what the others leave.
    pub(super) width: u16,
    /// From which width of the screen on it is there.
    pub(super) from: u16,
    /// Whether it is a number, which stands at the right, and of which the most comes first.
    pub(super) number: bool,
    pub(super) cell: fn(&Row) -> String,
    /// The least first.
    pub(super) order: fn(&Row, &Row) -> Ordering,
}

impl<Row> Column<Row> {
    /// The rows in the order of this column; those that are equal stay as they are.
    pub(super) fn sort(&self, rows: &mut [&Row], reverse: bool) {
        let falling = self.number != reverse;
        rows.sort_by(|a, b| match falling {
            true => (self.order)(b, a),
            false => (self.order)(a, b),
        });
    }
}

const fn text<Row>(
    title: &'static str,
    width: u16,
    from: u16,
    cell: fn(&Row) -> String,
    order: fn(&Row, &Row) -> Ordering,
) -> Column<Row> {
    Column { title, width, from, number: false, cell, order }
}

const fn number<Row>(
    title: &'static str,
    width: u16,
    from: u16,
    cell: fn(&Row) -> String,
    order: fn(&Row, &Row) -> Ordering,
) -> Column<Row> {
    Column { title, width, from, number: true, cell, order }
}

/// By which column connections are ordered at first: by how many records they are behind.
pub(super) const CONNECTIONS_BY: usize = 8;
/// By which column rooms are: by publishes.
pub(super) const ROOMS_BY: usize = 2;

#[rustfmt::skip]
pub(super) const CONNECTIONS: &[Column<ConnectionRow>] = &[
    number("!", 1, 0, |c| mark(c).to_owned(), |a, b| (a.blocked, a.paused).cmp(&(b.blocked, b.paused))),
    text("USER", 0, 0, |c| c.user.clone(), |a, b| a.user.cmp(&b.user)),
    text("PEER", 15, 0, |c| c.peer.clone(), |a, b| a.peer.cmp(&b.peer)),
    text("PROTO", 6, 0, |c| c.protocol.clone(), |a, b| a.protocol.cmp(&b.protocol)),
    number("RMS", 3, 0, |c| c.rooms.len().to_string(), |a, b| a.rooms.len().cmp(&b.rooms.len())),
    number("IN/s", 5, 0, |c| words::rate(c.frames.received), |a, b| by_rate(a.frames.received, b.frames.received)),
    number("OUT/s", 5, 0, |c| words::rate(c.frames.sent), |a, b| by_rate(a.frames.sent, b.frames.sent)),
    number("RTT", 5, 0, |c| c.rtt.map_or_else(none, words::time), |a, b| a.rtt.cmp(&b.rtt)),
    number("LAG", 5, 0, |c| words::count(c.lag.messages), |a, b| a.lag.messages.cmp(&b.lag.messages)),
    number("BYTES", 5, 0, |c| words::bytes(c.lag.bytes), |a, b| a.lag.bytes.cmp(&b.lag.bytes)),
    number("AGE", 5, 0, |c| words::time(std::time::Duration::from_millis(c.lag.ms)), |a, b| a.lag.ms.cmp(&b.lag.ms)),
    number("BIN/s", 5, 100, |c| words::byte_rate(c.bytes.received), |a, b| by_rate(a.bytes.received, b.bytes.received)),
    number("BOUT/s", 6, 100, |c| words::byte_rate(c.bytes.sent), |a, b| by_rate(a.bytes.sent, b.bytes.sent)),
    number("ERRS", 5, 120, |c| words::count(c.errors), |a, b| a.errors.cmp(&b.errors)),
    number("UP", 5, 120, |c| words::time(c.uptime), |a, b| a.uptime.cmp(&b.uptime)),
    text("SESSION", 18, 140, |c| c.session.clone(), |a, b| a.session.cmp(&b.session)),
];

#[rustfmt::skip]
pub(super) const ROOMS: &[Column<RoomRow>] = &[
    text("ROOM", 0, 0, |r| r.name.clone(), |a, b| a.name.cmp(&b.name)),
    number("MEMBERS", 7, 0, |r| words::count(r.members), |a, b| a.members.cmp(&b.members)),
    number("PUB/s", 5, 0, |r| words::rate(r.publishes), |a, b| by_rate(a.publishes, b.publishes)),
    number("RECORDS", 7, 0, |r| words::count(r.records), |a, b| a.records.cmp(&b.records)),
    number("BYTES", 5, 0, |r| words::bytes(r.bytes), |a, b| a.bytes.cmp(&b.bytes)),
    number("OLDEST", 6, 0, |r| r.oldest.map_or_else(none, words::time), |a, b| a.oldest.cmp(&b.oldest)),
    number("WORST LAG", 9, 0, |r| r.worst.as_ref().map_or_else(none, |(lag, _)| words::count(lag.messages)), by_worst),
    number("NEXT SEQ", 16, 100, |r| r.next_seq.to_string(), |a, b| a.next_seq.cmp(&b.next_seq)),
    number("NEWEST", 6, 100, |r| r.newest.map_or_else(none, words::time), |a, b| a.newest.cmp(&b.newest)),
];

/// What a connection does not do: take what was sent, or get read from.
fn mark(row: &ConnectionRow) -> &'static str {
    match (row.blocked, row.paused) {
        (true, _) => "!",
        (false, true) => "p",
        _ => "",
    }
}

fn none() -> String {
    "-".to_owned()
}

fn by_rate(a: Rate, b: Rate) -> Ordering {
    let known = |rate: Rate| rate.unwrap_or(-1.0);
    known(a).total_cmp(&known(b))
}

fn by_worst(a: &RoomRow, b: &RoomRow) -> Ordering {
    let lag = |row: &RoomRow| row.worst.as_ref().map(|(lag, _)| *lag);
    lag(a).cmp(&lag(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a screen of 80 columns leaves for the name, one between each two.
    fn left<Row>(columns: &[Column<Row>], screen: u16) -> u16 {
        let there = columns.iter().filter(|column| column.from <= screen);
        screen - there.map(|column| column.width + 1).sum::<u16>() + 1
    }

    #[test]
    fn names_have_their_place_on_every_screen() {
        for screen in [80, 100, 120, 140, 200] {
            assert!(left(CONNECTIONS, screen) >= 15, "{screen}: {}", left(CONNECTIONS, screen));
            assert!(left(ROOMS, screen) >= 30, "{screen}: {}", left(ROOMS, screen));
        }
    }

    #[test]
    fn titles_fit_and_are_ordered_by_at_first() {
        assert_eq!((CONNECTIONS[CONNECTIONS_BY].title, ROOMS[ROOMS_BY].title), ("LAG", "PUB/s"));
        assert!(CONNECTIONS.iter().all(|c| c.width == 0 || c.title.len() <= c.width.into()));
        assert!(ROOMS.iter().all(|c| c.width == 0 || c.title.len() <= c.width.into()));
    }

    #[test]
    fn numbers_begin_with_the_most_and_names_with_the_first() {
        let rows = [(1, "b"), (3, "a"), (2, "c")].map(|(members, name)| RoomRow {
            members,
            name: name.to_owned(),
            ..RoomRow::default()
        });
        let sorted = |column: usize, reverse| {
            let mut sorted: Vec<_> = rows.iter().collect();
            ROOMS[column].sort(&mut sorted, reverse);
            sorted.iter().map(|row| row.name.as_str()).collect::<String>()
        };
        assert_eq!([sorted(1, false), sorted(1, true)], ["acb", "bca"]);
        assert_eq!([sorted(0, false), sorted(0, true)], ["abc", "cba"]);
        assert_eq!(sorted(2, false), "bac", "what is equal stays");
    }
}
