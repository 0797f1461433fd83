//! One order from its begin to a certificate on disk (RFC 8555 section 7.4).
//!
//! It goes on with an order that was begun before, so that a crash in the middle costs the directory nothing. Waiting
//! is done here and by our clock, not in the library. Not here: when it runs and what follows (`work`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType,
    Identifier, NewOrder, Order, OrderStatus,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::sign::CertifiedKey;

use super::account;
use super::check;
use super::failure::{self, Failure, Kind};
use super::hook;
use super::http::Way;
use super::shelf::Shelf;
use super::work;
use super::{Certs, Tools};
use crate::base::limit::CLOCK_SKEW_MAX;
use crate::config::{AcmeConf, CertConf, Challenge, pem};

/// What an order needs, and how far it is.
pub(super) struct Ordering<'a> {
    pub(super) certs: &'a Certs,
    pub(super) tools: &'a Tools,
    pub(super) acme: &'a AcmeConf,
    pub(super) dir: &'a Path,
    pub(super) cert: &'a CertConf,
    pub(super) title: &'a str,
    /// The certificate that it replaces (RFC 9773 section 5), if the directory knows such a thing.
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
    /// URL of an order that was begun; empty: none.
    pub(super) begun: String,
    /// What else a person should know.
    pub(super) notes: Vec<&'static str>,
}

impl Ordering<'_> {
    /// The new pair, already on disk, and the account that got it; none: another configuration is in force since, which does
    /// not want it.
    pub(super) async fn run(
        &mut self,
        way: &Way,
    ) -> Result<Option<(CertifiedKey, Account)>, Failure> {
        let mut left = NONCE_ROUNDS;
        loop {
            left -= 1;
            match Box::pin(self.once(way)).await {
                // The library asks three times; a directory that refuses every third nonce needs more patience.
                Err(failure) if failure.nonce && left > 0 => {
                    tracing::debug!(certificate = %self.title, "the directory refuses our nonces; once more");
                }
                done => return done,
            }
        }
    }

    async fn once(&mut self, way: &Way) -> Result<Option<(CertifiedKey, Account)>, Failure> {
        let (account, made) = account::open(self.acme, self.dir, way).await?;
        check_clock(way)?;
        let (account, mut order) = self.order(account, made, way).await?;
        let fresh = self.acme.new_key;
        let shelf = Shelf::new(self.dir, self.title);
        let key = shelf.next_key(fresh)?;
        let mut state = order.state().status;
        if state == OrderStatus::Pending {
            self.answer(&mut order).await?;
            state = self.wait(&mut order, OrderStatus::Pending).await?;
        }
        if state == OrderStatus::Ready {
            order.finalize_csr(&self.request(&key)?).await?;
            state = order.state().status;
        }
        if state == OrderStatus::Processing {
            state = self.wait(&mut order, OrderStatus::Processing).await?;
        }
        if state != OrderStatus::Valid {
            self.begun.clear();
            return Err(self.reasons(&mut order).await);
        }
        let chain = order.certificate().await?.ok_or_else(|| {
            Failure::new(
                Kind::Unfit,
                "the order is done, but there is no certificate",
            )
        })?;
        let now = self.tools.clock.wall().secs();
        let checked = check::pair(&chain, &key.serialize_der(), &self.cert.names, now);
        if checked.is_err() {
            self.begun.clear();
        }
        let pair = checked?;
        let Some(dir) = self.wanted(&pair) else {
            self.begun.clear();
            return Ok(None);
        };
        Shelf::new(&dir, self.title).keep(&chain, &key)?;
        self.begun.clear();
        Ok(Some((pair, account)))
    }

    /// Where the configuration in force keeps it, if that one still orders it there: a reload may have come meanwhile.
    fn wanted(&self, pair: &CertifiedKey) -> Option<PathBuf> {
        let conf = self.tools.conf.load();
        let acme = conf.tls.acme.as_ref()?;
        let cert = work::of_title(&conf, self.title)?;
        let names = &cert.names;
        let fits = names.iter().all(|name| pem::covers(&pair.cert, name));
        // For some of the names it is better than nothing.
        let none = self.certs.stands_in(self.title);
        (acme.directory == self.acme.directory && (fits || none)).then(|| conf.tls.dir.clone())
    }

    /// The order that was begun, if it can still come to an end; else a new one.
    async fn order(
        &mut self,
        account: Account,
        made: bool,
        way: &Way,
    ) -> Result<(Account, Order), Failure> {
        if !self.begun.is_empty() {
            match account.order(self.begun.clone()).await {
                Ok(mut order) => {
                    if order.state().status != OrderStatus::Invalid {
                        return Ok((account, order));
                    }
                }
                Err(error) if failure::is(&error, "badNonce") => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "the order that was begun is gone"),
            }
            self.begun.clear();
        }
        match self.place(&account).await {
            Ok(order) => Ok((account, order)),
            Err(error) if !made && is_gone(&error) => {
                tracing::warn!(directory = %self.acme.directory, %error, "the directory does not take our account any more; a new one is made");
                self.notes.push(
                    "the directory did not take our account any more, and a new one was made",
                );
                account::forget(self.acme, self.dir);
                let (account, _) = account::open(self.acme, self.dir, way).await?;
                let order = self.place(&account).await?;
                Ok((account, order))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn place(&mut self, account: &Account) -> Result<Order, instant_acme::Error> {
        let names = self.cert.names.iter();
        let names: Vec<Identifier> = names
            .map(|name| Identifier::Dns(name.to_string()))
            .collect();
        let mut profile = self.acme.profile.as_deref();
        if let Some(name) = profile
            && account.profiles().next().is_none()
        {
            tracing::info!(profile = %name, "the directory has no profiles; ordered without");
            profile = None;
        }
        let wish = || {
            let wish = NewOrder::new(&names);
            match profile {
                Some(name) => wish.profile(name),
                None => wish,
            }
        };
        let placed = match self.replaces.take() {
            None => account.new_order(&wish()).await,
            Some(old) => match account.new_order(&wish().replaces(old)).await {
                // It may have been replaced already; then this is an order like any other.
                Err(error) if is_about_replacing(&error) => account.new_order(&wish()).await,
                placed => placed,
            },
        };
        let order = placed?;
        order.url().clone_into(&mut self.begun);
        self.certs
            .remember(self.tools, self.title, order.url())
            .await;
        Ok(order)
    }

    /// Places what the directory will look for, and tells it so.
    async fn answer(&self, order: &mut Order) -> Result<(), Failure> {
        let wanted = match self.acme.challenge {
            Challenge::Http01 => ChallengeType::Http01,
            Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Challenge::Dns01 => ChallengeType::Dns01,
        };
        let mut all = order.authorizations();
        while let Some(next) = all.next().await {
            let mut one = next?;
            if one.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = one.identifier().identifier.clone();
            let Identifier::Dns(name) = name else {
                let why = "the directory wants to validate what is no name";
                return Err(Failure::new(Kind::Refused, why));
            };
            let Some(mut challenge) = one.challenge(wanted.clone()) else {
                let word = self.acme.challenge.word();
                let why =
                    format!("the directory does not offer {word} for {name}; see [acme] challenge");
                return Err(Failure::new(Kind::Refused, why));
            };
            let text = challenge.key_authorization();
            match self.acme.challenge {
                Challenge::Http01 => self
                    .certs
                    .answers()
                    .place_token(&challenge.token, text.as_str()),
                Challenge::TlsAlpn01 => self
                    .certs
                    .answers()
                    .place_certificate(&name, text.digest().as_ref())
                    .map_err(|why| Failure::new(Kind::Broken, why))?,
                Challenge::Dns01 => self.place_txt(&name, &text.dns_value()).await?,
            }
            // One that an interrupted order asked for is still looked at; it needs its answer, not another wish.
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await?;
            }
        }
        Ok(())
    }

    async fn place_txt(&self, name: &str, value: &str) -> Result<(), Failure> {
        let Some(program) = &self.acme.hook else {
            return Err(Failure::new(Kind::Broken, "[acme] hook is not set"));
        };
        let name = format!("_acme-challenge.{name}");
        // Noted before: a program that failed may have written it.
        self.certs.answers().place_txt(&name, value);
        hook::run(program, self.acme, "add", &name, value, &self.tools.clock)
            .await
            .map_err(|why| Failure::new(Kind::Validation, why))
    }

    /// Asks until the order leaves a state.
    async fn wait(&self, order: &mut Order, state: OrderStatus) -> Result<OrderStatus, Failure> {
        let mut pause = POLL_FIRST;
        loop {
            let now = order.refresh().await?.status;
            if now != state {
                return Ok(now);
            }
            self.tools.clock.sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    fn request(&self, key: &KeyPair) -> Result<Vec<u8>, Failure> {
        let failed = |error: rcgen::Error| Failure::new(Kind::Broken, error.to_string());
        let names: Vec<String> = self.cert.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(key).map_err(failed)?;
        Ok(request.der().to_vec())
    }

    /// Why an order is invalid: each name says it in its challenge.
    async fn reasons(&self, order: &mut Order) -> Failure {
        let mut found = Vec::new();
        let whole = order.state().error.as_ref().map(failure::said);
        let mut all = order.authorizations();
        while let Some(Ok(mut one)) = all.next().await {
            if one.refresh().await.is_err() {
                continue;
            }
            let name = one.identifier().to_string();
            let errors = one.challenges.iter().filter_map(|one| one.error.as_ref());
            found.extend(errors.map(|error| format!("{name}: {}", failure::said(error))));
        }
        if found.is_empty() {
            let why = whole.unwrap_or_else(|| "the directory does not say why".to_owned());
            return Failure::new(Kind::Refused, format!("the order was refused: {why}"));
        }
        let word = self.acme.challenge.word();
        let why = format!("{word} failed: {}", found.join("; "));
        Failure::new(Kind::Validation, why)
    }
}

/// The directory says who we are, or that we are nobody (RFC 8555 sections 6.2 and 7.3.6).
fn is_gone(error: &instant_acme::Error) -> bool {
    ["accountDoesNotExist", "unauthorized"]
        .iter()
        .any(|word| failure::is(error, word))
}

/// RFC 9773 section 5.
fn is_about_replacing(error: &instant_acme::Error) -> bool {
    // `unauthorized`: another account had ordered it.
    let words = ["alreadyReplaced", "malformed", "unauthorized"];
    words.iter().any(|word| failure::is(error, word))
        || matches!(error, instant_acme::Error::Unsupported(_))
}

/// A certificate that is ordered by a wrong clock cannot be checked, and its renewal comes at a wrong time.
fn check_clock(way: &Way) -> Result<(), Failure> {
    let Some((theirs, ours)) = way.noted().date else {
        return Ok(());
    };
    let skew = theirs.abs_diff(ours);
    if skew <= CLOCK_SKEW_MAX.as_secs() {
        return Ok(());
    }
    let (here, there) = (check::day(ours), check::day(theirs));
    let why = format!(
        "the clock of this machine says {here}, the directory's {there}; set the clock, nothing is ordered until then"
    );
    Err(Failure::new(Kind::Clock, why))
}

/// Orders are repeated so often because of nonces alone.
const NONCE_ROUNDS: u32 = 6;
/// Before the second look at an order; most validations take a second or two.
const POLL_FIRST: Duration = Duration::from_secs(1);
/// Between later ones.
const POLL_MAX: Duration = Duration::from_secs(15);
