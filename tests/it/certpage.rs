//! What administrators see of certificates: the page, the control socket, status, health and metrics.
//!
//! Certificates are files made here, so that their dates and texts are what a case needs.
//! Not here: where certificates come from (`certs`), and how `check` finds faults.

use hyper::StatusCode;
use postwerk::admin::certs::CertView;
use postwerk::admin::certs::api::{Renew, Renewal};
use postwerk::admin::status::Status;
use postwerk::cli::control::{Client, Place};
use postwerk::config::{CertConf, CertFiles, CertName, Config, TlsMode};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use crate::house::{HOSTNAME, House};
use crate::web::Browser;
use crate::web::browser::house;
use crate::web::login::administrator;

/// A certificate for `name` with this subject, valid until a day of November 2026; the house's clock stands at the 21st.
fn files(conf: &mut Config, name: &str, subject: &str, day: u8) {
    let folder = conf.server.data_dir.parent().expect("a directory");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 11, day);
    let key = KeyPair::generate().expect("a key");
    let cert = params.self_signed(&key).expect("a certificate");
    let path = folder.join(format!("{name}.pem"));
    std::fs::write(&path, format!("{}{}", cert.pem(), key.serialize_pem())).expect("written");
    conf.tls.mode = TlsMode::Files;
    conf.tls.certificates.push(CertConf {
        names: vec![CertName::parse(name).expect("a name")],
        files: Some(CertFiles {
            cert: path.clone(),
            key: path,
        }),
    });
}

fn client(house: &House) -> Client {
    let place = Place {
        config: "unused".into(),
        data: Some(house.dir.path().join("data")),
    };
    place.client().expect("a client")
}

fn speaking(mut browser: Browser, lang: &str) -> Browser {
    let field = ("accept-language".to_owned(), lang.to_owned());
    browser.fields.push(field);
    browser
}

#[tokio::test]
async fn the_page_tells_of_a_certificate_in_both_languages() {
    let house = house(true, "", |_| ()).await;
    let closed = Browser::of(&house, true).get("/certificates").await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    for (lang, words) in [
        (
            "de",
            [
                "Zertifikate",
                "läuft nicht ab",
                "Seriennummer",
                "Sie bleiben richtig",
            ],
        ),
        (
            "en",
            [
                "Certificates",
                "without end",
                "Serial number",
                "They stay right",
            ],
        ),
    ] {
        let mut browser = speaking(administrator(&house, true).await, lang);
        let page = browser.get("/certificates").await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header("content-language"), lang);
        for wanted in words {
            assert!(page.text.contains(wanted), "{lang} {wanted}: {}", page.text);
        }
        // It never ends, and is not well for that: nobody who verifies takes it.
        assert!(page.text.contains("class=\"tag warn\""), "{}", page.text);
        assert!(!page.text.contains("class=\"tag good\""), "{}", page.text);
        assert!(!page.text.contains("nterschrieben"), "{}", page.text);
        let record = format!("_25._tcp.{HOSTNAME}. IN TLSA 3 1 1 ");
        assert!(page.text.contains(&record), "{}", page.text);
        // Nothing is ordered, so there is no button for it.
        assert!(!page.text.contains("name=\"name\""), "{}", page.text);
        let list = browser.get("/holds").await;
        assert!(list.text.contains("href=\"/certificates\""));
        assert!(!list.text.contains("alert"), "{}", list.text);
    }
}

#[tokio::test]
async fn only_our_own_form_orders_and_only_what_is_ours_to_order() {
    let house = house(true, "", |conf| files(conf, HOSTNAME, "ours", 30)).await;
    let mut browser = administrator(&house, true).await;
    let token = browser.get("/certificates").await.field("token");
    for (name, form, status) in [
        ("no token", format!("name={HOSTNAME}"), 403),
        ("a wrong token", format!("name={HOSTNAME}&token=x"), 403),
        ("no name", format!("token={token}"), 400),
        ("more", format!("token={token}&name={HOSTNAME}&all=1"), 400),
        ("files", format!("token={token}&name={HOSTNAME}"), 409),
        ("unknown", format!("token={token}&name=%3Cb%3E"), 409),
    ] {
        let answer = browser.post("/certificates", &form).await;
        assert_eq!(answer.status, status, "case: {name}: {}", answer.text);
        assert!(!answer.text.contains("<b>"), "{}", answer.text);
    }
    let good = format!("token={token}&name={HOSTNAME}");
    browser
        .fields
        .push(("origin".into(), "https://evil.example".into()));
    let answer = browser.post("/certificates", &good).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let mut stranger = Browser::of(&house, true);
    let answer = stranger.post("/certificates", &good).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_file_says_is_text_and_nothing_else() {
    let hostile = "<script>alert(1)</script>\u{202E}gro.live \"x\" O=\r\nGood CA";
    let house = house(true, "", |conf| {
        files(conf, HOSTNAME, hostile, 30);
    })
    .await;
    let page = administrator(&house, true).await.get("/certificates").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(!page.text.contains('\u{202E}'), "{}", page.text);
    let answer = client(&house).get("/api/v1/certs").await.unwrap();
    let views: Vec<CertView> = serde_json::from_str(&answer.body).unwrap();
    let one = &views[0];
    assert_eq!(
        (one.title(), one.source.as_str(), one.days_left),
        (HOSTNAME, "files", Some(8))
    );
    for text in one.chain.iter().chain([&one.issuer]) {
        assert!(!text.contains(['\u{202E}', '\n', '\r']), "{text:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_told_everywhere() {
    let house = house(true, "", |conf| {
        files(conf, "lists.example.org", "lists", 26);
        files(conf, HOSTNAME, "mail", 27);
    })
    .await;
    let mut browser = speaking(administrator(&house, true).await, "de");
    let alert = "Das Zertifikat für lists.example.org: noch 4 Tage.";
    for path in ["/holds", "/certificates"] {
        let page = browser.get(path).await;
        assert!(page.text.contains(alert), "{path}: {}", page.text);
    }
    let ready = browser.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    let detail = format!("{HOSTNAME}: 5 days left; lists.example.org: 4 days left");
    assert!(ready.text.contains(&detail), "{}", ready.text);
    let metrics = house.metrics().await;
    for line in [
        "postwerk_cert_expiry_seconds{name=\"lists.example.org\"} 360000\n",
        "postwerk_cert_renewals_total{result=\"renewed\"} 0\n",
        "postwerk_cert_renewals_total{result=\"failed\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let answer = client(&house).get("/api/v1/status").await.unwrap();
    let status: Status = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status.certificate_days, Some(4));
    assert!(status.certificates.iter().all(|one| one.ends_soon));
    assert_eq!(status.certificates[0].name, HOSTNAME);
}

#[tokio::test]
async fn the_socket_says_why_nothing_is_ordered() {
    let house = house(true, "", |_| ()).await;
    let client = client(&house);
    for (name, wanted) in [
        (HOSTNAME, "is not ordered by us"),
        ("other.example", "no certificate is called other.example"),
    ] {
        let order = Renew {
            name: Some(name.to_owned()),
        };
        let error = client.post("/api/v1/certs/renew", &order).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(wanted), "{name}: {error}");
    }
    let error = client.post("/api/v1/certs/renew", &"all").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("write {} or"), "{error}");
    // Nothing is ordered here, so there is nothing to make due.
    let all = client.post("/api/v1/certs/renew", &Renew::default()).await;
    let done: Result<Renewal, _> = all.map(|answer| serde_json::from_str(&answer.body).unwrap());
    assert!(done.is_err() || done.is_ok_and(|renewal| renewal.done.is_empty()));
}
