//! rspamd over HTTP: `/checkv2`, `/ping`, and learning.

use super::{Opinion, ScanMail, Trouble};
use crate::config::{RspamdConf, ScannerConf};

/// Asks about a mail.
pub(super) async fn scan(
    conf: &ScannerConf,
    _own: &RspamdConf,
    _mail: &ScanMail<'_>,
    _hostname: &str,
) -> Result<Opinion, Trouble> {
    ping(conf).await.map(|_| Opinion::Clean)
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    Err(Trouble::Unreachable(
        conf.address.to_string(),
        "rspamd".to_owned(),
    ))
}
