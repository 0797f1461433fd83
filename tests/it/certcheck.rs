//! What `postwerk cert check` says, word for word, of configurations that are right and wrong in one thing each.
//!
//! Times are bound to the house's start; ports 80 and 443 of the world are ports of the loopback here.
//! Not here: the page around it (`certpage`).

use std::path::{Path, PathBuf};

use postwerk::admin::certs::check::{self, Beside, Section};
use postwerk::admin::certs::reach::{self, Ports};
use postwerk::base::clock::{Clock, Wall};
use postwerk::base::lang::Lang;
use postwerk::config::{self, Config};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use crate::dns::{Stub, Zone};

/// 2026-11-21 20:00:00 UTC.
const NOW: Wall = Wall(1_795_291_200_000_000);

fn read(dir: &Path, more: &str) -> Config {
    let text = format!(
        "[server]\nhostname = \"mail.example.org\"\ndata_dir = \"{}/data\"\n{more}\n",
        dir.display()
    );
    match config::parse(&text, &dir.join("postwerk.toml")) {
        Ok((conf, _)) => conf,
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 9, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// A leaf signed by `ca`, then `behind` in PEM, and its key, all in one file.
fn write(
    dir: &Path,
    params: &CertificateParams,
    ca: &CertifiedIssuer<'_, KeyPair>,
    behind: &str,
) -> PathBuf {
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, ca).expect("signed");
    let path = dir.join("pair.pem");
    let text = format!("{}{behind}{}", leaf.pem(), key.serialize_pem());
    std::fs::write(&path, text).expect("written");
    path
}

fn files(path: &Path) -> String {
    let path = path.display();
    format!("[tls]\nmode = \"files\"\ncert = \"{path}\"\nkey = \"{path}\"")
}

fn checked(conf: &Config) -> Vec<Section> {
    let beside = Beside {
        running: None,
        now: NOW,
    };
    check::check(conf, &beside)
}

fn printed(dir: &Path, sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        out.push_str(section.name.as_deref().unwrap_or("this server"));
        out.push('\n');
        for finding in &section.findings {
            let text = finding.text(Lang::En);
            out.push_str(&format!("{}: {text}\n", finding.level.word()));
        }
    }
    out.replace(&dir.display().to_string(), "DIR")
}

#[test]
fn a_self_signed_one_that_is_not_made_yet_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let conf = read(dir.path(), "[admin]\nbind = \"127.0.0.1:444\"");
    let sections = checked(&conf);
    assert_eq!(
        printed(dir.path(), &sections),
        "mail.example.org
note: It is not made yet; the server makes it when it starts.
this server
good: A certificate is for mail.example.org, the name that we greet with.
note: Nothing is ordered here. ACME could validate by http-01 if port 80 led to [admin] http_bind (now: –), by \
tls-alpn-01 if port 443 led to [admin] bind (now: 127.0.0.1:444), or by DNS-01 on any port.
"
    );
    assert!(!check::is_bad(&sections));
    assert!(!dir.path().join("data").exists(), "a check makes nothing");
}

#[test]
fn a_private_chain_in_order_is_a_note_and_a_wrong_order_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (authority("Test CA"), authority("Other CA"));
    let path = write(
        dir.path(),
        &named("mail.example.org"),
        &ca,
        &ca.as_ref().pem(),
    );
    let sections = checked(&read(dir.path(), &files(&path)));
    assert_eq!(
        printed(dir.path(), &sections[..1]),
        "mail.example.org
good: DIR/pair.pem can be read, and the key belongs to it.
good: It is for mail.example.org.
good: 40 days left: it ends at 2027-01-01T00:00:00.000Z.
note: The chain is in order, but no root of this machine signed its end (CN=Test CA). A private CA is like that; from a \
public one the intermediate certificates are missing: write them behind the server's own.
"
    );
    assert!(!check::is_bad(&sections));
    let path = write(
        dir.path(),
        &named("mail.example.org"),
        &ca,
        &other.as_ref().pem(),
    );
    let sections = checked(&read(dir.path(), &files(&path)));
    let text = printed(dir.path(), &sections);
    let wanted = "bad: In its file CN=mail.example.org is not followed by CN=Test CA, which signed it; write the server's \
                  own first, then each that signed the one before.\n";
    assert!(text.contains(wanted), "{text}");
    assert!(check::is_bad(&sections));
}

#[test]
fn dates_and_names_that_are_wrong_say_what_to_do() {
    let ca = authority("Test CA");
    for (name, change, wanted) in [
        (
            "soon",
            (|params| params.not_after = date_time_ymd(2026, 11, 30)) as fn(&mut CertificateParams),
            "bad: It ends at 2026-11-30T00:00:00.000Z; let whoever made its files renew it.",
        ),
        (
            "ended",
            |params| params.not_after = date_time_ymd(2026, 11, 20),
            "bad: It ended at 2026-11-20T00:00:00.000Z, so programs that verify refuse it; renew it now.",
        ),
        (
            "early",
            |params| params.not_before = date_time_ymd(2026, 12, 1),
            "bad: It is valid only from 2026-12-01T00:00:00.000Z; is the clock of this machine right?",
        ),
        (
            "another name",
            |params| {
                params.subject_alt_names = named("www.example.org").subject_alt_names;
            },
            "bad: No certificate is for mail.example.org ([server] hostname); add the name to a certificate.",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut params = named("mail.example.org");
        change(&mut params);
        let path = write(dir.path(), &params, &ca, "");
        let sections = checked(&read(dir.path(), &files(&path)));
        let text = printed(dir.path(), &sections);
        assert!(text.contains(wanted), "case: {name}: {text}");
        assert!(check::is_bad(&sections), "case: {name}");
    }
}

#[test]
fn acme_says_which_port_it_needs_and_which_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let acme = |admin: &str, challenge: &str| {
        format!(
            "[admin]\n{admin}\n[tls]\nmode = \"acme\"\n[acme]\ncontact = \"postmaster@example.org\"\nchallenge = \"{challenge}\""
        )
    };
    for (admin, challenge, bad, wanted) in [
        (
            "bind = \"0.0.0.0:444\"",
            "tls-alpn-01",
            true,
            "bad: ACME cannot validate on 0.0.0.0:444: tls-alpn-01 comes to port 443 of each name and to no other.",
        ),
        (
            "bind = \"0.0.0.0:443\"",
            "tls-alpn-01",
            false,
            "good: ACME validates by tls-alpn-01 on port 443, and 0.0.0.0:443 answers there.",
        ),
        (
            "bind = \"0.0.0.0:444\"\nhttp_bind = \"0.0.0.0:8080\"",
            "http-01",
            true,
            "bad: ACME cannot validate on 0.0.0.0:8080: http-01 comes to port 80 of each name and to no other.",
        ),
        (
            "bind = \"0.0.0.0:444\"\nhttp_bind = \"0.0.0.0:80\"",
            "http-01",
            false,
            "good: ACME validates by http-01 on port 80, and 0.0.0.0:80 answers there.",
        ),
    ] {
        let sections = checked(&read(dir.path(), &acme(admin, challenge)));
        let text = printed(dir.path(), &sections);
        assert!(text.contains(wanted), "case: {admin} {challenge}: {text}");
        assert!(text.contains("note: Nothing was ordered yet;"), "{text}");
        assert_eq!(check::is_bad(&sections), bad, "case: {admin} {challenge}");
    }
}

#[tokio::test]
async fn what_is_reachable_is_tried_at_the_names_own_ports() {
    let dir = tempfile::tempdir().unwrap();
    let zone = Zone::default().a("mail.example.org", [127, 0, 0, 1]);
    let dns = Stub::start(zone).await;
    let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = crate::house::nobody().await.port();
    let port = open.local_addr().unwrap().port();
    for (challenge, admin, names, ports, wanted) in [
        (
            "http-01",
            "http_bind = \"0.0.0.0:0\"",
            "mail.example.org",
            Ports {
                http: port,
                https: closed,
            },
            "certs-reach-open",
        ),
        (
            "http-01",
            "http_bind = \"0.0.0.0:0\"",
            "mail.example.org",
            Ports {
                http: closed,
                https: closed,
            },
            "certs-reach-closed",
        ),
        (
            "tls-alpn-01",
            "",
            "gone.example.org",
            Ports {
                http: closed,
                https: port,
            },
            "certs-reach-no-address",
        ),
    ] {
        let more = format!(
            "[dns]\nservers = [\"{}\"]\n[admin]\nbind = \"0.0.0.0:0\"\n{admin}\n[tls]\nmode = \"acme\"\n[acme]\n\
             contact = \"postmaster@example.org\"\nchallenge = \"{challenge}\"\n[[certificate]]\nnames = [\"{names}\"]",
            dns.address()
        );
        let conf = read(dir.path(), &more);
        let found = reach::reach(&conf, &Clock::system(), ports).await;
        let keys: Vec<&str> = found.iter().map(|finding| finding.key).collect();
        assert_eq!(keys, [wanted], "{found:?}");
        let mut sections = checked(&conf);
        check::add_reached(&mut sections, found);
        let reached = wanted == "certs-reach-open";
        // A port that leads somewhere answers the challenge, whatever we listen on ourselves.
        let no_host = names != "mail.example.org";
        assert_eq!(check::is_bad(&sections), !reached || no_host, "{wanted}");
    }
}
