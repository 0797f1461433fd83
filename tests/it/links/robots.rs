//! Programs that open, follow and submit everything before a person does: nothing may happen, and then the person can.
//!
//! Each robot meets the same 200 links. Only those that open the hidden link are stopped from pressing buttons; one that
//! submits forms without it is not stopped, which the manual says. Not here: one link at a time (`answers`, `races`).

use postwerk::digest::token::Action;
use postwerk::mail::state::State;

use super::chromium::{Chromium, PHONE};
use super::*;

const LINKS: usize = 200;
/// As many links as a digest lists.
const ROWS: usize = 50;
const TO: &str = "kasse@verein.example";

/// Beyond the numbers of those that the server makes itself.
fn numbers() -> impl Iterator<Item = u32> {
    (1_001..).take(LINKS / ROWS)
}

struct Field {
    house: House,
    remote: Remote,
    holds: Vec<(u32, HoldId)>,
}

impl Field {
    async fn sown() -> Self {
        let remote = Remote::friendly().await;
        let house = house(&remote, false, |_| ()).await;
        let mut holds = Vec::new();
        for number in numbers() {
            let mut listed = Vec::new();
            for row in 0..ROWS {
                listed.push(hold(&house, &format!("Nr. {number}.{row}")).await);
            }
            digest(&house, number, TO, &listed).await;
            holds.extend(listed.into_iter().map(|hold| (number, hold)));
        }
        Self {
            house,
            remote,
            holds,
        }
    }

    /// All links that the digests carry, without the hidden ones.
    fn links(&self) -> Vec<String> {
        let actions = [Action::Release, Action::Requeue, Action::Delete];
        self.holds
            .iter()
            .flat_map(|(number, hold)| {
                actions.map(|action| link(&self.house, action, *hold, *number))
            })
            .collect()
    }

    fn canaries(&self) -> Vec<String> {
        numbers()
            .map(|number| link(&self.house, Action::Canary, HoldId(0), number))
            .collect()
    }

    async fn untouched(&self, robot: &str) {
        let places = self.house.places().await;
        let held = places.iter().filter(|place| place.state == State::Held);
        assert_eq!(held.count(), LINKS, "after {robot}");
        // The next rows of a digest go to where the digest went, whoever presses that button.
        let left = self.remote.so_far();
        let left = left.iter().filter(|mail| !mail.to[0].contains(TO));
        assert_eq!(left.count(), 0, "after {robot}");
    }
}

/// Follows what a page links to, and submits each of its forms with each of its buttons.
async fn submit_all(browser: &mut Browser, path: &str) -> usize {
    let page = browser.get(path).await;
    let buttons: Vec<String> = page
        .text
        .split("name=\"confirm\" value=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect();
    for button in &buttons {
        let nonce = page.field("nonce");
        for code in ["", "&code=", "&code=1"] {
            let form = format!("nonce={nonce}&confirm={button}{code}");
            browser.post(path, &form).await;
        }
    }
    buttons.len()
}

async fn rob_and_click(with_chromium: bool) {
    let field = Field::sown().await;
    let links = field.links();
    let mut robot = visitor(&field.house);
    for path in &links {
        assert_eq!(robot.send("HEAD", path, None).await.status, 200);
        let page = robot.get(path).await;
        assert_eq!(page.status, 200);
        // A crawler would follow these; the style sheet is all there is.
        for target in page.text.split("href=\"").skip(1) {
            let target = target.split('"').next().unwrap_or_default();
            assert!(
                target.starts_with("/style.css") || target == "data:,",
                "{target}"
            );
        }
    }
    field.untouched("HEAD and GET").await;
    if with_chromium {
        let chromium = Chromium::start(PHONE).await;
        let at = field.house.server.admin_address().expect("an endpoint");
        for path in links.iter().step_by(3) {
            let url = format!("http://{at}{path}");
            chromium.client.goto(&url).await.expect("the page");
        }
        // Ten seconds of a browser's time on the last page, in which a script could do something.
        let wait = "return new Promise(done => setTimeout(done, 10000));";
        chromium
            .client
            .execute(wait, Vec::new())
            .await
            .expect("time");
        chromium.end().await;
        field.untouched("a browser with JavaScript").await;
    }
    for path in links.iter().chain(&field.canaries()) {
        assert_eq!(robot.get(path).await.status, 200);
    }
    field.untouched("a crawler").await;
    let mut pressed = 0;
    for path in &links {
        pressed += submit_all(&mut robot, path).await;
    }
    assert_eq!(pressed, links.len() * 5);
    field.untouched("a crawler that submits forms").await;
    let mut person = visitor(&field.house);
    for (number, hold) in &field.holds {
        let path = link(&field.house, Action::Release, *hold, *number);
        let typed = code(&field.house, *hold, *number);
        let done = press_with(&mut person, &path, "release", &typed).await;
        assert_eq!(done.status, 200, "{}", done.text);
    }
    // And the rows that the crawler's button asked for: within a minute they are mailed once.
    let all = LINKS + 1;
    assert_eq!(delivered(&field.house, &field.remote, all).await, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and chromium-driver: tests/run.sh robots"]
async fn of_two_hundred_links_robots_use_up_none() {
    rob_and_click(true).await;
}
