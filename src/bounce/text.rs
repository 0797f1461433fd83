//! The part of a DSN for people: in German and in English, what happened, what the remote said, and what to do.
//!
//! One part for both languages, because mail programs show only the first. The advice is chosen by the status
//! (RFC 3463); the remote's words are always shown, for they know best, but nothing of them is a link: whoever answers for a
//! domain could have us mail one to anybody. The machine's part has the exact words.

use super::report::{Report, Why};
use super::status::{remote_of, status_of, was_tried};
use crate::base::clock::Wall;
use crate::base::limit::{DSN_REPLY_SHOWN_MAX, SHOWN_MAX};
use crate::base::text::clean;
use crate::mail::date;
use crate::mail::reply::{EnhancedStatus, Reply};
use crate::mail::shown::defused;
use crate::mail::unlinked::unlinked;
use crate::queue::FailedRecipient;

/// Recipients told of one by one; the machine's part has them all.
const NAMED_MAX: usize = 50;

/// Characters of an address: a local part of 255 octets and a domain of 253 (RFC 5321 section 4.5.3.1).
const ADDRESS_MAX: usize = 512;

/// Characters of the command that a reply answered.
const STEP_MAX: usize = 40;

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
    // The subject may be a stranger's: nothing of it becomes a link or turns the line.
    let about = defused(message.subject.as_deref().unwrap_or_default(), SHOWN_MAX);
    let name = match about.as_str() {
        "" => " ".to_owned(),
        about => format!(" \"{about}\"\n"),
    };
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
    if let Some(missing) = report
        .returned
        .why()
        .and_then(|why| body_is_missing(why, language))
    {
        out.push_str(&format!("\n{missing}\n"));
    }
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

/// Why only the header of the message is attached, unless its author wanted no more.
fn body_is_missing(why: Why, language: Language) -> Option<&'static str> {
    let (german, english) = match why {
        Why::Asked => return None,
        Why::Large => (
            "Der Inhalt Ihrer Nachricht ist nicht angehängt, nur ihr Kopf:\n\
             Sie ist dafür zu groß.",
            "The content of your message is not attached, only its header:\n\
             it is too large for that.",
        ),
        Why::EightBit => (
            "Der Inhalt Ihrer Nachricht ist nicht angehängt, nur ihr Kopf:\n\
             Sie enthält Zeichen, etwa Umlaute, in einer Form, die nicht jeder Server annimmt.",
            "The content of your message is not attached, only its header: it has\n\
             characters beyond ASCII in a form that not every server takes.",
        ),
        Why::Lines => (
            "Der Inhalt Ihrer Nachricht ist nicht angehängt, nur ihr Kopf:\n\
             Sie enthält Zeilen, die nicht jeder Server annimmt.",
            "The content of your message is not attached, only its header:\n\
             it has lines that not every server takes.",
        ),
        Why::Kept => (
            "Der Inhalt Ihrer Nachricht ist zur Sicherheit nicht angehängt, nur ihr Kopf.",
            "For safety the content of your message is not attached, only its header.",
        ),
        Why::Damaged => (
            "Der Inhalt Ihrer Nachricht ist nicht angehängt: Er lässt sich nicht mehr lesen.",
            "The content of your message is not attached: it can no longer be read.",
        ),
    };
    Some(match language {
        Language::German => german,
        Language::English => english,
    })
}

fn each(
    out: &mut String,
    all: &[&FailedRecipient],
    language: Language,
    print: fn(&mut String, &FailedRecipient, Language),
) {
    for one in all.iter().take(NAMED_MAX) {
        print(out, one, language);
    }
    let more = all.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        out.push_str(&match language {
            Language::German => format!("\nund {more} weitere, siehe Anhang.\n"),
            Language::English => format!("\nand {more} more, see the attachment.\n"),
        });
    }
}

fn relayed_to(out: &mut String, one: &FailedRecipient, language: Language) {
    let host = unlinked(remote_of(one).unwrap_or_default());
    let reply = one.relayed.as_ref().map(said_by);
    let said = match language {
        Language::German => "sagte",
        Language::English => "said",
    };
    out.push_str(&format!(
        "\n  <{}>\n    {host} {said}: {}\n",
        address(one),
        reply.unwrap_or_default()
    ));
}

/// As its author wrote it, without what turns or hides text, and no link.
fn address(one: &FailedRecipient) -> String {
    unlinked(&clean(&one.mailbox.as_written(), ADDRESS_MAX))
}

fn said_by(reply: &Reply) -> String {
    defused(&reply.to_string(), DSN_REPLY_SHOWN_MAX)
}

fn recipient(out: &mut String, one: &FailedRecipient, language: Language) {
    let (answer, todo) = match language {
        Language::German => ("als Antwort auf", "Was tun?"),
        Language::English => ("in reply to", "What to do:"),
    };
    out.push_str(&format!(
        "\n  <{}>\n    {}\n",
        address(one),
        what_happened(one, language)
    ));
    if let Some(fault) = &one.fault {
        out.push_str(&format!("    {}", said_by(&fault.reply)));
        if remote_of(one).is_some() && !fault.step.is_empty() {
            out.push_str(&format!(" ({answer} {})", defused(&fault.step, STEP_MAX)));
        }
        out.push('\n');
    }
    out.push_str(&format!("    {todo} {}\n", advice(one, language)));
    if one.unanswered.is_some() {
        out.push_str(match language {
            Language::German => {
                "    Die Nachricht ist vielleicht trotzdem angekommen: Bei einem der Versuche blieb die\n    letzte Antwort des Servers aus. Fragen Sie nach, bevor Sie sie noch einmal senden.\n"
            }
            Language::English => {
                "    The message may have arrived all the same: in one of the tries the server gave no\n    last answer. Please ask before you send it again.\n"
            }
        });
    }
}

fn what_happened(one: &FailedRecipient, language: Language) -> String {
    match (language, remote_of(one).map(unlinked), one.expired) {
        (Language::German, Some(host), false) => format!("Der Server {host} hat sie abgelehnt:"),
        (Language::German, Some(host), true) => {
            format!("Bis zum Ende ihrer Frist antwortete der Server {host} zuletzt:")
        }
        (Language::German, None, true) if !was_tried(one) => {
            "Ihre Frist ist abgelaufen, ohne dass ein Versuch möglich war:".to_owned()
        }
        (Language::German, None, true) => "Ihre Frist ist abgelaufen. Zuletzt:".to_owned(),
        (Language::German, None, false) => "Was geschah:".to_owned(),
        (Language::English, Some(host), false) => format!("The server {host} refused it:"),
        (Language::English, Some(host), true) => {
            format!("Until its time was over the server {host} last answered:")
        }
        (Language::English, None, true) if !was_tried(one) => {
            "Its time is over, and no attempt was possible:".to_owned()
        }
        (Language::English, None, true) => "Its time is over. What happened last:".to_owned(),
        (Language::English, None, false) => "What happened:".to_owned(),
    }
}

/// What to do, by the status: the subject and detail matter, not the class.
fn advice(one: &FailedRecipient, language: Language) -> &'static str {
    let EnhancedStatus(_, subject, detail) = status_of(one);
    let (german, english) = match (subject, detail) {
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
        (6, 3) => (
            "Ein Server auf dem Weg nimmt nur Nachrichten, die Umlaute und Ähnliches in ASCII umschreiben. Lassen Sie Ihr Programm so senden (quoted-printable oder base64), oder zeigen Sie diese Meldung Ihrem Administrator.",
            "A server on the way takes only messages that write umlauts and the like in ASCII. Let your program send that way (quoted-printable or base64), or show this message to your administrator.",
        ),
        (7, _) if remote_of(one).is_some() => (
            "Der Server des Empfängers lehnt die Nachricht aus Gründen ab, die nur sein Betreiber kennt. Zeigen Sie ihm diese Meldung.",
            "The recipient's server refuses the message for reasons that only its operator knows. Show them this message.",
        ),
        // Paused or snoozed here; where a site was the reason, its own status says so.
        (4, 7) if one.expired && !was_tried(one) => (
            "Zeigen Sie diese Meldung Ihrem Administrator, oder versuchen Sie es später noch einmal.",
            "Show this message to your administrator, or try again later.",
        ),
        (_, _) if one.expired => (
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
