//! `[admin]`, `[digest]`, `[links]`, `[hold]` and `[[hold_rule]]`: who is told of held mail, and who may decide.
//!
//! The types with their defaults, and what they answer by themselves.
//! Not here: reading them from the file (`admin`, `digest`, `rule`), and what they mean together (`cross_held`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::civil::Weekday;

use super::default::days;
use super::{AddressPattern, Config, DomainPattern, Network};
use crate::base::lang::Lang;
use crate::base::secret::Secret;
use crate::base::size::ByteSize;
use crate::base::text::fits;
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::{Host, Mailbox};

/// `[admin]`
#[derive(Clone, Debug, Default)]
pub struct AdminConf {
    /// HTTPS, or plain HTTP when `public_url` is `http://` on loopback and this is too; none: no pages, no links.
    pub bind: Option<SocketAddr>,
    /// Plain HTTP that only redirects.
    pub http_bind: Option<SocketAddr>,
    /// What links and redirects are built from.
    pub public_url: Option<PublicUrl>,
    /// Lets `/metrics` be read from elsewhere than loopback.
    pub metrics_token: Option<Secret>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trust_proxy: Vec<Network>,
    /// Connections in all; none: `WEB_CONNECTIONS_MAX`.
    pub connections: Option<usize>,
}

/// `https://mail.example.com:444/`: scheme, host and port; a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Not `http://`.
    pub https: bool,
    /// Name or address.
    pub host: Host,
    /// 443 or 80 when it is not written.
    pub port: u16,
}

/// `[digest]`
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the file"
)]
pub struct DigestConf {
    /// Whether digests carry links.
    pub action_links: ActionLinks,
    /// Administrators: they see everything.
    pub to: Vec<Mailbox>,
    /// Whether the owners of domains and accounts get digests of what is theirs.
    pub owners: bool,
    /// The From field; none: `postwerk@HOSTNAME`.
    pub from: Option<Mailbox>,
    /// When.
    pub timing: Timing,
    /// At the start of the server too, if anything is held.
    pub on_start: bool,
    /// As soon as a first message is held where none was.
    pub on_first: bool,
    /// Each digest lists everything that is still held, until nothing is.
    pub remind: bool,
    /// Of the calendar, and of the times that people read.
    pub zone: jiff::tz::TimeZone,
    /// Of digests, and of pages for browsers that ask for neither.
    pub lang: Lang,
}

/// When digests are due.
#[derive(Clone, Debug)]
pub enum Timing {
    /// So long after the last one.
    Every(Duration),
    /// By the calendar, in `zone`.
    Calendar(Box<croner::Cron>),
}

/// Whether digests carry links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionLinks {
    /// If `public_url` can carry them.
    Auto,
    /// Yes; without a `public_url` that can carry them the configuration is refused.
    On,
    /// No.
    Off,
}

/// `[links]`
#[derive(Clone, Debug)]
pub struct LinksConf {
    /// From the digest on; cut to whole hours.
    pub lifetime: Duration,
    /// Only the links of the newest digest that lists a message count.
    pub newest_only: bool,
}

/// `[hold]`
#[derive(Clone, Debug)]
pub struct HoldsConf {
    /// How long a release or requeue by link or page waits; zero: leaves at once.
    pub undo: Duration,
    /// `[hold.bad]`
    pub bad: HoldConf,
    /// `[hold.quarantine]`
    pub quarantine: HoldConf,
    /// `[hold.defect]`
    pub defect: HoldConf,
    /// `[hold.release]`: reasons that are not released by link alone.
    pub release: Vec<(HoldReason, ReleaseRule)>,
}

/// `[hold.QUEUE]`
#[derive(Clone, Debug)]
pub struct HoldConf {
    /// From the hold on.
    pub expiry: Duration,
    /// What happens then.
    pub at_expiry: AtExpiry,
    /// Administrators of this queue; empty: those of `[digest] to`.
    pub to: Vec<Mailbox>,
}

/// What happens when a hold expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtExpiry {
    /// The sender is told.
    Bounce,
    /// It is deleted.
    Delete,
    /// It is judged again.
    Requeue,
}

/// Who may release; the stricter one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseRule {
    /// Whoever has the link.
    Link,
    /// An administrator who is logged in.
    Login,
    /// Nobody; requeue, delete and bounce remain.
    Never,
}

/// `[[hold_rule]]`
#[derive(Clone, Debug)]
pub struct HoldRule {
    /// For records and pages; `hold_rule 1` and so on when it is not written.
    pub name: String,
    /// Where it is kept.
    pub queue: HoldQueue,
    /// Shown as written, in both languages.
    pub reason: String,
    /// All that is written must hold.
    pub matching: RuleMatch,
}

/// `match` of a hold rule: what is not written holds for every mail.
#[derive(Clone, Debug, Default)]
pub struct RuleMatch {
    /// Who logged in.
    pub account: Option<String>,
    /// The reverse-path.
    pub sender: Option<AddressPattern>,
    /// The recipient.
    pub recipient: Option<AddressPattern>,
    /// The recipient's domain.
    pub domain: Option<DomainPattern>,
    /// A field and a pattern of its text: `*` is anything, case does not count.
    pub header: Option<(String, Glob)>,
    /// Octets above this.
    pub larger: Option<ByteSize>,
    /// An attachment's media type, as declared or as its first octets say: `application/zip`, `image/*`.
    pub attachment_type: Option<Glob>,
    /// An attachment's file name: `*.exe`.
    pub attachment_name: Option<Glob>,
    /// Hours of the day, and days of the week, in `[digest] zone`.
    pub hours: Option<Hours>,
}

/// `*` is anything; the rest is taken as it is, case does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub String);

/// `18:00-06:00`, on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight; inclusive.
    pub from: u16,
    /// Minutes after midnight; exclusive. Not above `from`: over midnight, of the day on which it begins.
    pub until: u16,
    /// Monday first.
    pub days: [bool; 7],
}

impl Default for DigestConf {
    fn default() -> Self {
        Self {
            action_links: ActionLinks::Auto,
            to: Vec::new(),
            owners: true,
            from: None,
            // Nobody who decides waits longer than a morning, and nobody gets a mail an hour.
            timing: Timing::Every(days(1)),
            on_start: false,
            on_first: false,
            remind: false,
            zone: jiff::tz::TimeZone::UTC,
            lang: Lang::En,
        }
    }
}

impl Default for LinksConf {
    fn default() -> Self {
        Self {
            // A week's holiday; Proxmox Mail Gateway's tickets live as long.
            lifetime: days(7),
            newest_only: false,
        }
    }
}

impl Default for HoldsConf {
    fn default() -> Self {
        let kept = |at_expiry| HoldConf {
            expiry: days(30),
            at_expiry,
            to: Vec::new(),
        };
        Self {
            undo: Duration::from_secs(10),
            // What was never judged may be wanted: its sender learns that it did not arrive, if it is one of ours. A
            // stranger's reverse-path proves nothing (`queue::returned`).
            bad: kept(AtExpiry::Bounce),
            quarantine: kept(AtExpiry::Delete),
            defect: kept(AtExpiry::Delete),
            release: [HoldReason::Virus, HoldReason::Phish, HoldReason::Spam]
                .map(|reason| (reason, ReleaseRule::Login))
                .to_vec(),
        }
    }
}

impl HoldsConf {
    /// The section of a queue.
    pub fn of(&self, queue: HoldQueue) -> &HoldConf {
        match queue {
            HoldQueue::Bad => &self.bad,
            HoldQueue::Quarantine => &self.quarantine,
            HoldQueue::Defect => &self.defect,
        }
    }

    /// Who may release what is held for this reason; a link is enough when nothing is written.
    pub fn release(&self, reason: HoldReason) -> ReleaseRule {
        self.release
            .iter()
            .find(|(of, _)| *of == reason)
            .map_or(ReleaseRule::Link, |(_, rule)| *rule)
    }

    /// Who may release a hold: as its strictest reason says.
    pub fn release_of(&self, hold: &Hold) -> ReleaseRule {
        let all = hold.reasons().map(|reason| self.release(reason));
        all.max().unwrap_or(ReleaseRule::Link)
    }

    /// Who may have a hold judged again: whoever may release what no check finds again.
    pub fn requeue_of(&self, hold: &Hold) -> ReleaseRule {
        let lost = hold.reasons().filter(|reason| !reason.is_found_again());
        let all = lost.map(|reason| self.release(reason));
        all.max().unwrap_or(ReleaseRule::Link)
    }
}

impl PublicUrl {
    /// Whether links, logins and cookies may use it: HTTPS, or HTTP that never leaves this machine.
    pub fn is_safe(&self) -> bool {
        self.https || self.is_loopback()
    }

    /// Whether its host is this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Literal(ip) => ip.to_canonical().is_loopback(),
            Host::Domain(name) => name.as_str() == "localhost",
        }
    }
}

/// `https://mail.example.com:444`, without a slash at its end.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.https { "https://" } else { "http://" })?;
        match &self.host {
            Host::Literal(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Literal(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            Host::Domain(name) => f.write_str(name.as_str())?,
        }
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

impl AdminConf {
    /// Whether links can lead to us: something listens, and its URL is safe.
    pub fn can_link(&self) -> bool {
        self.bind.is_some() && self.public_url.as_ref().is_some_and(PublicUrl::is_safe)
    }

    /// Whether `bind` speaks plain HTTP: only when its URL says so, and when neither can be reached from elsewhere.
    pub fn is_plain(&self) -> bool {
        let near = |bind: SocketAddr| bind.ip().to_canonical().is_loopback();
        let url = self.public_url.as_ref();
        self.bind.is_some_and(near) && url.is_some_and(|url| !url.https && url.is_loopback())
    }
}

impl Config {
    /// Whether digests carry links.
    pub fn links_allowed(&self) -> bool {
        self.digest.action_links != ActionLinks::Off && self.admin.can_link()
    }

    /// The From field of digests.
    pub fn digest_from(&self) -> Mailbox {
        let own = || Mailbox::postwerk(self.server.hostname.clone());
        self.digest.from.clone().unwrap_or_else(own)
    }

    /// Administrators of a queue: its own, else those of `[digest]`.
    pub fn administrators(&self, queue: HoldQueue) -> &[Mailbox] {
        let own = &self.hold.of(queue).to;
        if own.is_empty() { &self.digest.to } else { own }
    }
}

impl Hours {
    /// Whether `minute` after midnight of `weekday` is in it. What begins before midnight belongs to its first day.
    pub fn covers(&self, weekday: Weekday, minute: u16) -> bool {
        let on = |day: Weekday| {
            let day = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
            self.days.get(day).copied().unwrap_or(false)
        };
        if self.from < self.until {
            on(weekday) && (self.from..self.until).contains(&minute)
        } else {
            (on(weekday) && minute >= self.from) || (on(weekday.previous()) && minute < self.until)
        }
    }
}

impl Glob {
    /// Whether the whole of `text` fits; case does not count.
    pub fn fits(&self, text: &str) -> bool {
        fits(&self.0.to_lowercase(), &text.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
        let at = |hour: u16, minute: u16| hour * 60 + minute;
        let (mut weekend, mut night) = ([false; 7], [false; 7]);
        weekend[5] = true;
        weekend[6] = true;
        night[4] = true;
        let day = |from, until, days| Hours { from, until, days };
        for (hours, weekday, minute, covered) in [
            (day(0, 1_440, weekend), Weekday::Saturday, 0, true),
            (day(0, 1_440, weekend), Weekday::Sunday, 1_439, true),
            (day(0, 1_440, weekend), Weekday::Monday, 0, false),
            (day(0, 1_440, weekend), Weekday::Friday, 1_439, false),
            (
                day(at(8, 0), at(18, 0), [true; 7]),
                Weekday::Monday,
                at(8, 0),
                true,
            ),
            (
                day(at(8, 0), at(18, 0), [true; 7]),
                Weekday::Monday,
                at(18, 0),
                false,
            ),
            (
                day(at(8, 0), at(18, 0), [true; 7]),
                Weekday::Monday,
                at(7, 59),
                false,
            ),
            (
                day(at(18, 0), at(6, 0), night),
                Weekday::Friday,
                at(18, 0),
                true,
            ),
            (
                day(at(18, 0), at(6, 0), night),
                Weekday::Saturday,
                at(5, 59),
                true,
            ),
            (
                day(at(18, 0), at(6, 0), night),
                Weekday::Saturday,
                at(6, 0),
                false,
            ),
            (
                day(at(18, 0), at(6, 0), night),
                Weekday::Saturday,
                at(18, 0),
                false,
            ),
            (
                day(at(18, 0), at(6, 0), night),
                Weekday::Friday,
                at(5, 59),
                false,
            ),
            (day(at(18, 0), 0, night), Weekday::Friday, 1_439, true),
            (day(at(18, 0), 0, night), Weekday::Saturday, 0, false),
        ] {
            assert_eq!(
                hours.covers(weekday, minute),
                covered,
                "{hours:?} {weekday:?} {minute}"
            );
        }
    }

    #[test]
    fn a_star_is_anything_and_case_does_not_count() {
        for (pattern, text, fits) in [
            ("*.exe", "Setup.EXE", true),
            ("*.exe", "setup.exe.txt", false),
            ("*.exe", ".exe", true),
            ("image/*", "image/png", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("*ü*", "GRÜN", true),
        ] {
            assert_eq!(
                Glob(pattern.to_owned()).fits(text),
                fits,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn only_a_door_of_this_machine_is_plain() {
        for (bind, url, plain, links) in [
            (
                Some("127.0.0.1:8080"),
                Some("http://127.0.0.1:8080/"),
                true,
                true,
            ),
            (
                Some("127.0.0.1:8080"),
                Some("https://mail.example.org/"),
                false,
                true,
            ),
            (
                Some("0.0.0.0:8080"),
                Some("http://localhost:8080/"),
                false,
                true,
            ),
            (
                Some("127.0.0.1:8080"),
                Some("http://mail.example.org/"),
                false,
                false,
            ),
            (Some("127.0.0.1:8080"), None, false, false),
            (None, Some("https://mail.example.org/"), false, false),
        ] {
            let admin = AdminConf {
                bind: bind.map(|bind| bind.parse().unwrap()),
                public_url: url.map(|url| PublicUrl::parse(url).unwrap()),
                ..AdminConf::default()
            };
            assert_eq!(
                (admin.is_plain(), admin.can_link()),
                (plain, links),
                "{bind:?} {url:?}"
            );
        }
    }
}
