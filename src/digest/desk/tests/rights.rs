//! What the buttons may do, by reason, rule, login and whose digest it is.
//!
//! Not here: who has a digest at all at this moment (`standing`).

use super::*;

#[tokio::test]
async fn reasons_and_owners_decide_about_rights() {
    use Right::{Administrator as Ask, Login, Never, Yes};
    let stage = Stage::of(|conf| {
        conf.hold.release = vec![
            (HoldReason::Virus, ReleaseRule::Login),
            (HoldReason::Phish, ReleaseRule::Never),
            (HoldReason::Spam, ReleaseRule::Login),
            (HoldReason::Loop, ReleaseRule::Never),
            // No check finds these again: a requeue would release them.
            (HoldReason::Operator, ReleaseRule::Login),
            (HoldReason::Undeliverable, ReleaseRule::Never),
        ];
    })
    .await;
    let owner = vec![Scope::Domain("sender.example".to_owned())];
    let both = vec![owner[0].clone(), Scope::Queue(HoldQueue::Quarantine)];
    let elsewhere = vec![Scope::Queue(HoldQueue::Bad), owner[0].clone()];
    let mut number = 0;
    for (reason, scopes, login, release, requeue, delete) in [
        (HoldReason::Rule, &owner, false, Yes, Yes, Yes),
        (HoldReason::Spam, &owner, false, Login, Yes, Yes),
        (HoldReason::Spam, &owner, true, Yes, Yes, Yes),
        (HoldReason::Loop, &owner, false, Never, Yes, Yes),
        (HoldReason::Loop, &owner, true, Never, Yes, Yes),
        (HoldReason::Operator, &owner, false, Login, Login, Yes),
        (HoldReason::Operator, &both, false, Login, Login, Yes),
        (HoldReason::Operator, &both, true, Yes, Yes, Yes),
        (HoldReason::Undeliverable, &both, true, Never, Never, Yes),
        (HoldReason::Virus, &owner, false, Ask, Ask, Yes),
        (HoldReason::Phish, &owner, false, Ask, Ask, Yes),
        (HoldReason::Account, &owner, false, Ask, Ask, Yes),
        (HoldReason::RateLimit, &elsewhere, false, Ask, Ask, Yes),
        (HoldReason::RateLimit, &both, false, Yes, Yes, Yes),
        (HoldReason::Virus, &both, false, Login, Yes, Yes),
        (HoldReason::Virus, &owner, true, Yes, Yes, Yes),
        (HoldReason::Phish, &both, false, Never, Yes, Yes),
        (HoldReason::Phish, &owner, true, Never, Yes, Yes),
    ] {
        number += 1;
        let hold = stage.hold(reason).await;
        stage
            .digest_of(number, "boss@example.org", vec![hold], scopes.clone())
            .await;
        let visitor = if login { admin() } else { visitor() };
        let rights = (release, requeue, delete);
        stage
            .allows(&stage.link(number, hold), rights, &visitor)
            .await;
    }
}
