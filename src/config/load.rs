//! From a file to a `Config`, or to all of its mistakes.
//!
//! Every section is read even when another is wrong. A path in the file is relative to the file's folder. Nothing is
//! created and no port is opened: `check` and `serve` run the very same code.
//! Not here: the tables themselves (`single`, `section`), and what two of them say together (`cross`).

use std::path::Path;

use toml::de::DeTable;

use super::cross_held::Held;
use super::file::{Notes, Section};
use super::problem::{Problem, Problems, Severity};
use super::section::{self, Placed};
use super::{
    Config, DigestConf, TenantConf, admin, attachment, cert, cross, digest, rule, scanner, single,
};
use crate::base::limit;

impl Config {
    /// Reads and checks a file; warnings go to the log.
    ///
    /// # Errors
    /// All mistakes of the file at once, each with what to write instead.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let (config, warnings) = load(path)?;
        for warning in warnings {
            tracing::warn!("{}", warning.brief());
        }
        Ok(config)
    }
}

/// Reads and checks the file at `path`. Warnings come with the configuration.
pub fn load(path: &Path) -> Result<(Config, Vec<Problem>), Problems> {
    let of_file = |text, remedy| Problems(vec![Problem::of_file(path, text, remedy)]);
    let octets = std::fs::read(path).map_err(|why| {
        let remedy = "write --config FILE, or set POSTWERK_CONFIG";
        of_file(format!("the file cannot be read: {why}"), remedy)
    })?;
    if octets.len() > limit::CONFIG_MAX {
        let remedy = "is it really the configuration?";
        return Err(of_file("the file is larger than 1 MiB".to_owned(), remedy));
    }
    let text = String::from_utf8(octets).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        let what = format!("the file is not UTF-8 (octet {at})");
        of_file(what, "save it as UTF-8")
    })?;
    parse(&text, path)
}

/// The same for `text`, as if it stood at `path`.
pub fn parse(text: &str, path: &Path) -> Result<(Config, Vec<Problem>), Problems> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let notes = Notes::new(path, text, &syntax);
    let folder = path.parent().unwrap_or(Path::new(""));
    let conf = whole_file(&Section::root(&notes, table.get_ref()), folder);
    let problems = notes.into_problems();
    let wrong = problems.iter().any(|p| p.severity == Severity::Error);
    match conf {
        Some(conf) if !wrong => Ok((conf, problems)),
        Some(_) | None => Err(Problems(problems)),
    }
}

fn whole_file(root: &Section<'_, '_>, folder: &Path) -> Option<Config> {
    let at_server = root.section("server");
    let server = single::server(&at_server, folder);
    let tenants = each(root, "tenant", section::tenant);
    let listeners = each(root, "listener", section::listener);
    let accounts = each(root, "account", |at| section::account(at, folder));
    let domains = each(root, "domain", |at| section::domain_of(at, folder));
    let routes = each(root, "route", |at| section::route(at, folder));
    let queue = single::queue(&root.section("queue"));
    let tls = cert::tls(root, folder, server.as_ref());
    let dns = single::dns(&root.section("dns"));
    let limits = single::limits(&root.section("limits"));
    let deliver = single::deliver(&root.section("deliver"));
    let log = single::log(&root.section("log"), folder);
    let looked = scanner::looked(root, folder);
    let attachments = attachment::attachments(&root.section("attachments"));
    let held = held(root, folder);
    root.finish();
    let all = cross::All {
        root,
        server: &at_server,
        tenants: &tenants,
        listeners: &listeners,
        accounts: &accounts,
        domains: &domains,
        routes: &routes,
        held: &held,
        looked: &looked,
        hostname: server.as_ref().map(|server| &server.hostname),
        max_message_size: queue.max_message_size,
        hold_broken_mime: looked.checks.hold_broken_mime,
    };
    all.check();
    all.check_tls(&tls);
    let domain_owner = all.postmaster();
    let mut server = server.clone()?;
    server.postmaster = server.postmaster.or(domain_owner);
    let administrators = all.administrators(server.postmaster.as_ref());
    let mut tenants = strip(tenants);
    if tenants.is_empty() {
        tenants.push(TenantConf::default());
    }
    Some(Config {
        server,
        tenants,
        listeners: strip(listeners),
        accounts: strip(accounts),
        domains: strip(domains),
        routes: strip(routes),
        queue,
        tls: tls.conf?,
        dns,
        limits,
        deliver,
        checks: looked.checks,
        log,
        admin: held.admin.conf,
        digest: DigestConf {
            to: administrators,
            ..held.digest.conf
        },
        links: held.links,
        hold: held.hold.conf,
        hold_rules: strip(held.rules),
        scanners: strip(looked.scanners),
        exceptions: strip(looked.exceptions),
        attachments,
    })
}

fn held<'n, 'i>(root: &Section<'n, 'i>, folder: &Path) -> Held<'n, 'i> {
    let (at_admin, at_digest) = (root.section("admin"), root.section("digest"));
    let at_hold = root.section("hold");
    let rules = root.sections("hold_rule").into_iter().zip(1..);
    Held {
        admin: Placed {
            conf: admin::admin(&at_admin, folder),
            at: at_admin,
        },
        digest: Placed {
            conf: digest::digest(&at_digest),
            at: at_digest,
        },
        links: digest::links(&root.section("links")),
        hold: Placed {
            conf: digest::hold(&at_hold),
            at: at_hold,
        },
        rules: rules.filter_map(|(at, n)| rule::hold_rule(at, n)).collect(),
    }
}

fn each<'n, 'i, T>(
    root: &Section<'n, 'i>,
    key: &'static str,
    read: impl Fn(Section<'n, 'i>) -> Option<Placed<'n, 'i, T>>,
) -> Vec<Placed<'n, 'i, T>> {
    root.sections(key).into_iter().filter_map(read).collect()
}

fn strip<T>(placed: Vec<Placed<'_, '_, T>>) -> Vec<T> {
    placed.into_iter().map(|one| one.conf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ListenerTls, ReleaseRule, Role, SaslRule};
    use crate::mail::hold::{HoldQueue, HoldReason};

    fn wrong(text: &str) -> Vec<String> {
        let problems = match parse(text, Path::new("/etc/p.toml")) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems.0,
        };
        let short = |p: &Problem| format!("{}:{} {}: {}", p.line, p.col, p.key, p.text);
        problems.iter().map(short).collect()
    }

    const HEAD: &str = "[server]\nhostname = \"mail.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\nrole = \"submission\"\n";

    #[test]
    fn what_is_not_written_has_a_default() {
        let (conf, warnings) = parse(HEAD, Path::new("/etc/p.toml")).unwrap();
        assert_eq!(warnings, []);
        let listener = &conf.listeners[0];
        assert_eq!(listener.role, Role::Submission);
        assert_eq!(
            (listener.tls, listener.auth),
            (ListenerTls::Starttls, SaslRule::Required)
        );
        assert_eq!(conf.queue.retry.len(), 6);
        assert_eq!(conf.tenants[0].id, "standard");
        assert_eq!(conf.server.data_dir, Path::new("/var/lib/postwerk"));
        assert_eq!(conf.digest_from().to_string(), "postwerk@mail.example.org");
        assert!(!conf.links_allowed() && conf.digest.to.is_empty());
    }

    #[test]
    fn digests_go_to_the_postmaster_unless_somebody_else_is_named() {
        let read = |server: &str, rest: &str| {
            let text = HEAD.replace("[[", &format!("{server}[["));
            let (conf, _) = parse(&format!("{text}{rest}"), Path::new("/etc/p.toml")).unwrap();
            let of = |queue| {
                let to = conf.administrators(queue).iter();
                to.map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            HoldQueue::ALL.map(of)
        };
        let server = "postmaster = \"p@example.org\"\n";
        let domain = "[[domain]]\nname = \"example.org\"\nowner = \"o@example.org\"\n";
        let to = "[digest]\nto = [\"a@example.org\", \"b@example.org\"]\n";
        let bad = "[hold.bad]\nto = [\"c@example.org\"]\n";
        assert_eq!(read("", ""), [""; 3]);
        assert_eq!(read(server, domain), ["p@example.org"; 3]);
        assert_eq!(read("", domain), ["o@example.org"; 3]);
        assert_eq!(read(server, "[digest]\nto = []\n"), [""; 3]);
        let both = "a@example.org b@example.org";
        let wanted = ["c@example.org", both, both];
        assert_eq!(read(server, &format!("{to}{bad}")), wanted);
    }

    #[test]
    fn a_reason_is_released_as_it_is_written_or_by_a_link() {
        let rest = "[hold.release]\nspam = \"never\"\nvirus = \"link\"\n";
        let (conf, _) = parse(&format!("{HEAD}{rest}"), Path::new("/etc/p.toml")).unwrap();
        for (reason, rule) in [
            (HoldReason::Spam, ReleaseRule::Never),
            (HoldReason::Virus, ReleaseRule::Link),
            (HoldReason::Phish, ReleaseRule::Login),
            (HoldReason::Rule, ReleaseRule::Link),
        ] {
            assert_eq!(conf.hold.release(reason), rule, "case: {reason}");
        }
    }

    #[test]
    fn all_mistakes_come_at_once_in_the_order_of_the_file() {
        let text = format!(
            "{HEAD}trast = []\n[queue]\nlifetime = 5\nretry = [\"5m\", \"soon\", 3]\n[qeue]\n"
        );
        assert_eq!(
            wrong(&text),
            [
                "6:1 listener.trast: unknown key",
                "8:12 queue.lifetime: a text belongs here, and this is a number",
                "9:16 queue.retry: `soon` is no span of time",
                "9:24 queue.retry: a text belongs here, and this is a number",
                "10:2 qeue: unknown key",
            ]
        );
    }

    #[test]
    fn a_relative_path_starts_at_the_files_folder() {
        let text = "[server]\nhostname = \"mail.example.org\"\ndata_dir = \"../data\"\n";
        let (conf, _) = parse(text, Path::new("/etc/postwerk/p.toml")).unwrap();
        assert_eq!(conf.server.data_dir, Path::new("/etc/postwerk/../data"));
    }

    fn pair(folder: &Path, name: &str, year: i32, file: &str) {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), cert.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    #[test]
    fn a_certificate_is_looked_at_before_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        pair(folder.path(), "mail.example.org", 4000, "good");
        pair(folder.path(), "mail.example.org", 2001, "old");
        pair(folder.path(), "other.example.org", 4000, "other");
        for (name, cert, key, wanted) in [
            ("good", "good.pem", "good.key", ""),
            (
                "old",
                "old.pem",
                "old.key",
                "the certificate is no longer valid",
            ),
            (
                "of another",
                "other.pem",
                "other.key",
                "the certificate is not for mail.example.org",
            ),
            (
                "no pair",
                "good.pem",
                "old.key",
                "the key FOLDER/old.key does not belong to the certificate FOLDER/good.pem",
            ),
        ] {
            let tls = format!("[tls]\nmode = \"files\"\ncert = \"{cert}\"\nkey = \"{key}\"\n");
            let file = folder.path().join("p.toml");
            let told = match parse(&format!("{HEAD}{tls}"), &file) {
                Ok((_, warnings)) => warnings,
                Err(problems) => problems.0,
            };
            let told: String = told.iter().map(|p| p.text.clone()).collect();
            let told = told.replace(&folder.path().display().to_string(), "FOLDER");
            assert!(
                told.starts_with(wanted) && told.is_empty() == wanted.is_empty(),
                "{name}: {told}"
            );
        }
    }
}
