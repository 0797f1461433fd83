//! Our account at a directory: one file per directory in `[tls] dir`, mode 0600, because it holds the account's key.
//!
//! Its text never comes near a log. A directory that does not know the account any more (RFC 8555 section 7.3.6, or one
//! that was set up anew) gets a new one; the old file is kept beside it.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};

use super::failure::{Failure, Kind};
use super::http::Way;
use super::shelf;
use crate::config::AcmeConf;

/// The account, and whether it was made just now.
pub(super) async fn open(
    acme: &AcmeConf,
    dir: &Path,
    way: &Way,
) -> Result<(Account, bool), Failure> {
    let path = path(acme, dir);
    if let Some(account) = stored(&path, way).await? {
        return Ok((account, false));
    }
    let contact = format!("mailto:{}", acme.contact);
    let wish = NewAccount {
        contact: &[&contact],
        // Writing [acme] means it; the documentation of the keys says so.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let binding = match &acme.binding {
        None => None,
        Some(binding) => {
            let text = binding.hmac.reveal().trim().trim_end_matches('=');
            let key = BASE64_URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| Failure::new(Kind::Account, "[acme] eab_hmac is no base64url"))?;
            Some(ExternalAccountKey::new(binding.kid.clone(), &key))
        }
    };
    let making = Account::builder_with_http(Box::new(way.clone())).create(
        &wish,
        acme.directory.clone(),
        binding.as_ref(),
    );
    let (account, credentials) = Box::pin(making).await?;
    let text = serde_json::to_string(&credentials)
        .map_err(|error| Failure::new(Kind::Broken, format!("the account: {error}")))?;
    shelf::write(dir, &path, &text)?;
    tracing::info!(directory = %acme.directory, account = %account.id(), "made an account");
    Ok((account, true))
}

/// The account, if there is one already.
pub(super) async fn known(
    acme: &AcmeConf,
    dir: &Path,
    way: &Way,
) -> Result<Option<Account>, Failure> {
    stored(&path(acme, dir), way).await
}

async fn stored(path: &Path, way: &Way) -> Result<Option<Account>, Failure> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(None);
    };
    let Ok(credentials) = serde_json::from_str::<AccountCredentials>(&text) else {
        tracing::warn!(path = %path.display(), "the file of the account is damaged; a new account is made");
        set_aside(path);
        return Ok(None);
    };
    let builder = Account::builder_with_http(Box::new(way.clone()));
    Ok(Some(Box::pin(builder.from_credentials(credentials)).await?))
}

/// The directory does not take it any more.
pub(super) fn forget(acme: &AcmeConf, dir: &Path) {
    set_aside(&path(acme, dir));
}

fn set_aside(path: &Path) {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    if let Err(error) = fs::rename(path, PathBuf::from(old)) {
        tracing::warn!(path = %path.display(), %error, "the file of the account cannot be set aside");
    }
}

/// Two directories never get the same account.
fn path(acme: &AcmeConf, dir: &Path) -> PathBuf {
    let digest = digest::digest(&digest::SHA256, acme.directory.as_bytes());
    let short = digest.as_ref().iter().take(8);
    let short: String = short.map(|octet| format!("{octet:02x}")).collect();
    dir.join(format!("account-{short}.json"))
}
