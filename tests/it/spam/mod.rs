//! What rspamd thinks of a mail decides, as the configuration says; its findings arrive with the mail, forged ones do not.
//!
//! rspamd is scripted (`scan::peer`). Not here: how single answers are read (`scan::rspamd`), Debian's rspamd
//! (`tests/peers`).

mod faults;
mod learn;

use postwerk::base::lang::Lang;
use postwerk::config::PublicUrl;
use postwerk::digest::token::Action;
use postwerk::digest::told;
use postwerk::mail::hold::{HoldQueue, HoldReason};
use postwerk::mail::mailbox::Host;
use postwerk::mail::state::State;

use crate::client::{Reply, letter};
use crate::house::{Door, HOSTNAME, House};
use crate::links::{digest, link, open};
use crate::remote::Remote;
use crate::scan::peer::{Answer, Peer, clean};
use crate::scan::{facts, holds};
use crate::web::Browser;

/// A scanner of kind rspamd and its other keys.
fn spam(address: &str, more: &str) -> String {
    format!(
        "[[scanner]]\nname = \"spam\"\nkind = \"rspamd\"\naddress = \"http://{address}\"\n{more}\n"
    )
}

/// rspamd's answer with one finding, and more members.
fn opinion(action: &str, score: f64, more: &str) -> String {
    format!(
        "{{\"action\":\"{action}\",\"score\":{score},\"required_score\":15.0,\"symbols\":\
         {{\"OWN_OFFER\":{{\"score\":{score},\"description\":\"An offer nobody asked for\"}}}}{more}}}"
    )
}

async fn rspamd(answer: String) -> Peer {
    Peer::http(move |_, _| Answer::Say(answer.clone())).await
}

async fn send(house: &House, door: Door, text: &str) -> Reply {
    let mut client = house.client(door).await;
    client
        .mail("a@sender.example", &["b@example.org"], text)
        .await
}

/// One mail for our domain by the door of role mx; how it arrives.
async fn arrives(answer: String, more: &str, text: &str) -> String {
    let remote = Remote::friendly().await;
    let peer = rspamd(answer).await;
    let house = House::before(&remote, &spam(&peer.address, more)).await;
    let reply = send(&house, Door::Mx, text).await;
    assert_eq!(reply.code, 250, "{reply:?}");
    remote.mails(1).await.remove(0).text
}

/// The values of a field, unfolded.
fn field(text: &str, name: &str) -> Vec<String> {
    let (header, _) = text.split_once("\r\n\r\n").expect("a header");
    let header = header.replace("\r\n\t", " ").replace("\r\n ", " ");
    let fields = header
        .split("\r\n")
        .filter_map(|line| line.split_once(": "));
    let found = fields.filter(|(one, _)| one.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).collect()
}

#[tokio::test]
async fn a_mail_without_action_arrives_with_its_score() {
    let text = arrives(opinion("no action", 1.5, ""), "", &letter("fine")).await;
    assert_eq!(field(&text, "X-Spam-Score"), ["1.50"]);
    assert!(field(&text, "X-Spam-Flag").is_empty(), "{text}");
    assert!(field(&text, "X-Spam-Status")[0].starts_with("No, score=1.50 required=15.00"));
    assert!(text.ends_with("Hello fine\r\n"), "{text}");
}

#[tokio::test]
async fn a_mail_that_is_likely_spam_arrives_marked_and_nobody_forges_our_marks() {
    let forged = format!(
        "X-Spam-Flag: NO\r\nx-spam-score: -99\r\nX-Spam: no\r\n\
         Authentication-Results: (comment) {HOSTNAME};\r\n dmarc=pass\r\n\
         Authentication-Results: other.example; spf=pass\r\nX-Spamming: stays\r\n{}",
        letter("offer")
    );
    let more = ",\"milter\":{\"add_headers\":{\"X-Rspamd-Server\":{\"value\":\"mx\",\"order\":1},\"To\":\"evil@example.net\"}}";
    let text = arrives(opinion("add header", 7.25, more), "", &forged).await;
    assert_eq!(field(&text, "X-Spam-Flag"), ["YES"]);
    assert_eq!(field(&text, "X-Spam"), ["Yes"]);
    assert_eq!(field(&text, "X-Spam-Score"), ["7.25"]);
    assert_eq!(
        field(&text, "X-Spam-Status"),
        ["Yes, score=7.25 required=15.00 tests=[OWN_OFFER=7.25]"]
    );
    assert_eq!(
        field(&text, "Authentication-Results"),
        ["other.example; spf=pass"]
    );
    assert_eq!(field(&text, "X-Spamming"), ["stays"]);
    assert_eq!(field(&text, "X-Rspamd-Server"), ["mx"]);
    assert_eq!(field(&text, "To"), ["<b@example.org>"]);
    assert_eq!(field(&text, "Subject"), ["offer"]);
}

#[tokio::test]
async fn our_results_say_what_rspamd_found_about_the_author() {
    let answer = "{\"action\":\"no action\",\"score\":0,\"symbols\":{\
         \"R_SPF_ALLOW\":{\"score\":-0.2,\"options\":[\"+ip4:192.0.2.1\"]},\
         \"DMARC_POLICY_ALLOW\":{\"score\":0,\"options\":[\"sender.example\",\"reject\"]}}}";
    let text = arrives(answer.to_owned(), "", &letter("signed")).await;
    let wanted = format!(
        "{HOSTNAME}; spf=pass smtp.mailfrom=a@sender.example; dmarc=pass (p=reject) header.from=sender.example"
    );
    assert_eq!(field(&text, "Authentication-Results"), [wanted]);
}

#[tokio::test]
async fn a_subject_is_written_anew_and_only_if_that_is_wanted() {
    let more = ",\"subject\":\"[SPAM] Gr\u{fc}\u{df}e\\r\\nBcc: x@example.net\"";
    let answer = || opinion("rewrite subject", 8.0, more);
    let text = arrives(answer(), "", &letter("offer")).await;
    assert_eq!(
        field(&text, "Subject"),
        ["=?utf-8?B?W1NQQU1dIEdyw7zDn2U/P0JjYzogeEBleGFtcGxlLm5ldA==?="]
    );
    assert!(field(&text, "Bcc").is_empty(), "{text}");
    assert_eq!(field(&text, "X-Spam-Flag"), ["YES"]);
    let plain = opinion("rewrite subject", 8.0, ",\"subject\":\"[SPAM] offer\"");
    let text = arrives(plain, "", &letter("offer")).await;
    assert_eq!(field(&text, "Subject"), ["[SPAM] offer"]);
    let text = arrives(answer(), "rewrite_subject = \"header\"", &letter("offer")).await;
    assert_eq!(field(&text, "Subject"), ["offer"]);
    assert_eq!(field(&text, "X-Spam-Flag"), ["YES"]);
    let text = arrives(answer(), "rewrite_subject = \"accept\"", &letter("offer")).await;
    assert_eq!(field(&text, "Subject"), ["offer"]);
    assert!(field(&text, "X-Spam-Flag").is_empty(), "{text}");
}

#[tokio::test]
async fn every_action_means_what_the_configuration_says() {
    for (action, more, code, held) in [
        ("greylist", "", 250, false),
        ("greylist", "greylist = \"defer\"", 451, false),
        ("greylist", "greylist = \"hold\"", 250, true),
        ("soft reject", "", 451, false),
        ("soft reject", "soft_reject = \"hold\"", 250, true),
        ("soft reject", "soft_reject = \"accept\"", 250, false),
        ("add header", "add_header = \"hold\"", 250, true),
        ("quarantine", "", 250, true),
        ("discard", "", 250, true),
        ("discard", "discard = \"reject\"", 554, false),
        ("reject", "reject = \"reject\"", 554, false),
        ("reject", "reject = \"header\"", 250, false),
        ("no action", "limit = 16.0", 250, false),
        ("no action", "limit = 15.5", 250, true),
        ("soft reject", "limit = 15.5", 250, true),
    ] {
        let case = format!("{action}, {more}");
        let remote = Remote::friendly().await;
        let words = ",\"messages\":{\"smtp_message\":\"go\\r\\n250 away\"}";
        let peer = rspamd(opinion(action, 15.5, words)).await;
        let house = House::before(&remote, &spam(&peer.address, more)).await;
        let reply = send(&house, Door::Mx, &letter("case")).await;
        assert_eq!(reply.code, code, "case: {case}: {reply:?}");
        assert_eq!(reply.lines.len(), 1, "case: {case}: {reply:?}");
        if code != 250 {
            assert!(
                reply.lines[0].ends_with("go??250 away"),
                "{case}: {reply:?}"
            );
            assert!(house.places().await.is_empty(), "case: {case}");
        } else if held {
            let hold = holds(&house).await.remove(0);
            let place = (hold.queue, hold.reason);
            assert_eq!(
                place,
                (HoldQueue::Quarantine, HoldReason::Spam),
                "case: {case}"
            );
        } else {
            remote.mails(1).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_refused_who_is_not_there() {
    let remote = Remote::friendly().await;
    let peer = rspamd(opinion("reject", 20.0, "")).await;
    let house = House::before(&remote, &spam(&peer.address, "reject = \"reject\"")).await;
    house
        .submit("a@example.org", &["b@example.org"], &letter("own"))
        .await;
    assert_eq!(holds(&house).await.remove(0).reason, HoldReason::Spam);
}

#[tokio::test]
async fn the_scanner_is_told_the_envelope_and_gets_the_whole_text() {
    let remote = Remote::friendly().await;
    let peer = Peer::http(|_, request| {
        let told = |name| request.field(name).unwrap_or_default().to_owned();
        let right = request.line == "POST /checkv2"
            && told("from") == "a@sender.example"
            && told("rcpt") == "b@example.org"
            && told("ip") == "127.0.0.1"
            && told("mta-name") == HOSTNAME
            && !told("queue-id").is_empty();
        let action = if right { "no action" } else { "reject" };
        Answer::Say(opinion(action, 0.0, ""))
    })
    .await;
    let house = House::before(&remote, &spam(&peer.address, "")).await;
    let lines = "0123456789abcdef\r\n".repeat(1 << 16);
    let text = format!("{}{lines}", letter("large"));
    assert_eq!(send(&house, Door::Mx, &text).await.code, 250);
    remote.mails(1).await;
    let seen = peer.mails().remove(0);
    assert!(seen.ends_with(text.as_bytes()), "{} octets", seen.len());
}

#[tokio::test]
async fn a_held_mail_says_score_and_limit_and_its_link_asks_for_a_login() {
    let remote = Remote::friendly().await;
    let peer = rspamd(opinion("reject", 16.3, "")).await;
    let house = House::changed(remote.address, &spam(&peer.address, ""), |conf| {
        conf.admin.bind = Some(([127, 0, 0, 1], 0).into());
        conf.admin.public_url = Some(PublicUrl {
            https: false,
            host: Host::Literal([127, 0, 0, 1].into()),
            port: 8443,
        });
    })
    .await;
    let reply = send(&house, Door::Mx, &letter("offer")).await;
    let card = open(&house).await.remove(0);
    let findings = "OWN_OFFER (An offer nobody asked for)";
    for (lang, words) in [
        (Lang::De, "Spam-Bewertung 16,3 (Grenze 15,0)"),
        (Lang::En, "Spam score 16.3 (limit 15.0)"),
    ] {
        let wanted = format!("{words}: {findings}");
        assert_eq!(told::reason(lang, &card.hold), wanted);
    }
    let facts = facts(&house, &reply.queue_id()).await;
    assert!(
        facts.contains("spam: 16.3 of 15.0 points, reject -> hold"),
        "{facts}"
    );
    digest(&house, 1, "anna@example.org", &[card.id]).await;
    let path = link(&house, Action::Release, card.id, 1);
    let page = Browser::of(&house, false).get(&path).await;
    assert!(
        page.text.contains("postwerk admin login-link"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("value=\"release\""), "{}", page.text);
    let place = house.until_place("b@example.org", |_| true).await;
    assert_eq!(place.state, State::Held);
    assert!(remote.so_far().is_empty());
}

#[tokio::test]
async fn nobody_outside_says_in_our_name_what_we_found_whatever_scanners_there_are() {
    let forged = |n: usize| {
        format!(
            "Authentication-Results: {HOSTNAME}; dmarc=pass\r\n\
             authentication-results:\r\n\t(x) \"{}\" 1; dkim=pass\r\n\
             Authentication-Results: other.example; spf=pass\r\nX-Spam-Flag: NO\r\n{}",
            HOSTNAME.to_uppercase(),
            letter(&n.to_string())
        )
    };
    let clam = Peer::clamd(|_, _| clean()).await;
    for (n, more) in [
        String::new(),
        crate::scan::clam(&clam.address, "headers = \"none\""),
    ]
    .into_iter()
    .enumerate()
    {
        let remote = Remote::friendly().await;
        let house = House::before(&remote, &more).await;
        let mut client = house.client(Door::Mx).await;
        let reply = client
            .mail("a@sender.example", &["b@example.org"], &forged(n))
            .await;
        assert_eq!(reply.code, 250, "{reply:?}");
        let text = remote.mails(1).await.remove(0).text;
        assert_eq!(
            field(&text, "Authentication-Results"),
            ["other.example; spf=pass"],
            "case: {more}"
        );
        // No scanner of ours writes it: it is whose it is.
        assert_eq!(field(&text, "X-Spam-Flag"), ["NO"], "case: {more}");
    }
}
