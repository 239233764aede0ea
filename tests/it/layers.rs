//! Goal: modules import downwards only. Method: read every source file of the library, find each
//! `crate::` path outside comments and text, and compare the rows of the two modules.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, bottom row first: each may import those of the rows before its own, and no others.
const ROWS: [&[&str]; 12] = [
    &["id", "latency", "sync"],
    &["limits"],
    &["wire", "tls"],
    &["peer"],
    &["room"],
    &["session"],
    &["handler"],
    &["router"],
    &["connection"],
    &["lines", "http"],
    &["server", "client"],
    &["load"],
];

/// The row of a module, or `None` if it is in none.
fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// What is wrong with the imports of a file of `module`, a sentence each.
fn faults(module: &str, source: &str) -> Vec<String> {
    let Some(own) = row(module) else {
        return vec![format!("{module} is in no row: add it to ROWS where it belongs")];
    };
    let imports = imports(source).into_iter().filter(|import| import != module);
    let fault = |import: String| match row(&import) {
        None => Some(format!("{module} imports crate::{import}, which is in no row")),
        Some(other) if other > own => Some(format!("{module} imports upwards: {import}")),
        Some(other) if other == own => Some(format!("{module} imports sideways: {import}")),
        Some(_) => None,
    };
    imports.filter_map(fault).collect()
}

/// The first part of each `crate::` path, braces opened.
fn imports(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    for (i, window) in tokens.windows(2).enumerate() {
        // Not `$crate`, and not an identifier that ends in it: tokens are whole.
        if window != ["crate", "::"] || (i > 0 && tokens[i - 1] == "$") {
            continue;
        }
        found.extend(heads(&tokens[i + 2..]));
    }
    found.sort();
    found.dedup();
    found
}

/// The names right below a path that goes on with `tokens`: one, or those directly in its braces.
fn heads(tokens: &[String]) -> Vec<String> {
    let Some((first, rest)) = tokens.split_first().filter(|(first, _)| *first == "{") else {
        return tokens.first().cloned().into_iter().collect();
    };
    let mut names = Vec::new();
    let (mut depth, mut before) = (1, first.as_str());
    for token in rest {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            name if depth == 1 && matches!(before, "{" | ",") && name != "," => {
                names.push(name.to_owned());
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        before = token;
    }
    names
}

/// Rust's tokens, as far as paths need them: names, `::`, single signs; no comments, text or lifetimes.
fn tokens(source: &str) -> Vec<String> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &source[at..];
        let end = at
            + match byte {
                _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => comment(rest),
                _ if rest.starts_with("::") => 2,
                b'r' | b'b' | b'c' if text(rest).is_some() => text(rest).unwrap_or(1),
                b'"' => quoted(rest),
                b'\'' => character(rest),
                _ if byte == b'_' || !byte.is_ascii() || byte.is_ascii_alphanumeric() => {
                    let name = |c: char| c == '_' || c.is_alphanumeric();
                    rest.find(|c| !name(c)).unwrap_or(rest.len()).max(char_len(rest))
                }
                _ => 1,
            };
        let token = &source[at..end];
        let name = token.starts_with(|c: char| c == '_' || c.is_alphanumeric());
        let whole = !token.contains(['"', '\'', '#']);
        if (name && whole) || token == "::" || (token.len() == 1 && !byte.is_ascii_whitespace()) {
            tokens.push(token.to_owned());
        }
        at = end;
    }
    tokens
}

fn char_len(rest: &str) -> usize {
    rest.chars().next().map_or(1, char::len_utf8)
}

/// The length of a block comment; they nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
            None => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// The length of text with a prefix (`r#"…"#`, `b"…"`, `br"…"`, `c"…"`), if this is one.
fn text(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c| !matches!(c, 'r' | 'b' | 'c'))?;
    let hashes = rest[prefix..].find(|c| c != '#')?;
    let open = prefix + hashes;
    if !rest[open..].starts_with('"') {
        return None;
    }
    if !rest[..prefix].contains('r') {
        return (hashes == 0).then(|| open + quoted(&rest[open..]));
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let end = rest[open + 1..].find(&close);
    Some(end.map_or(rest.len(), |end| open + 1 + end + close.len()))
}

/// The length of text in quotes, escapes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// The length of a character, or of the tick of a lifetime.
fn character(rest: &str) -> usize {
    let mut signs = rest.chars().skip(1);
    match (signs.next(), signs.next()) {
        // From behind the escaped sign on: it may itself be a tick.
        (Some('\\'), Some(sign)) => {
            let from = 2 + sign.len_utf8();
            rest[from..].find('\'').map_or(1, |end| from + end + 1)
        }
        (Some(sign), Some('\'')) => sign.len_utf8() + 2,
        _ => 1,
    }
}

/// Every file of the library with the module it belongs to; neither the root nor the binaries.
fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside.iter().next().unwrap_or_default().to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            if path.is_dir() {
                if module != "bin" {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs") && module != "lib" {
                found.push((module, path));
            }
        }
    }
    found
}

#[test]
fn modules_import_downwards_only() {
    let files = files();
    assert!(files.iter().any(|(module, _)| module == "id"), "found no sources: {files:?}");
    let said = files.iter().flat_map(|(module, path)| {
        let source = fs::read_to_string(path).unwrap();
        faults(module, &source).into_iter().map(|fault| format!("{}: {fault}", path.display()))
    });
    let said: Vec<_> = said.collect();
    assert!(said.is_empty(), "\n{}", said.join("\n"));
}

#[test]
fn a_planted_upward_import_is_found() {
    for planted in [
        "use crate::room::Log;",
        "pub(crate) use crate::room;",
        "use crate::{id::Seq, room::{self, Log}};",
        "use crate::{\n    limits::{A, B},\n    room,\n};",
        "fn f() { crate::room::open() }",
        "type L = Option<crate::room::Log>;",
        "const C: char = '\"'; use crate::room; const D: char = '\"';",
        "const T: &str = r#\"a \" b\"#; use crate :: room;",
        "fn f<'a>(x: &'a str) -> crate::room::Log<'a> {}",
        "const Q: char = '\\''; use crate::room;",
        "/* a /* nested */ comment */ use crate::room;",
    ] {
        assert_eq!(faults("wire", planted), ["wire imports upwards: room"], "{planted}");
    }
}

#[test]
fn a_planted_sideways_import_is_found() {
    assert_eq!(faults("server", "use crate::client::Client;"), ["server imports sideways: client"]);
}

#[test]
fn what_is_in_no_row_is_found() {
    assert_eq!(faults("attic", "").len(), 1);
    // A name that the root exports again hides where it comes from.
    assert_eq!(faults("room", "use crate::Server;").len(), 1);
}

#[test]
fn downward_imports_comments_and_text_are_fine() {
    for fine in [
        "use crate::{id::{Seq, room}, limits};",
        "use crate::wire::tag;",
        "// use crate::room;\n/// See [`crate::room`].\n/* crate::room */",
        "const T: &str = \"use crate::room; \\\" crate::room\";",
        "const T: &str = r##\"crate::room \"# crate::room\"##; const B: &[u8] = b\"crate::room\";",
        "macro_rules! m { () => { $crate::room::x() } }",
        "use other_crate::room; use std::collections::{BTreeMap, room};",
        "pub(in crate::wire) fn f() {}",
    ] {
        assert!(faults("wire", fine).is_empty(), "{fine}: {:?}", faults("wire", fine));
    }
}
