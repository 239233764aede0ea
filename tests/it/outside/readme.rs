//! Goal: what the README says works as it stands there. Method: run its lines of shell and its Python
//! handler against the real binary, with a port of ours; its Rust is a doctest (src/lib.rs), and the
//! same as the crate's own.

use std::fs;
use std::path::Path;

use super::support::{Running, Server, blocks, root};

const README: &str = "README.md";

/// The address that the README has, which `tagwire serve` takes by default.
const DOCUMENTED: &str = "127.0.0.1:4433";

/// The lines of shell, but for `scripts/test`, which is what runs this.
fn shell_lines() -> Vec<String> {
    let blocks = blocks(README, "```sh").concat();
    let lines: Vec<_> = blocks.lines().map(str::to_owned).collect();
    assert!(lines.iter().any(|line| line == "scripts/test"), "{lines:?}");
    assert!(root().join("scripts/test").exists());
    lines.into_iter().filter(|line| line != "scripts/test").collect()
}

/// Does what `cargo run --release -- serve …` does, in `dir`, on a free port.
fn serve(line: &str) -> Server {
    let (cargo, args) = line.split_once(" -- ").expect("a line of cargo");
    assert_eq!(cargo, "cargo run --release");
    let (serve, flags) = args.split_at("serve".len());
    assert_eq!(serve, "serve");
    Server::by_shell(flags, |dir| {
        let handler = blocks(README, "```python").concat();
        assert!(handler.lines().count() <= 15, "{handler}");
        fs::write(dir.join("shout.py"), handler).unwrap();
    })
}

#[test]
fn every_line_of_shell_works_in_turn() {
    let mut server: Option<Server> = None;
    let mut person: Option<Running> = None;
    let mut frames = 0;
    for line in shell_lines() {
        if line.starts_with("cargo ") {
            // The person's connection goes with the server that it was to.
            person = None;
            server = Some(serve(&line));
            continue;
        }
        let server = server.as_ref().expect("a server comes first");
        let here = line.replace(DOCUMENTED, server.address());
        if line.starts_with("openssl ") {
            person = Some(server.start_shell(&format!("exec {here}")));
        } else if line.starts_with("printf ") {
            frames += 1;
            match &mut person {
                Some(person) => {
                    server.shell_until(&here, "hello");
                    person.line_where("a guest's hello", |line| line.ends_with(": hello"));
                }
                None => drop(server.shell_until(&here, "HELLO")),
            }
        } else {
            // What the person types.
            let person = person.as_mut().expect("somebody to type it");
            person.say(&line);
            match line.strip_prefix("/join lobby ") {
                Some(name) => person.line(&format!("{name} joined the room")),
                None => person.line(&format!("ann: {line}")),
            }
        }
    }
    assert_eq!(frames, 2);
}

#[test]
fn the_rust_is_the_crates_own_example() {
    let [readme] = &blocks(README, "```rust,no_run")[..] else { panic!("one block of Rust") };
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let doc: String = lib
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    assert!(doc.contains(&format!("```no_run\n{readme}```")), "src/lib.rs has another example");
}

#[test]
fn every_module_is_in_the_crates_layout() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let layout = &lib[lib.find("# Layout").unwrap()..];
    for line in lib.lines() {
        let module = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        if let Some(name) = module.and_then(|rest| rest.strip_suffix(';')) {
            assert!(layout.contains(&format!("`{name}`")), "{name} is not in the Layout");
        }
    }
}

/// Links between files of the repository lead somewhere.
#[test]
fn every_link_leads_to_a_file() {
    let markdown = ["README.md", "docs/decisions.md", "tests/clients/README.md"];
    for path in markdown {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let folder = root().join(path).parent().map(Path::to_owned).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // Written last, from measurements.
            if !link.contains("://") {
                assert!(folder.join(link).exists(), "{path}: {link}");
            }
        }
    }
}
