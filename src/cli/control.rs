//! The client of the control socket: HTTP/1.1 over `<data_dir>/control.sock`, one request a connection.
//!
//! Every command that talks to a running server goes through here, so that "no server" has one sentence and one exit
//! code. Answers are bounded. Not here: what is asked, and how an answer prints.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::UnixStream;

use crate::admin::api::NEXT;
use crate::admin::control::{ControlError, socket_in};
use crate::admin::problem::Problem;
use crate::base::clock::Clock;
use crate::base::limit::{CONTROL_ANSWER_MAX, CONTROL_TIMEOUT};
use crate::config::{self, Problems};

/// Which server a command talks to.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The configuration that names the data directory
    #[arg(long, short, global = true, value_name = "FILE", env = "POSTWERK_CONFIG", default_value = super::DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The data directory itself; no configuration is read
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Asks the server of one data directory.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// An answer that is no error.
#[derive(Clone, Debug)]
pub struct Answer {
    /// JSON, or JSON Lines.
    pub body: String,
    /// Where the next page starts.
    pub next: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no server answers at {0}; start `postwerk serve`, or say with --data which data directory it uses"
    )]
    NoServer(PathBuf),
    /// Not our socket.
    #[error("{0} belongs to another user; run this as the user of the server, or as root")]
    Forbidden(PathBuf),
    /// See there.
    #[error(transparent)]
    Path(#[from] ControlError),
    /// The configuration that would name the data directory.
    #[error("{0}")]
    Config(Problems),
    /// It broke off.
    #[error("the server at {path} broke off: {why}; try again")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// In words.
        why: String,
    },
    /// The server says no.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl ClientError {
    /// `sysexits`: 75 no server, 77 not allowed, 2 usage and configuration, 1 the rest.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::NoServer(_) | Self::Broken { .. } => 75,
            Self::Forbidden(_) => 77,
            Self::Path(_) | Self::Config(_) => 2,
            Self::Refused(problem) if problem.status == 503 => 75,
            Self::Refused(problem) if problem.column.is_some() => 2,
            Self::Refused(_) => 1,
        })
    }
}

impl Place {
    /// The server of `data`, else of the configuration.
    ///
    /// # Errors
    /// The configuration, or a path that is too long for a socket.
    pub fn client(&self) -> Result<Client, ClientError> {
        let data_dir = match &self.data {
            Some(data) => data.clone(),
            None => {
                let (config, _) = config::load(&self.config).map_err(ClientError::Config)?;
                config.server.data_dir
            }
        };
        Ok(Client {
            socket: socket_in(&data_dir)?,
        })
    }

    /// Prints what `ask` makes of the server's answers; the exit code says how it went.
    pub fn tell<F>(&self, ask: impl FnOnce(Client) -> F) -> ExitCode
    where
        F: Future<Output = Result<String, ClientError>>,
    {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return failed(&error.to_string(), error.exit_code()),
        };
        match super::block_on(ask(client)) {
            Ok(Ok(text)) => {
                // A closed pipe is the reader's choice.
                drop(io::stdout().write_all(text.as_bytes()));
                ExitCode::SUCCESS
            }
            Ok(Err(error)) => failed(&error.to_string(), error.exit_code()),
            Err(error) => failed(&error.to_string(), ExitCode::FAILURE),
        }
    }
}

fn failed(text: &str, code: ExitCode) -> ExitCode {
    // Nobody to tell that standard error is closed.
    drop(writeln!(io::stderr(), "postwerk: {text}"));
    code
}

impl Client {
    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Acts.
    pub async fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<Answer, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.ask(Method::POST, path, body.into()).await
    }

    /// Removes.
    pub async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.no_stream(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        Clock::system()
            .timeout(CONTROL_TIMEOUT, self.exchange(stream, request))
            .await
            .map_err(|error| self.broken(error))?
    }

    async fn exchange(
        &self,
        stream: UnixStream,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ClientError> {
        let (mut requests, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| self.broken(error))?;
        // Its errors come back through the request, so the task's own result says nothing more.
        let driver = tokio::spawn(connection);
        let response = requests
            .send_request(request)
            .await
            .map_err(|error| self.broken(error))?;
        let status = response.status();
        let next = response
            .headers()
            .get(NEXT)
            .and_then(|next| next.to_str().ok())
            .map(str::to_owned);
        let body = Limited::new(response.into_body(), CONTROL_ANSWER_MAX)
            .collect()
            .await
            .map_err(|error| self.broken(error))?
            .to_bytes();
        driver.abort();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(Answer { body, next });
        }
        let problem = serde_json::from_str(&body).unwrap_or_else(|_| Problem::new(status, body));
        Err(ClientError::Refused(problem))
    }

    fn no_stream(&self, error: &io::Error) -> ClientError {
        let path = self.socket.clone();
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if absent.contains(&error.kind()) {
            ClientError::NoServer(path)
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            ClientError::Forbidden(path)
        } else {
            self.broken(error)
        }
    }

    /// Reads an answer.
    pub fn read<T: serde::de::DeserializeOwned>(&self, body: &str) -> Result<T, ClientError> {
        serde_json::from_str(body).map_err(|error| self.broken(error))
    }

    fn broken(&self, why: impl ToString) -> ClientError {
        ClientError::Broken {
            path: self.socket.clone(),
            why: why.to_string(),
        }
    }
}

/// Percent-encodes a value of a query (RFC 3986 section 2.1).
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_its_way_through_a_path() {
        assert_eq!(encoded("to:*@ü.example"), "to%3A%2A%40%C3%BC.example");
    }

    #[tokio::test]
    async fn a_missing_server_is_told_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            config: "unused".into(),
            data: Some(folder.path().to_owned()),
        };
        let client = place.client().unwrap();
        let error = client.get("/livez").await.unwrap_err();
        assert!(
            matches!(error, ClientError::NoServer(_)),
            "wanted no server, got {error}"
        );
        assert!(error.to_string().starts_with("no server answers at "));
        assert_eq!(
            format!("{:?}", error.exit_code()),
            format!("{:?}", ExitCode::from(75))
        );
    }
}
