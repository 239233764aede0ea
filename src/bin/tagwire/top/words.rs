//! Numbers in a few characters: in columns never more than five.

use std::time::Duration;

/// A number: `9999`, `12.3k`, `456k`, `7.8M`.
pub(super) fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        n => scaled(n as f64, 1000.0, ["k", "M", "G", "T"]),
    }
}

/// Bytes: `999B`, `1.2K` (1,024 each), `45M`.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1000 => format!("{n}B"),
        n => scaled(n as f64, 1024.0, ["K", "M", "G", "T"]),
    }
}

/// What happens in a second: `0`, `0.4`, `12`, `3456`; `-` where it is not known yet.
pub(super) fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(few) if few < 9.95 => format!("{few:.1}"),
        Some(many) => count(many.round() as u64),
    }
}

/// Bytes in a second.
pub(super) fn byte_rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| "-".to_owned(), |many| bytes(many.round() as u64))
}

/// A time: `120us`, `1.2ms`, `340ms`, `5.6s`, `99s`, `12m`, `3h`, `4d`.
pub(super) fn time(time: Duration) -> String {
    let (us, seconds) = (time.as_micros(), time.as_secs());
    match us {
        0 => "0".to_owned(),
        1..1000 => format!("{us}us"),
        1000..9_950 => format!("{:.1}ms", us as f64 / 1e3),
        9_950..999_500 => format!("{:.0}ms", us as f64 / 1e3),
        999_500..9_950_000 => format!("{:.1}s", us as f64 / 1e6),
        _ => match seconds {
            0..120 => format!("{seconds}s"),
            120..7200 => format!("{}m", seconds / 60),
            7200..172_800 => format!("{}h", seconds / 3600),
            _ => format!("{}d", seconds / 86_400),
        },
    }
}

/// A long time in two units: `5s`, `12m 5s`, `3h 12m`, `4d 3h`.
pub(super) fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most three digits, or two and a decimal, with a unit.
fn scaled(mut value: f64, base: f64, units: [&str; 4]) -> String {
    let mut unit = "";
    for next in units {
        (value, unit) = (value / base, next);
        if value < 99.95 {
            return format!("{value:.1}{unit}");
        }
        if value < 999.5 {
            break;
        }
    }
    format!("{value:.0}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [0, 999, 9999, 10_000, 99_949, 99_960, 999_499, 999_500, 7_800_000, 1 << 40];
        let words = all.map(count);
        let want = ["0", "999", "9999", "10.0k", "99.9k", "100k", "999k", "1.0M", "7.8M", "1.1T"];
        assert_eq!(words, want);
        let words = [0, 999, 1000, 1023, 1024, 99 << 10, 1000 << 10, 1 << 40].map(bytes);
        assert_eq!(words, ["0B", "999B", "1.0K", "1.0K", "1.0K", "99.0K", "1.0M", "1.0T"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn no_column_is_burst() {
        for shift in 0..49 {
            for n in [1_u64 << shift, (1 << shift) - 1, (999 << shift) / 1000] {
                assert!(count(n).len() <= 5 && bytes(n).len() <= 5, "{n}");
                assert!(rate(Some(n as f64 / 7.0)).len() <= 5, "{n}");
                assert!(time(Duration::from_micros(n)).len() <= 5, "{n}");
            }
        }
    }

    #[test]
    fn rates_and_times_say_what_is_not_known() {
        assert_eq!(
            [None, Some(0.0), Some(0.44), Some(9.96), Some(1e6)].map(rate),
            ["-", "0", "0.4", "10", "1.0M"]
        );
        assert_eq!([None, Some(0.0), Some(1e6)].map(byte_rate), ["-", "0B", "977K"]);
        let micros = [0, 120, 1200, 9_960, 340_000, 999_600, 5_600_000, 99_000_000, 7_200_000_000];
        assert_eq!(
            micros.map(|us| time(Duration::from_micros(us))),
            ["0", "120us", "1.2ms", "10ms", "340ms", "1.0s", "5.6s", "99s", "2h"]
        );
        assert_eq!([5, 65, 3700, 90_000].map(uptime), ["5s", "1m 5s", "1h 1m", "1d 1h"]);
    }
}
