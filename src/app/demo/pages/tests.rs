//! The inbox shows strangers' mails and lets none of them do anything.
//!
//! Requests go through the router, as the endpoint sends them. Not here: what is kept (`inbox`).

use http_body_util::BodyExt;
use hyper::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::base::clock::Wall;

const MAIL: &str = "From: a@example.org\r\nSubject: <b>x</b>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
    Freigeben:\r\nhttp://127.0.0.1:8025/d/AbC\r\n<script>alert(1)</script> javascript:alert(1)\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>hello</p><script>alert(2)</script>\r\n--b--\r\n";

async fn get_page(router: &Router, path: &str, lang: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder()
        .uri(path)
        .header("accept-language", lang)
        .body(axum::body::Body::empty())
        .unwrap();
    let response = TowerToHyperService::new(router.clone())
        .call(request)
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (head.status, head.headers, text)
}

fn filled() -> Router {
    let inbox = Inbox::default();
    inbox.keep(
        Wall(0),
        "",
        "old@example.org",
        b"Subject: old\r\n\r\nx\r\n".to_vec(),
    );
    inbox.keep(
        Wall(0),
        "a@example.org",
        "b@example.org",
        MAIL.as_bytes().to_vec(),
    );
    router(inbox, Lang::De)
}

#[tokio::test]
async fn the_list_shows_the_newest_mail_first_in_the_browsers_language() {
    let router = filled();
    let (status, headers, text) = get_page(&router, "/inbox", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("Posteingang der Demo"), "{text}");
    let (new, old) = (
        text.find("/inbox/2").unwrap(),
        text.find("/inbox/1").unwrap(),
    );
    assert!(new < old);
    assert!(!text.contains("<b>x</b>"), "a subject is escaped: {text}");
    assert_eq!(headers["cache-control"], "no-store");
    let (_, _, text) = get_page(&router, "/inbox", "en").await;
    assert!(text.contains("Inbox of the demo"), "{text}");
    let (status, headers, _) = get_page(&router, "/", "").await;
    assert!(status.is_redirection());
    assert_eq!(headers["location"], "/inbox");
}

#[tokio::test]
async fn addresses_in_the_text_are_links_and_nothing_else_is() {
    let (_, headers, text) = get_page(&filled(), "/inbox/2", "").await;
    let link = "<a href=\"http://127.0.0.1:8025/d/AbC\" rel=\"noreferrer noopener\">";
    assert!(text.contains(link), "{text}");
    assert!(!text.contains("<script>"), "{text}");
    assert!(!text.contains("href=\"javascript"), "{text}");
    assert!(!text.contains("hello"), "the HTML part stays in its frame");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn the_html_part_and_the_source_come_in_a_sandbox() {
    let router = filled();
    for (path, kind, holds) in [
        ("/inbox/2/html", "text/html; charset=utf-8", "<p>hello</p>"),
        ("/inbox/2/raw", "text/plain; charset=utf-8", "MIME-Version"),
    ] {
        let (status, headers, text) = get_page(&router, path, "").await;
        assert_eq!(status, StatusCode::OK, "case: {path}");
        assert_eq!(headers["content-security-policy"], FRAME, "case: {path}");
        assert_eq!(headers["content-type"], kind, "case: {path}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(text.contains(holds), "case: {path}: {text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let router = filled();
    for path in [
        "/inbox/3",
        "/inbox/0/raw",
        "/inbox/x",
        "/inbox/1/html",
        "/inbox/-1",
    ] {
        let (status, _, text) = get_page(&router, path, "en").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "case: {path}");
        assert!(text.contains("no such mail"), "case: {path}: {text}");
    }
}

#[test]
fn addresses_end_where_a_person_would_end_them() {
    use Piece::{Link, Text};
    for (text, wanted) in [
        ("none", vec![Text("none")]),
        (
            "a https://b.example/c?d=e&f\nx",
            vec![Text("a "), Link("https://b.example/c?d=e&f"), Text("\nx")],
        ),
        (
            "<http://a.example>",
            vec![Text("<"), Link("http://a.example"), Text(">")],
        ),
        (
            "ftp://a http://b\"c",
            vec![Text("ftp://a "), Link("http://b"), Text("\"c")],
        ),
    ] {
        assert_eq!(pieces(text), wanted, "case: {text}");
    }
}
