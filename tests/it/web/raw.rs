//! What no page sends: other methods, wrong lengths, two of what should be one, and requests that never end.
//!
//! Requests are written octet by octet. Waits of the server end by its clock, which is moved until they do.

use std::time::Duration;

use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use postwerk::base::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Browser;
use super::browser::{house, tls};
use crate::DEADLINE;
use crate::house::House;

const WANTED: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow"),
    ("strict-transport-security", "max-age=31536000"),
];

#[tokio::test]
async fn every_answer_has_the_security_headers_in_both_protocols() {
    let house = house(true, "", |_| ()).await;
    for h2 in [false, true] {
        let mut browser = Browser {
            h2,
            ..Browser::of(&house, true)
        };
        for (method, path, status) in [
            ("GET", "/livez", 200),
            ("HEAD", "/livez", 200),
            ("GET", "/nothing/here", 404),
            ("PUT", "/livez", 405),
            ("TRACE", "/livez", 405),
        ] {
            let answer = browser.send(method, path, None).await;
            assert_eq!(answer.status, status, "case: {method} {path}");
            for (name, value) in WANTED {
                assert_eq!(answer.header(name), value, "case: {method} {path} {name}");
            }
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
        let style = browser.get("/style.css").await;
        assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
        assert!(style.text.len() < 15_000, "{} octets", style.text.len());
    }
    house.server.shutdown().await;
}

#[tokio::test]
async fn refusals_speak_the_visitors_language() {
    let house = house(true, "", |_| ()).await;
    let mut browser = Browser::of(&house, true);
    for (wish, lang, word) in [
        ("de-DE,en;q=0.5", "de", "Nicht gefunden"),
        ("fr", "en", "Not found"),
    ] {
        browser.fields = vec![("accept-language".to_owned(), wish.to_owned())];
        let answer = browser.get("/nothing").await;
        assert_eq!(answer.header("content-language"), lang);
        assert!(
            answer.text.contains(&format!("<html lang=\"{lang}\">")),
            "{}",
            answer.text
        );
        assert!(answer.text.contains(word), "{}", answer.text);
    }
}

#[tokio::test]
async fn plain_http_is_redirected_to_the_configured_host_only() {
    let house = house(true, "", |_| ()).await;
    let at = house.server.redirect_address().expect("redirects");
    for (request, location) in [
        (
            "GET /holds?q=a HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "https://127.0.0.1:8443/holds?q=a",
        ),
        (
            "GET //evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "https://127.0.0.1:8443//evil.example/",
        ),
        (
            "GET http://evil.example/x HTTP/1.1\r\nHost: a\r\n\r\n",
            "https://127.0.0.1:8443/x",
        ),
        (
            "POST /d/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "https://127.0.0.1:8443/d/x",
        ),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let text = head(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 308 "), "{text}");
        assert!(
            text.contains(&format!("location: {location}\r\n")),
            "{text}"
        );
        assert!(!text.contains("set-cookie"), "{text}");
    }
}

#[tokio::test]
async fn requests_that_two_parsers_could_read_differently_end_their_connection() {
    let house = house(false, "", |_| ()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, request) in ambiguous() {
        let mut stream = TcpStream::connect(house.server.admin_address().unwrap())
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(smuggled.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.0 4"),
            "case: {name}: {text}"
        );
        assert!(text.matches("HTTP/1.").count() <= 1, "case: {name}: {text}");
        assert!(
            !text.contains(" 404 ") && !text.contains(" 200 "),
            "case: {name}: {text}"
        );
    }
}

fn ambiguous() -> Vec<(&'static str, String)> {
    let post = "POST /livez HTTP/1.1\r\nHost: a\r\n";
    vec![
        (
            "length and chunks",
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "chunks and length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaa"),
        ),
        (
            "a list of lengths",
            format!("{post}Content-Length: 4, 5\r\n\r\naaaa"),
        ),
        (
            "a signed length",
            format!("{post}Content-Length: +4\r\n\r\naaaa"),
        ),
        (
            "folding",
            format!("{post}X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "a bad chunk",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nxyz\r\naaaa\r\n0\r\n\r\n"),
        ),
        (
            "another coding",
            format!("{post}Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\naaaa"),
        ),
        (
            "a space before the colon",
            format!("{post}Content-Length : 4\r\n\r\naaaa"),
        ),
        (
            "a bare CR",
            "GET /livez HTTP/1.1\rHost: a\r\n\r\n".to_owned(),
        ),
        (
            "a null",
            "GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n".to_owned(),
        ),
        (
            "two hosts",
            "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        ),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned()),
        (
            "TLS at the plain door",
            "\u{16}\u{3}\u{1}\0\u{5}hello".to_owned(),
        ),
    ]
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_however_it_comes() {
    let house = house(true, "", |_| ()).await;
    for h2 in [false, true] {
        let mut browser = Browser {
            h2,
            ..Browser::of(&house, true)
        };
        let answer = browser.post("/livez", &"a".repeat(64 << 10)).await;
        assert_eq!(answer.status, 405, "just fits");
        let answer = browser.post("/livez", &"a".repeat((64 << 10) + 1)).await;
        assert_eq!(answer.status, 413);
        let answer = browser.get(&format!("/{}", "a".repeat(20_000))).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
}

#[tokio::test]
async fn slow_heads_slow_bodies_and_idle_connections_end() {
    let house = house(false, "", |_| ()).await;
    let at = house.server.admin_address().unwrap();
    let slow_head = "GET /livez HTTP/1.1\r\nHost: a\r\nX: ";
    let slow_body = "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\na=";
    let idle = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    for (name, begun, wanted) in [
        ("nothing", "", ""),
        ("a slow head", slow_head, ""),
        ("a slow body", slow_body, "HTTP/1.1 408 "),
        ("idle", idle, "HTTP/1.1 200 "),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert!(
            ended(&house, &mut stream).await.starts_with(wanted),
            "case: {name}"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_never_comes_ends() {
    let house = house(true, "", |_| ()).await;
    let mut stream = TcpStream::connect(house.server.admin_address().unwrap())
        .await
        .unwrap();
    assert_eq!(ended(&house, &mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_a_stop() {
    let house = house(true, "", |_| ()).await;
    let at = house.server.admin_address().unwrap();
    let http2 = tls(TcpStream::connect(at).await.unwrap(), b"h2").await;
    let (mut sender, line) =
        http2::handshake::<_, _, Empty<&[u8]>>(TokioExecutor::new(), TokioIo::new(http2))
            .await
            .unwrap();
    let line = tokio::spawn(line);
    sender.ready().await.unwrap();
    Clock::system()
        .timeout(DEADLINE, house.server.shutdown())
        .await
        .expect("stopped");
    drop((sender, line));
}

#[tokio::test]
async fn nothing_listens_without_a_bind() {
    let house = House::start(crate::house::nobody().await, "").await;
    assert_eq!(house.server.admin_address(), None);
    assert_eq!(house.server.redirect_address(), None);
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset says as well that it is closed.
    let read = Clock::system()
        .timeout(DEADLINE, stream.read_to_end(&mut all))
        .await;
    drop(read.expect("closed"));
    String::from_utf8_lossy(&all).into_owned()
}

/// Lets time pass until the other side closes.
async fn ended(house: &House, stream: &mut TcpStream) -> String {
    let passing = async {
        loop {
            house.pass(Duration::from_secs(5));
            Clock::system().sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        text = rest(stream) => text,
        () = passing => unreachable!(),
    }
}

/// One head.
async fn head(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    while !all.ends_with(b"\r\n\r\n") {
        all.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(all).expect("text")
}
