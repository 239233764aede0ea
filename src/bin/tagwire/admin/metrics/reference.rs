//! docs/metrics.md and the Grafana dashboard, held to the table of metrics.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::families::FAMILIES;
use super::samples::Kind;
use crate::blessed;

/// A metric's whole name.
fn name(family: &super::families::Family) -> String {
    let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
    format!("{}{suffix}", family.name)
}

#[test]
fn the_documentation_is_the_codes() {
    let mut table = String::from("| metric | type | labels | |\n| --- | --- | --- | --- |\n");
    for family in FAMILIES {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels) = (name(family), labels.join(", "));
        let _ = writeln!(table, "| `{name}` | {kind} | {labels} | {}. |", family.help);
    }
    blessed::assert_part("docs/metrics.md", "metrics", &table);
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let mut seen = BTreeSet::new();
    for family in FAMILIES {
        let name = name(family);
        assert!(seen.insert(name.clone()), "{name} stands twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        let own = name.starts_with("tagwire_") || name.starts_with("process_");
        assert!(own && !family.help.ends_with('.') && !family.help.contains('\n'), "{name}");
        assert_eq!(
            family.kind == Kind::Histogram,
            name.ends_with("_seconds") && family.kind != Kind::Gauge
        );
        assert!(
            !family.labels.iter().any(|label| label.contains("room") || label.contains("user"))
        );
    }
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let text = include_str!("../../../../../deploy/grafana/tagwire.json");
    let board: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut known: BTreeSet<String> = FAMILIES.iter().map(name).collect();
    for family in FAMILIES.iter().filter(|family| family.kind == Kind::Histogram) {
        known.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)));
    }
    let mut used = BTreeSet::new();
    expressions(&board, &mut used);
    assert!(used.len() > 20, "{used:?}");
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in no metric's name");
}

/// The names of metrics in every `expr` and `query` below.
fn expressions(value: &serde_json::Value, used: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Array(all) => all.iter().for_each(|one| expressions(one, used)),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                if let (true, Some(text)) =
                    (["expr", "query"].contains(&key.as_str()), value.as_str())
                {
                    let words = text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
                    let ours =
                        words.filter(|w| w.starts_with("tagwire_") || w.starts_with("process_"));
                    used.extend(ours.map(str::to_owned));
                }
                expressions(value, used);
            }
        }
        _ => {}
    }
}
