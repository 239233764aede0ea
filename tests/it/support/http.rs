//! HTTP by hand, and metrics read as strictly as their format allows.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::{Binary, DEADLINE};

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request as it is, and reads to the end.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Answer {
    let mut bytes = Vec::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut bytes).await.unwrap();
    };
    timeout(DEADLINE, asked).await.expect("an answer in time");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(crate) fn request(method: &str, path: &str, host: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// Asks the TCP listener.
pub(crate) async fn get(server: &Binary, path: &str) -> Answer {
    let stream = TcpStream::connect(server.admin.unwrap()).await.unwrap();
    exchange(stream, &request("GET", path, "localhost")).await
}

/// Asks the Unix socket `a.sock`.
pub(crate) async fn ask(server: &Binary, method: &str, path: &str) -> Answer {
    let stream = UnixStream::connect(server.path("a.sock")).await.unwrap();
    exchange(stream, &request(method, path, "localhost")).await
}

/// Samples by their name with labels, as they are written.
#[derive(Debug)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    pub(crate) async fn of(server: &Binary) -> Self {
        let answer = get(server, "/metrics").await;
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
        Self::parse(&answer.body)
    }

    /// Scrapes until something is so.
    pub(crate) async fn until(server: &Binary, what: &str, is_so: impl Fn(&Self) -> bool) -> Self {
        let scrape = async {
            loop {
                let scrape = Self::of(server).await;
                if is_so(&scrape) {
                    return scrape;
                }
            }
        };
        timeout(DEADLINE, scrape).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    /// The one sample with that name and those labels.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    /// All samples of a family together.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of = |series: &str| series == name || series.starts_with(&format!("{name}{{"));
        self.0.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }

    /// Reads the text format of version 0.0.4, and everything that it demands.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        let mut family = (String::new(), String::new());
        for line in text.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => {
                    assert!(!help.is_empty() && !types.contains_key(name), "{line}");
                    family = (name.to_owned(), String::new());
                }
                ["#", "TYPE", name, kind @ ("counter" | "gauge" | "histogram")] => {
                    assert_eq!(name, family.0, "HELP comes right before TYPE");
                    types.insert(name.to_owned(), kind.to_owned());
                    family.1 = kind.to_owned();
                }
                _ => {
                    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                    check(series, &family);
                    let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
                    assert!(value >= 0.0 && value.is_finite(), "{line}");
                    assert!(samples.insert(series.to_owned(), value).is_none(), "{line}: twice");
                }
            }
        }
        let scrape = Self(samples);
        types.iter().filter(|(_, kind)| *kind == "histogram").for_each(|(name, _)| {
            scrape.check_histogram(name);
        });
        scrape
    }

    /// Buckets rise, and the last of them is all.
    fn check_histogram(&self, name: &str) {
        let mut last = BTreeMap::new();
        for (series, &value) in &self.0 {
            let Some(labels) = series.strip_prefix(&format!("{name}_bucket{{")) else { continue };
            let (bound, labels): (Vec<_>, Vec<_>) =
                labels.trim_end_matches('}').split(',').partition(|label| label.starts_with("le="));
            let bound = bound[0].trim_start_matches("le=").trim_matches('"');
            let bound: f64 = bound.parse().unwrap_or(f64::INFINITY);
            last.entry(labels.join(",")).or_insert_with(Vec::new).push((bound, value));
        }
        assert!(!last.is_empty(), "{name} has no buckets");
        for (labels, mut buckets) in last {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by_key(|&(_, count)| count), "{name} {labels} {buckets:?}");
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let all = self.value(&format!("{name}_count{labels}"));
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, all)), "{name}{labels}");
            self.value(&format!("{name}_sum{labels}"));
        }
    }
}

/// Whether a sample may stand in its family.
fn check(series: &str, (name, kind): &(String, String)) {
    let bare = series.split('{').next().unwrap();
    let fits = match &kind[..] {
        "histogram" => {
            ["_bucket", "_sum", "_count"].iter().any(|end| bare == format!("{name}{end}"))
        }
        "counter" => bare == name && bare.ends_with("_total"),
        "gauge" => bare == name && !bare.ends_with("_total"),
        _ => false,
    };
    assert!(fits, "{series} stands under {name}, a {kind}");
    if let Some(labels) = series.strip_prefix(bare).filter(|labels| !labels.is_empty()) {
        let labels = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).unwrap();
        for label in labels.split(',') {
            let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("{series}"));
            assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{series}");
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{series}");
        }
    }
}
