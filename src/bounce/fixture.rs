//! A queue over a store in memory with a clock that stands still, for the tests of this floor and the ones above.
//!
//! What it makes is real: mail is accepted, claimed and settled by the queue itself.
//! Not here: any expectation.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::base::clock::{Clock, Wall};
use crate::config::Config;
use crate::journal::event::Events;
use crate::mail::domain::Domain;
use crate::mail::envelope::{Envelope, MailFrom, RcptTo};
use crate::mail::hold::Hold;
use crate::mail::mailbox::Mailbox;
use crate::mail::outcome::{Fault, Outcome, Scope};
use crate::mail::path::ReversePath;
use crate::queue::{Attempt, Delays, Lent, MessageId, NewMail, Origin, Queue};
use crate::store::{Band, Store, memory};

/// The octets of each mail of the fixture.
pub(crate) const CONTENT: &[u8] =
    b"Subject: Rechnung 4711\r\nMessage-ID: <r4711@verein.example>\r\n\r\nHello\r\n";

/// A mail of somebody.
pub(crate) struct Sent<'a> {
    pub(crate) from: &'a str,
    pub(crate) origin: Origin,
    pub(crate) content: &'a [u8],
}

/// A queue and its clock.
pub(crate) struct Stage {
    pub(crate) queue: Queue,
    pub(crate) clock: Clock,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = Clock::moved(Wall(1_795_287_508_204_000));
        Self::over(memory(clock.clone()), clock)
    }

    /// Over another store.
    pub(crate) fn over(store: Store, clock: Clock) -> Self {
        let hostname = Domain::parse("mail.example.org").unwrap();
        let config = Config::fallback(hostname, "/nonexistent".into());
        let conf = Arc::new(ArcSwap::from_pointee(config));
        let queue = Queue::new(conf, store, clock.clone(), Events::new());
        Self { queue, clock }
    }

    pub(crate) async fn accept(&self, from: &str, to: &[&str], hold: Option<Hold>) -> MessageId {
        let recipients = to.iter().map(|to| rcpt(to)).collect();
        self.accept_all(from, recipients, hold).await
    }

    pub(crate) async fn accept_all(
        &self,
        from: &str,
        recipients: Vec<RcptTo>,
        hold: Option<Hold>,
    ) -> MessageId {
        let origin = Origin {
            mx: None,
            listener: "127.0.0.1:587".into(),
            peer: Some("127.0.0.1:40000".parse().unwrap()),
            helo: "client.example".into(),
            with: "ESMTPSA".into(),
            tls: Some("TLSv1.3".into()),
            account: Some("app1".into()),
            tenant: "standard".into(),
            sasl: Some("PLAIN".into()),
            ..Origin::default()
        };
        let sent = Sent {
            from,
            origin,
            content: CONTENT,
        };
        self.accept_of(sent, recipients, hold).await
    }

    pub(crate) async fn accept_of(
        &self,
        sent: Sent<'_>,
        recipients: Vec<RcptTo>,
        hold: Option<Hold>,
    ) -> MessageId {
        let mut writer = self.queue.begin_body();
        writer.write(sent.content).await.unwrap();
        let envelope = Envelope {
            from: MailFrom::new(ReversePath::parse(sent.from).unwrap()),
            recipients,
        };
        let mail = NewMail {
            top: String::new(),
            worked: Vec::new(),
            said: Vec::new(),
            held: NewMail::held_all(&envelope, hold),
            body: writer.finish(),
            envelope,
            origin: sent.origin,
            band: Band::Normal,
            digest: None,
        };
        self.queue.accept(mail, None).await.unwrap()
    }

    /// Tries everything that is due; every recipient gets `outcome`.
    pub(crate) async fn settle_all(&self, outcome: &Outcome) -> usize {
        let all = self.lend_all().await;
        self.settle(all, outcome).await
    }

    /// Tries the first parcel that is due.
    pub(crate) async fn settle_one(&self, outcome: &Outcome) -> usize {
        let mut all = self.lend_all().await;
        all.truncate(1);
        self.settle(all, outcome).await
    }

    async fn settle(&self, all: Vec<Lent>, outcome: &Outcome) -> usize {
        let mut settled = 0;
        for lent in all {
            let outcomes = lent
                .recipients
                .iter()
                .map(|one| (one.index, outcome.clone()))
                .collect();
            let attempt = Attempt {
                outcomes,
                site: "mx.example.net[192.0.2.25]:25".into(),
                tls: Some("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)".into()),
                dialogue: "> RCPT TO:<x>\n< 550 no\n".into(),
                delays: Delays::default(),
                dsn: false,
                again: None,
            };
            self.queue.settle(lent, attempt).await.unwrap();
            settled += 1;
        }
        settled
    }

    pub(crate) async fn lend_all(&self) -> Vec<Lent> {
        let deliveries = self.queue.deliveries();
        let mut all = Vec::new();
        for head in deliveries.ready(100).await.unwrap() {
            if head.at <= deliveries.now() {
                all.extend(deliveries.claim(&head.group, 20).await.unwrap());
            }
        }
        all
    }

    pub(crate) fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

pub(crate) fn rcpt(to: &str) -> RcptTo {
    RcptTo::new(Mailbox::parse(to).unwrap())
}

pub(crate) fn fault(reply: &str) -> Fault {
    Fault {
        scope: Scope::Recipient,
        reply: reply.parse().unwrap(),
        synthetic: false,
        step: "RCPT TO".into(),
    }
}
