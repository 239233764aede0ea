//! A terminal: the real program in a pseudo-terminal, and what would be seen of it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vt100::Parser;

use crate::support::{Binary, DEADLINE};

/// What is typed at the end, by the shell: how the terminal is then, and how the program ended.
const AFTER: &str = "code=$?; stty -a; echo \"ended $code\"";

/// A terminal in which a program runs; `script` of util-linux makes it.
pub(super) struct Terminal {
    script: Child,
    keys: ChildStdin,
    parser: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// One of so many columns and rows, in which `tagwire` runs with these arguments.
    pub(super) fn start(server: &Binary, (columns, rows): (u16, u16), arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_tagwire");
        let line = format!("stty cols {columns} rows {rows}; {program} {arguments}; {AFTER}");
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).current_dir(server.path("")).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut script = command.spawn().expect("`script` of util-linux (bsdutils)");
        let (keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let size = |size| NonZeroU16::new(size).unwrap();
        let parser = Arc::new(Mutex::new(Parser::new(size(rows), size(columns), 0)));
        let written = parser.clone();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut part) {
                written.lock().unwrap().process(&part[..read]);
            }
        });
        Self { script, keys, parser }
    }

    pub(super) fn parser(&self) -> MutexGuard<'_, Parser> {
        self.parser.lock().unwrap()
    }

    pub(super) fn text(&self) -> String {
        self.parser().screen().contents()
    }

    /// Waits until the screen is as it should be, and how that is. It may be seen half drawn.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text();
            if is_so(&text) {
                return text;
            }
            assert!(start.elapsed() < DEADLINE, "never: {what}\n{text}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the program has ended; asserts that it ended so, and that the terminal is as it was.
    pub(super) async fn expect_end(&self, code: i32) {
        let end = format!("ended {code}");
        let text = self
            .until(&end, |text| {
                text.lines().any(|line| line.starts_with("ended ") && line.len() > 6)
            })
            .await;
        assert!(text.contains(&end), "{text}");
        let words: Vec<_> = text.split([' ', ';', '\n']).collect();
        assert!(words.contains(&"icanon") && words.contains(&"echo"), "{text}");
        let parser = self.parser();
        assert!(!parser.screen().alternate_screen() && !parser.screen().hide_cursor(), "{text}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
