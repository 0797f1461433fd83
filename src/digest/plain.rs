//! The text part: one message after the other, each link alone on its line in the first column.
//!
//! A link that begins its line and ends it survives every client that wraps, quotes or makes links of what it sees.
//! Not here: what is said (`compose`).

use super::compose::{Row, View};

/// Writes the text part, lines ended by `\n`.
pub(super) fn write(view: &View) -> String {
    let mut out = String::new();
    line(&mut out, &view.title);
    line(&mut out, &view.span);
    for one in &view.rows {
        line(&mut out, "");
        row(&mut out, one);
    }
    line(&mut out, "");
    for closing in &view.closing {
        line(&mut out, closing);
    }
    if let Some(list) = &view.list {
        line(&mut out, &format!("{}:", list.label));
        line(&mut out, &list.url);
    }
    line(&mut out, "");
    for help in &view.help {
        line(&mut out, help);
    }
    line(&mut out, "");
    // The signature's mark of RFC 3676 section 4.3: clients leave out of answers what follows.
    line(&mut out, "-- ");
    for footer in &view.footer {
        line(&mut out, footer);
    }
    out
}

fn row(out: &mut String, row: &Row) {
    line(out, &format!("{}) {}", row.number, row.subject));
    let width = row
        .fields
        .iter()
        .map(|(label, _)| label.chars().count())
        .max()
        .unwrap_or_default()
        + 1;
    for (label, text) in &row.fields {
        let label = format!("{label}:");
        line(out, &format!("   {label:width$} {text}"));
    }
    for note in row.warning.iter().chain(&row.notes) {
        line(out, &format!("   {note}"));
    }
    for link in &row.links {
        line(out, &format!("   {}:", link.label));
        line(out, &link.url);
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
