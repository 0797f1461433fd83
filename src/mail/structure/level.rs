//! What is open while a mail comes by: multiparts with their boundaries, and mails.
//!
//! A line is a delimiter if all of it is: "--", the boundary, maybe "--", maybe blanks. Readers that follow RFC 2046
//! section 5.1.1 by the letter let anything stand behind the boundary: that is `loose`, and another reading.
//! Not here: what happens at a delimiter (`reader`).

use crate::base::limit::MIME_BOUNDARY_MAX;

/// A multipart or a mail whose inside comes by.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// None: a mail.
    pub(super) boundary: Option<Boundary>,
    /// A delimiter of it came.
    pub(super) begun: bool,
    /// A digest.
    pub(super) digest: bool,
    /// The attachment that it is, and where it began.
    pub(super) open: Option<(usize, u64)>,
}

/// What separates the parts of a multipart.
#[derive(Clone, Debug)]
pub(super) enum Boundary {
    /// As it is declared.
    Known {
        text: Box<[u8]>,
        /// Compared first: a line is compared with up to a hundred boundaries.
        sum: u32,
    },
    /// None is declared: the first line that looks like a delimiter shows it.
    Guessed,
}

/// All that is open, the outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    all: Vec<Level>,
    /// Of all boundaries.
    sums: Sums,
}

/// Whose delimiter a line is, and whether it is the last one.
pub(super) type Delimiter = (usize, bool);

/// Octets of a line that may be a delimiter: blanks at its end are allowed.
pub(super) const DELIMITER_MAX: usize = MIME_BOUNDARY_MAX + 60;

impl Level {
    /// A mail in a mail.
    pub(super) fn mail(open: Option<(usize, u64)>) -> Self {
        Self {
            boundary: None,
            begun: true,
            digest: false,
            open,
        }
    }

    /// A multipart that nothing came of yet.
    pub(super) fn multipart(boundary: Boundary, digest: bool) -> Self {
        Self {
            boundary: Some(boundary),
            begun: false,
            digest,
            open: None,
        }
    }

    /// Whether a line is a delimiter of it, and the last one.
    fn ends_by(&self, line: &Line<'_>) -> Option<bool> {
        let (own, sum) = self.known()?;
        if sum == line.sum && *own == *line.text {
            Some(false)
        } else if Some(sum) == line.bare_sum && Some(own) == line.bare {
            Some(true)
        } else {
            None
        }
    }

    /// Whether a line separates two parts of it.
    pub(super) fn is_separated_by(&self, line: &[u8]) -> bool {
        Line::of(line).and_then(|line| self.ends_by(&line)) == Some(false)
    }

    fn known(&self) -> Option<(&[u8], u32)> {
        match self.boundary.as_ref()? {
            Boundary::Known { text, sum } => Some((text, *sum)),
            Boundary::Guessed => None,
        }
    }
}

impl Boundary {
    /// None: no boundary is declared.
    pub(super) fn of(text: Option<&[u8]>) -> Self {
        text.map_or(Self::Guessed, Self::known)
    }

    fn known(text: &[u8]) -> Self {
        Self::Known {
            text: text.into(),
            sum: sum(text),
        }
    }
}

impl Levels {
    pub(super) fn push(&mut self, level: Level) {
        if let Some((_, sum)) = level.known() {
            self.sums.add(sum);
        }
        self.all.push(level);
    }

    pub(super) fn pop(&mut self) -> Option<Level> {
        let level = self.all.pop()?;
        self.sum_up();
        Some(level)
    }

    pub(super) fn truncate(&mut self, count: usize) {
        self.all.truncate(count);
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let all = self.all.iter().filter_map(Level::known);
        self.sums = all.map(|(_, sum)| sum).collect();
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn last(&self) -> Option<&Level> {
        self.all.last()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Level> {
        self.all.last_mut()
    }

    /// Whether delimiters are looked for.
    pub(super) fn separate(&self) -> bool {
        self.all.iter().any(|level| level.boundary.is_some())
    }

    /// The delimiter that all of a line is. The innermost level is asked first.
    pub(super) fn exact(&self, line: &[u8]) -> Option<Delimiter> {
        if self.all.is_empty() {
            return None;
        }
        let line = Line::of(line)?;
        if !line.sums().any(|sum| self.sums.may_have(sum)) {
            return None;
        }
        let mut all = self.all.iter().enumerate().rev();
        all.find_map(|(n, level)| Some((n, level.ends_by(&line)?)))
    }

    /// The delimiter that a line begins with. An empty boundary begins every line, so it must be the whole.
    pub(super) fn loose(&self, line: &[u8]) -> Option<Delimiter> {
        let text = line.strip_prefix(b"--")?;
        let mut all = self.all.iter().enumerate().rev();
        all.find_map(|(n, level)| {
            let (own, _) = level.known()?;
            let behind = text.strip_prefix(own).filter(|_| !own.is_empty())?;
            Some((n, behind.starts_with(b"--")))
        })
    }

    /// Takes a line for the first delimiter of the innermost multipart, if that declares no boundary.
    pub(super) fn guess(&mut self, line: &[u8]) -> Option<Delimiter> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        let last = self.all.len().checked_sub(1)?;
        let boundary = self.all.last_mut()?.boundary.as_mut()?;
        if matches!(boundary, Boundary::Known { .. }) || text.is_empty() {
            return None;
        }
        *boundary = Boundary::known(text);
        self.sum_up();
        Some((last, false))
    }
}

/// A line that may be a delimiter.
struct Line<'a> {
    text: &'a [u8],
    /// Without the hyphens behind it.
    bare: Option<&'a [u8]>,
    sum: u32,
    bare_sum: Option<u32>,
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        let bare = text.strip_suffix(b"--");
        (text.len() <= MIME_BOUNDARY_MAX + 2).then(|| Self {
            text,
            bare,
            sum: sum(text),
            bare_sum: bare.map(sum),
        })
    }

    fn sums(&self) -> impl Iterator<Item = u32> {
        [Some(self.sum), self.bare_sum].into_iter().flatten()
    }
}

/// A set that may have more than was added, and never less: most lines are compared with no boundary at all.
#[derive(Clone, Debug, Default)]
struct Sums([u64; 16]);

impl Sums {
    fn add(&mut self, sum: u32) {
        let (word, bit) = Self::place(sum);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_have(&self, sum: u32) -> bool {
        let (word, bit) = Self::place(sum);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(sum: u32) -> (usize, u64) {
        let mixed = sum ^ (sum >> 16);
        ((mixed >> 6 & 15) as usize, 1 << (mixed & 63))
    }
}

impl FromIterator<u32> for Sums {
    fn from_iter<I: IntoIterator<Item = u32>>(sums: I) -> Self {
        let mut all = Self::default();
        sums.into_iter().for_each(|sum| all.add(sum));
        all
    }
}

/// FNV-1a: lines that are compared are short.
fn sum(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
