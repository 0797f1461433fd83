//! The link of a whole digest, and the button on each of its pages: the next rows are mailed to where the digest went.
//!
//! Not here: which rows come next (`digest::tests`).

use super::*;

const ANNA: &str = "anna@example.org";

/// Two held mails, of which a digest to Anna lists the first.
async fn two(remote: &Remote) -> (House, HoldId) {
    let house = house(remote, false, |conf| {
        conf.digest.to = vec![ANNA.parse().unwrap()];
    })
    .await;
    let first = hold(&house, "Erbse").await;
    hold(&house, "Zwetschge").await;
    digest(&house, 1_001, ANNA, &[first]).await;
    (house, first)
}

#[tokio::test]
async fn opening_it_sends_nothing_and_its_button_mails_the_rest_once_a_minute() {
    let remote = Remote::friendly().await;
    let (house, _) = two(&remote).await;
    let path = link(&house, Action::More, HoldId(0), 1_001);
    let mut browser = visitor(&house);
    for _ in 0..3 {
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains("value=\"more\""), "{}", page.text);
        assert!(!page.text.contains("Zwetschge"), "it names no mail");
    }
    assert_eq!(remote.so_far().len(), 0, "a GET never acts");
    let sent = press(&mut browser, &path, "more").await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let wanted = "unterwegs an anna[at]example[.]org";
    assert!(sent.text.contains(wanted), "{}", sent.text);
    let mails = remote.mails(1).await;
    assert!(mails[0].to[0].contains(ANNA), "{:?}", mails[0].to);
    let text = String::from_utf8_lossy(mails[0].text.as_bytes()).into_owned();
    assert!(
        text.contains("Zwetschge") && !text.contains("Erbse"),
        "{text}"
    );
    let soon = press(&mut browser, &path, "more").await;
    assert_eq!(soon.status, 429, "{}", soon.text);
    assert!(soon.text.contains("Eben erst"), "{}", soon.text);
    house
        .clock
        .jump(house.clock.wall() + Duration::from_secs(61));
    let all = press(&mut browser, &path, "more").await;
    assert!(all.text.contains("nicht mehr Nachrichten"), "{}", all.text);
    assert_eq!(open(&house).await.len(), 2, "nothing was decided");
}

#[tokio::test]
async fn every_page_of_a_digest_has_the_button() {
    let remote = Remote::friendly().await;
    let (house, first) = two(&remote).await;
    let path = link(&house, Action::Delete, first, 1_001);
    let mut browser = visitor(&house);
    let open = browser.get(&path).await;
    assert!(open.text.contains("value=\"more\""), "{}", open.text);
    let done = press(&mut browser, &path, "delete").await;
    assert!(done.text.contains("value=\"more\""), "{}", done.text);
    let handled = visitor(&house).get(&path).await;
    assert!(handled.text.contains("value=\"more\""), "{}", handled.text);
    let sent = press(&mut browser, &path, "more").await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert_eq!(remote.mails(1).await.len(), 1);
}

#[tokio::test]
async fn a_link_that_has_ended_mails_a_fresh_digest_and_no_rest() {
    let remote = Remote::friendly().await;
    let (house, first) = two(&remote).await;
    let whole = link(&house, Action::More, HoldId(0), 1_001);
    let row = link(&house, Action::Delete, first, 1_001);
    house.clock.jump(house.clock.wall() + WEEK);
    let mut browser = visitor(&house);
    for path in [&whole, &row] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 410, "{}", page.text);
        assert!(page.text.contains("value=\"fresh\""), "{}", page.text);
        assert!(!page.text.contains("value=\"more\""), "{}", page.text);
        let refused = press(&mut browser, path, "more").await;
        assert_eq!(refused.status, 410, "{}", refused.text);
    }
    assert_eq!(remote.so_far().len(), 0);
    let sent = press(&mut browser, &whole, "fresh").await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert_eq!(remote.mails(1).await.len(), 1);
}

#[tokio::test]
async fn it_decides_about_no_mail_and_is_nobody_elses() {
    let remote = Remote::friendly().await;
    let (house, first) = two(&remote).await;
    let mut browser = visitor(&house);
    let path = link(&house, Action::More, HoldId(0), 1_001);
    for verb in ["release", "requeue", "delete", "bounce", "undo"] {
        let refused = press(&mut browser, &path, verb).await;
        assert_eq!(refused.status, 400, "{verb}: {}", refused.text);
    }
    assert!(card(&house, first).await.end.is_none());
    let forgotten = link(&house, Action::More, HoldId(0), 4_711);
    assert_eq!(browser.get(&forgotten).await.status, 404);
    // Who gets no digests any more is mailed nothing.
    digest(&house, 1_002, "gone@example.org", &[first]).await;
    let gone = link(&house, Action::More, HoldId(0), 1_002);
    press(&mut browser, &gone, "more").await;
    assert_eq!(remote.so_far().len(), 0);
}
