//! A reload takes no good certificate away: not by a damaged file, and not by an order that it overtook.
//!
//! Not here: files of somebody else (`files`).

use postwerk::certs::{CertSource, CertStand};
use postwerk::journal::event::EventKind;

use super::directory::Validation;
use super::{DAY, NAME, Scene};
use crate::house::{config, nobody};
use crate::until;

impl Scene {
    async fn reload(&self, sections: &str) {
        let conf = config(self.house.dir.path(), nobody().await, sections);
        self.house.server.reload(conf).await.unwrap();
    }

    /// Lets time pass in small steps, as an order needs it, until so many were issued.
    async fn until_certificates(&self, least: u32) -> CertStand {
        until("the certificates", || async {
            self.house.pass(std::time::Duration::from_secs(2));
            self.directory.counts().certificates >= least
        })
        .await;
        self.settled().await
    }

    fn sections(&self, more: &str) -> String {
        self.directory
            .sections(self.house.dir.path(), "http-01", more)
    }
}

/// A pair of somebody else, key and certificate in one file.
fn pair(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_reload_over_a_damaged_file_keeps_what_is_in_force_and_orders_anew() {
    let scene = Scene::start("http-01", "", |_| {}).await;
    scene.settled().await;
    let file = scene.path("mail.postwerk.example.pem");
    for (n, name) in [
        "truncated",
        "empty",
        "of another key",
        "for another name",
        "gone",
    ]
    .into_iter()
    .enumerate()
    {
        let before = (scene.shown().await, scene.stand());
        let whole = std::fs::read_to_string(&file).unwrap();
        let (other, key) = pair(if n == 2 { NAME } else { "other.example" });
        match n {
            0 => std::fs::write(&file, whole.split_at(100).0).unwrap(),
            1 => std::fs::write(&file, "").unwrap(),
            2 => {
                let own = whole.find("-----BEGIN CERTIFICATE").unwrap();
                std::fs::write(&file, format!("{key}{}", whole.split_at(own).1)).unwrap();
            }
            3 => std::fs::write(&file, format!("{key}{other}")).unwrap(),
            _ => std::fs::remove_file(&file).unwrap(),
        }
        scene.directory.script(|script| script.down = true);
        scene.reload(&scene.sections("")).await;
        assert_eq!(scene.shown().await, before.0, "case: {name}");
        let stand = scene.stand();
        assert!(
            !stand.stand_in && stand.unsaved.is_some(),
            "{name}: {stand:?}"
        );
        assert_eq!(stand.serial, before.1.serial, "case: {name}");
        // It is ordered as soon as may be, and then its file is whole again.
        scene.directory.script(|script| script.down = false);
        let stand = scene
            .until_certificates(scene.directory.counts().certificates + 1)
            .await;
        assert_ne!(stand.serial, before.1.serial, "case: {name}");
        assert_eq!(stand.unsaved, None, "case: {name}");
        assert_ne!(
            std::fs::read_to_string(&file).unwrap(),
            whole,
            "case: {name}"
        );
        scene.reload(&scene.sections("")).await;
        assert_eq!(scene.stand().serial, stand.serial, "case: {name}");
    }
}

#[tokio::test]
async fn names_in_another_order_and_another_mode_take_no_good_certificate_away() {
    let more = format!("[[certificate]]\nnames = [\"{NAME}\", \"smtp.example.org\"]\n");
    let scene = Scene::start("http-01", &more, |_| {}).await;
    let first = scene.settled().await;
    scene.directory.script(|script| script.down = true);
    let more = format!("[[certificate]]\nnames = [\"smtp.example.org\", \"{NAME}\"]\n");
    scene.reload(&scene.sections(&more)).await;
    let stand = scene.stand();
    assert_eq!(stand.names, ["smtp.example.org", NAME]);
    assert!(!stand.stand_in && stand.unsaved.is_some(), "{stand:?}");
    assert_eq!(stand.serial, first.serial);
}

/// An order that is under way when another configuration comes.
async fn overtaken(sections: impl FnOnce(&Scene) -> String) -> Scene {
    let scene = Scene::start("http-01", "", |script| {
        script.validation = Validation::Slow(1_000_000);
    })
    .await;
    until("the validation", || async { scene.directory.validates() }).await;
    scene.reload(&sections(&scene)).await;
    scene
        .directory
        .script(|script| script.validation = Validation::Slow(0));
    until("its end", || async {
        scene.house.pass(std::time::Duration::from_secs(5));
        scene.directory.counts().certificates > 0
    })
    .await;
    scene
        .directory
        .script(|script| script.validation = Validation::Trusting);
    scene
}

#[tokio::test]
async fn an_order_that_ends_after_a_reload_installs_what_the_configuration_says_now() {
    // Another mode: what is self-signed stays so.
    let scene = overtaken(|scene| {
        let all = scene.sections("");
        let admin = all.find("[admin]").unwrap();
        let acme = all.find("[acme]").unwrap();
        format!(
            "[tls]\nmode = \"self-signed\"\n{}",
            all.get(admin..acme).unwrap()
        )
    })
    .await;
    for _ in 0..20 {
        scene.house.pass(DAY);
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.stand().source, CertSource::SelfSigned);
    // More names: it is shown under those, and the order for all of them follows.
    let more = format!("[[certificate]]\nnames = [\"{NAME}\", \"smtp.example.org\"]\n");
    let mut scene = overtaken(|scene| scene.sections(&more)).await;
    scene.house.told(EventKind::CertRenewed).await;
    let stand = scene.until_certificates(2).await;
    assert_eq!(stand.names, [NAME, "smtp.example.org"]);
    assert!(!stand.stand_in && stand.failures == 0, "{stand:?}");
    // Another folder: it lies where it is looked for at the next start.
    let scene = overtaken(|scene| {
        scene
            .sections("")
            .replace("[tls]\n", "[tls]\ndir = \"other\"\n")
    })
    .await;
    let file = scene
        .house
        .dir
        .path()
        .join("other/mail.postwerk.example.pem");
    until("the file", || async {
        scene.house.pass(std::time::Duration::from_secs(20));
        file.exists()
    })
    .await;
}

#[tokio::test]
async fn what_a_directory_asks_of_one_order_the_whole_account_heeds() {
    let more = format!(
        "[[certificate]]\nnames = [\"{NAME}\"]\n[[certificate]]\nnames = [\"two.example\"]\n\
         [[certificate]]\nnames = [\"three.example\"]\n"
    );
    let scene = Scene::start("http-01", &more, |script| script.limited = Some(3 * 86_400)).await;
    let (begun, stands) = (scene.now(), || scene.house.server.certs().stands());
    let all_wait = |least: usize| {
        let waits = |one: &CertStand| one.next_try.is_some_and(|next| next >= begun + 3 * 86_400);
        let all = stands();
        all.len() >= least && all.iter().all(waits)
    };
    until("all to wait", || async { all_wait(3) }).await;
    assert_eq!(scene.directory.counts().wishes, 1);
    // So does one that a reload brings.
    let more = format!("{more}[[certificate]]\nnames = [\"four.example\"]\n");
    scene.reload(&scene.sections(&more)).await;
    until("the fourth to wait", || async { all_wait(4) }).await;
    scene.house.pass(DAY * 2);
    assert_eq!(scene.directory.counts().wishes, 1);
    scene.directory.script(|script| script.limited = None);
    scene.house.pass(DAY + DAY / 100);
    until("all four", || async {
        stands().iter().all(|one| !one.stand_in)
    })
    .await;
    assert_eq!(scene.directory.counts().wishes, 5);
}
