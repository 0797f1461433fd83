//! The part of a DSN for people: in German and in English, what happened, what the remote said, and what to do.
//!
//! One part for both languages, because mail programs show only the first. The advice is chosen by the status
//! (RFC 3463); the remote's words are always shown as they are, for they know best.

use super::report::Report;
use super::status::{remote_of, status_of};
use crate::base::clock::Wall;
use crate::base::text::clean;
use crate::mail::date;
use crate::mail::reply::EnhancedStatus;
use crate::queue::FailedRecipient;

/// Recipients told of one by one; the machine's part has them all.
const SHOWN_MAX: usize = 50;

/// A language of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    German,
    English,
}

/// The whole text, lines ended by CRLF.
pub(super) fn compose(report: &Report<'_>) -> String {
    let mut out = String::new();
    out.push_str("(Please see below for the English text.)\n\n");
    section(&mut out, report, Language::German);
    out.push_str("\n----------------------------------------------------------------------\n\n");
    section(&mut out, report, Language::English);
    out.replace('\n', "\r\n")
}

fn section(out: &mut String, report: &Report<'_>, language: Language) {
    let (relayed, failed): (Vec<_>, Vec<_>) =
        report.told.iter().partition(|one| one.relayed.is_some());
    let message = report.message;
    let when = date::rfc5322(Wall(message.wall));
    let subject = message.subject.as_deref().map(|text| clean(text, 120));
    let about = subject.filter(|text| !text.is_empty() && text.is_ascii() && !text.contains("=?"));
    let name = about.map_or_else(|| " ".to_owned(), |subject| format!(" \"{subject}\"\n"));
    if !failed.is_empty() {
        out.push_str(&match language {
            Language::German => {
                format!("Ihre Nachricht{name}vom {when}\nkonnte nicht zugestellt werden.\n")
            }
            Language::English => {
                format!("Your message{name}of {when}\ncould not be delivered.\n")
            }
        });
        each(out, &failed, language, recipient);
    }
    if !relayed.is_empty() {
        out.push_str(&match language {
            Language::German => format!(
                "Ihre Nachricht{name}vom {when}\nwurde weitergegeben, an Server, die selbst keine Zustellung melden:\n"
            ),
            Language::English => format!(
                "Your message{name}of {when}\nwas relayed to servers that do not report deliveries themselves:\n"
            ),
        });
        each(out, &relayed, language, relayed_to);
    }
    let others = usize::try_from(message.recipients).is_ok_and(|all| all > report.told.len());
    let (host, id) = (report.hostname, message.id);
    out.push_str(match (language, others) {
        (Language::German, true) => {
            "\nAn alle anderen Empfänger wird sie davon unabhängig zugestellt."
        }
        (Language::English, true) => "\nDelivery to all other recipients goes on independently.",
        (Language::German | Language::English, false) => "",
    });
    out.push_str(&match language {
        Language::German => {
            format!("\nFragen beantwortet postmaster@{host};\nnennen Sie bitte die Nummer {id}.\n")
        }
        Language::English => {
            format!("\nFor questions write to postmaster@{host}\nand name the number {id}.\n")
        }
    });
}

fn each(
    out: &mut String,
    all: &[&FailedRecipient],
    language: Language,
    print: fn(&mut String, &FailedRecipient, Language),
) {
    for one in all.iter().take(SHOWN_MAX) {
        print(out, one, language);
    }
    let more = all.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        out.push_str(&match language {
            Language::German => format!("\nund {more} weitere, siehe Anhang.\n"),
            Language::English => format!("\nand {more} more, see the attachment.\n"),
        });
    }
}

fn relayed_to(out: &mut String, one: &FailedRecipient, language: Language) {
    let host = remote_of(one).unwrap_or_default();
    let reply = one.relayed.as_ref().map(ToString::to_string);
    let said = match language {
        Language::German => "sagte",
        Language::English => "said",
    };
    out.push_str(&format!(
        "\n  <{}>\n    {host} {said}: {}\n",
        one.mailbox,
        reply.unwrap_or_default()
    ));
}

fn recipient(out: &mut String, one: &FailedRecipient, language: Language) {
    let reply = one
        .fault
        .as_ref()
        .map(|fault| fault.reply.to_string())
        .unwrap_or_default();
    let step = one
        .fault
        .as_ref()
        .map(|fault| fault.step.as_str())
        .unwrap_or_default();
    let said = match (language, remote_of(one), one.expired) {
        (Language::German, Some(host), false) => format!("Der Server {host} hat sie abgelehnt:"),
        (Language::German, Some(host), true) => {
            format!("Bis zum Ende ihrer Frist antwortete der Server {host} zuletzt:")
        }
        (Language::German, None, true) => "Ihre Frist ist abgelaufen. Zuletzt:".to_owned(),
        (Language::German, None, false) => "Was geschah:".to_owned(),
        (Language::English, Some(host), false) => format!("The server {host} refused it:"),
        (Language::English, Some(host), true) => {
            format!("Until its time was over the server {host} last answered:")
        }
        (Language::English, None, true) => "Its time is over. What happened last:".to_owned(),
        (Language::English, None, false) => "What happened:".to_owned(),
    };
    let (answer, todo) = match language {
        Language::German => ("als Antwort auf", "Was tun?"),
        Language::English => ("in reply to", "What to do:"),
    };
    let in_reply = if remote_of(one).is_some() && !step.is_empty() {
        format!(" ({answer} {})", clean(step, 40))
    } else {
        String::new()
    };
    let advice = advice(status_of(one), one.expired, language);
    out.push_str(&format!(
        "\n  <{}>\n    {said}\n    {reply}{in_reply}\n    {todo} {advice}\n",
        one.mailbox
    ));
}

/// What to do, by the status: the subject and detail matter, not the class.
fn advice(status: EnhancedStatus, expired: bool, language: Language) -> &'static str {
    let (german, english) = match (status.1, status.2) {
        (1, 2 | 10) => (
            "Diese Domain gibt es nicht, oder sie nimmt keine Mail an. Bitte prüfen Sie den Teil hinter dem @.",
            "This domain does not exist, or takes no mail. Please check the part behind the @.",
        ),
        (1, 7 | 8) => (
            "Der Empfänger lehnt Ihre Absenderadresse ab. Bitte fragen Sie Ihren Administrator.",
            "The recipient refuses your address. Please ask your administrator.",
        ),
        (1, _) => (
            "Bitte prüfen Sie die Schreibweise der Adresse.",
            "Please check the spelling of the address.",
        ),
        (2, 2) => (
            "Das Postfach ist voll. Versuchen Sie es später, oder erreichen Sie den Empfänger anders.",
            "The mailbox is full. Try again later, or reach the recipient another way.",
        ),
        (2, 3) | (3, 4) => (
            "Die Nachricht ist dem Empfänger zu groß. Senden Sie eine kleinere, etwa mit einem Verweis statt des Anhangs.",
            "The message is too large for the recipient. Send a smaller one, a link instead of the attachment for example.",
        ),
        (2, _) => (
            "Das Postfach nimmt keine Mail an. Bitte erreichen Sie den Empfänger anders.",
            "The mailbox takes no mail. Please reach the recipient another way.",
        ),
        (6, 7) => (
            "Der Server des Empfängers kann keine Adressen mit Umlauten. Verwenden Sie eine ohne.",
            "The recipient's server cannot take addresses that are not ASCII. Use one that is.",
        ),
        (7, _) => (
            "Der Server des Empfängers lehnt die Nachricht aus Gründen ab, die nur sein Betreiber kennt. Zeigen Sie ihm diese Meldung.",
            "The recipient's server refuses the message for reasons that only its operator knows. Show them this message.",
        ),
        (_, _) if expired => (
            "Der Server des Empfängers war lange nicht erreichbar oder nicht bereit. Versuchen Sie es später noch einmal.",
            "The recipient's server could not be reached or was not ready for long. Try again later.",
        ),
        (_, _) => (
            "Zeigen Sie diese Meldung Ihrem Administrator.",
            "Show this message to your administrator.",
        ),
    };
    match language {
        Language::German => german,
        Language::English => english,
    }
}
