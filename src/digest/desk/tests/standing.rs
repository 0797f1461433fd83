//! Links of who was removed, or whose domain or account went to somebody else: asked anew at each look and each press.
//!
//! The configuration changes below links that were good. Nothing acts, nothing is told, and nothing is written.

use super::*;

/// The digests of `old` list holds of `example.org`, from an account of theirs, or of their queue.
const ROLES: [fn() -> Scope; 3] = [
    || Scope::Queue(HoldQueue::Quarantine),
    || Scope::Domain("example.org".to_owned()),
    || Scope::Account("app1".to_owned()),
];

#[tokio::test]
async fn whoever_is_removed_has_no_link_that_counts() {
    for role in ROLES {
        let stage = Stage::new().await;
        let hold = stage.hold(HoldReason::Rule).await;
        let scopes = vec![role()];
        stage
            .digest_of(1, "old@example.org", vec![hold], scopes.clone())
            .await;
        let token = stage.link(1, hold);
        assert_eq!(stage.stand(&token).await, Stand::Open, "case: {:?}", role());
        stage.stands("old@example.org", &[]);
        let before = stage.written().await;
        assert_eq!(stage.stand(&token).await, Stand::Expired);
        for verb in LinkVerb::ALL {
            let told = stage.act(&token, verb).await.unwrap();
            assert_eq!((told.stand, told.undo), (Stand::Expired, false), "{verb:?}");
        }
        assert_eq!(stage.written().await, before);
        assert!(stage.end(hold).await.is_none());
        // Who comes back, has them back: the digest was theirs.
        stage.stands("old@example.org", &scopes);
        let done = stage.act(&token, LinkVerb::Release).await.unwrap();
        assert_eq!(done.stand, Stand::Done);
    }
}

#[tokio::test]
async fn a_page_that_was_open_cannot_undo_nor_try_a_code_after_the_removal() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "old@example.org", hold).await;
    let done = stage.act(&token, LinkVerb::Delete).await.unwrap();
    assert!(done.undo);
    let canary = stage.token(Action::Canary, 1, HoldId(0));
    stage.desk.canary(&canary).await.unwrap();
    stage.stands("old@example.org", &[]);
    let before = stage.written().await;
    let right = stage.keys.code(&token);
    for code in [right.clone(), wrong(&right)] {
        let desk = &stage.desk;
        let told = desk
            .act(&token, LinkVerb::Undo, Some(&code), &visitor())
            .await;
        assert_eq!(told.unwrap().stand, Stand::Expired);
    }
    assert_eq!(stage.written().await, before, "no code was counted");
    assert_eq!(stage.end(hold).await.unwrap().verb, "delete");
}

#[tokio::test]
async fn a_domain_that_changes_hands_takes_its_links_along_and_no_others() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let old = stage.digest(1, "old@example.org", hold).await;
    // The old owner keeps another domain, and so their digests.
    stage.stands(
        "old@example.org",
        &[Scope::Domain("two.example".to_owned())],
    );
    let new = stage.digest(2, "new@example.org", hold).await;
    assert_eq!(stage.stand(&old).await, Stand::Expired);
    assert_eq!(stage.stand(&new).await, Stand::Open);
    let done = stage.act(&new, LinkVerb::Release).await.unwrap();
    assert_eq!(done.stand, Stand::Done);
    assert_eq!(
        stage.stand(&old).await,
        Stand::Expired,
        "not even who did it"
    );
}

#[tokio::test]
async fn an_administrator_who_is_one_no_more_has_an_owners_rights() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Virus).await;
    let domain = Scope::Domain("example.org".to_owned());
    let both = vec![Scope::Queue(HoldQueue::Quarantine), domain.clone()];
    stage
        .digest_of(1, "old@example.org", vec![hold], both)
        .await;
    let token = stage.link(1, hold);
    let rights = stage.desk.look(&token).await.unwrap().rights;
    assert_eq!((rights.release, rights.requeue), (Right::Login, Right::Yes));
    stage.stands("old@example.org", &[domain]);
    let rights = stage.desk.look(&token).await.unwrap().rights;
    assert_eq!(rights.release, Right::Administrator);
    assert_eq!(rights.requeue, Right::Administrator);
    let denied = stage.act(&token, LinkVerb::Requeue).await;
    assert!(matches!(
        denied,
        Err(DeskError::NotAllowed(Right::Administrator))
    ));
}

#[tokio::test]
async fn owners_who_get_no_digests_any_more_have_no_links() {
    let stage = Stage::new().await;
    let hold = stage.hold(HoldReason::Rule).await;
    let token = stage.digest(1, "old@example.org", hold).await;
    let mut conf = Config::clone(&stage.queue.conf().load());
    conf.digest.owners = false;
    stage.queue.conf().store(Arc::new(conf));
    assert_eq!(stage.stand(&token).await, Stand::Expired);
    // Whoever is logged in decides by the login, not by the link.
    let seen = stage.desk.look_as(&token, Some("admin")).await.unwrap();
    assert_eq!(seen.stand, Stand::Open);
}

#[tokio::test]
async fn whoever_writes_a_reverse_path_is_not_yet_its_domain() {
    let stage = Stage::new().await;
    let owner = Scope::Domain("sender.example".to_owned());
    for (account, bound, theirs) in [
        (Some("app1"), true, true),
        (Some("app1"), false, false),
        (None, false, false),
    ] {
        let proven = bound.then(|| "sender.example".to_owned());
        let hold = stage.hold_proven(HoldReason::Rule, account, proven).await;
        let card = stage.queue.card(hold).await.unwrap().unwrap();
        assert_eq!(owner.holds(&card), theirs, "case: {account:?} {bound}");
        let shelf = Shelf::Sent("sender.example".to_owned());
        let page = stage.queue.cards(&shelf, None, true, 1).await.unwrap();
        let first = page.cards.first();
        assert_eq!(first.is_some_and(|one| one.id == hold), theirs);
    }
}
