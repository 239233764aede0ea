//! How many connections each source has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::source::Source;
use crate::sync::lock;

/// How many connections each source has; who has none is not in it.
#[derive(Debug, Default)]
pub(super) struct Stays(Mutex<HashMap<Source, usize>>);

impl Stays {
    /// Lets a source have one more, unless it has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, source: Source, limit: usize) -> Option<Stay> {
        let mut counts = lock(&self.0);
        let count = counts.get(&source).copied().unwrap_or_default();
        (count < limit).then(|| {
            counts.insert(source, count + 1);
            Stay { stays: self.clone(), source }
        })
    }
}

/// One connection of its source, until this is dropped.
#[derive(Debug)]
pub(in crate::server) struct Stay {
    stays: Arc<Stays>,
    source: Source,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut counts = lock(&self.stays.0);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
        if counts.is_empty() {
            // What a storm of sources needed is given back.
            *counts = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn a_source_has_no_more_than_it_may() {
        let stays = Arc::new(Stays::default());
        let mut first: Vec<_> = (0..3).filter_map(|_| stays.enter(source(1), 3)).collect();
        assert_eq!(first.len(), 3);
        assert!(stays.enter(source(1), 3).is_none());
        let other = stays.enter(source(2), 3);
        assert!(other.is_some(), "a source for itself");
        first.pop();
        let again = stays.enter(source(1), 3);
        assert!(again.is_some() && stays.enter(source(1), 3).is_none());
        // A lower limit takes from nobody what he has, and lets nobody in.
        assert!(stays.enter(source(1), 1).is_none());
        drop((first, again, other));
        assert!(lock(&stays.0).is_empty(), "who has none is forgotten");
    }
}
