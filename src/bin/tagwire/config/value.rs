//! Kinds of values: how each is read, what it allows, how it is shown. Knows no key.
//!
//! `read` returns what the kind wants as its error; the caller adds key, value and origin. `show` writes
//! TOML that `read` reads back.

use std::net::IpAddr;
use std::time::Duration;

use figment::value::Value;
use tagwire::limits::IpNet;

/// A whole number.
pub(crate) struct Count {
    /// The least that makes sense.
    pub(crate) min: u64,
    /// Why less makes none.
    pub(crate) why: &'static str,
}

impl Count {
    /// Reads a number.
    pub(crate) fn read<T: TryFrom<u64>>(&self, value: &Value) -> Result<T, String> {
        let number = value.to_i128().and_then(|n| u64::try_from(n).ok());
        let number = number.filter(|n| *n >= self.min).and_then(|n| T::try_from(n).ok());
        number.ok_or_else(|| {
            // Nobody is helped by twenty digits.
            let upper = Some(bits::<T>()).filter(|&upper| upper < u64::MAX);
            let upper = upper.map_or_else(|| " on".to_owned(), |upper| format!(" to {upper}"));
            wants(format!("a whole number from {}{upper}", self.min), self.why)
        })
    }

    /// Shows a number.
    pub(crate) fn show<T: ToString>(&self, number: &T) -> String {
        number.to_string()
    }
}

/// The greatest value of an unsigned integer type.
fn bits<T>() -> u64 {
    u64::MAX >> (64 - 8 * size_of::<T>().clamp(1, 8))
}

/// Bytes: a number, or text such as `64KiB`.
pub(crate) struct Size {
    /// The least that makes sense.
    pub(crate) min: u64,
    /// Why less makes none.
    pub(crate) why: &'static str,
}

/// Units of sizes, largest first; those of 1,000 are read, those of 1,024 also shown.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl Size {
    /// Reads a size.
    pub(crate) fn read<T: TryFrom<u64>>(&self, value: &Value) -> Result<T, String> {
        let bytes = match value.as_str() {
            Some(text) => united(text, &SIZES).or_else(|| text.trim().parse().ok()),
            None => value.to_i128().and_then(|n| u64::try_from(n).ok()),
        };
        let bytes = bytes.filter(|n| *n >= self.min).and_then(|n| T::try_from(n).ok());
        bytes.ok_or_else(|| {
            let upper = Some(bits::<T>()).filter(|&upper| upper < u64::MAX);
            let upper =
                upper.map_or_else(|| " on".to_owned(), |upper| format!(" to {}", size(upper)));
            let range = format!("from {}{upper}", size(self.min));
            wants(format!("a size {range}, such as 4096, \"64KiB\" or \"1MiB\""), self.why)
        })
    }

    /// Shows a size.
    pub(crate) fn show<T: Copy + TryInto<u64>>(&self, bytes: &T) -> String {
        quoted(&size((*bytes).try_into().unwrap_or(u64::MAX)))
    }
}

/// A size that the kernel chooses when it is 0.
pub(crate) struct KernelSize;

impl KernelSize {
    const SIZE: Size = Size { min: 0, why: "0 leaves it to the kernel" };

    /// Reads a size, 0 as none.
    pub(crate) fn read(&self, value: &Value) -> Result<Option<usize>, String> {
        // The kernel takes these as a C int.
        let bytes: u32 = Self::SIZE.read(value)?;
        Ok((bytes != 0).then_some(bytes as usize))
    }

    /// Shows a size, none as 0.
    pub(crate) fn show(&self, bytes: &Option<usize>) -> String {
        bytes.map_or_else(|| "0".to_owned(), |bytes| Self::SIZE.show(&bytes))
    }
}

/// A length of time: text such as `15s`.
pub(crate) struct Time {
    /// The least that makes sense.
    pub(crate) min: Duration,
    /// Why less makes none.
    pub(crate) why: &'static str,
}

/// Units of time in milliseconds, largest first.
const TIMES: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)];

/// More than this is a slip of the finger, and sums with it could overflow a clock.
const LONGEST_MS: u64 = 365 * 86_400_000;

impl Time {
    /// Reads a length of time.
    pub(crate) fn read(&self, value: &Value) -> Result<Duration, String> {
        let time = value.as_str().and_then(|text| united(text, &TIMES));
        let time = time.filter(|ms| *ms <= LONGEST_MS).map(Duration::from_millis);
        time.filter(|time| *time >= self.min).ok_or_else(|| {
            let range = format!("from {} to 365d", time_text(self.min));
            wants(format!("a time {range}, such as \"250ms\", \"15s\", \"2m\" or \"1h\""), self.why)
        })
    }

    /// Shows a length of time.
    pub(crate) fn show(&self, time: &Duration) -> String {
        quoted(&time_text(*time))
    }
}

/// Yes or no.
pub(crate) struct Switch;

impl Switch {
    /// Reads a switch.
    pub(crate) fn read(&self, value: &Value) -> Result<bool, String> {
        value.to_bool().ok_or_else(|| "true or false".to_owned())
    }

    /// Shows a switch.
    pub(crate) fn show(&self, on: &bool) -> String {
        on.to_string()
    }
}

/// Ranges of addresses: a list of `127.0.0.0/8` and the like, or of single addresses.
pub(crate) struct Networks;

impl Networks {
    /// Reads a list of networks.
    pub(crate) fn read(&self, value: &Value) -> Result<Vec<IpNet>, String> {
        let networks = value.as_array();
        let networks =
            networks.and_then(|all| all.iter().map(|value| network(value.as_str()?)).collect());
        networks
            .ok_or_else(|| "a list of networks, such as [\"127.0.0.0/8\", \"::1/128\"]".to_owned())
    }

    /// Shows a list of networks.
    pub(crate) fn show(&self, networks: &[IpNet]) -> String {
        let shown = networks.iter().map(|network| quoted(&network.to_string()));
        format!("[{}]", shown.collect::<Vec<_>>().join(", "))
    }
}

/// A network, or one address as one.
fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| single()).ok()
}

/// A number and its unit: the number without sign or fraction, a space between them allowed.
fn united(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A size in the largest unit that needs no fraction.
fn size(bytes: u64) -> String {
    let fits =
        |(unit, factor): &&(&str, u64)| unit.ends_with("iB") && bytes.is_multiple_of(*factor);
    match SIZES.iter().find(fits).filter(|_| bytes > 0) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// A length of time in the largest unit that needs no fraction, from hours down.
fn time_text(time: Duration) -> String {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = [("h", 3_600_000), ("m", 60_000), ("s", 1000)].into_iter();
    match unit.filter(|_| ms > 0).find(|(_, factor)| ms.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

/// Adds the reason, where there is one.
fn wants(what: String, why: &str) -> String {
    if why.is_empty() { what } else { format!("{what}: {why}") }
}

/// Text as TOML.
pub(crate) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// A value as somebody would have written it.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) => quoted(text),
        Value::Char(_, c) => quoted(&c.to_string()),
        Value::Bool(_, yes) => yes.to_string(),
        Value::Num(_, number) => match number.to_i128() {
            Some(whole) => whole.to_string(),
            None => number.to_f64().map_or_else(String::new, |n| n.to_string()),
        },
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "a table".to_owned(),
        Value::Array(_, items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_size(text: &str) -> Option<u64> {
        Size { min: 0, why: "" }.read(&Value::from(text)).ok()
    }

    fn any_time(text: &str) -> Option<Duration> {
        Time { min: Duration::ZERO, why: "" }.read(&Value::from(text)).ok()
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        let good = [("1MiB", 1 << 20), ("64KiB", 65_536), ("64 KiB", 65_536), ("2GiB", 2 << 30)];
        let plain = [("0", 0), ("4096", 4096), ("4096B", 4096), ("5kB", 5000), ("1MB", 1_000_000)];
        for (text, bytes) in good.into_iter().chain(plain) {
            assert_eq!(any_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "1mib", "1 M iB", "99999999999GiB", "x"] {
            assert_eq!(any_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        let ms = Duration::from_millis;
        let good = [("250ms", 250), ("15s", 15_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)];
        for (text, want) in good {
            assert_eq!(any_time(text), Some(ms(want)), "{text}");
        }
        for bad in ["", "15", "s", "-1s", "1.5s", "366d", "99999999999999999999s", "1 week"] {
            assert_eq!(any_time(bad), None, "{bad}");
        }
        assert!(Time { min: ms(0), why: "" }.read(&Value::from(15)).is_err());
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for bytes in [0, 1, 1000, 1024, 65_536, 1 << 20, 5 << 30] {
            assert_eq!(any_size(&size(bytes)), Some(bytes));
        }
        for ms in [0, 1, 250, 1000, 1500, 60_000, 90_000, 3_600_000] {
            let time = Duration::from_millis(ms);
            assert_eq!(any_time(&time_text(time)), Some(time));
        }
        assert_eq!(
            (size(1 << 20), time_text(Duration::from_secs(3600))),
            ("1MiB".into(), "1h".into())
        );
    }

    #[test]
    fn networks_are_addresses_with_a_prefix() {
        let shown = |text| network(text).map(|network| network.to_string());
        assert_eq!(shown("127.0.0.0/8").as_deref(), Some("127.0.0.0/8"));
        assert_eq!(shown("::1").as_deref(), Some("::1/128"));
        for bad in ["", "localhost", "127.0.0.0/33", "::/129", "1.2.3.4/", "1.2.3.4/-1"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_switch_is_true_or_false() {
        assert_eq!(Switch.read(&Value::from(true)), Ok(true));
        for bad in [Value::from(1), Value::from("true")] {
            assert_eq!(Switch.read(&bad), Err("true or false".to_owned()));
        }
    }

    #[test]
    fn a_count_says_its_range_and_why() {
        let count = Count { min: 1, why: "with 0 nobody gets in" };
        assert_eq!(count.read::<u32>(&Value::from(7)), Ok(7));
        let wants = "a whole number from 1 to 4294967295: with 0 nobody gets in";
        for bad in [Value::from(0), Value::from(-1), Value::from(1_u64 << 32), Value::from("7")] {
            assert_eq!(count.read::<u32>(&bad), Err(wants.to_owned()));
        }
    }
}
