//! A scripted ACME directory on loopback with a CA of its own: enough of RFC 8555 for one client, and every fault.
//!
//! Nonces are checked, signatures are not. What it answers is changed while it runs; what it was asked is counted. Its
//! dates come from the clock of the house. Not here: what is tested with it (`orders`, `faults`).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::{get, head, post};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use postwerk::base::clock::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::validate;

/// What is changed while it runs.
pub struct Script {
    /// So many POSTs are answered badNonce.
    pub bad_nonces: u32,
    /// Connections are closed at once.
    pub down: bool,
    /// Accounts that it does not take any more.
    pub revoked: bool,
    /// New orders are answered with this Retry-After.
    pub limited: Option<u64>,
    /// Its clock is so much behind ours.
    pub behind: u64,
    /// How names are validated.
    pub validation: Validation,
    /// What it issues.
    pub issue: Issue,
    /// The lifetime of what it issues.
    pub life: Duration,
    /// Whether it has renewal information, and the window from now on.
    pub window: Option<(Duration, Duration)>,
    /// So many questions for it are answered with 503.
    pub lost_windows: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Taken at its word.
    Trusting,
    /// Done over the network.
    Real,
    /// Pending for so many looks.
    Slow(u32),
    /// This text.
    Failing(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issue {
    Right,
    ForAnotherKey,
    ForAnotherName,
    Expired,
    Garbage,
}

/// What it was asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub accounts: u32,
    pub orders: u32,
    pub certificates: u32,
    /// Orders that were asked for, those that were refused too.
    pub wishes: u32,
    /// Questions for the window.
    pub windows: u32,
}

#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    clock: Clock,
    root: String,
    issuer: Issuer<'static, KeyPair>,
    doors: watch::Sender<Option<[SocketAddr; 2]>>,
    state: Mutex<Everything>,
}

struct Everything {
    script: Script,
    counts: Counts,
    nonces: HashSet<String>,
    next: u64,
    /// Thumbprints by account URL.
    accounts: HashMap<String, String>,
    orders: HashMap<u64, Order>,
}

#[derive(Clone)]
struct Order {
    names: Vec<String>,
    account: String,
    status: &'static str,
    looks: u32,
    error: Option<String>,
    chain: String,
    replaces: Option<String>,
}

type Answer = Response<Body>;

impl Directory {
    pub async fn start(clock: Clock) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Scripted Root");
        params.use_authority_key_identifier_extension = true;
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let cert = params.signed_by(&own, &issuer).unwrap();
        let own = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], own)
            .unwrap();
        let directory = Self(Arc::new(Inner {
            address: socket.local_addr().unwrap(),
            clock,
            root,
            issuer,
            doors: watch::Sender::new(None),
            state: Mutex::new(Everything {
                script: Script {
                    bad_nonces: 0,
                    down: false,
                    revoked: false,
                    limited: None,
                    behind: 0,
                    validation: Validation::Trusting,
                    issue: Issue::Right,
                    life: Duration::from_secs(90 * 86_400),
                    window: None,
                    lost_windows: 0,
                },
                counts: Counts::default(),
                nonces: HashSet::new(),
                next: 1,
                accounts: HashMap::new(),
                orders: HashMap::new(),
            }),
        }));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(directory.clone().serve(socket, acceptor));
        directory
    }

    async fn serve(self, socket: TcpListener, acceptor: TlsAcceptor) {
        let router = self.router();
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            if self.all().script.down {
                continue;
            }
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = TowerToHyperService::new(router);
                let line = hyper::server::conn::http1::Builder::new();
                drop(line.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    }

    /// The sections that make a server use it, and its root beside them.
    pub fn sections(&self, dir: &FilePath, challenge: &str, more: &str) -> String {
        std::fs::write(dir.join("root.pem"), &self.0.root).unwrap();
        format!(
            "[tls]\nmode = \"acme\"\n\
             [admin]\nbind = \"127.0.0.1:0\"\nhttp_bind = \"127.0.0.1:0\"\npublic_url = \"https://mail.postwerk.example/\"\n\
             [acme]\ndirectory = \"{}\"\ncontact = \"postmaster@example.org\"\nchallenge = \"{challenge}\"\nroot = \"root.pem\"\n{more}",
            self.url("directory")
        )
    }

    fn all(&self) -> MutexGuard<'_, Everything> {
        self.0.state.lock().unwrap()
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.all().script);
    }

    pub fn counts(&self) -> Counts {
        self.all().counts
    }

    /// Whether it was asked to validate a name.
    pub fn validates(&self) -> bool {
        self.all().orders.values().any(|order| order.looks > 0)
    }

    /// Where names are validated: HTTP and TLS.
    pub fn doors(&self, http: SocketAddr, tls: SocketAddr) {
        self.0.doors.send_replace(Some([http, tls]));
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.0.address)
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/directory", get(index))
            .route("/nonce", head(nonce))
            .route("/account", post(account))
            .route("/new", post(new_order))
            .route("/order/{id}", post(order))
            .route("/authz/{id}/{n}", post(authz))
            .route("/challenge/{id}/{n}", post(challenge))
            .route("/finalize/{id}", post(finalize))
            .route("/cert/{id}", post(certificate))
            .route("/ari/{id}", get(window))
            .with_state(self.clone())
    }

    /// With a fresh nonce and our date.
    fn say(&self, status: u16, body: impl Into<Body>) -> Answer {
        let mut answer = Response::new(body.into());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        let mut all = self.all();
        let nonce = format!("n{}", all.next);
        all.next += 1;
        all.nonces.insert(nonce.clone());
        let now = self.0.clock.wall().secs() - all.script.behind;
        let date = jiff::Timestamp::from_second(i64::try_from(now).unwrap()).unwrap();
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = answer.headers_mut();
        headers.insert("replay-nonce", HeaderValue::try_from(nonce).unwrap());
        headers.insert("date", HeaderValue::try_from(date).unwrap());
        answer
    }

    fn refuse(&self, status: u16, word: &str, detail: &str) -> Answer {
        let problem = json!({
            "type": format!("urn:ietf:params:acme:error:{word}"), "detail": detail, "status": status,
        });
        self.say(status, problem.to_string())
    }

    /// The payload and who sent it, or what is wrong.
    fn open(&self, body: &Bytes) -> Result<(Value, Value), Box<Answer>> {
        let whole: Value = serde_json::from_slice(body).unwrap();
        let part = |name: &str| B64.decode(whole[name].as_str().unwrap()).unwrap();
        let head: Value = serde_json::from_slice(&part("protected")).unwrap();
        let payload = serde_json::from_slice(&part("payload")).unwrap_or(Value::Null);
        let mut all = self.all();
        let known = all.nonces.remove(head["nonce"].as_str().unwrap());
        let refused = all.script.bad_nonces > 0;
        all.script.bad_nonces = all.script.bad_nonces.saturating_sub(1);
        let gone = all.script.revoked && head["kid"].is_string();
        drop(all);
        if !known || refused {
            return Err(self
                .refuse(400, "badNonce", "a nonce that nobody gave")
                .into());
        }
        if gone {
            return Err(self
                .refuse(403, "unauthorized", "the account is deactivated")
                .into());
        }
        Ok((head, payload))
    }

    fn order_json(&self, id: u64, order: &Order) -> Value {
        let all = 0..order.names.len();
        let mut shown = json!({
            "status": order.status, "finalize": self.url(&format!("finalize/{id}")),
            "identifiers": order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect::<Vec<_>>(),
            "authorizations": all.map(|n| self.url(&format!("authz/{id}/{n}"))).collect::<Vec<_>>(),
        });
        if order.status == "valid" {
            shown["certificate"] = json!(self.url(&format!("cert/{id}")));
        }
        if let Some(replaces) = &order.replaces {
            shown["replaces"] = json!(replaces);
        }
        shown
    }

    fn issue(&self, names: &[String], key: Vec<u8>) -> String {
        let (issue, life) = {
            let all = self.all();
            (all.script.issue, all.script.life)
        };
        let names = match issue {
            Issue::ForAnotherName => vec!["else.example".to_owned()],
            Issue::Garbage => {
                return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
            }
            Issue::Right | Issue::ForAnotherKey | Issue::Expired => names.to_vec(),
        };
        let now = Duration::from_secs(self.0.clock.wall().secs());
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(1970, 1, 1) + now - Duration::from_secs(3_600);
        params.not_after = params.not_before + life;
        // Ours are made of the key if nobody says another one.
        params.serial_number = Some(u64::from(self.counts().certificates + 1).into());
        if issue == Issue::Expired {
            params.not_after = params.not_before + Duration::from_secs(1_800);
        }
        let cert = if issue == Issue::ForAnotherKey {
            params.signed_by(&KeyPair::generate().unwrap(), &self.0.issuer)
        } else {
            params.signed_by(&Theirs(key), &self.0.issuer)
        };
        self.all().counts.certificates += 1;
        format!("{}{}", cert.unwrap().pem(), self.0.root)
    }
}

/// The public key of a request.
struct Theirs(Vec<u8>);

impl PublicKeyData for Theirs {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

async fn index(State(own): State<Directory>) -> Answer {
    let mut shown = json!({
        "newNonce": own.url("nonce"), "newAccount": own.url("account"), "newOrder": own.url("new"),
    });
    if own.all().script.window.is_some() {
        shown["renewalInfo"] = json!(own.url("ari"));
    }
    own.say(200, shown.to_string())
}

async fn nonce(State(own): State<Directory>) -> Answer {
    own.say(200, "")
}

async fn account(State(own): State<Directory>, body: Bytes) -> Answer {
    let (head, _) = match own.open(&body) {
        Ok(opened) => opened,
        Err(refused) => return *refused,
    };
    let id = {
        let mut all = own.all();
        all.script.revoked = false;
        all.counts.accounts += 1;
        all.counts.accounts
    };
    let url = own.url(&format!("account/{id}"));
    let thumb = validate::thumbprint(&head["jwk"]);
    own.all().accounts.insert(url.clone(), thumb);
    let mut answer = own.say(201, json!({"status": "valid"}).to_string());
    let url = HeaderValue::try_from(url).unwrap();
    answer.headers_mut().insert("location", url);
    answer
}

async fn new_order(State(own): State<Directory>, body: Bytes) -> Answer {
    let (head, wish) = match own.open(&body) {
        Ok(opened) => opened,
        Err(refused) => return *refused,
    };
    own.all().counts.wishes += 1;
    let limited = own.all().script.limited;
    if let Some(secs) = limited {
        let mut answer = own.refuse(429, "rateLimited", "too many certificates already issued");
        let wait = HeaderValue::from(secs);
        answer.headers_mut().insert("retry-after", wait);
        return answer;
    }
    let names = wish["identifiers"].as_array().unwrap().iter();
    let order = Order {
        names: names
            .map(|one| one["value"].as_str().unwrap().to_owned())
            .collect(),
        account: head["kid"].as_str().unwrap().to_owned(),
        status: "pending",
        looks: 0,
        error: None,
        chain: String::new(),
        replaces: wish["replaces"].as_str().map(str::to_owned),
    };
    let id = {
        let mut all = own.all();
        all.counts.orders += 1;
        let id = u64::from(all.counts.orders);
        all.orders.insert(id, order.clone());
        id
    };
    let mut answer = own.say(201, own.order_json(id, &order).to_string());
    let url = HeaderValue::try_from(own.url(&format!("order/{id}"))).unwrap();
    answer.headers_mut().insert("location", url);
    answer
}

async fn order(State(own): State<Directory>, Path(id): Path<u64>, body: Bytes) -> Answer {
    if let Err(refused) = own.open(&body) {
        return *refused;
    }
    let order = {
        let mut all = own.all();
        let slow = match all.script.validation {
            Validation::Slow(looks) => looks,
            Validation::Trusting | Validation::Real | Validation::Failing(_) => 0,
        };
        let Some(order) = all.orders.get_mut(&id) else {
            drop(all);
            return own.refuse(404, "malformed", "no such order");
        };
        if order.status == "pending" && order.looks > 0 {
            order.looks += 1;
            if order.looks > slow + 1 {
                order.status = "ready";
            }
        }
        order.clone()
    };
    own.say(200, own.order_json(id, &order).to_string())
}

async fn authz(
    State(own): State<Directory>,
    Path((id, n)): Path<(u64, usize)>,
    body: Bytes,
) -> Answer {
    if let Err(refused) = own.open(&body) {
        return *refused;
    }
    let order = own.all().orders[&id].clone();
    let status = match order.status {
        "pending" | "invalid" => order.status,
        _ => "valid",
    };
    let challenges = ["http-01", "tls-alpn-01", "dns-01"].map(|word| {
        let mut shown = json!({
            "type": word, "url": own.url(&format!("challenge/{id}/{n}?{word}")),
            "token": token(id, n), "status": status,
        });
        if let Some(error) = order.error.as_ref().filter(|_| word == "http-01") {
            shown["error"] = json!({"type": "urn:ietf:params:acme:error:dns", "detail": error});
        }
        shown
    });
    let shown = json!({
        "status": status, "identifier": {"type": "dns", "value": order.names[n]}, "challenges": challenges,
    });
    own.say(200, shown.to_string())
}

fn token(id: u64, n: usize) -> String {
    format!("token-{id}-{n}")
}

async fn challenge(
    State(own): State<Directory>,
    Path((id, n)): Path<(u64, usize)>,
    axum::extract::RawQuery(word): axum::extract::RawQuery,
    body: Bytes,
) -> Answer {
    if let Err(refused) = own.open(&body) {
        return *refused;
    }
    let word = word.unwrap_or_default();
    let (order, validation, thumb) = {
        let all = own.all();
        let order = all.orders[&id].clone();
        let thumb = all.accounts[&order.account].clone();
        (order, all.script.validation.clone(), thumb)
    };
    let result = match validation {
        Validation::Trusting | Validation::Slow(_) => Ok(()),
        Validation::Failing(why) => Err(why),
        Validation::Real => {
            let mut doors = own.0.doors.subscribe();
            let doors = doors.wait_for(Option::is_some).await.unwrap().unwrap();
            let text = format!("{}.{thumb}", token(id, n));
            validate::really(&word, doors, &order.names[n], &token(id, n), &text).await
        }
    };
    {
        let mut all = own.all();
        let slow = matches!(all.script.validation, Validation::Slow(_));
        let order = all.orders.get_mut(&id).unwrap();
        order.looks += 1;
        match result {
            Ok(()) if n + 1 == order.names.len() && !slow => order.status = "ready",
            Ok(()) => {}
            Err(why) => {
                order.status = "invalid";
                order.error = Some(why);
            }
        }
    }
    let shown = json!({
        "type": word, "url": own.url(&format!("challenge/{id}/{n}?{word}")),
        "token": token(id, n), "status": "processing",
    });
    own.say(200, shown.to_string())
}

async fn finalize(State(own): State<Directory>, Path(id): Path<u64>, body: Bytes) -> Answer {
    let (_, payload) = match own.open(&body) {
        Ok(opened) => opened,
        Err(refused) => return *refused,
    };
    let request = B64.decode(payload["csr"].as_str().unwrap()).unwrap();
    let (_, request) = X509CertificationRequest::from_der(&request).unwrap();
    let key = &request
        .certification_request_info
        .subject_pki
        .subject_public_key;
    let names = own.all().orders[&id].names.clone();
    let chain = own.issue(&names, key.data.to_vec());
    let order = {
        let mut all = own.all();
        let order = all.orders.get_mut(&id).unwrap();
        order.status = "valid";
        order.chain = chain;
        order.clone()
    };
    own.say(200, own.order_json(id, &order).to_string())
}

async fn certificate(State(own): State<Directory>, Path(id): Path<u64>, body: Bytes) -> Answer {
    if let Err(refused) = own.open(&body) {
        return *refused;
    }
    let chain = own.all().orders[&id].chain.clone();
    own.say(200, chain)
}

async fn window(State(own): State<Directory>) -> Answer {
    own.all().counts.windows += 1;
    if own.all().script.lost_windows > 0 {
        own.all().script.lost_windows -= 1;
        return own.say(503, "busy");
    }
    let window = own.all().script.window;
    let Some((from, until)) = window else {
        return own.refuse(404, "malformed", "no renewal information");
    };
    let now = i64::try_from(own.0.clock.wall().secs()).unwrap();
    let date = |span: Duration| {
        let at = now + i64::try_from(span.as_secs()).unwrap();
        jiff::Timestamp::from_second(at).unwrap().to_string()
    };
    let shown = json!({"suggestedWindow": {"start": date(from), "end": date(until)}});
    let mut answer = own.say(200, shown.to_string());
    let wait = HeaderValue::from_static("21600");
    answer.headers_mut().insert("retry-after", wait);
    answer
}
