//! The HTML part: the same words in cards of one column, with nothing in it that a client blocks or strips.
//!
//! Inline styles on table cells only; no style sheet, image, script or form. askama escapes whatever is put in.
//! Not here: what is said (`compose`).

use askama::Template;

use super::compose::View;

#[derive(Template)]
#[template(path = "digest/mail.html", config = "src/askama.toml")]
struct Page<'a> {
    view: &'a View,
}

/// Writes the HTML part.
pub(super) fn write(view: &View) -> String {
    // Writing to a String cannot fail, and no value in it has a Display that does.
    Page { view }.render().unwrap_or_default()
}

impl Page<'_> {
    /// Lines to be typed, without what shows that in the text part.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn typed<'l>(&self, line: &'l str) -> Option<&'l str> {
        line.strip_prefix("    ")
    }
}
