//! The socket from outside: octets in, octets out, over a real queue.
//!
//! Requests are written as a client sends them; no handler is called beside the socket.
//! Not here: the words of a query (`queue::query`) and the command line (`cli::queue`).

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::accounts::Accounts;
use crate::admin::links::Rotation;
use crate::base::shutdown::{Finish, Shutdown};
use crate::bounce::fixture::{Stage, fault};
use crate::digest::key::Keys;
use crate::digest::token::{BadToken, hour_of};
use crate::mail::hold::{Hold, HoldQueue, HoldReason};
use crate::mail::outcome::Outcome;
use crate::queue::record::HoldId;

struct Server {
    stage: Stage,
    folder: tempfile::TempDir,
    shutdown: Shutdown,
    finish: Finish,
    task: tokio::task::JoinHandle<()>,
}

async fn keys_of(stage: &Stage) -> Keys {
    let (store, clock) = (stage.queue.store().clone(), stage.clock.clone());
    Keys::load(store, clock).await.unwrap()
}

impl Server {
    async fn start() -> Self {
        let stage = Stage::new();
        let folder = tempfile::tempdir().unwrap();
        let (shutdown, finish) = Shutdown::new();
        let conf = Arc::clone(stage.queue.conf());
        let context = Context {
            endpoint: None,
            digests: None,
            site: None,
            accounts: Accounts::new(Arc::clone(&conf), stage.queue.store().clone()),
            conf,
            queue: stage.queue.clone(),
            keys: keys_of(&stage).await,
            clock: stage.clock.clone(),
            shutdown: shutdown.clone(),
        };
        let control = bind(folder.path()).unwrap();
        let task = tokio::spawn(control.run(context));
        Self {
            stage,
            folder,
            shutdown,
            finish,
            task,
        }
    }

    /// Status, head and body of the answer.
    async fn ask(&self, request: &str, body: &str) -> (u16, String, String) {
        let path = self.folder.path().join(NAME);
        let mut stream = UnixStream::connect(path).await.unwrap();
        let length = body.len();
        let octets = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(octets.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    async fn lines(&self, request: &str, body: &str) -> Vec<Value> {
        let (status, _, body) = self.ask(request, body).await;
        assert_eq!(status, 200, "{request}: {body}");
        let line = |line| serde_json::from_str(line).unwrap();
        body.lines().map(line).collect()
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.task.await.unwrap();
        drop(self.shutdown);
        self.finish.finished().await;
        assert!(
            !self.folder.path().join(NAME).exists(),
            "the socket is gone"
        );
    }
}

fn held() -> Hold {
    Hold::new(HoldQueue::Bad, HoldReason::Internal, "test")
}

#[tokio::test]
async fn the_list_begins_with_the_names_of_postqueue() {
    let server = Server::start().await;
    let id = server
        .stage
        .accept("a@home.example", &["b@one.example"], None)
        .await;
    let deferred = Outcome::Deferred(fault("451 4.7.1 Greylisted"));
    server.stage.settle_all(&deferred).await;
    let (status, _, body) = server.ask("GET /api/v1/queue", "").await;
    assert_eq!(status, 200);
    let wanted = format!(
        "{{\"queue_name\":\"deferred\",\"queue_id\":\"{id}\",\"arrival_time\":1795287508,\"message_size\":69,\"forced_expire\":false,\"sender\":\"a@home.example\",\"recipients\":[{{\"address\":\"b@one.example\",\"delay_reason\":\"451 4.7.1 Greylisted\",\"status\":\"due\","
    );
    assert!(body.starts_with(&wanted), "got {body}\nwanted {wanted}");
    server.stop().await;
}

#[tokio::test]
async fn a_query_finds_by_index_by_id_and_by_looking() {
    let server = Server::start().await;
    let plain = server
        .stage
        .accept("a@home.example", &["b@one.example"], None)
        .await;
    let kept = server
        .stage
        .accept("", &["c@two.example", "d@two.example"], Some(held()))
        .await;
    for (query, wanted) in [
        ("", vec![plain, kept]),
        ("queue:bad", vec![kept]),
        ("queue:due", vec![plain]),
        ("to:@two.example", vec![kept]),
        ("to:@three.example", vec![]),
        ("from:home", vec![plain]),
        (&format!("id:{plain}"), vec![plain]),
        (&format!("id:{plain},{kept}"), vec![plain, kept]),
        ("status:held", vec![kept]),
        ("status:relayed", vec![]),
    ] {
        let rows = server
            .lines(&format!("GET /api/v1/queue?q={query}"), "")
            .await;
        let ids: Vec<&str> = rows
            .iter()
            .map(|row| row["queue_id"].as_str().unwrap())
            .collect();
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(ids, wanted, "case: {query}");
    }
    let rows = server.lines("GET /api/v1/queue?q=queue:bad", "").await;
    assert_eq!(
        (
            &rows[0]["queue_name"],
            &rows[0]["hold_queue"],
            &rows[0]["reason"],
            &rows[0]["sender"]
        ),
        (
            &"hold".into(),
            &"bad".into(),
            &"internal".into(),
            &"MAILER-DAEMON".into()
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn an_ended_recipient_is_listed_only_when_its_end_is_asked_for() {
    let server = Server::start().await;
    let to = ["b@one.example", "c@two.example"];
    server.stage.accept("a@home.example", &to, None).await;
    let failed = Outcome::Failed(fault("550 5.1.1 No such user"));
    server.stage.settle_one(&failed).await;
    let row = &server.lines("GET /api/v1/queue", "").await[0];
    assert_eq!(row["recipients"].as_array().map(Vec::len), Some(1));
    let row = &server.lines("GET /api/v1/queue?q=status:failed", "").await[0];
    let ended = &row["recipients"][0];
    assert_eq!(
        (
            &ended["status"],
            &ended["bounce_reason"],
            &ended["delay_reason"]
        ),
        (
            &"failed".into(),
            &"550 5.1.1 No such user".into(),
            &Value::Null
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let server = Server::start().await;
    let mut wanted = Vec::new();
    for n in 0..5 {
        let hold = (n % 2 == 0).then(held);
        wanted.push((
            n,
            server
                .stage
                .accept("a@home.example", &["b@one.example"], hold)
                .await,
        ));
    }
    for (query, held_only) in [("", false), ("queue:bad", true), ("to:@one.example", false)] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let (_, head, body) = server
                .ask(&format!("GET /api/v1/queue?q={query}&limit=1{after}"), "")
                .await;
            let ids = body.lines().map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["queue_id"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            });
            found.extend(ids);
            let Some(next) = head
                .lines()
                .find_map(|line| line.strip_prefix("postwerk-next: "))
            else {
                break;
            };
            after = format!("&after={next}");
        }
        let all: Vec<String> = wanted
            .iter()
            .filter(|(n, _)| !held_only || n % 2 == 0)
            .map(|(_, id)| id.to_string())
            .collect();
        assert_eq!(found, all, "case: {query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn verbs_answer_for_each_id_alone() {
    let server = Server::start().await;
    let id = server
        .stage
        .accept("a@home.example", &["b@one.example", "c@two.example"], None)
        .await;
    let order = format!(
        "{{\"ids\":[\"{id}/b@one.example\",\"{id}\",\"0000000000000000\",\"nonsense\",\"{id}/x@y.example\"]}}"
    );
    let done = server.lines("POST /api/v1/queue/hold", &order).await;
    let oks: Vec<bool> = done
        .iter()
        .map(|one| one["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(oks, [true, true, false, false, false], "got {done:?}");
    assert_eq!(done[1]["recipients"], 1, "the other one is held already");
    assert!(
        done[2]["error"]
            .as_str()
            .unwrap()
            .starts_with("no such message in the queue")
    );
    assert!(
        done[3]["error"]
            .as_str()
            .unwrap()
            .contains("is no queue id")
    );
    assert!(
        done[4]["error"]
            .as_str()
            .unwrap()
            .contains("no recipient x@y.example")
    );
    let row = &server
        .lines("GET /api/v1/queue?q=queue:quarantine", "")
        .await[0];
    assert_eq!(
        (&row["reason"], &row["queue_name"]),
        (&"operator".into(), &"hold".into())
    );
    let order = format!("{{\"ids\":[\"{id}\"],\"now\":true}}");
    assert_eq!(
        server.lines("POST /api/v1/queue/delete", &order).await[0]["recipients"],
        2
    );
    assert_eq!(
        server
            .lines(
                "POST /api/v1/queue/retry",
                &order.replace(",\"now\":true", "")
            )
            .await[0]["error"],
        "is already finished"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_story_names_peer_attempts_and_who_acted() {
    let server = Server::start().await;
    let id = server
        .stage
        .accept("a@home.example", &["b@one.example"], None)
        .await;
    server
        .stage
        .settle_all(&Outcome::Deferred(fault("451 4.7.1 Greylisted")))
        .await;
    server
        .lines(
            "POST /api/v1/queue/hold",
            &format!("{{\"ids\":[\"{id}\"]}}"),
        )
        .await;
    let story = &server.lines(&format!("GET /api/v1/queue/{id}"), "").await[0];
    let steps = story["timeline"].as_array().unwrap();
    let kinds: Vec<&str> = steps
        .iter()
        .map(|step| step["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["email.accepted", "attempt", "email.held"]);
    let text = steps[0]["text"].as_str().unwrap();
    for wanted in [
        "127.0.0.1:40000",
        "client.example",
        "ESMTPSA",
        "account app1",
    ] {
        assert!(text.contains(wanted), "got {text}");
    }
    assert_eq!(steps[1]["recipients"][0]["reply"], "451 4.7.1 Greylisted");
    assert!(
        steps[1]["tls"].as_str().unwrap().starts_with("TLSv1.3")
            && steps[1]["next_try"].is_string()
    );
    assert!(steps[2]["actor"].as_str().unwrap().starts_with("cli:"));
    server.stop().await;
}

#[tokio::test]
async fn mistakes_are_problems_with_a_sentence() {
    let server = Server::start().await;
    for (request, body, status, detail) in [
        (
            "GET /api/v1/queue?q=form:x",
            "",
            400,
            "column 1: unknown word `form:`",
        ),
        ("GET /api/v1/queue?after=x", "", 400, "`x` is no queue id"),
        ("GET /api/v1/queue?page=2", "", 400, "Failed to deserialize"),
        (
            "GET /api/v1/queue/0643E1B2A90C7701",
            "",
            404,
            "no message 0643E1B2A90C7701",
        ),
        ("GET /nothing", "", 404, "no such path"),
        ("PUT /api/v1/queue", "", 405, "read with GET"),
        (
            "POST /api/v1/queue/kill",
            "{\"ids\":[]}",
            404,
            "no verb `kill`",
        ),
        (
            "POST /api/v1/queue/hold",
            "{\"ids\":[],\"now\":true}",
            400,
            "`undo` goes with",
        ),
        (
            "POST /api/v1/queue/hold",
            "{\"id\":\"x\"}",
            422,
            "Failed to deserialize",
        ),
        ("POST /api/v1/queue/hold", "{", 400, "Failed to parse"),
    ] {
        let (got, head, answer) = server.ask(request, body).await;
        let problem: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(got, status, "case: {request}: {answer}");
        assert!(
            head.contains("application/problem+json"),
            "case: {request}: {head}"
        );
        let text = problem["detail"].as_str().unwrap();
        assert!(text.starts_with(detail), "case: {request}: {text}");
    }
    let (status, _, body) = server.ask("GET /livez", "").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    server.stop().await;
}

#[tokio::test]
async fn too_much_is_refused() {
    let server = Server::start().await;
    let ids = vec!["\"0643E1B2A90C7701\""; crate::base::limit::CONTROL_IDS_MAX + 1].join(",");
    let (status, _, _) = server
        .ask("POST /api/v1/queue/hold", &format!("{{\"ids\":[{ids}]}}"))
        .await;
    assert_eq!(status, 413);
    server.stop().await;
}

#[tokio::test]
async fn accounts_are_listed_and_edited() {
    let server = Server::start().await;
    // A PHC string, so that no test waits for argon2.
    let hash = crate::accounts::hash("correct horse").unwrap();
    let add =
        format!("{{\"name\":\"app1\",\"password\":\"{hash}\",\"senders\":[\"*@home.example\"]}}");
    assert_eq!(server.ask("POST /api/v1/accounts", &add).await.0, 201);
    assert_eq!(server.ask("POST /api/v1/accounts", &add).await.0, 409);
    let all = server.lines("GET /api/v1/accounts", "").await;
    assert_eq!(
        (&all[0]["name"], &all[0]["origin"]),
        (&"app1".into(), &"store".into())
    );
    assert!(
        !all[0].to_string().contains("argon2"),
        "no hash leaves the server"
    );
    let bad = add
        .replace("*@home.example", "home example")
        .replace("app1", "app2");
    assert_eq!(server.ask("POST /api/v1/accounts", &bad).await.0, 400);
    assert_eq!(server.ask("DELETE /api/v1/accounts/app1", "").await.0, 204);
    assert_eq!(server.ask("DELETE /api/v1/accounts/app1", "").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn only_the_owner_reaches_the_socket_and_only_one_server_has_it() {
    let server = Server::start().await;
    let mode = std::fs::metadata(server.folder.path().join(NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        bind(server.folder.path()),
        Err(ControlError::Live { .. })
    ));
    server.stop().await;
}

#[tokio::test]
async fn what_a_dead_server_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let control = bind(folder.path()).unwrap();
    assert_eq!(control.path(), path);
}

#[test]
fn a_path_too_long_for_a_socket_is_told() {
    let folder = Path::new("/tmp").join("x".repeat(100));
    let error = socket_in(&folder).unwrap_err().to_string();
    assert!(error.contains("118 octets"), "got {error}");
}

#[tokio::test]
async fn link_keys_are_rotated_and_the_answer_says_what_becomes_of_old_links() {
    let server = Server::start().await;
    let keys = keys_of(&server.stage).await;
    let (hold, end) = (HoldId(7), hour_of(server.stage.clock.wall()) + 5);
    let rotate = "POST /api/v1/links/rotate";
    let (status, _, body) = server.ask(rotate, "{}").await;
    let one: Rotation = serde_json::from_str(&body).unwrap();
    assert_eq!((status, one.key, one.believed, one.revoked), (200, 1, 1, 0));
    assert!(one.until.is_some());
    let text = keys
        .signer()
        .token(crate::digest::token::Action::Delete, hold, 1, end);
    let (_, _, body) = server.ask(rotate, r#"{"now":true}"#).await;
    let two: Rotation = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (two.key, two.believed, two.revoked, two.until),
        (2, 0, 2, None)
    );
    assert!(matches!(
        keys_of(&server.stage).await.read(&text),
        Err(BadToken::Revoked(_))
    ));
    for wrong in ["", "7", r#"{"now":1}"#, r#"{"later":true}"#] {
        let (status, _, body) = server.ask(rotate, wrong).await;
        assert!((400..500).contains(&status), "{wrong}: {status}");
        assert!(body.contains("write {}"), "{body}");
    }
    assert_eq!(server.ask("GET /api/v1/links/rotate", "").await.0, 405);
    server.stop().await;
}
