//! Many patterns, of which a text is compared only with those whose beginning or end it has.
//!
//! `*` stands for anything; case counts, so patterns are kept in lower case beside what was written. A configuration has
//! up to thousands of them and a mail up to thousands of names: `*.exe` and `*.scr` cost a look into one table, and only
//! what begins and ends with `*` is compared one by one.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::text::fits;

/// Patterns in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    all: Vec<Pattern>,
    /// By what stands behind the last `*`, or by all of it.
    by_end: Table,
    /// By what stands before the first, if nothing stands behind the last.
    by_begin: Table,
    /// Those that have neither.
    inner: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Pattern {
    written: String,
    lower: String,
}

/// Places of patterns by one end of theirs.
#[derive(Clone, Debug, Default)]
struct Table {
    places: BTreeMap<Box<str>, Vec<usize>>,
    /// In octets.
    lengths: BTreeSet<usize>,
}

impl Patterns {
    pub(super) fn add(&mut self, written: &str) {
        let (n, lower) = (self.all.len(), written.to_lowercase());
        let end = lower.rsplit('*').next().unwrap_or_default();
        let begin = lower.split('*').next().unwrap_or_default();
        if !end.is_empty() {
            self.by_end.add(end, n);
        } else if !begin.is_empty() {
            self.by_begin.add(begin, n);
        } else {
            self.inner.push(n);
        }
        self.all.push(Pattern {
            written: written.to_owned(),
            lower,
        });
    }

    /// As they are written.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|own| own.written.as_str())
    }

    /// As one is written.
    pub(super) fn at(&self, n: usize) -> Option<&str> {
        self.all.get(n).map(|own| own.written.as_str())
    }

    /// How many comparisons it took, and the place of the first one that a text in lower case fits.
    pub(super) fn find(&self, text: &str) -> (usize, Option<usize>) {
        let (mut compared, mut first) = (0, None);
        let ends = self.by_end.lengths.iter();
        let ends = ends.map(|length| {
            let from = text.len().checked_sub(*length);
            self.by_end.of(from.and_then(|from| text.get(from..)))
        });
        let begins = self.by_begin.lengths.iter();
        let begins = begins.map(|length| self.by_begin.of(text.get(..*length)));
        for places in ends.chain(begins).chain([self.inner.as_slice()]) {
            compared += 1;
            for n in places {
                // Places ascend: none that follows is before the one that was found.
                if first.is_some_and(|first| first < *n) {
                    break;
                }
                compared += 1;
                if self.all.get(*n).is_some_and(|own| fits(&own.lower, text)) {
                    first = Some(*n);
                    break;
                }
            }
        }
        (compared, first)
    }
}

impl Table {
    fn add(&mut self, end: &str, n: usize) {
        self.lengths.insert(end.len());
        self.places.entry(end.into()).or_default().push(n);
    }

    fn of(&self, end: Option<&str>) -> &[usize] {
        end.and_then(|end| self.places.get(end))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_is_found_as_if_each_was_compared() {
        let written = [
            "*.exe",
            "setup*",
            "*",
            "a.txt",
            "*.TXT",
            "*invoice*",
            "in*ce*.pdf",
            "*ä",
            "*.b.c",
            "",
            "a*",
            "*.c",
            "**",
            "x**y",
        ];
        let texts = [
            "a.exe",
            "setup.exe",
            "setup",
            "a.txt",
            "b.txt",
            "my invoice.doc",
            "invoice.pdf",
            "inc.pdf",
            "grä",
            "ä",
            "a.b.c",
            "b.c",
            ".c",
            "",
            "x",
            "xy",
            "x1y",
            "日本.txt",
        ];
        for skipped in 0..=written.len() {
            let mut patterns = Patterns::default();
            let some = || written.iter().skip(skipped);
            some().for_each(|one| patterns.add(one));
            for text in texts {
                let wanted = some().position(|one| fits(&one.to_lowercase(), text));
                assert_eq!(
                    patterns.find(text).1,
                    wanted,
                    "case: {text:?} behind {skipped}"
                );
            }
        }
    }

    #[test]
    fn a_name_is_compared_with_few_of_a_thousand_patterns() {
        let mut patterns = Patterns::default();
        for n in 0..1_000 {
            patterns.add(&format!("*.e{n}"));
        }
        let (compared, found) = patterns.find("report.e999");
        assert_eq!(found, Some(999));
        assert!(compared < 10, "{compared}");
    }
}
