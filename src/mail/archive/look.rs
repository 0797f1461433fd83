//! What is shared while one mail is looked into: the rules, where we are, what was found, and how much is still allowed.
//!
//! Whoever unpacks asks here before each step and stops when the look is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::work::{DEFLATED_OCTET, ENTRY, INFLATED_OCTET, NAME, NAME_OCTET, OCTET, PATTERN, cost};
use super::{Blocked, Bound, Bounds, Findings, Lost, Packed, Rules, Stopped, Unread};
use crate::base::limit::{ARCHIVE_NAMES_MAX, ARCHIVE_WORK_PER_OCTET};
use crate::mail::structure::name;

/// One look.
#[derive(Debug)]
pub(super) struct Look {
    rules: Arc<Rules>,
    bounds: Bounds,
    /// Names from the mail to where we are.
    path: Vec<String>,
    depth: usize,
    held: usize,
    /// Octets that unpacking read and wrote.
    unpacked: u64,
    /// What was charged.
    worked: u64,
    /// What may be, for octets that came of the mail.
    octets: u64,
    /// Nobody waits for the findings any more.
    cancel: Arc<AtomicBool>,
    pub(super) found: Findings,
}

/// Where one reading of a part stands; others come by at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    path: Vec<String>,
    depth: usize,
}

/// What one archive may unpack to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(u64);

impl Look {
    pub(super) fn new(rules: Arc<Rules>, bounds: Bounds, cancel: Arc<AtomicBool>) -> Self {
        Self {
            rules,
            bounds,
            path: Vec::new(),
            depth: 0,
            held: 0,
            unpacked: 0,
            worked: 0,
            octets: 0,
            cancel,
            found: Findings::default(),
        }
    }

    /// Nothing that follows counts.
    pub(super) fn is_over(&self) -> bool {
        self.found.blocked.is_some() || self.found.stopped.is_some() || self.is_cancelled()
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(super) fn archives(&self) -> bool {
        self.rules.archives()
    }

    /// What was charged so far.
    pub(super) fn worked(&self) -> u64 {
        self.worked
    }

    /// Octets of the mail come; a larger one may cost more.
    pub(super) fn arrived(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    /// Work that is about to be done.
    pub(super) fn charge(&mut self, units: u64) {
        self.worked = self.worked.saturating_add(units);
        let large = self.octets.saturating_mul(ARCHIVE_WORK_PER_OCTET);
        if self.worked > self.bounds.work.max(large) {
            self.stop(Bound::Work);
        }
    }

    /// Something begins that has a name, or several; says what is shown of it.
    pub(super) fn enter(&mut self, names: &[String], declared: Option<&str>) -> String {
        let shown = names.iter().find_map(|raw| self.cleaned(raw));
        let shown = shown.unwrap_or_else(|| declared.unwrap_or(UNNAMED).to_owned());
        let shown = short(&shown);
        self.enter_again(&shown);
        self.names(names);
        if let Some(declared) = declared {
            self.media(declared);
        }
        shown
    }

    /// What was entered before, with another content: its names were compared.
    pub(super) fn enter_again(&mut self, shown: &str) {
        self.found.looked += 1;
        self.path.push(shown.to_owned());
        self.charge(ENTRY);
        if self.found.looked > self.bounds.entries {
            self.stop(Bound::Entries);
        }
    }

    /// A name as it is compared and shown.
    fn cleaned(&mut self, raw: &str) -> Option<String> {
        self.charge(cost(raw.len(), NAME_OCTET));
        if self.is_over() {
            return None;
        }
        name::of(raw)
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Where the look stands.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            path: self.path.clone(),
            depth: self.depth,
        }
    }

    /// Goes on there; where it stood before.
    pub(super) fn stand(&mut self, there: Standing) -> Standing {
        Standing {
            path: std::mem::replace(&mut self.path, there.path),
            depth: std::mem::replace(&mut self.depth, there.depth),
        }
    }

    /// What is entered cannot be read by any reader that is known here.
    pub(super) fn unread(&mut self, why: Unread) {
        if self.found.lost.is_none() && !self.is_over() {
            let path = self.shown();
            self.found.lost = Some(Lost { path, why });
        }
    }

    /// Further names of what was entered.
    pub(super) fn names(&mut self, names: &[String]) {
        if names.len() > ARCHIVE_NAMES_MAX {
            self.stop(Bound::Names);
        }
        for raw in names {
            self.charge(cost(raw.len(), NAME_OCTET));
            if self.is_over() {
                return;
            }
            for name in name::each(raw) {
                self.charge(NAME);
                let rules = Arc::clone(&self.rules);
                let (compared, rule) = rules.of_name(&name);
                self.charge(cost(compared, PATTERN));
                if let Some(rule) = rule {
                    if let Some(last) = self.path.last_mut() {
                        *last = short(&name);
                    }
                    self.block(None, rule.to_owned());
                    return;
                }
            }
        }
    }

    /// What is entered declares itself, or is seen, to be of this type.
    pub(super) fn media(&mut self, media: &str) {
        let rules = Arc::clone(&self.rules);
        let (compared, rule) = rules.of_type(media);
        self.charge(NAME.saturating_add(cost(compared, PATTERN)));
        if let Some(rule) = rule {
            self.block(Some(media.to_owned()), rule.to_owned());
        }
    }

    fn block(&mut self, media: Option<String>, rule: String) {
        if !self.is_over() {
            let path = self.shown();
            self.found.blocked = Some(Blocked { path, media, rule });
        }
    }

    pub(super) fn stop(&mut self, bound: Bound) {
        if !self.is_over() {
            let path = self.shown();
            self.found.stopped = Some(Stopped { path, bound });
        }
    }

    pub(super) fn encrypted(&mut self) {
        if self.found.encrypted.is_none() && !self.is_over() {
            self.found.encrypted = Some(self.shown());
        }
    }

    /// What is entered is packed by this method, if it is one that is not unpacked.
    pub(super) fn packed(&mut self, method: Option<&'static str>) {
        if let Some(method) = method
            && self.found.packed.is_none()
            && !self.is_over()
        {
            let path = self.shown();
            self.found.packed = Some(Packed { path, method });
        }
    }

    pub(super) fn damaged(&mut self) {
        if self.found.damaged.is_none() && !self.is_over() {
            self.found.damaged = Some(self.shown());
        }
    }

    /// One archive more inside each other.
    pub(super) fn deeper(&mut self) {
        self.depth += 1;
        if self.depth > self.bounds.depth {
            self.stop(Bound::Depth);
        }
    }

    /// Octets that are kept until an archive's end.
    pub(super) fn hold(&mut self, octets: usize) {
        self.charge(cost(octets, OCTET));
        self.held = self.held.saturating_add(octets);
        if self.held > self.bounds.held {
            self.stop(Bound::Held);
        }
    }

    pub(super) fn release(&mut self, octets: usize) {
        self.held = self.held.saturating_sub(octets);
    }

    /// What an archive of so many octets may unpack to.
    pub(super) fn room(&self, octets: u64) -> Room {
        Room(
            octets
                .saturating_mul(self.bounds.ratio)
                .max(self.bounds.free),
        )
    }

    /// Octets that unpacking read, and wrote so far in this archive.
    pub(super) fn unpacked(&mut self, read: usize, wrote: usize, all: u64, room: Room) {
        let both = u64::try_from(read.saturating_add(wrote)).unwrap_or(u64::MAX);
        self.unpacked = self.unpacked.saturating_add(both);
        if all > room.0 {
            self.stop(Bound::Ratio);
        } else if self.unpacked > self.bounds.total {
            self.stop(Bound::Total);
        }
        self.charge(cost(read, DEFLATED_OCTET).saturating_add(cost(wrote, INFLATED_OCTET)));
    }

    /// `a.zip > b.zip > c.exe`
    fn shown(&self) -> String {
        let count = self.path.len();
        let mut shown: Vec<&str> = Vec::new();
        for (n, name) in self.path.iter().enumerate() {
            if n < HEAD || n + TAIL >= count {
                shown.push(name);
            } else if n == HEAD {
                shown.push("…");
            }
        }
        shown.join(" > ")
    }
}

/// The begin and, because a system acts by it, the end.
fn short(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME_MAX {
        return name.to_owned();
    }
    let head = name.chars().take(NAME_MAX / 2);
    let tail = name.chars().skip(count - NAME_MAX / 2 + 1);
    head.chain(['…']).chain(tail).collect()
}

/// Characters of each name in a path: three of them fit `SHOWN_MAX`.
const NAME_MAX: usize = 36;
/// Names of a path that are shown: so many of its begin and of its end.
const HEAD: usize = 1;
const TAIL: usize = 2;
const UNNAMED: &str = "(no name)";
