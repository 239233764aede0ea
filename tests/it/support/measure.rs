//! What many peers are brought and how long it takes.

use serde_json::Value;

pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// What a reader was brought as MESSAGE: records in an unbroken chain, and gaps that say exactly what is
/// missing.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) last: usize,
    pub(crate) missed: usize,
    pub(crate) gaps: usize,
}

impl Heard {
    /// Takes in a frame of any kind; of a record, the body.
    pub(crate) fn handle<'a>(&mut self, tag: u8, payload: &'a [u8]) -> Option<&'a [u8]> {
        match tag {
            0x01 => self.handle_event(&serde_json::from_slice(payload).unwrap()),
            0x04 => return Some(self.handle_record(payload)),
            _ => {}
        }
        None
    }

    fn handle_record<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        let number = |at: usize| {
            let bytes = payload[at..at + 8].try_into().unwrap();
            usize::try_from(u64::from_be_bytes(bytes)).unwrap()
        };
        assert_eq!((number(5), number(13)), (self.last + 1, self.last), "{self:?}");
        self.last += 1;
        &payload[30 + usize::from(payload[29])..]
    }

    fn handle_event(&mut self, event: &Value) {
        if event["op"] != "gap" {
            return;
        }
        assert_eq!(event["after_seq"], self.last, "{event}");
        let next = usize::try_from(event["next_seq"].as_u64().unwrap()).unwrap();
        assert_eq!(event["missed"], next - 1 - self.last, "{event}");
        self.missed += next - 1 - self.last;
        self.gaps += 1;
        self.last = next - 1;
    }
}
