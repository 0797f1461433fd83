//! The sections that can stand several times: tenants, listeners, accounts, domains, routes.
//!
//! Each reader asks for its keys, checks what its section alone can tell, and gives back the typed section beside its
//! place in the file, for the checks that look across sections.
//! Not here: `[queue]` and the other single tables (`load`), and what two sections say together (`cross`).

use std::path::Path;

use super::default::TENANT;
use super::file::{Fault, Section, Span};
use super::kind::{choice, flag, list, placed, string};
use super::secret::{self, Purpose};
use super::value::{domain, mailbox, name, parsed, socket};
use super::{
    AccountConf, AddressPattern, BareNewline, DomainConf, DomainPattern, ListenerConf, ListenerTls,
    Network, NextHop, Rate, RateAction, RelayLogin, RelayTls, Role, RouteConf, SaslRule,
    TenantConf, pem,
};
use crate::base::band::Band;
use crate::mail::mailbox::Host;

/// A section and its place.
pub(super) struct Placed<'n, 'i, T> {
    pub(super) conf: T,
    pub(super) at: Section<'n, 'i>,
}

/// `[[tenant]]`
pub(super) fn tenant<'n, 'i>(at: Section<'n, 'i>) -> Option<Placed<'n, 'i, TenantConf>> {
    let id = at.need("id", "\"standard\"", name);
    let shown = at.get("name", name);
    at.finish();
    let id = id?;
    let name = shown.unwrap_or_else(|| id.clone());
    let conf = TenantConf { id, name };
    Some(Placed { conf, at })
}

/// `[[listener]]`
pub(super) fn listener<'n, 'i>(at: Section<'n, 'i>) -> Option<Placed<'n, 'i, ListenerConf>> {
    let bind = at.need("bind", "\"127.0.0.1:2525\"", socket);
    let role = at.need("role", "\"submission\" or \"mx\"", choice(ROLES));
    let tls = at.get("tls", choice(LISTENER_TLS));
    let sasl = at.get("auth", choice(SASL));
    let auth_clear = at.get("auth_clear", flag).unwrap_or(false);
    let networks = list(placed(parsed("network", Network::parse)));
    let trust: Vec<(Network, Span)> = at.get("trust", networks).unwrap_or_default();
    let bare_newline = at.get("bare_newline", choice(BARE));
    at.finish();
    let (bind, role) = (bind?, role?);
    let submission = role == Role::Submission;
    let conf = ListenerConf {
        bind,
        role,
        tls: tls.unwrap_or(ListenerTls::Starttls),
        auth: sasl.unwrap_or(if submission {
            SaslRule::Required
        } else {
            SaslRule::Off
        }),
        auth_clear,
        trust: trust.iter().map(|(network, _)| *network).collect(),
        bare_newline: bare_newline.unwrap_or(BareNewline::Reject),
    };
    check_trust(&at, &trust);
    check_sasl(&at, &conf);
    check_port(&at, &conf);
    Some(Placed { conf, at })
}

fn check_trust(at: &Section<'_, '_>, trust: &[(Network, Span)]) {
    for (network, place) in trust {
        if network.prefix == 0 {
            let fault = Fault::new(
                format!("{network} is the whole world: anybody could send mail through you"),
                "write your own networks, such as [\"127.0.0.0/8\", \"10.0.0.0/8\"]",
            );
            at.fault("trust", fault.within(place.clone()));
        } else if !network.is_private() {
            let fault = Fault::new(
                format!(
                    "{network} is not private: whoever has an address of it may relay without a password"
                ),
                "make sure that it is all yours, or use auth",
            );
            at.warn("trust", fault.within(place.clone()));
        }
    }
}

fn check_sasl(at: &Section<'_, '_>, conf: &ListenerConf) {
    let loopback = conf.bind.ip().to_canonical().is_loopback();
    if conf.auth_clear && !loopback {
        at.fault(
            "auth_clear",
            Fault::new(
                format!(
                    "passwords in the clear are only for loopback, and {} is none",
                    conf.bind.ip()
                ),
                "remove it and write tls = \"starttls\", or bind = \"127.0.0.1:PORT\"",
            ),
        );
    }
    let submission = conf.role == Role::Submission;
    if submission && conf.auth == SaslRule::Off && conf.trust.is_empty() {
        let fault = Fault::new(
            "nobody could send here: no passwords are asked and no network is trusted",
            "write auth = \"required\", or trust = [\"127.0.0.0/8\"]",
        );
        at.fault("auth", fault);
    }
    // A cleartext offer that is refused above needs no second complaint.
    let offered = conf.tls != ListenerTls::Off || conf.auth_clear;
    if conf.auth != SaslRule::Off && !offered && conf.trust.is_empty() {
        at.fault(
            "auth",
            Fault::new(
                "nobody could log in here: AUTH is offered only under TLS, and tls is off",
                "write tls = \"starttls\", or auth_clear = true on loopback",
            ),
        );
    }
}

fn check_port(at: &Section<'_, '_>, conf: &ListenerConf) {
    let (port, remedy) = (conf.bind.port(), "clients on this port expect tls = ");
    let usual = match port {
        465 => "implicit",
        25 | 587 => "starttls",
        _ => return,
    };
    let odd = match conf.tls {
        ListenerTls::Off => port == 465,
        ListenerTls::Starttls => port == 465,
        ListenerTls::Implicit => port != 465,
    };
    if odd {
        let fault = Fault::new(
            format!("port {port} is not used so (RFC 8314)"),
            format!("{remedy}\"{usual}\""),
        );
        at.warn("tls", fault);
    }
}

/// `[[account]]`
pub(super) fn account<'n, 'i>(
    at: Section<'n, 'i>,
    folder: &Path,
) -> Option<Placed<'n, 'i, AccountConf>> {
    let account = at.need("name", "\"app1\"", name);
    let password = secret::read(&at, "password", folder, Purpose::Checked);
    let senders = at.get(
        "senders",
        list(parsed("address pattern", AddressPattern::parse)),
    );
    let tenant = at.get("tenant", name);
    let owner = at.get("owner", mailbox);
    let hold = at.get("hold", flag).unwrap_or(false);
    let band = at.get("band", choice(&Band::WORDS));
    let action = at.get("rate_action", choice(RATE_ACTION));
    let rate = at.get(
        "rate",
        parsed("rate", |text| {
            Rate::parse(text, action.unwrap_or(RateAction::Defer))
        }),
    );
    if action.is_some() && !at.has("rate") {
        let fault = Fault::new(
            "there is no rate that could be exceeded",
            "write rate = \"100/h\" too",
        );
        at.warn("rate_action", fault);
    }
    at.finish();
    let conf = AccountConf {
        name: account?,
        password: password?,
        senders: senders.unwrap_or_default(),
        tenant: tenant.unwrap_or_else(|| TENANT.to_owned()),
        owner,
        hold,
        rate,
        band: band.unwrap_or_default(),
    };
    Some(Placed { conf, at })
}

/// `[[domain]]`
pub(super) fn domain_of<'n, 'i>(
    at: Section<'n, 'i>,
    folder: &Path,
) -> Option<Placed<'n, 'i, DomainConf>> {
    let name = at.need("name", "\"example.org\"", domain);
    let tls = at.get("tls", choice(RELAY_TLS));
    let relay = hops(&at, tls);
    let owner = at.get("owner", mailbox);
    let ca = roots(&at, folder, tls);
    at.finish();
    let conf = DomainConf {
        name: name?,
        relay,
        owner,
        tls: tls.unwrap_or(RelayTls::Opportunistic),
        ca,
    };
    Some(Placed { conf, at })
}

/// `[[route]]`
pub(super) fn route<'n, 'i>(
    at: Section<'n, 'i>,
    folder: &Path,
) -> Option<Placed<'n, 'i, RouteConf>> {
    let domain = at.need(
        "domain",
        "\"*\" for all mail, or \"example.org\"",
        parsed("domain pattern", DomainPattern::parse),
    );
    let tls = at.get("tls", choice(RELAY_TLS));
    let relay = hops(&at, tls);
    let ca = roots(&at, folder, tls);
    let login = at.section("auth");
    let sasl = login.is_there().then(|| {
        let user = login.need("user", "\"NAME\"", name);
        let password = secret::read(&login, "password", folder, Purpose::Sent);
        login.finish();
        Some(RelayLogin {
            user: user?,
            password: password?,
        })
    });
    at.finish();
    let conf = RouteConf {
        domain: domain?,
        relay,
        tls: tls.unwrap_or(RelayTls::Opportunistic),
        ca,
        sasl: sasl.flatten(),
    };
    check_login(&at, &conf);
    Some(Placed { conf, at })
}

fn check_login(at: &Section<'_, '_>, conf: &RouteConf) {
    if conf.sasl.is_none() {
        return;
    }
    if conf.relay.is_empty() {
        let fault = Fault::new(
            "a password for hosts that MX records choose would be told to anybody",
            "write relay = [\"HOST:587\"] too",
        );
        at.fault("auth", fault);
    }
    let near = |hop: &NextHop| match &hop.host {
        Host::Literal(ip) => ip.to_canonical().is_loopback(),
        Host::Domain(_) => false,
    };
    let verified = matches!(conf.tls, RelayTls::Required | RelayTls::Implicit);
    if !verified && let Some(far) = conf.relay.iter().find(|hop| !near(hop)) {
        let fault = Fault::new(
            format!("the password may go to {far} in the clear or to an impostor"),
            "write tls = \"required\" (587) or tls = \"implicit\" (465)",
        );
        at.warn("auth", fault);
    }
}

/// Next hops; port 465 is the default for TLS at once, 25 else.
fn hops(at: &Section<'_, '_>, tls: Option<RelayTls>) -> Vec<NextHop> {
    let port = match tls {
        Some(RelayTls::Implicit) => 465,
        None | Some(RelayTls::Off | RelayTls::Opportunistic | RelayTls::Required) => 25,
    };
    let read = list(parsed("next hop", |text| NextHop::parse(text, port)));
    at.get("relay", read).unwrap_or_default()
}

/// `ca`: it must be readable now, not when the first mail goes out.
fn roots(at: &Section<'_, '_>, folder: &Path, tls: Option<RelayTls>) -> Option<std::path::PathBuf> {
    let path = folder.join(at.get("ca", string)?);
    if let Err(why) = pem::read_chain(&path) {
        at.fault("ca", Fault::new(why.what(), why.remedy()));
    } else if !matches!(tls, Some(RelayTls::Required | RelayTls::Implicit)) {
        let fault = Fault::new(
            "nothing is verified with these roots",
            "write tls = \"required\" or tls = \"implicit\" too",
        );
        at.warn("ca", fault);
    }
    Some(path)
}

pub(super) const ROLES: &[(&str, Role)] = &[("submission", Role::Submission), ("mx", Role::Mx)];
const LISTENER_TLS: &[(&str, ListenerTls)] = &[
    ("off", ListenerTls::Off),
    ("starttls", ListenerTls::Starttls),
    ("implicit", ListenerTls::Implicit),
];
const SASL: &[(&str, SaslRule)] = &[
    ("required", SaslRule::Required),
    ("optional", SaslRule::Optional),
    ("off", SaslRule::Off),
];
const BARE: &[(&str, BareNewline)] = &[
    ("reject", BareNewline::Reject),
    ("normalise", BareNewline::Normalise),
];
const RATE_ACTION: &[(&str, RateAction)] = &[
    ("defer", RateAction::Defer),
    ("reject", RateAction::Reject),
    ("hold", RateAction::Hold),
];
const RELAY_TLS: &[(&str, RelayTls)] = &[
    ("off", RelayTls::Off),
    ("opportunistic", RelayTls::Opportunistic),
    ("required", RelayTls::Required),
    ("implicit", RelayTls::Implicit),
];
