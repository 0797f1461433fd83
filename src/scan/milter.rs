//! The MTA side of Sendmail's filter protocol, version 6.

use super::{Opinion, ScanMail, Trouble};
use crate::config::{MilterConf, ScannerConf};

/// Plays the session of a mail to it.
pub(super) async fn scan(
    conf: &ScannerConf,
    _own: &MilterConf,
    _mail: &ScanMail<'_>,
    _hostname: &str,
) -> Result<Opinion, Trouble> {
    ping(conf).await.map(|_| Opinion::Clean)
}

/// Whether it answers.
pub(super) async fn ping(conf: &ScannerConf) -> Result<String, Trouble> {
    Err(Trouble::Unreachable(
        conf.address.to_string(),
        "milter".to_owned(),
    ))
}
