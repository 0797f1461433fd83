//! A mistake in a configuration, and how a person sees it.
//!
//! Each one says where it is, which key is meant, what is wrong and what to write instead; under it stands the line
//! with a caret. All mistakes of a file come at once, in the order of the file.
//! Not here: what is a mistake (`load` and the sections), and what of a line is a secret (`mask`).

use std::fmt;
use std::path::{Path, PathBuf};

use super::mask::Mask;

/// Whether the program can start with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It starts, but probably not as meant.
    Warning,
    /// It does not start.
    Error,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in.
    pub file: PathBuf,
    /// From 1; 0: the file as a whole.
    pub line: usize,
    /// From 1, in characters.
    pub col: usize,
    /// `queue.retry`; empty: none in particular.
    pub key: String,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub remedy: String,
    /// The line of the file, secrets masked.
    pub source: String,
    /// Characters of it before the first caret.
    pub indent: usize,
    /// Characters under which carets stand.
    pub width: usize,
}

/// All mistakes of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A mistake of the file as a whole.
    pub fn of_file(file: &Path, text: String, remedy: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            col: 0,
            key: String::new(),
            severity: Severity::Error,
            text,
            remedy: remedy.to_owned(),
            source: String::new(),
            indent: 0,
            width: 0,
        }
    }

    /// A mistake at octets `at` of `text`, the content of `file`; what is shown of its line is known later.
    pub(super) fn at(
        file: &Path,
        text: &str,
        at: &std::ops::Range<usize>,
        severity: Severity,
    ) -> Self {
        let before = text.get(..at.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let col = before.get(line_start..).map_or(0, |b| b.chars().count());
        Self {
            line: before.matches('\n').count() + 1,
            col: col + 1,
            severity,
            ..Self::of_file(file, String::new(), "")
        }
    }

    /// Shows its line with carets under octets `at` of `text`, as far as `mask` lets it.
    pub(super) fn show(&mut self, text: &str, at: &std::ops::Range<usize>, mask: &Mask<'_>) {
        let before = text.get(..at.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let whole = text.get(start..).and_then(|rest| rest.lines().next());
        let whole = whole.unwrap_or_default();
        // What is marked of the lines below does not fit.
        let marked = at.start.saturating_sub(start)..at.end.saturating_sub(start).min(whole.len());
        let excerpt = mask.line(whole, &marked, &self.key);
        self.source = excerpt.text;
        self.indent = excerpt.indent;
        self.width = excerpt.width;
    }

    /// Without its source: one line for a log.
    pub fn brief(&self) -> String {
        Self {
            source: String::new(),
            ..self.clone()
        }
        .to_string()
    }

    /// As one JSON object without a line end.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "file": self.file.display().to_string(),
            "line": self.line,
            "col": self.col,
            "severity": self.severity.word(),
            "key": self.key,
            "text": self.text,
            "remedy": self.remedy,
        })
        .to_string()
    }
}

impl Severity {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Problems {
    /// `2 errors, 0 warnings`
    pub fn closing(&self) -> String {
        let errors = self.errors();
        let warnings = self.0.len() - errors;
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        format!(
            "{errors} error{}, {warnings} warning{}",
            plural(errors),
            plural(warnings)
        )
    }

    /// How many forbid a start.
    pub fn errors(&self) -> usize {
        let hard = |problem: &&Problem| problem.severity == Severity::Error;
        self.0.iter().filter(hard).count()
    }
}

/// `FILE:LINE:COL: error: KEY: what; write X instead`, the line, and the caret.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.col)?;
        }
        write!(f, ": {}: ", self.severity.word())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        if self.line > 0 && !self.source.trim().is_empty() {
            let (line, caret) = (self.line, "^".repeat(self.width));
            let indent = self.indent;
            write!(f, "\n{line:>6} | {}", self.source)?;
            write!(f, "\n{:>6} | {:indent$}{caret}", "", "")?;
        }
        Ok(())
    }
}

/// Every mistake, then the closing line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        f.write_str(&self.closing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, word: &str) -> String {
        let start = text.find(word).unwrap();
        let at = start..start + word.len();
        let mut problem = Problem::at(Path::new("a.toml"), text, &at, Severity::Error);
        problem.key = "queue.retri".into();
        problem.show(text, &at, &Mask::new(["retry"].into_iter()));
        problem.text = "unknown key".into();
        problem.remedy = "did you mean `retry`?".into();
        problem.to_string()
    }

    #[test]
    fn a_mistake_shows_its_line_with_a_caret_under_it() {
        assert_eq!(
            shown("[queue]\n  retri = 5\n", "retri"),
            "a.toml:2:3: error: queue.retri: unknown key; did you mean `retry`?\n     \
             2 |   retri = ***\n       |   ^^^^^"
        );
    }

    #[test]
    fn the_closing_line_counts_both_kinds() {
        let mut problem = Problem::of_file(Path::new("a"), String::new(), "");
        let hard = problem.clone();
        problem.severity = Severity::Warning;
        let soft = problem.clone();
        assert_eq!(
            Problems(vec![hard, soft.clone(), soft]).closing(),
            "1 error, 2 warnings"
        );
    }
}
