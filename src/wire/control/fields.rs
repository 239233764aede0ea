//! The fields of a request as they stand in the JSON object, before anyone asks what they mean.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;

use super::value::{Key, Value};
use crate::limits::{CONTROL_BYTES, CONTROL_DEPTH};

/// Every field that some request knows; the others of an object are ignored.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) op: Option<Value>,
    pub(super) id: Option<Value>,
    pub(super) room_id: Option<Value>,
    pub(super) user_id: Option<Value>,
    pub(super) client_id: Option<Value>,
    pub(super) token: Option<Value>,
    pub(super) features: Option<Value>,
    pub(super) deliver: Option<Value>,
    pub(super) from: Option<Value>,
    pub(super) after: Option<Value>,
    pub(super) echo: Option<Value>,
    pub(super) limit: Option<Value>,
    group: Option<Value>,
    duplicate: Option<&'static str>,
}

impl Fields {
    /// Reads a payload to its end, and says what is wrong with it as a whole.
    ///
    /// What could be read is there even so: an error wants the `id` of what it answers.
    pub(super) fn read(payload: &[u8]) -> (Self, Option<Cow<'static, str>>) {
        let mut fields = Self::default();
        if payload.len() > CONTROL_BYTES as usize {
            return (fields, Some(format!("over {CONTROL_BYTES} bytes").into()));
        }
        let Ok(text) = str::from_utf8(payload) else {
            return (fields, Some("not UTF-8".into()));
        };
        let mut json = serde_json::Deserializer::from_str(text);
        // serde_json itself stops at a depth of 128, so no nesting can exhaust the stack here.
        let read = Read(&mut fields).deserialize(&mut json).and_then(|()| json.end());
        let wrong = if depth(payload) > CONTROL_DEPTH {
            Some(format!("nested deeper than {CONTROL_DEPTH}").into())
        } else if let Err(error) = read {
            Some(describe(&error))
        } else if let Some(field) = fields.duplicate {
            Some(format!("{field} is there twice").into())
        } else {
            fields.group.is_some().then(|| "group is reserved".into())
        };
        (fields, wrong)
    }

    fn slot(&mut self, key: &str) -> Option<(&'static str, &mut Option<Value>)> {
        Some(match key {
            "op" => ("op", &mut self.op),
            "id" => ("id", &mut self.id),
            "room_id" => ("room_id", &mut self.room_id),
            "user_id" => ("user_id", &mut self.user_id),
            "client_id" => ("client_id", &mut self.client_id),
            "token" => ("token", &mut self.token),
            "features" => ("features", &mut self.features),
            "deliver" => ("deliver", &mut self.deliver),
            "from" => ("from", &mut self.from),
            "after" => ("after", &mut self.after),
            "echo" => ("echo", &mut self.echo),
            "limit" => ("limit", &mut self.limit),
            "group" => ("group", &mut self.group),
            _ => return None,
        })
    }
}

/// Fills the fields that it is given, so that they outlive an error behind them.
struct Read<'a>(&'a mut Fields);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let value = map.next_value()?;
            let Some((name, slot)) = key.and_then(|key| self.0.slot(&key)) else { continue };
            if slot.is_none() {
                *slot = Some(value);
            } else {
                self.0.duplicate = Some(name);
            }
        }
        Ok(())
    }
}

/// In our own words: those of `serde_json` may repeat any length of the input.
fn describe(error: &serde_json::Error) -> Cow<'static, str> {
    match error.classify() {
        Category::Data => "not a JSON object".into(),
        Category::Eof => "not JSON: it ends too early".into(),
        Category::Syntax | Category::Io => {
            format!("not one JSON object: line {}, column {}", error.line(), error.column()).into()
        }
    }
}

/// How deep the brackets nest, without looking at whether they match.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth = depth.saturating_add(1),
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
