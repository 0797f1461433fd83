//! Scanners: what they say decides, and what they fail to say is never taken for "clean".
//!
//! `peer` is a library of scripted scanners for everybody's tests. Not here: real clamd, rspamd and milters
//! (`tests/peers`).

pub mod peer;

mod faults;
mod infected;
mod running;

use std::time::Duration;

use postwerk::mail::hold::Hold;

use crate::house::House;

/// A scanner of kind clamd and its other keys.
pub fn clam(address: &str, more: &str) -> String {
    format!("[[scanner]]\nname = \"clam\"\nkind = \"clamd\"\naddress = \"{address}\"\n{more}\n")
}

/// The default `timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the recipients of the queue are held, in the order of their mails.
pub async fn holds(house: &House) -> Vec<Hold> {
    let all = house.server.queue().list(|_, _| true, None, 10_000).await;
    let (listed, _) = all.expect("listed");
    let parcels = listed.into_iter().flat_map(|message| message.parcels);
    let kept = parcels.filter_map(|parcel| parcel.parcel.hold);
    kept.map(|kept| kept.hold).collect()
}

/// All that the timeline of a mail says, as it is stored.
pub async fn facts(house: &House, id: &str) -> String {
    let id = postwerk::queue::MessageId(u64::from_str_radix(id, 16).expect("an id"));
    format!(
        "{:?}",
        house
            .server
            .queue()
            .show(id)
            .await
            .expect("shown")
            .map(|all| all.facts)
    )
}
