//! `postwerk admin …`: into the pages, who is in them, and out of them.
//!
//! `login-link` asks the running server by its control socket for a one-time URL; there is no password that could be
//! guessed or forgotten. Not here: what is behind the link (`admin::web`).

use std::process::ExitCode;

use super::control::Place;
use crate::admin::logins::{LoggedOut, LoginLink, Logout, OpenSessions};
use crate::base::text::clean;

/// What follows `postwerk admin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print a link that logs in once, within 15 minutes
    LoginLink {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List who is logged in: from where, since when, used when
    Sessions {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all of them and the login links that nobody has opened yet
    #[command(group(clap::ArgGroup::new("which").required(true)))]
    Logout {
        /// Which one, as `postwerk admin sessions` lists it
        #[arg(value_name = "SESSION", group = "which")]
        id: Option<String>,
        /// All
        #[arg(long, group = "which")]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    match args.action {
        Action::LoginLink { json } => login_link(args.place, json),
        Action::Sessions { json } => sessions(args.place, json),
        Action::Logout { id, all, json } => logout(args.place, Logout { id, all }, json),
    }
}

fn login_link(place: Place, json: bool) -> ExitCode {
    place.tell(|client| async move {
        let body = client.post("/api/v1/admin/login-link", &()).await?.body;
        let link: LoginLink = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            format!(
                "{}\nValid for {} minutes, and once. Whoever opens it is an administrator.\n",
                link.url, link.minutes
            )
        })
    })
}

fn sessions(place: Place, json: bool) -> ExitCode {
    place.tell(|client| async move {
        let body = client.get("/api/v1/admin/sessions").await?.body;
        let open: OpenSessions = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            listed(&open)
        })
    })
}

fn logout(place: Place, order: Logout, json: bool) -> ExitCode {
    place.tell(|client| async move {
        let body = client.post("/api/v1/admin/logout", &order).await?.body;
        let ended: LoggedOut = client.read(&body)?;
        Ok(if json {
            format!("{}\n", body.trim_end())
        } else {
            format!(
                "Ended: sessions {}, login links {}.\n",
                ended.sessions, ended.login_links
            )
        })
    })
}

fn listed(open: &OpenSessions) -> String {
    let mut out = String::new();
    if open.sessions.is_empty() {
        out.push_str("Nobody is logged in.\n");
    }
    for one in &open.sessions {
        let place = clean(one.place.as_deref().unwrap_or("-"), PLACE_MAX);
        let by = clean(&one.by, PLACE_MAX);
        out.push_str(&format!(
            "{}  from {place}  by {by}  since {}  used {}  until {}\n",
            one.id, one.since, one.seen, one.until
        ));
    }
    match open.login_links {
        0 => {}
        1 => out.push_str("1 login link was not opened yet.\n"),
        many => out.push_str(&format!("{many} login links were not opened yet.\n")),
    }
    out
}

/// Letters of an address or a name.
const PLACE_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::logins::OpenSession;

    #[test]
    fn the_list_says_who_from_where_and_when() {
        let mut open = OpenSessions {
            sessions: Vec::new(),
            login_links: 0,
        };
        assert_eq!(listed(&open), "Nobody is logged in.\n");
        open.login_links = 2;
        open.sessions.push(OpenSession {
            id: "0123456789ab".into(),
            by: "cli:ro\u{202E}ot".into(),
            place: Some("192.0.2.7".into()),
            since: "A".into(),
            seen: "B".into(),
            until: "C".into(),
        });
        assert_eq!(
            listed(&open),
            "0123456789ab  from 192.0.2.7  by cli:ro?ot  since A  used B  until C\n\
             2 login links were not opened yet.\n"
        );
    }
}
