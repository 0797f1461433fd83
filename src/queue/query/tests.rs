//! The query language by example: what it finds, and what it says of mistakes.
//!
//! Columns count characters from 1. Not here: finding the records of a query (`shelf`, `bulk`).

use super::*;
use crate::base::lang::Lang;

fn held() -> Hold {
    Hold::new(HoldQueue::Quarantine, HoldReason::Rule, "big")
}

fn facts<'a>(state: &'a State, hold: &'a Hold) -> Facts<'a> {
    Facts {
        id: 0x0643_E1B2_A90C_7701,
        from: "App.One@shop.example",
        to: "kunde@xn--bcher-kva.example",
        hold: Some(hold),
        subject: "Rechnung 2026, zweite Mahnung",
        author: "\"Erika Muster\" <erika@shop.example>",
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
        ("subject:\"2026, zweite\"", true),
        ("subject:\"2026,\"", true),
        ("subject:\"2026,\",\"nothing\"", true),
        ("subject:\"2025, zweite\"", false),
        ("-subject:\"2025,\"", true),
        ("subject:\"say \\\"2026\\\"\"", false),
        ("text:muster", true),
        ("text:muster text:mahnung", true),
        ("text:muster text:absent", false),
        ("text:absent,mahnung", true),
        ("text:app.one text:kunde", true),
        ("-text:erika", false),
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
        (
            "from:a@b.example word:Xyz",
            Shelf::Word("xyz".into()),
            false,
        ),
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
            "unknown word `size:`; write one of queue, from, to, id, older, newer, status, reason, subject, text, word, account",
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
            "`ä` has no word before it; write text:ä, from:ä, to:ä or another of queue, from, to, id, older, newer, status, reason, subject, text, word, account",
        ),
        (
            "\"a, b\"",
            1,
            "`\"a, b\"` has no word before it; write text:\"a, b\", from:\"a, b\", to:\"a, b\" or another of queue, from, to, id, older, newer, status, reason, subject, text, word, account",
        ),
        ("to:", 1, "`to:` needs a value behind it"),
        ("from:\"a b", 6, "the closing quote `\"` is missing"),
        (
            "id:123",
            4,
            "`123` is no queue id; write its 16 hex digits, as `queue list` prints them",
        ),
    ] {
        let error = Query::parse(query).unwrap_err();
        assert_eq!(
            (error.column, error.wrong.text(Lang::En).as_str()),
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

#[test]
fn what_is_empty_or_means_everybody_or_could_mean_two_things_is_refused_at_its_place() {
    for (query, column) in [
        ("from:", 1),
        ("older:3d from: x", 10),
        ("from:a,", 8),
        ("from:,a", 6),
        ("from:a,,b", 8),
        ("from:a, b", 8),
        ("subject:\"\"", 9),
        ("subject:\" \"", 9),
        ("subject:a,\"\"", 11),
        (",", 1),
        ("-", 2),
        ("\"", 1),
        (":", 1),
        ("to:*", 4),
        ("from:*", 6),
        ("from:**", 6),
        ("from:*@*", 6),
        ("-to:*@*.*", 5),
        ("to:@", 4),
        ("to:a,*", 6),
        ("from:one@", 6),
        ("to:<>", 4),
        ("-to:<>", 5),
        ("from:<", 6),
        ("from:a>", 6),
        ("from:\"\"", 6),
        ("text:@", 6),
        ("-text:\"@\"", 7),
        ("subject:*", 9),
        ("-subject:Dear*", 10),
        ("account:*", 9),
        ("-word:\"two words\"", 7),
        ("word:ab", 6),
        ("older:0s", 7),
        ("subject:\"a\"b", 12),
        ("subject:a\"b\"", 10),
        ("subject:\"a\\n\"", 11),
        ("subject:a\\,b", 10),
        ("subject:\"a\\", 11),
        ("subject:\"a\" \"b", 13),
        ("subject:„a b“", 9),
        ("queue:bad,", 11),
        ("status:held,hold", 13),
    ] {
        let error = Query::parse(query).expect_err(query);
        assert_eq!(error.column, column, "case: {query}: {error}");
    }
}

#[test]
fn a_search_field_takes_words_alone_and_the_language_does_not() {
    let (state, hold) = (State::Held, held());
    for (text, wanted) in [
        ("mahnung", true),
        ("mahnung erika", true),
        ("mahnung absent", false),
        ("2026, zweite", true),
        ("\"2026, zweite\"", true),
        ("\"zweite 2026\"", false),
        ("-mahnung", false),
        ("-\"zweite 2026\" shop.example", true),
        ("mahnung reason:rule", true),
        ("mahnung -reason:rule", false),
    ] {
        let parsed = Query::search(text).unwrap();
        assert_eq!(
            parsed.matches(&facts(&state, &hold)),
            wanted,
            "case: {text}"
        );
        assert!(
            Query::parse(text).is_err() || !text.contains("mahnung"),
            "case: {text}"
        );
    }
    for (text, column) in [
        (",", 1),
        ("a\"b c\"", 2),
        ("\"b c\"d", 6),
        ("a „b c“", 3),
        ("Re: you", 1),
    ] {
        let error = Query::search(text).expect_err(text);
        assert_eq!(error.column, column, "case: {text}: {error}");
    }
}

#[test]
fn a_query_is_said_back_as_it_was_understood() {
    for (query, en, de) in [
        ("", "everything", "alles"),
        (
            "subject:\"Dear customer,\" from:a@b.example",
            "subject contains 'Dear customer,' and from is 'a@b.example'",
            "Betreff enthält „Dear customer,“ und Absender ist „a@b.example“",
        ),
        (
            "subject:a,b older:3d4h",
            "(subject contains 'a' or subject contains 'b') and it is older than 3d4h",
            "(Betreff enthält „a“ oder Betreff enthält „b“) und sie ist älter als 3d4h",
        ),
        (
            "status:held status:due",
            "status is held or status is due",
            "Zustand ist angehalten (held) oder Zustand ist wartet (due)",
        ),
        (
            "queue:bad,quarantine",
            "queue is Trouble (bad) or queue is quarantine",
            "Warteschlange ist Störung (bad) oder Warteschlange ist Quarantäne (quarantine)",
        ),
        (
            "-from:<>,@shop.example",
            "from is not empty and from does not end in '@shop.example'",
            "Absender ist nicht leer und Absender endet nicht auf „@shop.example“",
        ),
        (
            "from:shop to:*@*.example",
            "from contains 'shop' and to is like '*@*.example'",
            "Absender enthält „shop“ und Empfänger sieht aus wie „*@*.example“",
        ),
        (
            "queue:due -reason:virus",
            "it is not held and reason is not Virus found (virus)",
            "sie ist nicht angehalten und Grund ist nicht Virus gefunden (virus)",
        ),
    ] {
        let parsed = Query::parse(query).unwrap();
        assert_eq!(parsed.understood(Lang::En), en, "case: {query}");
        assert_eq!(parsed.understood(Lang::De), de, "case: {query}");
    }
}

#[test]
fn a_query_written_down_reads_as_the_same() {
    for text in [
        "",
        "mahnung -\"a, b\" subject:\"say \\\"x\\\" \\\\ *\",b",
        "from:<>,@shop.example,shop,*x* -to:<kunde@bücher.example>",
        "queue:due,bad older:3d4h newer:2w status:held,due id:0643E1B2A90C7701",
        "reason:virus word:Rechnung account:\"app 1\" older:1500ms",
    ] {
        let parsed = Query::search(text).unwrap();
        let written = parsed.to_string();
        assert_eq!(
            Query::parse(&written),
            Ok(parsed),
            "case: {text}: {written}"
        );
    }
}

#[test]
fn a_tab_adds_its_queue_unless_the_search_names_one() {
    for (search, queue, wanted) in [
        ("", Some(HoldQueue::Bad), "queue:bad"),
        ("", None, "status:held"),
        ("x", Some(HoldQueue::Bad), "text:x queue:bad"),
        ("queue:bad", Some(HoldQueue::Quarantine), "queue:bad"),
        (
            "x queue:bad,defect",
            Some(HoldQueue::Quarantine),
            "text:x queue:bad,defect",
        ),
        (
            "-queue:bad",
            Some(HoldQueue::Quarantine),
            "-queue:bad queue:quarantine",
        ),
        ("queue:due", Some(HoldQueue::Bad), "queue:due status:held"),
        ("status:held", None, "status:held"),
    ] {
        let query = Query::search(search).unwrap().of_held(queue);
        assert_eq!(query.to_string(), wanted, "case: {search}");
        assert!(query.is_of_holds(), "case: {search}");
    }
}
