//! A mistake in a configuration, and how a person sees it.
//!
//! Each one says where it is, which key is meant, what is wrong and what to write instead; under it stands the line
//! with a caret. All mistakes of a file come at once, in the order of the file. Secrets never show: strings behind a
//! key that looks like a password are printed as `***`.
//! Not here: what is a mistake (`load` and the sections).

use std::fmt;
use std::path::{Path, PathBuf};

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
            width: 0,
        }
    }

    /// A mistake at octets `at` of `text`, the content of `file`.
    pub(super) fn at(
        file: &Path,
        text: &str,
        at: &std::ops::Range<usize>,
        severity: Severity,
    ) -> Self {
        let before = text.get(..at.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let whole = text
            .get(line_start..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let marked = text
            .get(at.clone())
            .and_then(|marked| marked.lines().next())
            .map_or(0, |marked| marked.chars().count());
        let col = before.get(line_start..).map_or(0, |b| b.chars().count());
        let source = crate::base::text::clean(&mask(whole), SOURCE_MAX);
        let room = source.chars().count().saturating_sub(col);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            col: col + 1,
            key: String::new(),
            severity,
            text: String::new(),
            remedy: String::new(),
            source,
            width: marked.min(room).max(1),
        }
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
            let indent = self.col.saturating_sub(1);
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

/// The line with tabs as one space, and with `***` for each string that stands behind something like `password =`.
fn mask(line: &str) -> String {
    let line = veil_login(&line.replace('\t', " "));
    let lower = line.to_ascii_lowercase();
    let Some(start) = ["pas", "secret", "psw", "pwd", "token", "metrics"]
        .iter()
        .filter_map(|word| lower.find(word))
        .min()
    else {
        return line;
    };
    // Where a comment or the value starts does not matter: every string behind the word is taken for the secret.
    let (open, rest) = line.split_at_checked(start).unwrap_or((&line, ""));
    let mut masked = open.to_owned();
    let mut quote: Option<char> = None;
    let mut inside = String::new();
    for c in rest.chars() {
        match quote {
            None => {
                masked.push(c);
                if matches!(c, '"' | '\'') {
                    quote = Some(c);
                }
            }
            Some(end) if c == end => {
                masked.push_str(&veil(&inside));
                inside.clear();
                masked.push(c);
                quote = None;
            }
            Some(_) => inside.push(c),
        }
    }
    if quote.is_some() {
        masked.push_str("***");
    }
    masked
}

/// `text` with `***` for user and password of a URL in it.
pub(super) fn veil_login(text: &str) -> String {
    let Some((open, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest
        .find(|c: char| matches!(c, '/' | '"' | '\'') || c.is_whitespace())
        .unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{open}://***@{host}{tail}"),
        None => text.to_owned(),
    }
}

/// A reference to a secret is none.
fn veil(inside: &str) -> String {
    if inside.is_empty() || inside.starts_with("file:") || inside.starts_with("env:") {
        inside.to_owned()
    } else {
        "***".to_owned()
    }
}

/// Characters of a source line that are shown.
const SOURCE_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, word: &str) -> String {
        let start = text.find(word).unwrap();
        let mut problem = Problem::at(
            Path::new("a.toml"),
            text,
            &(start..start + word.len()),
            Severity::Error,
        );
        problem.key = "queue.retri".into();
        problem.text = "unknown key".into();
        problem.remedy = "did you mean `retry`?".into();
        problem.to_string()
    }

    #[test]
    fn a_mistake_shows_its_line_with_a_caret_under_it() {
        assert_eq!(
            shown("[queue]\n  retri = 5\n", "retri"),
            "a.toml:2:3: error: queue.retri: unknown key; did you mean `retry`?\n     \
             2 |   retri = 5\n       |   ^^^^^"
        );
    }

    #[test]
    fn a_password_in_the_line_does_not_show() {
        let text = shown(
            "auth = { user = \"u\", pasword = \"hunter2\" } # 'x'",
            "pasword",
        );
        assert!(
            text.contains("pasword = \"***\"") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(shown("password = \"file:pw\"", "file").contains("file:pw"));
        assert!(!shown("password = \"hunter2", "pass").contains("hunter2"));
    }

    #[test]
    fn a_password_in_a_url_does_not_show() {
        for (line, masked) in [
            (
                "u = \"https://me:hunter2@mail.example/x@y\"",
                "u = \"https://***@mail.example/x@y\"",
            ),
            (
                "u = \"https://mail.example/\" # me@x",
                "u = \"https://mail.example/\" # me@x",
            ),
            ("u = https://a:b", "u = https://a:b"),
        ] {
            assert_eq!(mask(line), masked);
        }
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
