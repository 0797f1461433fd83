//! Local parts that carry a second address, a file or a program for an old server behind us.
//!
//! `v%remote@local` and its kin were routes once, and a server behind us that still reads them would relay for
//! strangers in our name. The same goes for what aliases files understand: `|program`, `/file`, `:include:`.
//! VERP (`list-bounce-user=remote@local`), SRS and tags stay allowed: they are addresses of our own domains.

/// Whether a stranger's mail to it could leave the domain, or reach a file or a program.
pub(super) fn is_hidden(local: &str) -> bool {
    local.contains(['%', '!', '@', '\\', '`', '\0'])
        || local.starts_with(['|', '/', ':', '-'])
        || local.contains("../")
        || local.contains("${")
        || is_rewritten(local)
}

/// `user=remote.example` and nothing else: a form that gateways turn back into `user@remote.example`.
fn is_rewritten(local: &str) -> bool {
    match local.split_once('=') {
        Some((user, rest)) => {
            !user.is_empty()
                && !user.contains(['-', '+'])
                && rest.contains('.')
                && crate::mail::domain::Domain::parse(rest).is_ok()
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn routes_files_and_programs_are_seen() {
        for local in [
            "v%example.net",
            "v@example.net",
            "example.net!v",
            "v=example.net",
            "|/bin/true",
            "/etc/passwd",
            ":include:/etc/passwd",
            "${run{true}}",
            "../../etc/passwd",
            "a\\b",
        ] {
            assert!(is_hidden(local), "case: {local}");
        }
    }

    #[test]
    fn ordinary_addresses_are_left_alone() {
        for local in [
            "user",
            "a.b+tag",
            "o'neil",
            "list-bounce-user=example.net",
            "bounce+user=example.net",
            "SRS0=HHH=TT=example.net=user",
            "prvs=4711=user",
            "btv1==abc==user",
            "jörg",
            "a/b",
            "x=y",
        ] {
            assert!(!is_hidden(local), "case: {local}");
        }
    }
}
