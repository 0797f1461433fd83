//! test-mail against a scripted server: what it prints, and how it ends.
//!
//! The server says what the case wants, so that every exit status is reached.
//! Not here: a real server (`tests/run.sh`).

use std::sync::{Arc, Mutex};

use clap::Parser as _;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers each line by its first word, `.` included; 250 where the script has nothing.
async fn server(script: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut wire = BufReader::new(stream);
        wire.write_all(b"220 mx.example\r\n").await.unwrap();
        let (mut line, mut data) = (String::new(), false);
        while wire.read_line(&mut line).await.unwrap_or(0) > 0 {
            let text = line.trim_end();
            let verb = text.split([' ', ':']).next().unwrap_or_default().to_owned();
            let known = script.iter().find(|(word, _)| text.starts_with(word));
            let answer = match known {
                _ if data && text != "." => "",
                Some((_, answer)) => answer,
                None if verb == "DATA" => "354 go",
                None if verb == "EHLO" => "250-mx.example\r\n250 AUTH LOGIN",
                None => "250 ok",
            };
            data = (data || answer.starts_with("354")) && text != ".";
            if !answer.is_empty() {
                wire.write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .unwrap();
            }
            line.clear();
        }
    });
    address
}

async fn try_it(
    script: &'static [(&'static str, &'static str)],
    more: &[&str],
) -> (Result<End, Failure>, String) {
    let server = server(script).await.to_string();
    let mut line = vec!["test-mail", "--server", &server];
    line.extend_from_slice(more);
    let args = Line::try_parse_from(line).unwrap().args;
    let paper = Paper::default();
    let end = send(&args, &Transcript::new(Box::new(paper.clone()))).await;
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    (end, text)
}

#[tokio::test]
async fn the_dialogue_is_printed_without_the_mail() {
    let (end, text) = try_it(&[], &["a@b.example"]).await;
    assert_eq!(end.unwrap(), End::Taken);
    assert!(
        text.starts_with("S: 220 mx.example\nC: EHLO [127.0.0.1]\n"),
        "got {text}"
    );
    assert!(
        text.contains("C: RCPT TO:<a@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: (message of "),
        "got {text}"
    );
    assert!(text.ends_with("C: QUIT\nS: 250 ok\n"), "got {text}");
}

#[tokio::test]
async fn one_refused_recipient_stops_nobody_else_and_decides_the_end() {
    let (end, text) = try_it(
        &[("RCPT TO:<bad", "550 5.1.1 no")],
        &["bad@b.example", "good@b.example"],
    )
    .await;
    assert_eq!(end.unwrap(), End::Never);
    assert!(text.contains("C: (message of "), "got {text}");
    let (end, _) = try_it(&[("RCPT", "451 4.3.0 later")], &["a@b.example"]).await;
    assert_eq!(end.unwrap(), End::NotNow);
    let (end, _) = try_it(&[(".", "554 5.7.1 no")], &["a@b.example"]).await;
    assert_eq!(end.unwrap(), End::Never);
}

#[tokio::test]
async fn a_password_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").unwrap();
    let script = &[
        ("AUTH", "334 VXNlcm5hbWU6"),
        ("YXBw", "334 UGFzc3dvcmQ6"),
        ("aHVudGVyMg==", "235 in"),
    ];
    let file = path.to_str().unwrap();
    let more = ["a@b.example", "--account", "app", "--password-file", file];
    let (end, text) = try_it(script, &more).await;
    assert_eq!(end.unwrap(), End::Taken);
    assert!(text.contains("C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ***\nS: 334 UGFzc3dvcmQ6\nC: ***\nS: 235 in\nC: MAIL"), "got {text}");
}

#[tokio::test]
async fn a_server_that_asks_without_end_is_asked_to_stop_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").unwrap();
    let script = &[
        ("AUTH", "334 "),
        ("YXBw", "334 "),
        ("aHVudGVyMg==", "334 "),
        ("*", "334 "),
    ];
    let file = path.to_str().unwrap();
    let more = ["a@b.example", "--account", "app", "--password-file", file];
    let sent = Clock::system()
        .timeout(Duration::from_secs(20), try_it(script, &more))
        .await;
    let (end, text) = sent.expect("it ends");
    assert_eq!(end.unwrap(), End::NotNow);
    assert_eq!(text.matches("S: 334").count(), 4, "got {text}");
}

#[tokio::test]
async fn nobody_there_is_a_failure_of_the_line() {
    let args = Line::try_parse_from(["test-mail", "a@b.example", "--server", "127.0.0.1:1"])
        .unwrap()
        .args;
    let end = send(&args, &Transcript::new(Box::new(Paper::default()))).await;
    assert!(matches!(end, Err(Failure::Line { .. })), "got {end:?}");
}
