//! Links as a specification: a real queue in memory, digests as they are stored, a clock that the test moves.
//!
//! What is asserted is what the queue says afterwards, and what each of many visitors is told.
//! Not here: HTTP (`admin`), and how a digest comes to be (`compose`).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::*;
use crate::base::clock::{Clock, Wall};
use crate::base::lang::Lang;
use crate::base::secret::Secret;
use crate::config::{AccountConf, Config, DomainConf, HoldConf, RelayTls, ReleaseRule};
use crate::digest::record::Scope;
use crate::digest::token::{BadToken, hour_of};
use crate::journal::event::Events;
use crate::mail::domain::Domain;
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::mailbox::Mailbox;
use crate::mail::path::ReversePath;
use crate::queue::hold::{Decision, Shelf};
use crate::queue::record::{HoldId, MessageId, encode};
use crate::queue::{NewMail, Origin};
use crate::store::{Band, Batch, Due, Group, Op, Work};

mod codes;
mod races;
mod rights;
mod standing;

const HOUR: Duration = Duration::from_secs(3_600);

struct Stage {
    queue: Queue,
    keys: Keys,
    desk: Desk,
    clock: Clock,
}

impl Stage {
    async fn new() -> Self {
        Self::of(|_| {}).await
    }

    async fn of(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Clock::moved(Wall(1_795_000_000_000_000));
        let store = crate::store::redb::memory(clock.clone());
        let host = Domain::parse("mail.example.org").unwrap();
        let mut config = Config::fallback(host, "/nonexistent".into());
        change(&mut config);
        let conf = Arc::new(ArcSwap::from_pointee(config));
        let keys = Keys::load(store.clone(), clock.clone()).await.unwrap();
        let queue = Queue::new(conf, store, clock.clone(), Events::new());
        Self {
            desk: Desk::new(queue.clone(), keys.clone()),
            queue,
            keys,
            clock,
        }
    }

    /// A mail from x@sender.example, who logged in, to anna@example.org, held for a reason.
    async fn hold(&self, reason: HoldReason) -> HoldId {
        self.hold_of(reason, Some("app1")).await
    }

    async fn hold_of(&self, reason: HoldReason, account: Option<&str>) -> HoldId {
        let proven = account.map(|_| "sender.example".to_owned());
        self.hold_proven(reason, account, proven).await
    }

    async fn hold_proven(
        &self,
        reason: HoldReason,
        account: Option<&str>,
        proven: Option<String>,
    ) -> HoldId {
        let mut body = self.queue.begin_body();
        body.write(b"Subject: test\r\n\r\nhello\r\n").await.unwrap();
        let to = Mailbox::parse("anna@example.org").unwrap();
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            body: body.finish(),
            envelope: Envelope {
                from: MailFrom::new(ReversePath::parse("x@sender.example").unwrap()),
                recipients: vec![RcptTo::new(to)],
            },
            origin: Origin {
                account: account.map(str::to_owned),
                proven,
                ..Origin::default()
            },
            held: vec![(0, Hold::new(HoldQueue::Quarantine, reason, "because"))],
            digest: None,
            band: Band::Normal,
        };
        self.queue.accept(mail, None).await.unwrap();
        let page = self.queue.cards(&Shelf::All, None, true, 1).await.unwrap();
        page.cards[0].id
    }

    /// A digest that lists `hold` to an owner of example.org; its release link.
    async fn digest(&self, number: u32, to: &str, hold: HoldId) -> Token {
        let scopes = vec![Scope::Domain("example.org".to_owned())];
        self.digest_of(number, to, vec![hold], scopes).await;
        self.link(number, hold)
    }

    async fn digest_of(&self, number: u32, to: &str, listed: Vec<HoldId>, scopes: Vec<Scope>) {
        if !scopes.is_empty() {
            self.stands(to, &scopes);
        }
        let digest = Digest {
            to: Mailbox::parse(to).unwrap(),
            scopes,
            lang: Lang::En,
            at: self.clock.wall().0,
            end: hour_of(self.clock.wall()) + 168,
            listed,
            message: MessageId(1),
            canary: None,
            wrong: Vec::new(),
            failed: None,
            fresh: None,
        };
        let key = digest_key(number);
        let due = Due {
            work: Work::Digest,
            group: Group::of_key(&key),
            band: Band::Bulk,
            after: HOUR * 888,
        };
        let put = Op::Put {
            key,
            value: encode(&digest),
            due: Some(due),
            terms: Vec::new(),
        };
        let batch = Batch {
            ops: vec![put],
            ..Batch::new()
        };
        self.queue.store().commit(batch).await.unwrap();
    }

    /// From now on the configuration says of `to` this, and nothing else.
    fn stands(&self, to: &str, scopes: &[Scope]) {
        let to = Mailbox::parse(to).unwrap();
        let mut conf = Config::clone(&self.queue.conf().load());
        conf.domains.retain(|one| one.owner.as_ref() != Some(&to));
        conf.accounts.retain(|one| one.owner.as_ref() != Some(&to));
        for queue in HoldQueue::ALL {
            queue_conf(&mut conf, queue).to.retain(|one| *one != to);
        }
        for scope in scopes {
            match scope {
                Scope::Queue(queue) => queue_conf(&mut conf, *queue).to.push(to.clone()),
                Scope::Domain(name) => conf.domains.push(DomainConf {
                    name: Domain::parse(name).unwrap(),
                    relay: Vec::new(),
                    owner: Some(to.clone()),
                    tls: RelayTls::Off,
                    ca: None,
                }),
                Scope::Account(name) => conf.accounts.push(AccountConf {
                    name: name.clone(),
                    password: Secret::new("x"),
                    senders: Vec::new(),
                    tenant: "standard".to_owned(),
                    owner: Some(to.clone()),
                    hold: false,
                    rate: None,
                    band: Band::Normal,
                }),
            }
        }
        self.queue.conf().store(Arc::new(conf));
    }

    fn link(&self, number: u32, hold: HoldId) -> Token {
        self.token(Action::Release, number, hold)
    }

    fn token(&self, action: Action, number: u32, hold: HoldId) -> Token {
        let end = hour_of(self.clock.wall()) + 168;
        let text = self.keys.signer().token(action, hold, number, end);
        self.keys.read(&text).unwrap()
    }

    async fn act(&self, token: &Token, verb: LinkVerb) -> Result<Opened, DeskError> {
        self.desk.act(token, verb, None, &visitor()).await
    }

    async fn act_by_code(&self, token: &Token, code: &str) -> Result<Opened, DeskError> {
        let visitor = visitor();
        self.desk
            .act(token, LinkVerb::Release, Some(code), &visitor)
            .await
    }

    async fn stand(&self, token: &Token) -> Stand {
        self.desk.look(token).await.unwrap().stand
    }

    async fn end(&self, hold: HoldId) -> Option<Decision> {
        self.queue.card(hold).await.unwrap().unwrap().end
    }

    /// The rights are these, and the buttons hold themselves to them.
    async fn allows(
        &self,
        token: &Token,
        (release, requeue, delete): (Right, Right, Right),
        visitor: &Visitor,
    ) {
        let login = visitor.login.as_deref();
        let seen = self.desk.look_as(token, login).await.unwrap().rights;
        let number = token.digest;
        assert_eq!(
            (seen.release, seen.requeue, seen.delete),
            (release, requeue, delete),
            "{number}"
        );
        assert_eq!(seen.bounce, delete, "{number}");
        for (verb, right) in [(LinkVerb::Release, release), (LinkVerb::Requeue, requeue)] {
            if right != Right::Yes {
                let denied = self.desk.act(token, verb, None, visitor).await;
                assert!(
                    matches!(denied, Err(DeskError::NotAllowed(r)) if r == right),
                    "{number}"
                );
                assert!(self.end(token.hold).await.is_none(), "{number}");
            }
        }
        if release == Right::Yes {
            let act = self.desk.act(token, LinkVerb::Release, None, visitor);
            let done = act.await.unwrap();
            assert_eq!(done.stand, Stand::Done);
            let by = login.map_or("link:boss@example.org", |_| "admin");
            assert_eq!(done.card.end.unwrap().by, by);
        }
    }

    /// Every record of digests and cards, to see whether anything was written.
    async fn written(&self) -> u64 {
        self.queue.store().written()
    }

    async fn stored(&self, number: u32) -> (Digest, Option<(Work, crate::store::StoreTime)>) {
        let record = self.desk.digest_record(number).await.unwrap();
        (decode(&record.key, &record.value).unwrap(), record.due)
    }
}

fn queue_conf(conf: &mut Config, queue: HoldQueue) -> &mut HoldConf {
    match queue {
        HoldQueue::Bad => &mut conf.hold.bad,
        HoldQueue::Quarantine => &mut conf.hold.quarantine,
        HoldQueue::Defect => &mut conf.hold.defect,
    }
}

fn visitor() -> Visitor {
    Visitor {
        address: "::ffff:192.0.2.7".parse().unwrap(),
        agent: "Mozilla/5.0 \u{202E}\r\nfake".to_owned(),
        login: None,
    }
}

fn admin() -> Visitor {
    Visitor {
        login: Some("admin".to_owned()),
        ..visitor()
    }
}

/// Another code than the right one.
fn wrong(code: &str) -> String {
    format!("{:04}", (code.parse::<u32>().unwrap() + 1) % 10_000)
}

#[tokio::test]
async fn an_open_link_acts_once_and_says_who_it_was() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let before = stage.written().await;
    let opened = stage.desk.look(&token).await.unwrap();
    assert_eq!(
        (opened.stand, opened.undo, opened.needs_code),
        (Stand::Open, false, false)
    );
    assert_eq!(stage.written().await, before);
    let done = stage.act(&token, LinkVerb::Release).await.unwrap();
    assert_eq!((done.stand, done.undo), (Stand::Done, true));
    let end = stage.end(hold).await.unwrap();
    assert_eq!(
        (end.verb.as_str(), end.by.as_str()),
        ("release", "link:boss@example.org")
    );
    assert_eq!(
        (end.place.as_deref(), end.digest),
        (Some("192.0.2.7"), Some(1))
    );
    // Looking again: done, with undo; after the window somebody did it, who was us.
    assert_eq!(stage.stand(&token).await, Stand::Done);
    let again = stage.act(&token, LinkVerb::Delete).await.unwrap();
    assert_eq!((again.stand, again.undo), (Stand::Handled, true));
    assert_eq!(again.card.end.unwrap().verb, "release");
    stage.clock.advance(Duration::from_secs(11));
    let later = stage.desk.look(&token).await.unwrap();
    assert_eq!((later.stand, later.undo), (Stand::Handled, false));
}

#[tokio::test]
async fn each_button_does_what_it_says_whatever_the_link_offers_first() {
    for (verb, word) in [
        (LinkVerb::Release, "release"),
        (LinkVerb::Requeue, "requeue"),
        (LinkVerb::Delete, "delete"),
        (LinkVerb::Bounce, "bounce"),
    ] {
        for action in [Action::Release, Action::Requeue, Action::Delete] {
            let stage = Stage::new().await;
            let hold = stage.hold(HoldReason::Rule).await;
            stage.digest(1, "boss@example.org", hold).await;
            let token = stage.token(action, 1, hold);
            let done = stage.act(&token, verb).await.unwrap();
            assert_eq!(done.stand, Stand::Done, "{verb:?}");
            assert_eq!(done.undo, verb != LinkVerb::Bounce, "{verb:?}");
            assert_eq!(done.card.end.unwrap().verb, word);
            assert_eq!(word.parse(), Ok(verb));
        }
    }
}

#[tokio::test]
async fn without_a_wait_a_release_leaves_at_once_and_cannot_be_taken_back() {
    let stage = Stage::of(|conf| conf.hold.undo = Duration::ZERO).await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let done = stage.act(&token, LinkVerb::Release).await.unwrap();
    assert_eq!((done.stand, done.undo), (Stand::Done, false));
    let undone = stage.act(&token, LinkVerb::Undo).await.unwrap();
    assert_eq!(undone.stand, Stand::Handled);
}

#[tokio::test]
async fn undo_is_for_who_did_it_or_an_administrator_and_for_a_while() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let own = stage.digest(1, "boss@example.org", hold).await;
    let newer = stage.digest(2, "boss@example.org", hold).await;
    let other = stage.digest(3, "other@example.org", hold).await;
    // Nothing to undo: still open.
    assert_eq!(
        stage.act(&own, LinkVerb::Undo).await.unwrap().stand,
        Stand::Open
    );
    stage.act(&own, LinkVerb::Release).await.unwrap();
    let denied = stage.act(&other, LinkVerb::Undo).await.unwrap();
    assert_eq!((denied.stand, denied.undo), (Stand::Handled, false));
    // The same person by another of their digests.
    let undone = stage.act(&newer, LinkVerb::Undo).await.unwrap();
    assert_eq!((undone.stand, undone.undo), (Stand::Open, false));
    assert!(stage.end(hold).await.is_none());
    stage.act(&own, LinkVerb::Delete).await.unwrap();
    let seen = stage.desk.look_as(&other, Some("admin")).await.unwrap();
    assert_eq!((seen.stand, seen.undo), (Stand::Handled, true));
    let undone = stage.desk.act(&other, LinkVerb::Undo, None, &admin()).await;
    assert_eq!(undone.unwrap().stand, Stand::Open);
    stage.act(&own, LinkVerb::Release).await.unwrap();
    stage.clock.advance(Duration::from_secs(11));
    let late = stage.act(&own, LinkVerb::Undo).await.unwrap();
    assert_eq!((late.stand, late.undo), (Stand::Handled, false));
}

#[tokio::test]
async fn answers_come_in_their_order() {
    let stage = Stage::of(|conf| conf.links.newest_only = true).await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let other = stage.digest(2, "other@example.org", hold).await;
    assert_eq!(stage.stand(&token).await, Stand::Open);
    stage.act(&other, LinkVerb::Delete).await.unwrap();
    assert_eq!(stage.stand(&token).await, Stand::Handled);
    stage.digest(3, "boss@example.org", hold).await;
    assert_eq!(stage.stand(&token).await, Stand::Replaced(3));
    stage
        .desk
        .canary(&stage.token(Action::Canary, 1, HoldId(0)))
        .await
        .unwrap();
    let code = wrong(&stage.keys.code(&token));
    for _ in 0..5 {
        // Handled or replaced: no code is asked for and none is counted.
        let told = stage.act_by_code(&token, &code).await.unwrap();
        assert_eq!(told.stand, Stand::Replaced(3));
    }
    stage.clock.advance(HOUR * 168);
    assert_eq!(stage.stand(&token).await, Stand::Expired);
    assert_eq!(
        stage.act(&token, LinkVerb::Release).await.unwrap().stand,
        Stand::Expired
    );
}

#[tokio::test]
async fn a_link_ends_on_time_and_a_clock_that_jumps_back_revives_it() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let now = stage.clock.wall();
    stage.clock.jump(Wall(u64::from(token.end) * 3_600_000_000));
    assert_eq!(
        stage.act(&token, LinkVerb::Release).await.unwrap().stand,
        Stand::Expired
    );
    assert!(stage.end(hold).await.is_none());
    stage.clock.jump(Wall(now.0 - 1));
    assert_eq!(
        stage.act(&token, LinkVerb::Release).await.unwrap().stand,
        Stand::Done
    );
}

#[tokio::test]
async fn a_revoked_link_answers_expired_and_acts_on_nothing() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let text = stage
        .keys
        .signer()
        .token(Action::Release, hold, 1, token.end);
    stage.keys.rotate(false).await.unwrap();
    assert_eq!(stage.stand(&token).await, Stand::Open);
    stage.keys.rotate(true).await.unwrap();
    assert_eq!(stage.keys.read(&text), Err(BadToken::Revoked(token)));
    // A page that was opened before the rotation holds the token still.
    assert_eq!(
        stage.act(&token, LinkVerb::Release).await.unwrap().stand,
        Stand::Expired
    );
    assert!(stage.end(hold).await.is_none());
    let young = stage.link(1, hold);
    assert_eq!(
        stage.act(&young, LinkVerb::Release).await.unwrap().stand,
        Stand::Done
    );
}

#[tokio::test]
async fn what_no_digest_lists_is_unknown() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let other = stage.hold(HoldReason::Rule).await;
    stage.digest(1, "boss@example.org", hold).await;
    for token in [
        stage.link(2, hold),
        stage.link(1, other),
        stage.link(1, HoldId(77)),
        stage.token(Action::Canary, 1, HoldId(0)),
    ] {
        for verb in LinkVerb::ALL {
            assert!(matches!(
                stage.act(&token, verb).await,
                Err(DeskError::Unknown)
            ));
        }
        assert!(matches!(
            stage.desk.look(&token).await,
            Err(DeskError::Unknown)
        ));
    }
    // Listed, and its card forgotten.
    stage.digest(3, "boss@example.org", HoldId(77)).await;
    let forgotten = stage.link(3, HoldId(77));
    assert!(matches!(
        stage.desk.look(&forgotten).await,
        Err(DeskError::Unknown)
    ));
    for token in [
        stage.link(1, hold),
        stage.token(Action::Canary, 9, HoldId(0)),
    ] {
        assert!(matches!(
            stage.desk.canary(&token).await,
            Err(DeskError::Unknown)
        ));
    }
    assert!(stage.end(hold).await.is_none());
}

#[tokio::test]
async fn every_unexpired_link_works_unless_only_the_newest_counts() {
    for newest_only in [false, true] {
        let stage = Stage::of(|conf| conf.links.newest_only = newest_only).await;
        let hold = stage.hold(HoldReason::Rule).await;
        let mut links = Vec::new();
        for number in 1..=5 {
            links.push(stage.digest(number, "boss@example.org", hold).await);
        }
        let others = stage.digest(6, "other@example.org", hold).await;
        stage
            .digest_of(7, "boss@example.org", vec![HoldId(99)], Vec::new())
            .await;
        for (number, link) in (1..).zip(&links) {
            let replaced = newest_only && number < 5;
            let wanted = if replaced {
                Stand::Replaced(5)
            } else {
                Stand::Open
            };
            assert_eq!(stage.stand(link).await, wanted, "{number}");
        }
        let first = stage.act(&links[0], LinkVerb::Release).await.unwrap();
        if newest_only {
            assert_eq!(first.stand, Stand::Replaced(5));
            assert!(stage.end(hold).await.is_none());
        } else {
            assert_eq!(first.stand, Stand::Done);
            stage.clock.advance(Duration::from_secs(11));
            for link in links.iter().chain([&others]) {
                let told = stage.act(link, LinkVerb::Delete).await.unwrap();
                assert_eq!(told.stand, Stand::Handled);
                let end = told.card.end.unwrap();
                assert_eq!((end.verb.as_str(), end.digest), ("release", Some(1)));
            }
        }
    }
}

#[tokio::test]
async fn what_expired_by_itself_is_handled_by_the_server() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "boss@example.org", hold).await;
    let actor = Actor::of("postwerk");
    let verb = Verb::Delete { now: true };
    stage.queue.decide(hold, verb, &actor).await.unwrap();
    let told = stage.act(&token, LinkVerb::Release).await.unwrap();
    assert_eq!((told.stand, told.undo), (Stand::Handled, false));
    assert_eq!(told.card.end.unwrap().by, "postwerk");
}
