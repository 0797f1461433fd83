//! From hold to release in a real browser: a phone of 320 px, light and dark; no page has a script to begin with.
//!
//! Part `browser` of `tests/run.sh` runs these; `cargo test` alone needs no browser. Screenshots are kept.
//! Not here: robots (`robots`).

use fantoccini::Locator;
use postwerk::digest::token::Action;
use tokio::net::TcpListener;

use super::chromium::{Chromium, Look, PHONE};
use super::*;

/// A mail that wants to act when it is looked at, and to tell `tracker`.
fn hostile(tracker: std::net::SocketAddr) -> String {
    format!(
        "From: \"Stadtwerke Musterstadt\" <rechnung@stadtwerke-x.example>\r\n\
         Date: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n\
         Subject: =?utf-8?Q?Rechnung_2026-1187_f=C3=BCr_?= <script>document.title='ran'</script>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p>Sehr geehrte Damen und Herren,</p><p>anbei erhalten Sie unsere Rechnung über 214,70 €. Bitte überweisen Sie den Betrag innerhalb von 14 Tagen.</p>\
         <img src=\"http://{tracker}/a.gif\"><script src=\"http://{tracker}/a.js\"></script>\
         &lt;img src=http://{tracker}/b.gif onerror=alert(1)&gt;<p>Mit freundlichen Grüßen<br>Ihre Stadtwerke</p>\r\n\
         --b\r\nContent-Type: application/pdf; name=\"rechnung.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"rechnung.pdf\"\r\n\r\n%PDF-1.4\r\n--b--\r\n"
    )
}

/// What is wrong with the page as somebody with a phone, or a screen reader, meets it.
const FAULTS: &str = "(() => { const wrong = [];
  if (document.documentElement.scrollWidth > screen.width) wrong.push('wider than the screen: ' + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll('button, input:not([type=hidden]), summary')) {
    const box = e.getBoundingClientRect();
    if (box.height < 44 || box.width < 44) wrong.push('too small to touch: ' + e.outerHTML);
  }
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
  let level = 1;
  for (const e of document.querySelectorAll('h1, h2, h3, h4')) {
    const n = Number(e.tagName[1]);
    if (n > level + 1) wrong.push('a heading level is left out before ' + e.textContent);
    level = n;
  }
  for (const e of document.querySelectorAll('input:not([type=hidden])'))
    if (!document.querySelector('label[for=' + e.id + ']')) wrong.push('no label: ' + e.outerHTML);
  for (const e of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
    for (const a of ['aria-labelledby', 'aria-describedby'])
      for (const id of (e.getAttribute(a) || '').split(' ').filter(x => x))
        if (!document.getElementById(id)) wrong.push('points nowhere: ' + id);
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id stands twice');
  if (!document.documentElement.lang || !document.title) wrong.push('no language or title');
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.startsWith('rgba(0, 0, 0, 0')) return c; } return 'rgb(255, 255, 255)'; };
  for (const e of document.querySelectorAll('h1, h2, h3, p, dt, dd, button, label, pre, code')) {
    const [a, b] = [light(getComputedStyle(e).color), light(back(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.push('contrast ' + contrast.toFixed(2) + ': ' + e.outerHTML.slice(0, 80));
  }
  return wrong; })()";

async fn faultless(chromium: &Chromium, name: &str) {
    let faults = chromium.value(FAULTS).await;
    assert_eq!(faults, serde_json::json!([]), "page {name}");
}

fn url(house: &House, path: &str) -> String {
    let at = house.server.admin_address().expect("an endpoint");
    format!("http://{at}{path}")
}

async fn press_button(chromium: &Chromium, value: &str) {
    let button = format!("button[value={value}]");
    let found = chromium.client.find(Locator::Css(&button)).await;
    found.expect("a button").click().await.expect("pressed");
}

/// All that can be read; nothing while a page gives way to the next.
async fn text(chromium: &Chromium) -> String {
    match chromium.client.find(Locator::Css("body")).await {
        Ok(body) => body.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Waits for the page that says so.
async fn says(chromium: &Chromium, wanted: &str) {
    crate::until(wanted, || async { text(chromium).await.contains(wanted) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and chromium-driver: tests/run.sh browser"]
async fn a_phone_goes_from_hold_to_release_in_light_and_dark() {
    let tracker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    for (number, dark, height) in [
        (1, false, 640),
        (2, true, 640),
        (3, false, 1_900),
        (4, true, 1_900),
    ] {
        let hold = hold_text(&house, &hostile(tracker.local_addr().unwrap())).await;
        digest(&house, number, "kasse@verein.example", &[hold]).await;
        let chromium = Chromium::start(Look {
            dark,
            height,
            ..PHONE
        })
        .await;
        let look = format!("{}-{height}", if dark { "dark" } else { "light" });
        let path = url(&house, &link(&house, Action::Release, hold, number));
        chromium.client.goto(&path).await.expect("the page");
        chromium.keep(&format!("link-open-{look}")).await;
        faultless(&chromium, "open").await;
        assert_eq!(
            chromium
                .value("matchMedia('(prefers-color-scheme: dark)').matches")
                .await,
            dark
        );
        assert_ne!(chromium.value("document.title").await, "ran");
        assert!(chromium.client.get_alert_text().await.is_err());
        says(&chromium, "<script>document[.]title='ran'</script>").await;
        press_button(&chromium, "release").await;
        says(&chromium, "Wird in 10 Sekunden zugestellt.").await;
        chromium.keep(&format!("link-done-{look}")).await;
        faultless(&chromium, "done").await;
        press_button(&chromium, "undo").await;
        says(&chromium, "wieder angehalten").await;
        press_button(&chromium, "release").await;
        says(&chromium, "Wird in 10 Sekunden zugestellt.").await;
        let count = usize::try_from(number).unwrap();
        assert_eq!(delivered(&house, &remote, count).await, count);
        chromium.client.goto(&path).await.expect("the page");
        says(&chromium, "Bereits bearbeitet").await;
        chromium.keep(&format!("link-handled-{look}")).await;
        faultless(&chromium, "handled").await;
        chromium.end().await;
    }
    // Nothing was loaded from where the mails point.
    let asked = tokio::select! {
        biased;
        asked = tracker.accept() => Some(asked),
        () = std::future::ready(()) => None,
    };
    assert!(asked.is_none(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and chromium-driver: tests/run.sh browser"]
async fn the_code_is_asked_for_explained_and_taken() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |_| ()).await;
    let hold = hold(&house, "Rechnung 2026-1187").await;
    digest(&house, 1, "kasse@verein.example", &[hold]).await;
    let canary = link(&house, Action::Canary, HoldId(0), 1);
    assert_eq!(visitor(&house).get(&canary).await.status, 200);
    let chromium = Chromium::start(Look {
        lang: "en",
        ..PHONE
    })
    .await;
    let path = url(&house, &link(&house, Action::Release, hold, 1));
    chromium.client.goto(&path).await.expect("the page");
    let right = code(&house, hold, 1);
    let wrong = if right == "0000" { "0001" } else { "0000" };
    for typed in [wrong, &right] {
        let field = chromium
            .client
            .find(Locator::Css("#code"))
            .await
            .expect("a field");
        field.send_keys(typed).await.expect("typed");
        press_button(&chromium, "release").await;
        if typed == wrong {
            says(&chromium, "4 more tries").await;
            chromium.keep("link-code-light-640").await;
        }
    }
    says(&chromium, "It is delivered in 10 seconds.").await;
    assert_eq!(delivered(&house, &remote, 1).await, 1);
    chromium.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium and chromium-driver: tests/run.sh browser"]
async fn every_other_answer_is_a_page_without_faults() {
    let remote = Remote::friendly().await;
    let house = house(&remote, false, |conf| {
        conf.hold.release = vec![(
            postwerk::mail::hold::HoldReason::Operator,
            postwerk::config::ReleaseRule::Login,
        )];
    })
    .await;
    let (one, two) = (
        hold(&house, "Rechnung").await,
        hold(&house, "Mahnung").await,
    );
    digest(&house, 1, "kasse@verein.example", &[one]).await;
    digest(&house, 2, "kasse@verein.example", &[two]).await;
    let old = link(&house, Action::Release, one, 1);
    let canary = link(&house, Action::Canary, HoldId(0), 2);
    house.server.keys().rotate(true).await.expect("rotated");
    let login = link(&house, Action::Release, two, 2);
    for dark in [false, true] {
        let chromium = Chromium::start(Look { dark, ..PHONE }).await;
        let look = if dark { "dark" } else { "light" };
        for (name, path, wanted) in [
            ("unknown", "/d/nothing", "Diesen Link kennen wir nicht"),
            ("expired", old.as_str(), "Dieser Link ist abgelaufen"),
            ("login", login.as_str(), "postwerk admin login-link"),
            ("canary", canary.as_str(), "Dieser Link ist abgelaufen"),
        ] {
            chromium
                .client
                .goto(&url(&house, path))
                .await
                .expect("the page");
            chromium.keep(&format!("link-{name}-{look}-640")).await;
            faultless(&chromium, name).await;
            if name != "canary" {
                says(&chromium, wanted).await;
            }
        }
        chromium.end().await;
    }
}
