//! Holds the map of the house true: floors, file headers and lengths, package roles, names and words.
//!
//! It reads the source tree as text; each rule is a function from a file to its problems and has a test of its own.
//! A rule about a module counts once that module exists, so that the tree may grow.
//! Not here: what Clippy knows already (function length, `_ =>`, clocks, unwrap).

#![allow(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};

use code::{code_only, without_tests};

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/rules.rs"]
mod rules;

/// Modules by floor: a module may know those below, and none beside it.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["mail", "words"],
    &["config"],
    &["store", "net"],
    &["smtp", "journal"],
    &[
        "queue", "contacts", "accounts", "verify", "certs", "scan", "classify",
    ],
    &["policy"],
    &["judge"],
    &["receive", "deliver", "fetch"],
    &["bounce", "hook"],
    &["digest", "mailer", "documents", "outbox"],
    &["admin"],
    &["app"],
    // The architecture draws it beside `app`; it starts one, so it stands on it.
    &["cli"],
];

/// Packages with a role: the crate's name in code, the package, where it may be used, and where it must be.
const ROLES: &[Role] = &[
    role("smtp_proto", "smtp-proto", &["smtp"], "src/smtp/"),
    role(
        "tokio_rustls",
        "tokio-rustls",
        &["net", "receive", "deliver", "admin"],
        "src/net/tls",
    ),
    role("rcgen", "rcgen", &["certs"], "src/certs/"),
    role("instant_acme", "instant-acme", &["certs"], "src/certs/"),
    role("redb", "redb", &["store"], "src/store/redb"),
    role(
        "hyper",
        "hyper",
        &["admin", "net", "scan", "cli"],
        "src/admin/control",
    ),
    role(
        "mail_parser",
        "mail-parser",
        &[
            "mail", "queue", "classify", "judge", "receive", "bounce", "digest", "admin", "app",
        ],
        "",
    ),
    role("tracing", "tracing", &[], "src/journal/"),
    role(
        "tracing_subscriber",
        "tracing-subscriber",
        &["app", "journal"],
        "src/app/log",
    ),
    role(
        "mail_send",
        "mail-send",
        &["deliver", "cli"],
        "src/cli/test_mail",
    ),
];

const FILE_LINES_MAX: usize = 600;
const HEADER_LINES: std::ops::RangeInclusive<usize> = 3..=12;
/// A file of a few declarations says what it is in one line.
const SMALL_FILE_LINES: usize = 20;

struct Role {
    name: &'static str,
    package: &'static str,
    /// Empty: anywhere.
    allowed: &'static [&'static str],
    /// Path prefix. Empty: anywhere, but somewhere.
    needed: &'static str,
}

const fn role(
    name: &'static str,
    package: &'static str,
    allowed: &'static [&'static str],
    needed: &'static str,
) -> Role {
    Role {
        name,
        package,
        allowed,
        needed,
    }
}

/// One file: its path below the top, its text, and the text without comments, strings and test code.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: without_tests(&code_only(text)),
        }
    }

    /// The top-level module of a file under src, or "" elsewhere and for lib.rs and main.rs.
    fn module(&self) -> &str {
        let Some(inside) = self.path.strip_prefix("src/") else {
            return "";
        };
        let first = inside.split('/').next().unwrap_or_default();
        match first.strip_suffix(".rs") {
            Some("lib" | "main") => "",
            Some(stem) => stem,
            None => first,
        }
    }
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Imports point down only, and neighbours on a floor do not know each other.
fn floors(source: &Source) -> Vec<String> {
    let module = source.module();
    if module.is_empty() || module == "manual" {
        return Vec::new();
    }
    let Some(own) = floor_of(module) else {
        return vec![format!(
            "{}: module `{module}` stands on no floor of tests/tidy.rs",
            source.path
        )];
    };
    let mut problems = Vec::new();
    for known in known_modules(&source.code) {
        let up = floor_of(&known).is_some_and(|theirs| theirs >= own);
        if known != module && up {
            problems.push(format!(
                "{}: `{module}` (floor {own}) may not know `{known}`; make the call a due record or an argument",
                source.path
            ));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// The first segment behind every `crate::`, also inside `crate::{…}`.
fn known_modules(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(identifier(rest));
            continue;
        };
        let mut depth = 1;
        let mut start = 0;
        for (n, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' | ',' if depth == 1 => {
                    found.push(identifier(group[start..n].trim_start()));
                    start = n + 1;
                    if letter == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// A file starts with what lives here, what must hold, and what is not here.
fn header(source: &Source) -> Vec<String> {
    // The map of the house and the pages of decisions are doc comments as a whole.
    let page = source.path == "src/lib.rs" || source.path.starts_with("src/manual/");
    if page && source.text.starts_with("//!") {
        return Vec::new();
    }
    let lines = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    let small = source
        .text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count()
        <= SMALL_FILE_LINES;
    if HEADER_LINES.contains(&lines) || (small && lines >= 1) {
        return Vec::new();
    }
    vec![format!(
        "{}: starts with {lines} lines of `//!`; wanted {} to {}",
        source.path,
        HEADER_LINES.start(),
        HEADER_LINES.end()
    )]
}

fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines; at most {FILE_LINES_MAX}",
        source.path
    )]
}

/// A package with a role is used where its role is, and nowhere else.
fn roles(source: &Source) -> Vec<String> {
    let module = source.module();
    ROLES
        .iter()
        .filter(|role| !module.is_empty() && !role.allowed.is_empty())
        .filter(|role| !role.allowed.contains(&module) && names_crate(&source.code, role.name))
        .map(|role| {
            format!(
                "{}: `{}` is for {:?} only",
                source.path, role.package, role.allowed
            )
        })
        .collect()
}

/// One refused recipient aborts all in mail-send's `send`, so it is never called.
fn never_sends(source: &Source) -> Vec<String> {
    let calls = names_crate(&source.code, "mail_send") && source.code.contains(".send(");
    if calls {
        vec![format!("{}: calls `.send(` beside mail-send", source.path)]
    } else {
        Vec::new()
    }
}

/// Is `name::` there, as a crate and not as the end of a longer name?
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &code[..at];
        // `::name` at the start of a path is the package as well, beside a module of its name.
        let before = before
            .strip_suffix("::")
            .unwrap_or(before)
            .chars()
            .next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '>')
    })
}

/// The demo's magic addresses steer its sink, never the product.
fn demo(source: &Source) -> Vec<String> {
    let allowed = ["src/app/demo", "src/cli/"]
        .iter()
        .any(|p| source.path.starts_with(p));
    let named = source.module() != "" && source.text.contains(concat!("demo", ".test"));
    if named && !allowed {
        vec![format!(
            "{}: knows the demo's domain; only app::demo and cli may",
            source.path
        )]
    } else {
        Vec::new()
    }
}

/// What must not stay in a file that is committed.
fn words(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for word in [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("dbg", "!"),
        concat!("unimplemented", "!"),
    ] {
        for (n, line) in source.text.lines().enumerate() {
            if has_word(line, word) {
                problems.push(format!("{}:{}: `{word}`", source.path, n + 1));
            }
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && (word.ends_with('!') || !joins(after))
    })
}

/// Names that say nothing, or the wrong thing: style.md's glossary.
fn names(source: &Source) -> Vec<String> {
    const EMPTY: &[&str] = &[
        "util", "utils", "helper", "helpers", "manager", "misc", "common", "handle", "process",
        "info", "item", "do",
    ];
    // Methods of foreign traits are named by them.
    const FOREIGN: &[&str] = &["handle_request"];
    const ALONE: &[&str] = &["sender", "auth"];
    // Test names are sentences, and sentences need little words.
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for name in declared(&source.code) {
        let parts = segments(&name);
        let empty = parts.iter().any(|part| EMPTY.contains(&part.as_str()));
        let alone = parts.len() == 1 && parts.iter().all(|part| ALONE.contains(&part.as_str()));
        if (empty || alone) && !FOREIGN.contains(&name.as_str()) {
            problems.push(format!(
                "{}: `{name}` says too little; see the glossary in style.md",
                source.path
            ));
        }
    }
    problems
}

/// Names behind `fn`, `struct`, `enum`, `trait`, `mod`, `type`.
fn declared(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        if ["fn", "struct", "enum", "trait", "mod", "type"].contains(&word)
            && let Some(name) = words.next()
        {
            found.push(name.to_owned());
        }
    }
    found
}

/// `FooBar` and `foo_bar` are `foo` and `bar`.
fn segments(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    for letter in name.chars() {
        if (letter == '_' || letter.is_uppercase()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if letter != '_' {
            part.extend(letter.to_lowercase());
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Two servers run in one process, so nothing is shared behind their backs.
fn statics(source: &Source) -> Vec<String> {
    // Texts that are compiled in never change: they are a constant that needs a loader.
    let texts = source.code.contains("static_loader!");
    if source.module().is_empty() || texts {
        return Vec::new();
    }
    source
        .code
        .lines()
        .map(str::trim_start)
        .filter(|line| {
            let line = line
                .strip_prefix("pub(crate) ")
                .or(line.strip_prefix("pub "))
                .unwrap_or(line);
            line.starts_with("static ") || line.starts_with("thread_local!")
        })
        .map(|line| format!("{}: `{line}`: pass it in", source.path))
        .collect()
}

/// Every limit has its reason.
fn limits(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/base/limit/") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut before = "";
    for line in source.text.lines() {
        if line.starts_with("pub const ") && !before.starts_with("///") {
            problems.push(format!("{}: `{line}` has no reason", source.path));
        }
        before = line;
    }
    problems
}

const RULES: &[fn(&Source) -> Vec<String>] = &[
    floors,
    header,
    length,
    roles,
    never_sends,
    demo,
    words,
    names,
    statics,
    limits,
];

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the house; the fuzz targets are a package of their own.
fn tree() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        gather(&top().join(folder), &mut files);
    }
    files.sort();
    let test_only = test_modules(&files);
    files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a readable file");
            let name = path.strip_prefix(top()).expect("below the top");
            let mut source = Source::new(&name.to_string_lossy(), &text);
            if test_only.iter().any(|module| path.starts_with(module)) {
                source.code.clear();
            }
            source
        })
        .collect()
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "fuzz") {
            gather(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Files and folders behind `#[cfg(test)] mod NAME;`.
fn test_modules(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in files {
        let text = code_only(&fs::read_to_string(file).expect("a readable file"));
        for (at, mark) in text.match_indices("#[cfg(test)]") {
            let behind = text[at + mark.len()..].trim_start();
            let behind = behind
                .strip_prefix("pub ")
                .or(behind.strip_prefix("pub(crate) "))
                .unwrap_or(behind);
            let Some(name) = behind.strip_prefix("mod ") else {
                continue;
            };
            let name = identifier(name);
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let own = file.with_extension("");
            let folder = if ["mod", "lib", "main"].contains(&stem.as_ref()) {
                file.parent().unwrap_or(file)
            } else {
                &own
            };
            found.push(folder.join(&name));
            found.push(folder.join(format!("{name}.rs")));
        }
    }
    found
}

#[test]
fn the_house_is_tidy() {
    let problems: Vec<String> = tree()
        .iter()
        .flat_map(|source| RULES.iter().flat_map(move |rule| rule(source)))
        .collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_package_with_a_role_is_a_direct_dependency_and_plays_it() {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).expect("Cargo.toml");
    let tree = tree();
    for role in ROLES {
        let direct = manifest
            .lines()
            .any(|l| l.starts_with(&format!("{} = ", role.package)));
        assert!(direct, "{} is no direct dependency", role.package);
        let home: Vec<&Source> = tree
            .iter()
            .filter(|s| !s.module().is_empty())
            .filter(|s| role.needed.is_empty() || s.path.starts_with(role.needed))
            .collect();
        // What is still a line of comment plays nothing yet.
        let built = home
            .iter()
            .any(|s| s.code.lines().filter(|l| !l.trim().is_empty()).count() > SMALL_FILE_LINES);
        let plays = home.iter().any(|s| names_crate(&s.code, role.name));
        assert!(
            plays || !built || role.needed.is_empty(),
            "{} is not used in `{}`",
            role.package,
            role.needed
        );
    }
}
