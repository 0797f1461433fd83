//! Each rule of tidy finds what it is for, and leaves alone what only looks like it.
//!
//! A rule without a test here is not believed: a checker that finds nothing looks like a clean house.
//! Not here: the rules themselves and the real tree (`tidy.rs`).

use super::*;

fn found(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn imports_point_down_only() {
    for (name, path, text, wanted) in [
        ("down", "src/queue/mod.rs", "use crate::store::Key;", 0),
        ("up", "src/store/mod.rs", "use crate::queue::Queue;", 1),
        (
            "beside",
            "src/smtp/a.rs",
            "fn f() { crate::journal::line::connect() }",
            1,
        ),
        (
            "itself",
            "src/smtp/a.rs",
            "use crate::smtp::data::Decoder;",
            0,
        ),
        (
            "in a group",
            "src/net/a.rs",
            "use crate::{base::clock, queue::{a, b}, smtp};",
            2,
        ),
        (
            "in a test",
            "src/net/a.rs",
            "#[cfg(test)]\nmod tests { use crate::queue::Q; }",
            0,
        ),
        (
            "behind a test",
            "src/net/a.rs",
            "#[cfg(test)]\nuse crate::queue::Q;\nuse crate::queue::R;",
            1,
        ),
        (
            "in a comment",
            "src/net/a.rs",
            "/// See [`crate::queue`].\nfn f() {}",
            0,
        ),
        (
            "in a string",
            "src/net/a.rs",
            "const A: &str = \"crate::queue\";",
            0,
        ),
        ("the top", "src/lib.rs", "pub use crate::app::Server;", 0),
        ("on no floor", "src/attic.rs", "fn f() {}", 1),
    ] {
        assert_eq!(found(floors, path, text), wanted, "case: {name}");
    }
}

#[test]
fn a_file_says_what_it_is_for() {
    let code = "fn f() {}\n".repeat(30);
    for (name, text, wanted) in [
        ("three lines", format!("//! a\n//!\n//! b\n\n{code}"), 0),
        ("one line", format!("//! a\n\n{code}"), 1),
        ("none", code.clone(), 1),
        (
            "one line for a small file",
            "//! a\npub mod b;\n".to_owned(),
            0,
        ),
        (
            "no line for a small file",
            "pub mod b;\npub mod c;\n".to_owned(),
            1,
        ),
        ("a novel", format!("{}{code}", "//! a\n".repeat(13)), 1),
    ] {
        assert_eq!(
            found(header, "src/base/a.rs", &text),
            wanted,
            "case: {name}"
        );
    }
}

#[test]
fn a_file_ends_before_line_601() {
    assert_eq!(found(length, "src/base/a.rs", &"\n".repeat(600)), 0);
    assert_eq!(found(length, "src/base/a.rs", &"\n".repeat(601)), 1);
}

#[test]
fn a_package_stays_in_its_role() {
    for (name, path, text, wanted) in [
        ("at home", "src/store/a.rs", "use redb::Database;", 0),
        ("abroad", "src/queue/a.rs", "use redb::Database;", 1),
        (
            "our own module of that name",
            "src/queue/a.rs",
            "use crate::store::redb::open;",
            0,
        ),
        (
            "abroad from the root",
            "src/queue/a.rs",
            "use ::redb::Database;",
            1,
        ),
        ("a longer name", "src/queue/a.rs", "use my_redb::open;", 0),
        ("outside src", "tests/it/a.rs", "use redb::Database;", 0),
        ("anywhere", "src/queue/a.rs", "tracing::warn!(\"a\");", 0),
    ] {
        assert_eq!(found(roles, path, text), wanted, "case: {name}");
    }
}

#[test]
fn the_client_that_gives_up_at_one_refusal_is_not_used() {
    let text = "use mail_send::SmtpClient;\nfn f(c: C) { c.send(m); }";
    assert_eq!(found(never_sends, "src/cli/a.rs", text), 1);
    assert_eq!(
        found(never_sends, "src/cli/a.rs", "fn f(c: C) { c.send(m); }"),
        0
    );
}

#[test]
fn no_product_module_knows_the_demo() {
    let text = concat!("const A: &str = \"success@demo", ".test\";");
    assert_eq!(found(demo, "src/deliver/a.rs", text), 1);
    assert_eq!(found(demo, "src/app/demo.rs", text), 0);
    assert_eq!(found(demo, "src/cli/mod.rs", text), 0);
}

#[test]
fn unfinished_work_has_no_word() {
    assert_eq!(found(words, "src/a.rs", concat!("// TO", "DO: later")), 1);
    assert_eq!(found(words, "src/a.rs", concat!("    dbg", "!(a);")), 1);
    assert_eq!(found(words, "src/a.rs", "let autodoc = TODOS;"), 0);
}

#[test]
fn names_say_something() {
    for (name, text, wanted) in [
        ("a type", "struct QueueManager;", 1),
        ("a module", "mod util;", 1),
        ("a function", "fn process_line() {}", 1),
        ("sender alone", "fn sender() {}", 1),
        ("sender with a qualifier", "fn probe_sender() {}", 0),
        ("part of a word", "fn information() {} struct Processed;", 0),
        ("a foreign type", "fn f(h: JoinHandle<()>) {}", 0),
    ] {
        assert_eq!(found(names, "src/base/a.rs", text), wanted, "case: {name}");
    }
}

#[test]
fn nothing_is_shared_behind_a_servers_back() {
    assert_eq!(
        found(statics, "src/net/a.rs", "static COUNT: AtomicU64 = A;"),
        1
    );
    assert_eq!(
        found(statics, "src/net/a.rs", "const A: &'static str = \"b\";"),
        0
    );
}

#[test]
fn every_limit_has_its_reason() {
    let good = "/// Because.\npub const A: usize = 1;\n";
    assert_eq!(found(limits, "src/base/limit/queue.rs", good), 0);
    assert_eq!(
        found(
            limits,
            "src/base/limit/queue.rs",
            "\npub const A: usize = 1;\n"
        ),
        1
    );
}

#[test]
fn comments_strings_and_characters_are_not_code() {
    for (text, wanted) in [
        ("a // b", "a     "),
        ("a /* b */ c", "a         c"),
        ("\"a\\\"b\" c", "       c"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"a\" c", "b     c"),
        ("'{' '\\'' &'a str", "         &'a str"),
        ("for r in b", "for r in b"),
    ] {
        assert_eq!(code_only(text), wanted, "case: {text}");
    }
}
