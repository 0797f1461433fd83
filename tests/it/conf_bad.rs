//! Configurations: those that come with the project are right, and a broken one says what a person must see.
//!
//! Each folder of `tests/conf_bad` holds one broken file and the exact text beside it. After a change of words, run
//! with `POSTWERK_BLESS=1` and read the difference before it is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use postwerk::config::{self, Config, Problems};

/// What `check` prints, with the folder cut off.
fn told(path: &Path) -> String {
    let problems = match config::load(path) {
        Ok((_, warnings)) => Problems(warnings),
        Err(problems) => problems,
    };
    let folder = format!("{}/", path.parent().unwrap().display());
    format!("{problems}\n").replace(&folder, "")
}

fn cases() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir("tests/conf_bad")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    all
}

#[test]
fn a_broken_configuration_says_what_is_wrong_and_what_to_write() {
    let mut differences = String::new();
    let cases = cases();
    assert!(cases.len() >= 20, "only {} cases were found", cases.len());
    for case in cases {
        let told = told(&case.join("postwerk.toml"));
        let file = case.join("expected.txt");
        if std::env::var_os("POSTWERK_BLESS").is_some() {
            fs::write(&file, &told).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if told != wanted {
            let name = case.display();
            writeln!(differences, "== {name}\n-- wanted\n{wanted}-- told\n{told}").unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn no_secret_is_ever_told() {
    for case in cases() {
        let path = case.join("postwerk.toml");
        let problems = match config::load(&path) {
            Ok((_, warnings)) => Problems(warnings),
            Err(problems) => problems,
        };
        let json = problems.0.iter().map(config::Problem::to_json);
        let brief = problems.0.iter().map(config::Problem::brief);
        let all: String = json.chain(brief).chain([problems.to_string()]).collect();
        assert!(!all.contains("hunter"), "{}: {all}", path.display());
    }
}

#[test]
fn no_secret_shows_where_the_file_is_no_toml_or_a_secret_is_a_table() {
    let begin = "[server]\nhostname = \"mail.example.org\"\n";
    for text in [
        "[[route]]\nauth = { user = \"me\" password = \"hunter1\" }\n",
        "[[route]]\nauth = { user = \"me\"; password = \"hunter1\" }\n",
        "[[account]]\nname = \"a\" password = \"hunter1\"\n",
        "[[account]]\nname = \"a\" password: \"hunter1\"\n",
        "[[account]] name = \"a\" password = \"hunter1\"\n",
        "[[account]]\rname = \"a\"\rpassword = \"hunter1\"\r",
        "[acme]\nhook_env = { key = \"hunter1\", bind = 5 }\nkey = 1\n",
        "[acme]\nhook_env = {\n bind = \"hunter1\" oops\n}\n",
        "[acme.hook_env]\nbind = \"hunter1\" oops\n",
        "[acme]\neab_hmac = [\"x\", { hook = \"hunter1\"\n",
        "[[account]]\nname = \"a\"\npassword = { name = \"hunter1\" }\n",
        "[[account]]\nname = \"a\"\npassword.name = \"hunter1\"\n",
        "[admin]\nmetrics_token = { bind = \"hunter1\" }\n",
        "[acme]\ncontact = \"\"\"me@x\neab_hmac = \"hunter1\"\n",
        "[acme]\ncontact = \"\"\"me@x\neab_hmac = \"hunter1\"\n\"\"\"\n",
    ] {
        let told = match config::parse(&format!("{begin}{text}"), Path::new("a.toml")) {
            Ok((_, warnings)) => Problems(warnings),
            Err(problems) => problems,
        };
        let json = told.0.iter().map(config::Problem::to_json);
        let all: String = json.chain([told.to_string()]).collect();
        assert!(!all.contains("hunter"), "{text}\n{all}");
        assert!(!told.0.is_empty(), "{text}");
    }
}

#[test]
fn a_configuration_that_is_printed_for_debugging_shows_no_secret() {
    let text = r#"
        [server]
        hostname = "mail.example.org"
        [[listener]]
        bind = "127.0.0.1:2525"
        role = "submission"
        [[account]]
        name = "app1"
        password = "hunter1"
        [[route]]
        domain = "*"
        relay = ["smtp.provider.example:587"]
        tls = "required"
        auth = { user = "me", password = "hunter2" }
        [tls]
        mode = "acme"
        [acme]
        contact = "a@b.example"
        challenge = "dns-01"
        hook = "/bin/true"
        hook_env = { TOKEN = "hunter3" }
        eab_kid = "kid"
        eab_hmac = "hunter4"
        [admin]
        bind = "127.0.0.1:8443"
        public_url = "https://mail.example.org:8443/"
        metrics_token = "hunter5-hunter5-hunter5"
    "#;
    let (config, warnings) = config::parse(text, Path::new("a.toml")).unwrap();
    let acme = config.tls.acme.as_ref().unwrap();
    assert_eq!(acme.hook_env[0].1.reveal(), "hunter3", "it was read");
    let all = format!("{config:?} {config:#?} {warnings:?}");
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn no_mistake_is_told_without_a_place_and_a_remedy() {
    for case in cases() {
        let path = case.join("postwerk.toml");
        let problems = match config::load(&path) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems.0,
        };
        assert!(!problems.is_empty(), "{}: nothing is wrong", path.display());
        for problem in problems {
            assert!(problem.line > 0 && problem.col > 0, "{problem}");
            assert!(!problem.remedy.is_empty(), "{problem}");
        }
    }
}

#[test]
fn no_case_shows_a_password() {
    for case in cases() {
        assert!(
            !told(&case.join("postwerk.toml")).contains("hunter2"),
            "{}",
            case.display()
        );
    }
}

#[test]
fn the_configurations_of_the_project_are_right() {
    for name in ["postwerk.toml", "production.toml"] {
        let told = told(&Path::new("conf").join(name));
        assert_eq!(told, "0 errors, 0 warnings\n", "{name}");
    }
}

#[test]
fn the_first_configuration_needs_no_root() {
    let (conf, _) = config::load(Path::new("conf/postwerk.toml")).unwrap();
    for listener in &conf.listeners {
        assert!(listener.bind.port() >= 1024, "{}", listener.bind);
        assert!(listener.bind.ip().is_loopback(), "{}", listener.bind);
    }
    let admin = conf.admin.bind.unwrap();
    assert!(admin.port() >= 1024 && admin.ip().is_loopback(), "{admin}");
    assert!(conf.links_allowed());
    assert!(conf.server.data_dir.starts_with("conf/../target"));
}

/// `#key = value` shows the default: with and without these lines the configuration is the same.
#[test]
fn the_annotated_configuration_shows_the_defaults_as_they_are() {
    let path = Path::new("conf/production.toml");
    let text = fs::read_to_string(path).unwrap();
    let mut shown = 0;
    let uncommented: String = text
        .lines()
        .map(|line| {
            let bare = line.strip_prefix('#').unwrap_or(line);
            let key = bare.split(" =").next().unwrap_or_default();
            let word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            shown += usize::from(word && line != bare);
            format!("{}\n", if word { bare } else { line })
        })
        .collect();
    assert!(shown >= 60, "only {shown} defaults are shown");
    let read = |text: &str| -> Config {
        config::parse(text, path)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .0
    };
    assert_eq!(
        format!("{:#?}", read(&text)),
        format!("{:#?}", read(&uncommented))
    );
}

/// A key that is not in the annotated file is a key nobody finds.
#[test]
fn the_annotated_configuration_names_every_key() {
    let text = fs::read_to_string("conf/production.toml").unwrap();
    // An unknown key makes each section tell what it knows.
    let probe = "[server]\nx9=1\n[[tenant]]\nx9=1\n[[listener]]\nx9=1\n[[account]]\nx9=1\n[[domain]]\nx9=1\n\
        [[route]]\nx9=1\nauth={x9=1}\n[queue]\nx9=1\n[tls]\nx9=1\n[dns]\nx9=1\n[limits]\nx9=1\n\
        [deliver]\nx9=1\n[checks]\nx9=1\n[log]\nx9=1\n\
        [admin]\nx9=1\n[digest]\nx9=1\n[links]\nx9=1\n[hold]\nx9=1\n[hold.bad]\nx9=1\n[hold.release]\nx9=1\n\
        [[hold_rule]]\nx9=1\nmatch={x9=1}\n";
    let problems = config::parse(probe, Path::new("probe.toml")).unwrap_err();
    let mut keys = 0;
    for problem in &problems.0 {
        let Some((_, known)) = problem.remedy.split_once("known here: ") else {
            continue;
        };
        for key in known.trim_end_matches(')').split(", ") {
            keys += 1;
            assert!(
                text.contains(&format!("{key} ="))
                    || text.contains(&format!("{key}  ="))
                    || text.contains(&format!(".{key}]")),
                "{} misses {key}",
                problem.key
            );
        }
    }
    assert!(keys >= 100, "only {keys} keys were found");
}

#[test]
fn a_torn_or_mangled_file_is_told_and_never_a_panic() {
    let path = Path::new("conf/production.toml");
    let mut texts: Vec<String> = cases()
        .iter()
        .map(|case| fs::read_to_string(case.join("postwerk.toml")).unwrap())
        .collect();
    texts.push(fs::read_to_string("conf/postwerk.toml").unwrap());
    for (n, text) in texts.iter().enumerate() {
        for (head, tail) in (0..text.len()).filter_map(|at| text.split_at_checked(at)) {
            drop(config::parse(head, path));
            let mangled = format!("{head}{}{tail}", ["\"", "[", "ä", "=", "\u{202e}"][n % 5]);
            if let Err(problems) = config::parse(&mangled, path) {
                assert!(!problems.to_string().contains('\u{202e}'));
            }
        }
    }
}
