//! Files of somebody else: a changed pair is in force without a signal, and a broken one never is.
//!
//! A pair is two files, and whoever copies them is between the two for a moment.
//! Not here: what is ordered (`orders`).

use std::path::Path;
use std::time::Duration;

use postwerk::journal::event::EventKind;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{NAME, hello};
use crate::house::{Door, House, nobody};

const LOOK: Duration = Duration::from_secs(31);

fn write(dir: &Path, name: &str, year: i32) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    std::fs::write(
        dir.join("cert.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

async fn house(year: i32) -> House {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), NAME, year);
    let more = "[tls]\nmode = \"files\"\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    let clock = postwerk::base::clock::Clock::moved(crate::house::START);
    House::in_dir(dir, nobody().await, more, clock).await
}

async fn serial(house: &House) -> String {
    let stand = house.server.certs().stands().remove(0);
    let stream = hello(house.door(Door::Secure), NAME).await;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    assert!(!shown.is_empty());
    stand.serial
}

#[tokio::test]
async fn a_changed_pair_is_in_force_without_a_signal() {
    let mut house = house(2030).await;
    let first = serial(&house).await;
    write(house.dir.path(), NAME, 2031);
    house.pass_until(EventKind::CertRenewed, LOOK, 5).await;
    assert_ne!(serial(&house).await, first);
}

#[tokio::test]
async fn a_broken_pair_leaves_the_old_one_and_is_told_once() {
    let mut house = house(2030).await;
    let first = serial(&house).await;
    let old = std::fs::read(house.dir.path().join("key.pem")).unwrap();
    write(house.dir.path(), NAME, 2031);
    std::fs::write(house.dir.path().join("key.pem"), old).unwrap();
    let event = house.pass_until(EventKind::CertFailed, LOOK, 5).await;
    assert!(
        event.text.contains("does not belong to the certificate"),
        "{event:?}"
    );
    assert_eq!(serial(&house).await, first);
    // Another trouble is another event; between the two nothing is told.
    std::fs::remove_file(house.dir.path().join("cert.pem")).unwrap();
    let event = house.pass_until(EventKind::CertFailed, LOOK, 5).await;
    assert!(event.text.contains("cannot be read"), "{event:?}");
    assert_eq!(serial(&house).await, first);
    write(house.dir.path(), NAME, 2001);
    let event = house.pass_until(EventKind::CertFailed, LOOK, 5).await;
    assert!(event.text.contains("ended on"), "{event:?}");
    assert_eq!(serial(&house).await, first);
    write(house.dir.path(), NAME, 2032);
    house.pass_until(EventKind::CertRenewed, LOOK, 5).await;
    assert_ne!(serial(&house).await, first);
}

#[tokio::test]
async fn an_end_is_warned_of_once_a_day() {
    // The house stands in November 2026.
    let mut house = house(2027).await;
    let day = Duration::from_secs(86_400);
    for _ in 0..25 {
        house.pass(day);
    }
    let first = house.pass_until(EventKind::CertExpiring, day, 6).await;
    assert!(first.text.contains("days left"), "{first:?}");
    let second = house
        .pass_until(EventKind::CertExpiring, LOOK * 100, 40)
        .await;
    assert!(second.at - first.at >= day, "{first:?} {second:?}");
    let last = house.pass_until(EventKind::CertExpiring, day * 20, 2).await;
    assert!(
        last.text.contains("clients that verify refuse it"),
        "{last:?}"
    );
}
