//! `postwerk account …`: who may log in.
//!
//! Asks the running server by its control socket; when none answers, opens the store itself (75 when another process
//! has it). A new password comes from a file, from standard input, or is made here and shown once. Accounts of the
//! configuration are listed and never changed.
//! Not here: what an account is (`accounts`).

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::control::{Client, ClientError, Place, encoded};
use crate::accounts::{self, AccountError, Accounts};
use crate::admin::accounts::{Add, Change};
use crate::base::clock::Clock;
use crate::base::limit::PASSWORD_MAX;
use crate::base::secret::Secret;
use crate::config::{self, Config};
use crate::mail::domain::Domain;
use crate::store;
use crate::store::Store;
use crate::store::redb::OpenError;

/// What follows `postwerk account`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List all accounts, those of the configuration too
    List {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Add an account; without --password-file a password is made and shown once
    Add {
        /// What it says at AUTH
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        password: PasswordArg,
        /// Addresses it may send from: app@example.org, *@example.org, *@*.example.org; default: any
        #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
        senders: Vec<String>,
        /// Its tenant; default: the first of the configuration
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// How urgent its mail is; default: normal
        #[arg(long, value_name = "BAND", value_parser = ["urgent", "normal", "bulk"])]
        band: Option<String>,
    },
    /// Remove an account; what it handed in stays queued
    Remove {
        /// Which
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Give an account another password; the old one ends at once
    Passwd {
        /// Which
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        password: PasswordArg,
    },
    /// Print an argon2 hash for `password = …` in the configuration
    Hash {
        #[command(flatten)]
        password: PasswordArg,
    },
}

#[derive(Debug, clap::Args)]
struct PasswordArg {
    /// File with the password in its first line; `-` is standard input
    #[arg(long = "password-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0} cannot be read: {1}; write the path of a file that holds only the password")]
    PasswordFile(PathBuf, io::Error),
    #[error(
        "{0} belongs to another user; run this as that user, so that the server can open what is made here"
    )]
    Foreign(PathBuf),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs it.
pub fn run(args: Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(act(args)),
        Err(why) => Err(Failure::Io(why)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Io(why)) if why.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("postwerk: {why}");
            why.exit_code()
        }
    }
}

async fn act(args: Args) -> Result<(), Failure> {
    if let Action::Hash { password } = &args.action {
        let (secret, made) = password.read()?;
        let hash = accounts::hash(secret.reveal());
        let hash = hash.map_err(|why| AccountError::Argon(why.to_string()))?;
        say(&hash)?;
        return tell_made(&secret, made);
    }
    let client = args.place.client()?;
    match client.get("/livez").await {
        Ok(_) => by_socket(&client, args.action).await,
        Err(ClientError::NoServer(_)) => {
            let (accounts, store) = open(args.place.data.as_deref(), &args.place.config)?;
            let done = by_store(&accounts, args.action).await;
            // The next command must find the file free.
            store.close().await.map_err(AccountError::Store)?;
            done
        }
        Err(why) => Err(why.into()),
    }
}

async fn by_socket(client: &Client, action: Action) -> Result<(), Failure> {
    let path = |name: &str| format!("/api/v1/accounts/{}", encoded(name));
    match action {
        Action::List { json } => {
            let answer = client.get("/api/v1/accounts").await?;
            show(answer.body.lines(), json)
        }
        Action::Add {
            name,
            password,
            senders,
            tenant,
            band,
        } => {
            let (secret, made) = password.read()?;
            let password = secret.reveal().to_owned();
            let added = Add {
                name,
                password,
                senders,
                tenant,
                band,
            };
            client.post("/api/v1/accounts", &added).await?;
            tell_made(&secret, made)
        }
        Action::Remove { name } => {
            client.delete(&path(&name)).await?;
            Ok(())
        }
        Action::Passwd { name, password } => {
            let (secret, made) = password.read()?;
            let password = secret.reveal().to_owned();
            let path = format!("{}/password", path(&name));
            client.post(&path, &Change { password }).await?;
            tell_made(&secret, made)
        }
        Action::Hash { .. } => Ok(()),
    }
}

async fn by_store(accounts: &Accounts, action: Action) -> Result<(), Failure> {
    match action {
        Action::List { json } => {
            let all = accounts.list().await.map_err(AccountError::Store)?;
            let lines: Vec<String> = all.iter().map(|one| one.to_json().to_string()).collect();
            show(lines.iter().map(String::as_str), json)
        }
        Action::Add {
            name,
            password,
            senders,
            tenant,
            band,
        } => {
            let (secret, made) = password.read()?;
            let password = secret.reveal().to_owned();
            let added = Add {
                name,
                password,
                senders,
                tenant,
                band,
            };
            accounts.add(added.read().map_err(Failure::Usage)?).await?;
            tell_made(&secret, made)
        }
        Action::Remove { name } => Ok(accounts.remove(&name).await?),
        Action::Passwd { name, password } => {
            let (secret, made) = password.read()?;
            accounts.change_password(&name, &secret).await?;
            tell_made(&secret, made)
        }
        Action::Hash { .. } => Ok(()),
    }
}

/// The store itself; there is no server.
fn open(data: Option<&Path>, config: &Path) -> Result<(Accounts, Store), Failure> {
    let config = match data {
        Some(data) => {
            let name = Domain::parse("localhost").map_err(|why| Failure::Usage(why.to_string()))?;
            Config::fallback(name, data.to_owned())
        }
        None => config::load(config).map_err(ClientError::Config)?.0,
    };
    let data_dir = &config.server.data_dir;
    std::fs::create_dir_all(data_dir)?;
    let ours = rustix::process::geteuid().as_raw();
    if std::fs::metadata(data_dir)?.uid() != ours && !config.server.store_file().exists() {
        return Err(Failure::Foreign(data_dir.clone()));
    }
    let (file, queue) = (config.server.store_file(), &config.queue);
    let store = store::redb::open(&file, queue.cache, queue.reserve, Clock::system())?;
    let conf = Arc::new(ArcSwap::from_pointee(config));
    Ok((Accounts::new(conf, store.clone()), store))
}

impl PasswordArg {
    /// The password, and whether it was made here.
    fn read(&self) -> Result<(Secret, bool), Failure> {
        let Some(path) = &self.file else {
            return Ok((make()?, true));
        };
        let failed = |why| Failure::PasswordFile(path.clone(), why);
        let most = u64::try_from(PASSWORD_MAX + 2).unwrap_or(u64::MAX);
        let mut text = String::new();
        if path.as_os_str() == "-" {
            let stdin = io::stdin().lock();
            stdin.take(most).read_to_string(&mut text).map_err(failed)?;
        } else {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(most).read_to_string(&mut text).map_err(failed)?;
        }
        let secret = Secret::new(&text);
        if secret.reveal().is_empty() {
            return Err(failed(io::Error::other("it is empty")));
        }
        Ok((secret, false))
    }
}

impl Failure {
    /// 75: the store is in use; 2: usage and configuration; 1: refused.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Client(why) => why.exit_code(),
            Self::Open(OpenError::Locked { .. }) => ExitCode::from(75),
            Self::PasswordFile(..) | Self::Usage(_) => ExitCode::from(2),
            Self::Foreign(_) => ExitCode::from(77),
            Self::Open(_) | Self::Account(_) | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}

/// 144 bits that nobody has to remember.
fn make() -> Result<Secret, Failure> {
    let mut octets = [0; 18];
    aws_lc_rs::rand::fill(&mut octets)
        .map_err(|_| io::Error::other("the system gives no randomness"))?;
    Ok(Secret::new(&URL_SAFE_NO_PAD.encode(octets)))
}

fn tell_made(secret: &Secret, made: bool) -> Result<(), Failure> {
    if made {
        say(&format!("password: {}   (shown only now)", secret.reveal()))?;
    }
    Ok(())
}

fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// One account a line; `-` for what is not set.
fn show<'a>(lines: impl Iterator<Item = &'a str>, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if !json {
        writeln!(
            out,
            "{:<24} {:<12} {:<6} {:<6} SENDERS",
            "NAME", "TENANT", "FROM", "BAND"
        )?;
    }
    for line in lines {
        if json {
            writeln!(out, "{line}")?;
            continue;
        }
        let one: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let word = |key: &str| {
            one.get(key)
                .and_then(|v| v.as_str())
                .unwrap_or("-")
                .to_owned()
        };
        let senders = one.get("senders").and_then(|v| v.as_array());
        let senders: Vec<&str> = senders
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str())
            .collect();
        let senders = if senders.is_empty() {
            "any".to_owned()
        } else {
            senders.join(" ")
        };
        let (name, tenant, origin) = (word("name"), word("tenant"), word("origin"));
        let band = word("band");
        writeln!(
            out,
            "{name:<24} {tenant:<12} {origin:<6} {band:<6} {senders}"
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
