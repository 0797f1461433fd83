//! What a check found stays behind its wall until that check looked again: scanners on sockets, the whole server.
//!
//! One mail a finding goes through every way in which its check may not look; in the end the check looks, and the mail
//! goes. Not here: the tables without sockets (`judge::keep`, `queue::finding`).

mod beside;
mod roads;
mod stays;

use std::sync::{Arc, Mutex};

use postwerk::journal::event::EventKind;
use postwerk::mail::hold::Hold;
use postwerk::queue::hold::Card;
use postwerk::queue::verbs::Verb;

use crate::house::{House, config};
use crate::links::open;
use crate::remote::Remote;
use crate::scan::peer::{Answer, Peer};

/// What a scripted scanner says from now on.
#[derive(Clone)]
struct Says(Arc<Mutex<Answer>>);

impl Says {
    fn new(text: &str) -> Self {
        Self(Arc::new(Mutex::new(Answer::Say(text.to_owned()))))
    }

    fn now(&self, answer: Answer) {
        *self.0.lock().unwrap() = answer;
    }

    fn get(&self) -> Answer {
        self.0.lock().unwrap().clone()
    }

    async fn clamd(&self) -> Peer {
        let says = self.clone();
        Peer::clamd(move |_, _| says.get()).await
    }

    async fn rspamd(&self) -> Peer {
        let says = self.clone();
        Peer::http(move |_, _| says.get()).await
    }
}

const FOUND: &str = "stream: Test.Virus FOUND";
const OK: &str = "stream: OK";

fn clamd(name: &str, address: &str, more: &str) -> String {
    format!("[[scanner]]\nname = \"{name}\"\nkind = \"clamd\"\naddress = \"{address}\"\n{more}\n")
}

/// From now on the server is configured so; its listeners stay.
fn configure(house: &House, remote: &Remote, more: &str) {
    let mut new = config(house.dir.path(), remote.address, more);
    let shared = house.server.queue().conf();
    new.admin = shared.load().admin.clone();
    shared.store(Arc::new(new));
}

/// The one that is held.
async fn one(house: &House) -> Card {
    let mut cards = open(house).await;
    assert_eq!(cards.len(), 1, "{cards:?}");
    cards.remove(0)
}

/// Judged again; how it is held then.
async fn again(house: &mut House, id: &str) -> Hold {
    house.act(Verb::Requeue { undo: false }, id).await;
    house.told(EventKind::Held).await;
    one(house).await.hold
}
