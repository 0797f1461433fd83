//! Each verb by the socket and on the store, and where passwords come from.
//!
//! Both ways must do the same, so each runs the same life of an account.
//! Not here: what a login is worth (`accounts`).

use super::*;
use crate::accounts::{Caller, Login};
use crate::admin::{Context, control};
use crate::base::shutdown::Shutdown;
use crate::bounce::fixture::Stage;
use crate::digest::key::Keys;

fn args(data: &Path, action: Action) -> Args {
    Args {
        action,
        place: Place {
            config: "/nowhere/postwerk.toml".into(),
            data: Some(data.to_owned()),
        },
    }
}

fn password(folder: &Path, text: &str) -> PasswordArg {
    let file = folder.join("password");
    std::fs::write(&file, text).unwrap();
    PasswordArg { file: Some(file) }
}

fn add(folder: &Path, name: &str) -> Action {
    Action::Add {
        name: name.to_owned(),
        password: password(folder, "a secret\n"),
        senders: vec!["*@example.org".to_owned()],
        tenant: None,
        band: Some("bulk".to_owned()),
    }
}

/// Every verb once; the same words by the socket and on the store.
async fn a_life(data: &Path) {
    let folder = tempfile::tempdir().unwrap();
    act(args(data, add(folder.path(), "app"))).await.unwrap();
    let again = act(args(data, add(folder.path(), "app")))
        .await
        .unwrap_err();
    assert!(
        again
            .to_string()
            .starts_with("there is an account app already"),
        "{again}"
    );
    let fresh = Action::Passwd {
        name: "app".to_owned(),
        password: password(folder.path(), "another secret"),
    };
    act(args(data, fresh)).await.unwrap();
    act(args(data, Action::List { json: true })).await.unwrap();
    let remove = || Action::Remove {
        name: "app".to_owned(),
    };
    act(args(data, remove())).await.unwrap();
    let gone = act(args(data, remove())).await.unwrap_err();
    assert!(
        gone.to_string().starts_with("there is no account app"),
        "{gone}"
    );
}

#[tokio::test]
async fn without_a_server_the_store_is_opened() {
    let data = tempfile::tempdir().unwrap();
    a_life(data.path()).await;
}

#[tokio::test]
async fn a_server_that_answers_is_asked() {
    let data = tempfile::tempdir().unwrap();
    let stage = Stage::new();
    let (shutdown, _finish) = Shutdown::new();
    let conf = Arc::clone(stage.queue.conf());
    let accounts = Accounts::new(Arc::clone(&conf), stage.queue.store().clone());
    let context = Context {
        digests: None,
        endpoint: None,
        site: None,
        conf,
        queue: stage.queue.clone(),
        accounts: accounts.clone(),
        keys: Keys::load(stage.queue.store().clone(), stage.clock.clone())
            .await
            .unwrap(),
        clock: stage.clock.clone(),
        shutdown: shutdown.clone(),
    };
    let task = tokio::spawn(control::bind(data.path()).unwrap().run(context));
    a_life(data.path()).await;
    let folder = tempfile::tempdir().unwrap();
    act(args(data.path(), add(folder.path(), "a/b ü")))
        .await
        .unwrap();
    let caller = Caller {
        ip: [192, 0, 2, 1].into(),
        trusted: false,
    };
    let entered = accounts.log_in(caller, "a/b ü", "a secret").await.unwrap();
    let Login::Right(account) = entered else {
        panic!("{entered:?}")
    };
    assert_eq!(account.band, crate::base::band::Band::Bulk);
    let remove = Action::Remove {
        name: "a/b ü".to_owned(),
    };
    act(args(data.path(), remove)).await.unwrap();
    shutdown.begin();
    task.await.unwrap();
}

#[tokio::test]
async fn a_store_in_use_is_told_and_ends_with_75() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("store.redb");
    let size = crate::base::size::ByteSize::mib(1);
    let _held = store::redb::open(&file, size, None, Clock::system()).unwrap();
    let why = act(args(data.path(), Action::List { json: false }))
        .await
        .unwrap_err();
    let wanted = format!("{:?}", ExitCode::from(75));
    assert_eq!(format!("{:?}", why.exit_code()), wanted, "{why}");
}

#[test]
fn a_password_file_gives_its_first_line_and_an_empty_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, made) = password(folder.path(), "a secret\r\n").read().unwrap();
    assert_eq!((secret.reveal(), made), ("a secret", false));
    assert!(password(folder.path(), "\n").read().is_err());
    let missing = PasswordArg {
        file: Some("/nowhere/password".into()),
    };
    assert!(missing.read().is_err());
    let (first, made) = PasswordArg { file: None }.read().unwrap();
    let (second, _) = PasswordArg { file: None }.read().unwrap();
    assert!(made && first != second && first.reveal().len() == 24);
}
