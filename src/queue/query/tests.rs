//! The query language by example: what it finds, and what it says of mistakes.
//!
//! Columns count characters from 1. Not here: finding the records of a query (`shelf`, `bulk`).

use super::*;

fn held() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "big")
}

fn facts<'a>(state: &'a State, hold: &'a Hold) -> Facts<'a> {
    Facts {
        id: 0x0643_E1B2_A90C_7701,
        from: "App.One@shop.example",
        to: "kunde@xn--bcher-kva.example",
        hold: Some(hold),
        subject: "Rechnung 2026",
        account: Some("app1"),
        state,
        age: Duration::from_secs(4 * 86_400),
    }
}

#[test]
fn a_query_finds_what_it_says() {
    let state = State::Held;
    for (query, wanted) in [
        ("", true),
        ("queue:quarantine from:@shop.example older:3d", true),
        ("queue:due", false),
        ("queue:bad,quarantine", true),
        ("queue:bad queue:quarantine", true),
        ("-queue:bad", true),
        ("-queue:bad,quarantine", false),
        ("from:app.one@shop.example", true),
        ("from:@example", false),
        ("from:*@*.example", true),
        ("from:app.*", true),
        ("from:one@", false),
        ("from:shop", true),
        ("from:<>", false),
        ("to:@bücher.example", true),
        ("to:\"kunde@bücher.example\"", true),
        ("-to:kunde@*", false),
        ("id:0643e1b2a90c7701", true),
        ("id:0643E1B2A90C7702", false),
        ("newer:1w older:3d", true),
        ("older:3d older:5d", false),
        ("status:held", true),
        ("status:due,trashed", false),
        ("reason:rule,spam", true),
        ("-reason:rule", false),
        ("subject:rech", true),
        ("word:rech", false),
        ("word:Rechnung account:app1", true),
        ("account:app", false),
    ] {
        let parsed = Query::parse(query).unwrap();
        assert_eq!(
            parsed.matches(&facts(&state, &held())),
            wanted,
            "case: {query}"
        );
    }
}

#[test]
fn a_query_is_looked_up_on_its_smallest_shelf() {
    for (query, shelf, of_holds) in [
        ("", Shelf::All, false),
        ("older:3d -queue:bad", Shelf::All, false),
        ("queue:bad", Shelf::Queue(HoldQueue::Bad), true),
        ("queue:bad,defect", Shelf::All, true),
        (
            "queue:bad reason:loop",
            Shelf::Reason(HoldReason::Loop),
            true,
        ),
        (
            "status:held to:@b.example",
            Shelf::Domain("b.example".into()),
            true,
        ),
        ("from:*@*.example", Shelf::All, false),
        ("from:a@b.example word:X", Shelf::Word("x".into()), false),
    ] {
        let parsed = Query::parse(query).unwrap();
        assert_eq!(parsed.shelf(), shelf, "case: {query}");
        assert_eq!(parsed.is_of_holds(), of_holds, "case: {query}");
    }
}

#[test]
fn a_null_reverse_path_is_written_as_in_smtp() {
    let (state, hold) = (State::Due, held());
    let dsn = Facts {
        from: "",
        hold: None,
        ..facts(&state, &hold)
    };
    assert!(Query::parse("from:<> queue:due").unwrap().matches(&dsn));
    assert!(!Query::parse("queue:due").unwrap().matches(&Facts {
        state: &State::Relayed,
        ..dsn
    }));
}

#[test]
fn a_mistake_is_shown_with_its_column_and_the_right_word() {
    for (query, column, what) in [
        (
            "older:3d form:x",
            10,
            "unknown word `form:`; did you mean `from`?",
        ),
        (
            "-qeue:bad",
            2,
            "unknown word `qeue:`; did you mean `queue`?",
        ),
        (
            "size:3",
            1,
            "unknown word `size:`; write one of queue, from, to, id, older, newer, status, reason, subject, word, account",
        ),
        (
            "queue:quarantene",
            7,
            "unknown queue `quarantene`; did you mean `quarantine`?",
        ),
        (
            "status:hold",
            8,
            "unknown status `hold`; did you mean `held`?",
        ),
        (
            "older:3",
            7,
            "`3` is no span of time; write a number and ms, s, m, h, d or w, such as \"4h\"",
        ),
        (
            "ä to:",
            1,
            "`ä` has no word before it; write from:ä, to:ä or another of queue, from, to, id, older, newer, status, reason, subject, word, account",
        ),
        ("to:", 1, "`to:` needs a value behind it"),
        ("from:\"a b", 1, "the closing quote `\"` is missing"),
        (
            "id:123",
            4,
            "`123` is no queue id; write its 16 hex digits, as `queue list` prints them",
        ),
    ] {
        let error = Query::parse(query).unwrap_err();
        assert_eq!(
            (error.column, error.what.as_str()),
            (column, what),
            "case: {query}"
        );
    }
}

#[test]
fn what_an_index_can_answer_is_told() {
    let query = Query::parse("to:@example.org queue:bad id:0643E1B2A90C7701").unwrap();
    assert_eq!(query.recipient_domain(), Domain::parse("example.org").ok());
    assert_eq!(query.hold(), Some(HoldQueue::Bad));
    assert_eq!(query.ids(), Some(vec![0x0643_E1B2_A90C_7701]));
    let open = Query::parse("-to:@example.org to:@*.example.org queue:bad,defect").unwrap();
    assert_eq!(
        (open.recipient_domain(), open.hold(), open.ids()),
        (None, None, None)
    );
}

#[test]
fn stars_match_parts_in_order_and_never_overlap() {
    for (pattern, text, wanted) in [
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*b*", "abc", true),
        ("a*b*c", "axbxc", true),
        ("a*b*c", "acb", false),
        ("**", "", true),
    ] {
        assert_eq!(fits(pattern, text), wanted, "case: {pattern} {text}");
    }
}
