//! Which pattern of a list meets a domain first, without looking at all of them.
//!
//! A domain is met by a pattern of its own name, by one of each domain above it, and by `*`: as many look-ups as it has
//! labels, however long the list is. The answer is the one of a walk through the list: the first that fits.
//! Not here: what stands behind a pattern.

use std::collections::HashMap;

use super::DomainPattern;
use crate::mail::domain::Domain;
use crate::mail::mailbox::Host;

/// Places in a list of patterns.
#[derive(Clone, Debug, Default)]
pub struct PatternIndex {
    exact: HashMap<Domain, usize>,
    below: HashMap<Domain, usize>,
    any: Option<usize>,
}

impl PatternIndex {
    /// Of patterns in their order.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p DomainPattern>) -> Self {
        let mut index = Self::default();
        for (place, pattern) in patterns.into_iter().enumerate() {
            index.add(pattern, place);
        }
        index
    }

    /// Adds one that stands behind all others.
    pub(super) fn add(&mut self, pattern: &DomainPattern, place: usize) {
        let kept = match pattern {
            DomainPattern::Exact(domain) => self.exact.entry(domain.clone()).or_insert(place),
            DomainPattern::Below(parent) => self.below.entry(parent.clone()).or_insert(place),
            DomainPattern::Any => self.any.get_or_insert(place),
        };
        debug_assert!(*kept <= place, "patterns are added in their order");
    }

    /// The place of the first that means `host`. A literal is below no domain, so only `*` means it.
    pub fn first(&self, host: &Host) -> Option<usize> {
        match host {
            Host::Domain(domain) => self.candidates(domain).min(),
            Host::Literal(_) => self.any,
        }
    }

    /// The place of the first that means everything that `pattern` means.
    pub(super) fn covering(&self, pattern: &DomainPattern) -> Option<usize> {
        match pattern {
            DomainPattern::Exact(domain) => self.candidates(domain).min(),
            DomainPattern::Below(parent) => {
                let own = self.below.get(parent).copied();
                self.above(parent).chain(own).chain(self.any).min()
            }
            DomainPattern::Any => self.any,
        }
    }

    /// Every look-up that a domain costs.
    fn candidates(&self, domain: &Domain) -> impl Iterator<Item = usize> {
        let own = self.exact.get(domain).copied();
        self.above(domain).chain(own).chain(self.any)
    }

    fn above(&self, domain: &Domain) -> impl Iterator<Item = usize> {
        let above = domain.parents().map(|parent| self.below.get(parent));
        above.flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        DomainPattern::parse(text).unwrap()
    }

    /// Names of two letters, so that many patterns mean the same domain.
    fn drawn(random: &mut fastrand::Rng, labels: usize) -> String {
        let label = |random: &mut fastrand::Rng| random.choice(["a", "b"]).unwrap().to_owned();
        let labels: Vec<String> = (0..labels).map(|_| label(random)).collect();
        labels.join(".")
    }

    fn drawn_pattern(random: &mut fastrand::Rng) -> DomainPattern {
        let labels = random.usize(1..4);
        match random.u8(0..12) {
            0 => DomainPattern::Any,
            1..6 => pattern(&format!("*.{}", drawn(random, labels))),
            _ => pattern(&drawn(random, labels)),
        }
    }

    #[test]
    fn the_answer_is_that_of_a_walk_through_the_list() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let many = random.usize(0..30);
            let patterns: Vec<_> = (0..many).map(|_| drawn_pattern(&mut random)).collect();
            let index = PatternIndex::new(&patterns);
            for _ in 0..20 {
                let labels = random.usize(1..5);
                let domain: Domain = drawn(&mut random, labels).parse().unwrap();
                let walked = patterns.iter().position(|one| one.matches(&domain));
                let found = index.first(&Host::Domain(domain.clone()));
                assert_eq!(found, walked, "seed {seed}: {domain} in {patterns:?}");
                let other = drawn_pattern(&mut random);
                let walked = patterns.iter().position(|one| one.covers(&other));
                let found = index.covering(&other);
                assert_eq!(found, walked, "seed {seed}: {other} in {patterns:?}");
            }
        }
    }

    #[test]
    fn a_literal_is_meant_by_everything_only() {
        let literal = Host::Literal([192, 0, 2, 1].into());
        let patterns = [pattern("a.example"), pattern("*.example")];
        assert_eq!(PatternIndex::new(&patterns).first(&literal), None);
        let patterns = [pattern("a.example"), pattern("*"), pattern("*")];
        assert_eq!(PatternIndex::new(&patterns).first(&literal), Some(1));
    }

    #[test]
    fn twenty_thousand_patterns_cost_a_domain_no_more_than_its_labels() {
        let patterns: Vec<_> = (0..10_000)
            .flat_map(|n| [format!("d{n}.example"), format!("*.d{n}.example")])
            .map(|text| pattern(&text))
            .chain([pattern("*")])
            .collect();
        let index = PatternIndex::new(&patterns);
        for (domain, place, looked) in [
            ("d0.example", 0, 2),
            ("a.b.d9999.example", 19_999, 2),
            ("d9999.example", 19_998, 2),
            ("other.example", 20_000, 1),
        ] {
            let domain: Domain = domain.parse().unwrap();
            assert_eq!(index.first(&Host::Domain(domain.clone())), Some(place));
            assert_eq!(index.candidates(&domain).count(), looked, "{domain}");
            assert!(domain.parents().count() < 4, "{domain}");
        }
    }
}
