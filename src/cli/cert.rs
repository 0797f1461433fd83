//! `postwerk cert list|renew|check`: how the certificates stand, a new order, and what is wrong with them.
//!
//! `list` and `renew` ask the running server by its control socket; exit statuses are those of every such command.
//! Not here: what is said of a certificate (`admin::certs`).

use std::process::ExitCode;

use super::control::Place;
use crate::admin::certs::CertView;
use crate::admin::certs::api::{Renew, Renewal};
use crate::base::text::clean;

/// What follows `postwerk cert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Names, chain, days left, next renewal, last error, and the DANE records to publish
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Order a new certificate now instead of at two thirds of its life
    Renew {
        /// A name of the certificate; all that are ordered by ACME when none is given
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Characters of a text from outside that are printed.
const TEXT_MAX: usize = 1_000;

/// Does it; the exit code says how it went.
pub fn run(args: Args) -> ExitCode {
    match args.action {
        Action::List { json } => args.place.tell(|client| async move {
            let body = client.get("/api/v1/certs").await?.body;
            let all: Vec<CertView> = client.read(&body)?;
            Ok(if json {
                format!("{}\n", body.trim_end())
            } else {
                let all: Vec<String> = all.iter().map(printed).collect();
                all.join("\n")
            })
        }),
        Action::Renew { name, json } => args.place.tell(|client| async move {
            let answer = client.post("/api/v1/certs/renew", &Renew { name }).await?;
            let renewal: Renewal = client.read(&answer.body)?;
            Ok(if json {
                format!("{}\n", answer.body.trim_end())
            } else {
                told(&renewal)
            })
        }),
    }
}

fn told(renewal: &Renewal) -> String {
    if renewal.done.is_empty() {
        return "no certificate is ordered by ACME; write [tls] mode = \"acme\" if they should be\n"
            .to_owned();
    }
    let lines = renewal.done.iter();
    lines
        .map(|line| format!("{}\n", clean(line, TEXT_MAX)))
        .collect()
}

/// A paragraph; what needs attention stands with a `!` before it.
fn printed(view: &CertView) -> String {
    let mark = |bad: bool| if bad { '!' } else { ' ' };
    let mut out = format!("{}\n", clean(view.title(), TEXT_MAX));
    let mut line = |bad: bool, topic: &str, text: &str| {
        let text = clean(text, TEXT_MAX);
        out.push_str(&format!("{} {topic:<8} {text}\n", mark(bad)));
    };
    line(false, "names", &view.names.join(", "));
    let source = if view.stand_in {
        "acme; a self-signed one stands in until the first order is done"
    } else {
        &view.source
    };
    line(view.stand_in, "source", source);
    line(false, "signed", &format!("by {}", view.issuer));
    for one in &view.chain {
        line(false, "chain", one);
    }
    line(false, "serial", &view.serial);
    line(false, "key", &view.key_kind);
    let span = |at: &Option<String>| at.clone().unwrap_or_else(|| "?".to_owned());
    let valid = format!(
        "{} to {}, {}",
        span(&view.from),
        span(&view.until),
        view.left
    );
    line(view.ends_soon, "valid", &valid);
    line(view.failures > 0, "renewal", &view.renewal);
    if view.failures > 0 {
        let why = view.last_error.as_deref().unwrap_or("nobody knows why");
        let orders = if view.failures == 1 {
            "order"
        } else {
            "orders in a row"
        };
        line(
            true,
            "failed",
            &format!("{} {orders}: {why}", view.failures),
        );
    }
    for tlsa in &view.tlsa {
        line(false, "tlsa", &tlsa.record);
        if let Some(next) = &tlsa.next {
            line(false, "tlsa", next);
        }
    }
    if !view.tlsa.is_empty() {
        line(false, "", &view.tlsa_change);
    }
    out
}
