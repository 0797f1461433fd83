//! Every way in which a check may not look again, for each kind of check.
//!
//! Not here: by which road it was asked (`roads`), and the rule itself (`judge::keep`).

use postwerk::journal::event::EventKind;
use postwerk::mail::found::Why;
use postwerk::mail::hold::{Hold, HoldReason};
use postwerk::queue::verbs::Verb;

use super::{FOUND, OK, Says, again, clamd, configure, one};
use crate::client::letter;
use crate::house::{Door, House, nobody};
use crate::milter::peer::{Answer as Reply, Filter};
use crate::remote::Remote;
use crate::scan::peer::Answer;

/// A mail of a stranger; its id, once it is held.
async fn held(house: &mut House, text: &str) -> String {
    let mut client = house.client(Door::Mx).await;
    let reply = client
        .mail("a@sender.example", &["b@example.org"], text)
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.told(EventKind::Held).await;
    reply.queue_id()
}

/// The same hold, and why nobody looked.
fn stays(name: &str, before: &Hold, now: &Hold, why: Why) {
    let same = |hold: &Hold| {
        let mut params = hold.params.clone();
        params.remove("tries");
        (hold.queue, hold.reason, hold.cause.clone(), params)
    };
    assert_eq!(same(before), same(now), "case: {name}");
    let told = now.unseen.first().map(|one| one.why);
    assert_eq!(told, Some(why), "case: {name}: {now:?}");
}

async fn goes(house: &mut House, id: &str) {
    house.act(Verb::Requeue { undo: false }, id).await;
    house.told(EventKind::Delivered).await;
}

const EXCEPT: &str = "[[exception]]\nreason = \"ours\"\nnetworks = [\"127.0.0.0/8\"]\nscanners = ";

#[tokio::test]
async fn a_virus_stays_until_the_scanner_that_found_it_says_otherwise() {
    let remote = Remote::friendly().await;
    let (says, other) = (Says::new(FOUND), Says::new(OK));
    let (peer, second) = (says.clamd().await, other.clamd().await);
    let (at, away) = (&peer.address, nobody().await.to_string());
    let accept = "on_failure = \"accept\"";
    let clean = clamd("other", &second.address, "");
    let mut house = House::before(&remote, &clamd("clam", at, "")).await;
    let id = held(&mut house, &letter("infected")).await;
    let first = one(&house).await.hold;
    assert_eq!(first.reason, HoldReason::Virus);
    says.now(Answer::Say(OK.to_owned()));
    for (name, more, why) in [
        ("away", clamd("clam", &away, ""), Why::Failed),
        (
            "away and no matter",
            clamd("clam", &away, accept),
            Why::Failed,
        ),
        (
            "excepted",
            clamd("clam", at, "") + EXCEPT + "[\"clam\"]\n",
            Why::Excepted,
        ),
        (
            "too large",
            clamd("clam", at, "max_size = \"10B\""),
            Why::Unfit,
        ),
        ("removed", String::new(), Why::Gone),
        ("renamed", clamd("clam1", at, ""), Why::Gone),
        (
            "for other mail",
            clamd("clam", at, "listeners = [\"submission\"]"),
            Why::Elsewhere,
        ),
        (
            "another one looked",
            clamd("clam", &away, accept) + &clean,
            Why::Failed,
        ),
    ] {
        configure(&house, &remote, &more);
        stays(name, &first, &again(&mut house, &id).await, why);
    }
    says.now(Answer::Say("stream: Other.Virus FOUND".to_owned()));
    configure(&house, &remote, &clamd("clam", at, ""));
    let found = again(&mut house, &id).await;
    assert!(found.cause.contains("Other.Virus"), "{found:?}");
    assert!(
        found.unseen.is_empty() && found.others.is_empty(),
        "{found:?}"
    );
    says.now(Answer::Say(OK.to_owned()));
    goes(&mut house, &id).await;
}

fn opinion(action: &str, symbol: &str, more: &str) -> Answer {
    Answer::Say(format!(
        "{{\"action\":\"{action}\",\"score\":20,\"required_score\":15.0,\"symbols\":\
         {{\"{symbol}\":{{\"score\":20,\"description\":\"x\"}}}}{more}}}"
    ))
}

#[tokio::test]
async fn what_rspamd_found_stays_until_it_scored_the_mail_again() {
    for (symbol, reason) in [
        ("OWN_OFFER", HoldReason::Spam),
        ("PHISHING", HoldReason::Phish),
        ("DMARC_POLICY_REJECT", HoldReason::Dmarc),
    ] {
        let remote = Remote::friendly().await;
        let says = Says::new("");
        let peer = says.rspamd().await;
        let spam = |at: &str, more: &str| {
            format!(
                "[[scanner]]\nname = \"spam\"\nkind = \"rspamd\"\naddress = \"http://{at}\"\n{more}\n"
            )
        };
        let at = |more: &str| spam(&peer.address, more);
        let away = spam(&nobody().await.to_string(), "");
        says.now(opinion("quarantine", symbol, ""));
        let mut house = House::before(&remote, &at("")).await;
        let id = held(&mut house, &letter("offer")).await;
        let first = one(&house).await.hold;
        assert_eq!(first.reason, reason, "{symbol}: {first:?}");
        let later = opinion("soft reject", "RATELIMITED", "");
        let skipped = opinion("no action", "NONE", ",\"is_skipped\":true");
        let good = || opinion("no action", "DMARC_POLICY_ALLOW", "");
        for (name, more, says_now, why) in [
            ("away", away, good(), Why::Failed),
            (
                "excepted",
                at("") + EXCEPT + "[\"spam\"]\n",
                good(),
                Why::Excepted,
            ),
            ("removed", String::new(), good(), Why::Gone),
            ("skipped", at(""), skipped, Why::Skipped),
            ("put off", at(""), later, Why::Unfit),
        ] {
            says.now(says_now);
            configure(&house, &remote, &more);
            let now = again(&mut house, &id).await;
            stays(&format!("{symbol} {name}"), &first, &now, why);
        }
        configure(&house, &remote, &at(""));
        if reason == HoldReason::Dmarc {
            says.now(opinion("no action", "DMARC_DNSFAIL", ""));
            let now = again(&mut house, &id).await;
            stays("nobody answers for the domain", &first, &now, Why::Unfit);
        }
        says.now(good());
        goes(&mut house, &id).await;
    }
}

#[tokio::test]
async fn what_a_filter_or_attachments_or_a_rule_found_stays_as_long_as_they_do_not_look() {
    let remote = Remote::friendly().await;
    let away = clamd("clam", &nobody().await.to_string(), "");
    let filter = Filter::scripted(|asked| match asked.command {
        b'E' => Reply::changes(&[(b'q', b"suspicious\0")]),
        _ => Reply::GoOn,
    })
    .await;
    let milter = format!(
        "[[scanner]]\nname = \"m\"\nkind = \"milter\"\naddress = \"{}\"\n",
        filter.address
    );
    let program = "Subject: x\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n";
    let rules = "[[hold_rule]]\nname = \"all\"\nmatch = { sender = \"*\" }\nreason = \"all\"\n";
    let open = "[attachments]\nblock = [\"*.com\"]\n";
    for (name, text, found, unseen, cleared) in [
        (
            "filter",
            letter("filtered"),
            milter.clone(),
            vec![
                (milter.clone() + EXCEPT + "[\"m\"]\n", Why::Excepted),
                (String::new(), Why::Gone),
            ],
            None,
        ),
        (
            "attachments",
            program.to_owned(),
            String::new(),
            vec![
                (EXCEPT.to_owned() + "[\"attachments\"]\n", Why::Excepted),
                (
                    "[attachments]\nlisteners = [\"submission\"]\n".to_owned(),
                    Why::Elsewhere,
                ),
            ],
            Some(open),
        ),
        (
            "rule",
            letter("ruled"),
            rules.to_owned(),
            vec![(rules.to_owned() + &away, Why::NotReached)],
            Some(""),
        ),
    ] {
        let mut house = House::before(&remote, &found).await;
        let id = held(&mut house, &text).await;
        let first = one(&house).await.hold;
        for (more, why) in unseen {
            configure(&house, &remote, &more);
            stays(name, &first, &again(&mut house, &id).await, why);
        }
        if let Some(more) = cleared {
            configure(&house, &remote, more);
            goes(&mut house, &id).await;
        }
    }
}

#[tokio::test]
async fn one_finding_that_is_taken_back_leaves_the_other() {
    let remote = Remote::friendly().await;
    let (virus, spam) = (Says::new(FOUND), Says::new(""));
    spam.now(opinion("quarantine", "OWN_OFFER", ""));
    let (clam, rspamd) = (virus.clamd().await, spam.rspamd().await);
    let all = |more: &str| {
        format!(
            "[[scanner]]\nname = \"spam\"\nkind = \"rspamd\"\naddress = \"http://{}\"\n{}{more}",
            rspamd.address,
            clamd("clam", &clam.address, "")
        )
    };
    let mut house = House::before(&remote, &all("")).await;
    let id = held(&mut house, &letter("both")).await;
    let both = one(&house).await.hold;
    assert_eq!(both.reason, HoldReason::Virus, "{both:?}");
    assert_eq!(both.others.len(), 1, "{both:?}");
    virus.now(Answer::Say(OK.to_owned()));
    configure(&house, &remote, &(all("") + EXCEPT + "[\"spam\"]\n"));
    let left = again(&mut house, &id).await;
    assert_eq!(left.reason, HoldReason::Spam, "{left:?}");
    assert!(left.others.is_empty(), "{left:?}");
    spam.now(opinion("no action", "NONE", ""));
    configure(&house, &remote, &all(""));
    goes(&mut house, &id).await;
}

#[tokio::test]
async fn who_is_refused_by_a_filter_is_held_for_the_virus_that_another_finds() {
    let remote = Remote::friendly().await;
    let virus = Says::new(FOUND);
    let clam = virus.clamd().await;
    let filter = Filter::scripted(|asked| match asked.command {
        b'R' if asked.text.starts_with(b"<b@") => Reply::one(b'y', b"550 5.7.1 not to b\0"),
        _ => Reply::GoOn,
    })
    .await;
    let more = format!(
        "[[scanner]]\nname = \"m\"\nkind = \"milter\"\naddress = \"{}\"\n{}",
        filter.address,
        clamd("clam", &clam.address, "")
    );
    let mut house = House::before(&remote, &more).await;
    let mut client = house.client(Door::Mx).await;
    let to = ["b@example.org", "c@example.org"];
    let reply = client
        .mail("a@sender.example", &to, &letter("refused"))
        .await;
    assert_eq!(reply.code, 250, "{reply:?}");
    house.told_nth(EventKind::Held, 2).await;
    for card in crate::links::open(&house).await {
        assert_eq!(card.hold.reason, HoldReason::Virus, "{card:?}");
        let others = usize::from(card.to.to_string().starts_with('b'));
        assert_eq!(card.hold.others.len(), others, "{card:?}");
    }
}
