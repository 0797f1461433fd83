//! Which recipients of a mail a `[[hold_rule]]` holds.
//!
//! Pure: facts in, holds out. All that a rule's `match` writes must fit; the first rule that fits a recipient counts.
//! What the scan had to leave out fits every rule about attachments: a mail that hides in bulk is for a person.
//! Not here: holds of the whole mail, which come first (`text`), and reading the facts (`judge`).

use jiff::civil::Weekday;

use crate::base::clock::Wall;
use crate::config::{DomainPattern, Glob, HoldRule, RuleMatch};
use crate::mail::attachment::same_types;
use crate::mail::hold::{Check, Hold, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::mail::structure::{Seen, Structure};

/// What rules ask for of a mail.
#[derive(Clone, Copy, Debug)]
pub struct RuleFacts<'a> {
    /// Who logged in.
    pub account: Option<&'a str>,
    /// The reverse-path.
    pub from: &'a ReversePath,
    /// Names, and texts as a reader sees them, of the fields that rules name.
    pub fields: &'a [(String, String)],
    /// Octets as stored.
    pub size: u64,
    /// Its attachments.
    pub structure: &'a Structure,
    /// Now, where the rules' hours are.
    pub now: Moment,
}

/// A minute of a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The day.
    pub weekday: Weekday,
    /// After midnight.
    pub minute: u16,
}

impl Moment {
    /// What clocks in `zone` show.
    pub fn of(now: Wall, zone: &jiff::tz::TimeZone) -> Self {
        let micros = i64::try_from(now.0).unwrap_or(i64::MAX);
        let now = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        let now = now.to_zoned(zone.clone());
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        Self {
            weekday: now.weekday(),
            minute: u16::try_from(minute).unwrap_or_default(),
        }
    }
}

/// The recipients that are held, and why. `checked` is what the mail was looked at for before.
pub fn rules<'a>(
    rules: &[HoldRule],
    facts: &RuleFacts<'_>,
    checked: &[Check],
    recipients: impl Iterator<Item = (u32, &'a Mailbox)>,
) -> Vec<(u32, Hold)> {
    let of_mail: Vec<_> = rules
        .iter()
        .filter(|rule| fits(&rule.matching, facts))
        .collect();
    let held = |(index, mailbox)| {
        let rule = of_mail.iter().find(|rule| meant(&rule.matching, mailbox))?;
        let mut hold =
            Hold::new(rule.queue, HoldReason::Rule, &rule.reason).with("rule", &rule.name);
        hold.checked = [checked, &[Check::Rules]].concat();
        Some((index, hold))
    };
    recipients.filter_map(held).collect()
}

/// Whether the mail fits.
fn fits(wanted: &RuleMatch, facts: &RuleFacts<'_>) -> bool {
    let account = |name: &String| facts.account == Some(name.as_str());
    let sender_fits = wanted.sender.as_ref().is_none_or(|pattern| {
        let from = facts.from.mailbox();
        from.map_or(pattern.is_any(), |from| pattern.matches(from))
    });
    let field = |(name, glob): &(String, Glob)| {
        let mut own = facts.fields.iter();
        own.any(|(of, text)| of.eq_ignore_ascii_case(name) && glob.fits(text))
    };
    let now = facts.now;
    wanted.account.as_ref().is_none_or(account)
        && sender_fits
        && wanted.larger.is_none_or(|size| facts.size > size.0)
        && wanted
            .hours
            .is_none_or(|hours| hours.covers(now.weekday, now.minute))
        && wanted.header.as_ref().is_none_or(field)
        && attached(wanted, facts.structure)
}

/// Whether the recipient is meant.
fn meant(wanted: &RuleMatch, mailbox: &Mailbox) -> bool {
    let address = wanted.recipient.as_ref();
    let domain = wanted.domain.as_ref();
    address.is_none_or(|pattern| pattern.matches(mailbox))
        && domain.is_none_or(|pattern| {
            let own = mailbox.domain();
            own.map_or(*pattern == DomainPattern::Any, |own| pattern.matches(own))
        })
}

/// Whether one attachment has the type and the name, in some reading of each.
fn attached(wanted: &RuleMatch, structure: &Structure) -> bool {
    let (of_type, named) = (&wanted.attachment_type, &wanted.attachment_name);
    if of_type.is_none() && named.is_none() {
        return true;
    }
    let one = |seen: &Seen| {
        let mut types = seen.types.iter();
        let mut names = seen.names.iter();
        of_type
            .as_ref()
            .is_none_or(|glob| types.any(|own| is_of_type(glob, own)))
            && named
                .as_ref()
                .is_none_or(|glob| names.any(|name| glob.fits(name)))
    };
    structure.cut || structure.seen.iter().any(one)
}

fn is_of_type(glob: &Glob, own: &str) -> bool {
    same_types(own).any(|name| glob.fits(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::size::ByteSize;
    use crate::config::{AddressPattern, Hours};
    use crate::mail::hold::HoldQueue;

    fn rule(name: &str, matching: RuleMatch) -> HoldRule {
        HoldRule {
            name: name.to_owned(),
            queue: HoldQueue::Quarantine,
            reason: "to be looked at".to_owned(),
            matching,
        }
    }

    fn structure(attachments: &[(&str, &str, Option<&str>)]) -> Structure {
        let seen = attachments.iter().map(|(name, declared, found)| Seen {
            names: vec![(*name).to_owned()],
            types: [Some(*declared), *found]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
        });
        Structure {
            seen: seen.collect(),
            ..Structure::default()
        }
    }

    /// The names of the rules that hold each recipient.
    fn held(rules_of: &[HoldRule], facts: &RuleFacts<'_>, to: &[&str]) -> Vec<(u32, String)> {
        let to: Vec<_> = to.iter().map(|to| Mailbox::parse(to).unwrap()).collect();
        let holds = rules(rules_of, facts, &[Check::Loop], (0..).zip(&to));
        let name = |(index, hold): (u32, Hold)| (index, hold.params["rule"].clone());
        holds.into_iter().map(name).collect()
    }

    #[test]
    fn each_criterion_holds_what_it_says_and_nothing_else() {
        let from = ReversePath::parse("a@sender.example").unwrap();
        let fields = [("subject".to_owned(), "Your Invöice 7".to_owned())];
        let structure = structure(&[
            ("a.txt", "text/plain", None),
            (
                "Evil.EXE",
                "image/png",
                Some("application/vnd.microsoft.portable-executable"),
            ),
        ]);
        let facts = RuleFacts {
            account: Some("app1"),
            from: &from,
            fields: &fields,
            size: 1_000,
            structure: &structure,
            now: Moment {
                weekday: Weekday::Monday,
                minute: 600,
            },
        };
        for (name, matching, wanted) in criteria() {
            let got = held(&[rule("r", matching)], &facts, &["b@example.net"]);
            assert_eq!(!got.is_empty(), wanted, "case: {name}");
        }
    }

    fn criteria() -> Vec<(&'static str, RuleMatch, bool)> {
        let only = |set: &dyn Fn(&mut RuleMatch)| {
            let mut matching = RuleMatch::default();
            set(&mut matching);
            matching
        };
        let own = |name: &'static str, wanted| {
            (name, only(&|m| m.account = Some(name.to_owned())), wanted)
        };
        let address = |text| Some(AddressPattern::parse(text).unwrap());
        let sender = |text, wanted| (text, only(&|m| m.sender = address(text)), wanted);
        let to = |text, wanted| (text, only(&|m| m.recipient = address(text)), wanted);
        let domain = |text, wanted| {
            let pattern = Some(DomainPattern::parse(text).unwrap());
            (text, only(&|m| m.domain.clone_from(&pattern)), wanted)
        };
        let glob = |text: &str| Glob(text.to_owned());
        let field = |name: &str, text, wanted| {
            let field = Some((name.to_owned(), glob(text)));
            (text, only(&|m| m.header.clone_from(&field)), wanted)
        };
        let larger = |size| only(&|m| m.larger = Some(ByteSize(size)));
        let of_type = |text, wanted| {
            (
                text,
                only(&|m| m.attachment_type = Some(glob(text))),
                wanted,
            )
        };
        let named = |text, wanted| {
            (
                text,
                only(&|m| m.attachment_name = Some(glob(text))),
                wanted,
            )
        };
        let days = [true; 7];
        let hours = |from, until| only(&|m| m.hours = Some(Hours { from, until, days }));
        let two = |m: &mut RuleMatch| {
            m.attachment_name = Some(glob("*.exe"));
            m.attachment_type = Some(glob("text/*"));
        };
        vec![
            ("nothing", only(&|_| ()), true),
            own("app1", true),
            own("app", false),
            sender("*@sender.example", true),
            sender("b@sender.example", false),
            to("b@example.net", true),
            to("c@example.net", false),
            domain("example.net", true),
            domain("*.example.net", false),
            field("Subject", "*invöice*", true),
            field("Subject", "invöice", false),
            field("X-Other", "*", false),
            ("larger", larger(999), true),
            ("as large", larger(1_000), false),
            of_type("image/*", true),
            of_type("*executable", true),
            of_type("application/x-msdownload", true),
            of_type("application/zip", false),
            named("*.exe", true),
            named("*.com", false),
            ("of two attachments", only(&two), false),
            ("within the hours", hours(600, 601), true),
            ("after the hours", hours(601, 700), false),
        ]
    }

    #[test]
    fn the_first_rule_that_fits_a_recipient_counts_for_it_alone() {
        let only = |text| RuleMatch {
            recipient: Some(AddressPattern::parse(text).unwrap()),
            ..RuleMatch::default()
        };
        let rules = [
            rule("one", only("b@example.net")),
            rule("two", only("*@example.net")),
        ];
        let facts = RuleFacts {
            account: None,
            from: &ReversePath::Null,
            fields: &[],
            size: 1,
            structure: &Structure::default(),
            now: Moment::of(Wall(0), &jiff::tz::TimeZone::UTC),
        };
        let got = held(
            &rules,
            &facts,
            &["a@example.org", "b@example.net", "c@example.net"],
        );
        assert_eq!(got, [(1, "one".to_owned()), (2, "two".to_owned())]);
        let hold = super::rules(
            &rules,
            &facts,
            &[Check::Loop],
            [(0, &Mailbox::parse("b@example.net").unwrap())].into_iter(),
        );
        assert_eq!(hold[0].1.cause, "to be looked at");
        assert_eq!(hold[0].1.checked, [Check::Loop, Check::Rules]);
    }

    #[test]
    fn attachments_that_were_left_out_fit_every_rule_about_attachments() {
        let found = Structure {
            cut: true,
            ..Structure::default()
        };
        let wanted = RuleMatch {
            attachment_name: Some(Glob("*.exe".to_owned())),
            ..RuleMatch::default()
        };
        assert!(attached(&wanted, &found));
        assert!(!attached(&wanted, &Structure::default()));
    }

    #[test]
    fn a_moment_is_what_a_clock_there_shows() {
        // 2026-11-21, a Saturday, 23:30 UTC.
        let now = Wall(1_795_303_800_000_000);
        let at = |zone| Moment::of(now, &jiff::tz::TimeZone::get(zone).unwrap());
        let moment = |weekday, minute| Moment { weekday, minute };
        assert_eq!(at("UTC"), moment(Weekday::Saturday, 23 * 60 + 30));
        assert_eq!(at("Europe/Berlin"), moment(Weekday::Sunday, 30));
    }
}
