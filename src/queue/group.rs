//! Groups of delivery: (recipient's host, account), as octets that the store orders and never reads.
//!
//! The same pair gives the same octets in every version, for they are stored.
//! Not here: how groups are paced (`deliver::schedule`).

use crate::mail::mailbox::{Host, Mailbox};
use crate::store::Group;

/// Stands between host and account; neither can hold it.
const BETWEEN: u8 = 0;

/// The group of a recipient at `host` of mail that `account` sent (empty: nobody logged in).
pub fn for_delivery(host: &Host, account: &str) -> Group {
    let mut bytes = host.to_string().into_bytes();
    bytes.push(BETWEEN);
    bytes.extend_from_slice(account.as_bytes());
    Group(bytes.into_boxed_slice())
}

/// The host of a group.
pub fn host_of(group: &Group) -> Option<Host> {
    let host = group.0.split(|b| *b == BETWEEN).next()?;
    let text = std::str::from_utf8(host).ok()?;
    Mailbox::parse(&format!("x@{text}"))
        .ok()
        .map(|mailbox| mailbox.host().clone())
}

/// The account of a group; empty: nobody logged in.
pub fn account_of(group: &Group) -> &str {
    let account = group.0.split(|b| *b == BETWEEN).nth(1).unwrap_or_default();
    std::str::from_utf8(account).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_remembers_host_and_account() {
        for address in ["a@example.org", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"] {
            let mailbox = Mailbox::parse(address).unwrap();
            let group = for_delivery(mailbox.host(), "app1");
            assert_eq!(
                host_of(&group).as_ref(),
                Some(mailbox.host()),
                "case: {address}"
            );
            assert_eq!(account_of(&group), "app1");
        }
    }
}
