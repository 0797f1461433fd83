//! Searching the list of holds: words alone, the query language, mistakes, and the tabs.
//!
//! Texts are asked for in both languages where they say something of their own.
//! Not here: what is decided on the list (`holds`), everything at once (`jobs`).

use hyper::StatusCode;

use super::Browser;
use super::browser::house;
use super::holds::{RULES, held, ids};
use super::login::administrator;
use crate::house::House;

async fn german(house: &House) -> Browser {
    let mut browser = administrator(house, true).await;
    browser.fields = vec![("accept-language".to_owned(), "de".to_owned())];
    browser
}

/// Two in `quarantine` and one in `bad`.
async fn three(house: &House) {
    for (to, text) in [
        (
            "anna@held.example",
            "From: \"Erika Muster\" <erika@firm.example>\r\nSubject: Dear customer, pay\r\n\r\nx\r\n",
        ),
        ("bert@held.example", "Subject: Invoice 7\r\n\r\nx\r\n"),
        ("carl@bad.example", "Subject: Minutes\r\n\r\nx\r\n"),
    ] {
        held(house, to, text).await;
    }
}

fn query(text: &str) -> String {
    let one = |byte: u8| format!("%{byte:02X}");
    text.bytes().map(one).collect()
}

/// The tab that is shown as chosen.
fn tab(text: &str) -> &str {
    let behind = text.split("aria-current=\"page\">").nth(1).unwrap_or("");
    behind.split(['<', ' ']).next().unwrap_or_default()
}

#[tokio::test]
async fn words_alone_search_subject_sender_and_recipient() {
    let house = house(true, RULES, |_| ()).await;
    three(&house).await;
    let mut browser = administrator(&house, true).await;
    for (text, wanted) in [
        ("customer", 1),
        ("dear customer,", 1),
        ("\"customer, pay\"", 1),
        ("\"pay customer\"", 0),
        ("erika", 1),
        ("app@shop.example", 3),
        ("bert@", 1),
        ("held.example", 2),
        ("held.example invoice", 1),
        ("held.example -invoice", 1),
        ("subject:\"Dear customer,\"", 1),
        ("subject:invoice,minutes", 2),
        ("nothing", 0),
    ] {
        let page = browser.get(&format!("/holds?q={}", query(text))).await;
        assert_eq!(page.status, StatusCode::OK, "case: {text}");
        assert_eq!(ids(&page.text).len(), wanted, "case: {text}: {}", page.text);
        assert!(page.text.contains("Searched for: "), "case: {text}");
    }
}

#[tokio::test]
async fn a_mistake_is_told_in_the_pages_language_and_what_was_typed_stays() {
    let house = house(true, RULES, |_| ()).await;
    three(&house).await;
    let mut browser = german(&house).await;
    let token = browser.get("/holds").await.field("token");
    for (text, wanted) in [
        (
            "form:x",
            "Zeichen 1: Das Wort „form:“ gibt es nicht; meinen Sie „from“?",
        ),
        ("a from:b,", "Zeichen 10: Ein Wert von „from:“ ist leer"),
        ("to:*", "Zeichen 4: „*“ passt auf alle"),
        ("queue:quarantin", "meinen Sie „quarantine“?"),
        (
            "subject:„Liebe Kunden“",
            "Zeichen 9: „„“ gilt hier nicht als Anführungszeichen",
        ),
    ] {
        let asked = browser
            .get(&format!("/holds?queue=bad&q={}", query(text)))
            .await;
        let form = format!("token={token}&queue=bad&q={}&all=delete", query(text));
        let ordered = browser.post("/holds", &form).await;
        for page in [asked, ordered] {
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "case: {text}");
            assert!(page.text.contains(wanted), "case: {text}: {}", page.text);
            let kept = format!("name=\"q\" value=\"{text}\"");
            assert!(page.text.contains(&kept), "case: {text}: {}", page.text);
            assert_eq!(tab(&page.text), "Störung", "case: {text}");
        }
    }
}

#[tokio::test]
async fn a_search_that_names_a_queue_means_that_one_on_every_tab() {
    let house = house(true, RULES, |_| ()).await;
    three(&house).await;
    let mut browser = administrator(&house, true).await;
    let page = browser.get("/holds?queue=quarantine&q=queue%3Abad").await;
    assert_eq!((ids(&page.text).len(), tab(&page.text)), (1, "Trouble"));
    assert!(page.text.contains("carl[at]bad[.]example"), "{}", page.text);
    let elsewhere = "href=\"/holds?queue=quarantine\"";
    assert!(
        page.text.contains(elsewhere),
        "a tab leaves the search's queue behind"
    );
    let token = page.field("token");
    let look = format!("token={token}&queue=quarantine&q=queue%3Abad&all=delete");
    let look = browser.post("/holds", &look).await;
    assert!(look.text.contains("Delete 1 message?"), "{}", look.text);
    assert!(
        look.text.contains("queue is Trouble (bad)"),
        "{}",
        look.text
    );
}

#[tokio::test]
async fn an_empty_tab_speaks_of_itself() {
    let house = house(true, "", |_| ()).await;
    let mut english = administrator(&house, true).await;
    let mut german = german(&house).await;
    for (path, de, en) in [
        ("/holds", "Es ist nichts angehalten", "Nothing is held"),
        ("/holds?queue=bad", "Keine Störung", "No trouble"),
        (
            "/holds?queue=quarantine",
            "Die Quarantäne ist leer",
            "The quarantine is empty",
        ),
        ("/holds?queue=defect", "Kein Defekt", "No defect"),
        (
            "/holds?queue=trash",
            "Der Papierkorb ist leer",
            "The trash is empty",
        ),
        (
            "/holds?queue=done",
            "Noch nichts erledigt",
            "Nothing done yet",
        ),
        ("/jobs", "Keine Aufträge", "No jobs"),
        (
            "/holds?queue=trash&q=x",
            "Keine angehaltene Nachricht passt",
            "No held message matches",
        ),
    ] {
        let page = german.get(path).await;
        assert!(page.text.contains(de), "case: {path}: {}", page.text);
        let page = english.get(path).await;
        assert!(page.text.contains(en), "case: {path}: {}", page.text);
    }
    let page = english.get("/holds?queue=trash&q=status%3Aheld").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.text.contains("has no meaning in this list"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn what_was_deleted_is_in_the_trash_and_comes_back_and_what_is_done_with_stands_with_the_rest()
 {
    let house = house(true, RULES, |_| ()).await;
    three(&house).await;
    let mut browser = administrator(&house, true).await;
    let list = browser.get("/holds?queue=quarantine").await;
    let (chosen, token) = (ids(&list.text), list.field("token"));
    let one = browser.get("/holds?queue=bad").await;
    let released = ids(&one.text).remove(0);
    for (id, verb) in [
        (&chosen[0], "delete"),
        (&chosen[1], "delete"),
        (&released, "release"),
    ] {
        let form = format!("token={token}&verb={verb}");
        let done = browser.post(&format!("/holds/{id}"), &form).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
    }
    let trash = browser.get("/holds?queue=trash").await;
    assert_eq!(ids(&trash.text), chosen, "{}", trash.text);
    for wanted in ["Deleted · ", "in the trash until ", "Bring back"] {
        assert!(trash.text.contains(wanted), "{wanted}: {}", trash.text);
    }
    let found = browser.get("/holds?queue=trash&q=invoice").await;
    assert_eq!(ids(&found.text).len(), 1);
    let done = browser.get("/holds?queue=done").await;
    assert!(done.text.contains("carl[at]bad[.]example"), "{}", done.text);
    assert!(done.text.contains("Released · "), "{}", done.text);
    assert!(ids(&done.text).is_empty(), "nothing is chosen there");
    let (a, b) = (&chosen[0], &chosen[1]);
    let form = format!("token={token}&queue=trash&verb=undo&id={a}&id={b}");
    let back = browser.post("/holds", &form).await;
    assert!(
        back.text.contains("2 messages are held again"),
        "{}",
        back.text
    );
    assert_eq!(
        ids(&browser.get("/holds?queue=quarantine").await.text),
        chosen
    );
    assert!(
        browser
            .get("/holds?queue=trash")
            .await
            .text
            .contains("The trash is empty")
    );
}

#[tokio::test]
async fn a_button_with_nothing_chosen_says_so() {
    let house = house(true, RULES, |_| ()).await;
    three(&house).await;
    let mut browser = german(&house).await;
    let token = browser.get("/holds").await.field("token");
    for verb in ["release", "requeue", "bounce", "delete", "undo"] {
        let form = format!("token={token}&queue=bad&q=minutes&verb={verb}");
        let page = browser.post("/holds", &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "case: {verb}");
        assert!(
            page.text.contains("Es ist keine Nachricht ausgewählt"),
            "{}",
            page.text
        );
        assert!(
            page.text.contains("name=\"q\" value=\"minutes\""),
            "{}",
            page.text
        );
        assert_eq!((ids(&page.text).len(), tab(&page.text)), (1, "Störung"));
    }
}
