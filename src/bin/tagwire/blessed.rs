//! Files that are made of the code, kept as the code says by tests.

use std::path::PathBuf;
use std::{env, fs};

/// Asserts that a file is as it should be; with `TAGWIRE_BLESS=1` it is written.
pub(crate) fn assert_file(name: &str, want: impl Fn(&str) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    let is = fs::read_to_string(&path).unwrap_or_default();
    let want = want(&is);
    if env::var_os("TAGWIRE_BLESS").is_some() {
        fs::write(&path, want).unwrap();
    } else {
        assert_eq!(is, want, "{name}: `TAGWIRE_BLESS=1 cargo test --bin tagwire` makes it anew");
    }
}

/// Asserts the same of the part of a file between the comments that name it.
pub(crate) fn assert_part(name: &str, part: &str, want: &str) {
    let (begin, end) =
        (format!("<!-- {part}: made of the code -->\n"), format!("<!-- end of {part} -->"));
    assert_file(name, |is| {
        let (before, rest) = is.split_once(&begin).expect("where the part begins");
        let (_, after) = rest.split_once(&end).expect("where the part ends");
        format!("{before}{begin}{want}{end}{after}")
    });
}
