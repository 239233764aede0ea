//! The table in docs/reliability.md names tests that exist, and says rightly which of them are long.

use std::collections::BTreeMap;
use std::path::Path;

const TABLE: &str = include_str!("../../../docs/reliability.md");

/// Every test in a directory by its name, and whether it is long.
fn find_tests(directory: &Path, found: &mut BTreeMap<String, bool>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read_tests(&std::fs::read_to_string(&path).unwrap(), found);
        }
    }
}

/// Every test in the text of a file. Its attributes stand right above its name.
fn read_tests(text: &str, found: &mut BTreeMap<String, bool>) {
    let (mut is_test, mut is_long) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_long |= line.starts_with("#[ignore = \"long: ");
            continue;
        }
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        if let Some((name, _)) = name.and_then(|name| name.split_once('('))
            && is_test
        {
            found.insert(name.to_owned(), is_long);
        }
        (is_test, is_long) = (false, false);
    }
}

fn tests() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for directory in ["src", "tests"] {
        find_tests(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut found);
    }
    found
}

/// The rows as id and tests: each by its name, and whether it is said to be long.
fn rows(table: &str) -> Vec<(&str, Vec<(&str, bool)>)> {
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [id, _, tests] = cells[..] else { panic!("a row with three cells, not {line}") };
        let tests = tests.split(", ").map(|test| {
            let name = test.strip_suffix(" (long)").unwrap_or(test);
            (name.trim_matches('`'), name != test)
        });
        (!["id", "---"].contains(&id)).then(|| (id, tests.collect()))
    });
    rows.collect()
}

/// What is wrong with a table.
fn faults(table: &str, known: &BTreeMap<String, bool>) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, tests) in rows(table) {
        for (name, is_long) in tests {
            match known.get(name) {
                None => faults.push(format!("{id}: there is no test {name}")),
                Some(&long) if long != is_long => faults.push(format!("{id}: long or not: {name}")),
                Some(_) => {}
            }
        }
    }
    faults
}

#[test]
fn every_test_of_the_table_exists() {
    assert_eq!(faults(TABLE, &tests()), [""; 0]);
    let rows = rows(TABLE);
    assert!(rows.len() >= 40, "{} rows", rows.len());
    let mut ids: Vec<_> = rows.iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), rows.len(), "an id stands twice");
}

#[test]
fn a_planted_name_and_a_planted_length_are_found() {
    let known = BTreeMap::from([("short".to_owned(), false), ("slow".to_owned(), true)]);
    let row = |tests: &str| faults(&format!("| W01 | what | {tests} |"), &known);
    assert_eq!(row("`short`, `slow` (long)"), [""; 0]);
    assert_eq!(row("`other`"), ["W01: there is no test other"]);
    assert_eq!(row("`slow`"), ["W01: long or not: slow"]);
    assert_eq!(row("`short` (long)"), ["W01: long or not: short"]);
    let mut found = BTreeMap::new();
    read_tests(
        "#[tokio::test]\n#[ignore = \"long: x\"]\nasync fn a() {\nfn b() {\n#[test]\nfn c() {",
        &mut found,
    );
    assert_eq!(found, BTreeMap::from([("a".to_owned(), true), ("c".to_owned(), false)]));
}
