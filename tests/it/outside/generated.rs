//! Goal: completions and man pages are what their readers take. Method: shells and `mandoc` read them; one
//! completion is made as bash makes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{program, run, shell, tagwire, texts};

/// What a program printed that must succeed and say nothing else.
fn printed(command: &mut Command) -> String {
    let output = run(command);
    let (out, err) = texts(&output);
    assert!(output.status.success() && err.is_empty(), "{command:?}\n{out}{err}");
    out
}

/// Completions of a shell as a file, which that shell reads to the end.
fn completions(dir: &Path, shell: &str) -> PathBuf {
    let file = dir.join(shell);
    fs::write(&file, printed(&mut tagwire(&["completions", shell]))).unwrap();
    assert_eq!(printed(program(shell).arg("-n").arg(&file)), "");
    file
}

/// The subcommands that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = printed(&mut tagwire(&["--help"]));
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.map_while(|line| line.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

#[test]
fn bash_completes_what_help_lists() {
    let dir = tempfile::tempdir().unwrap();
    let file = completions(dir.path(), "bash");
    let complete = |words: &str, last: usize| {
        let line = format!(
            "source {}; COMP_WORDS=(tagwire {words}) COMP_CWORD={last}; \
             _tagwire tagwire \"${{COMP_WORDS[{last}]}}\"; echo \"${{COMPREPLY[*]}}\"",
            file.display()
        );
        printed(&mut shell(&line))
    };
    assert_eq!(complete("ser", 1), "serve\n");
    assert!(complete("serve --insec", 2).contains("--insecure-anonymous"));
    for name in subcommands() {
        assert_eq!(complete(&name, 1), format!("{name}\n"));
    }
    // What only packages need is for nobody to type.
    assert_eq!(complete("man", 1), "\n");
}

#[test]
fn zsh_reads_its_completions() {
    completions(tempfile::tempdir().unwrap().path(), "zsh");
}

#[test]
fn fish_reads_its_completions() {
    completions(tempfile::tempdir().unwrap().path(), "fish");
}

#[test]
fn every_subcommand_has_a_page_that_renders() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("not/there/yet").display().to_string();
    let pages = printed(&mut tagwire(&["man", "--out", &out]));
    for name in subcommands() {
        assert!(pages.contains(&format!("/tagwire-{name}.1\n")), "{name}: {pages}");
    }
    for page in pages.lines() {
        printed(program("mandoc").args(["-T", "lint", "-W", "error", page]));
        let text = printed(program("mandoc").args(["-T", "ascii", "-O", "width=100", page]));
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
        assert!(text.contains("78 bad configuration"), "{text}");
    }
}
