//! The page of a digest's own link, and the button that every page of it has: mail the next rows to the same address.
//!
//! An owner has no list page, as a digest that was forwarded must not become access to a mailbox: what is asked for goes
//! where the digest went. The page names no mail. Not here: which rows come next (`digest::rest`).

use axum::http::{StatusCode, header};
use axum::response::Response;

use super::{AWAY_SECS, Ask, Said, with};
use crate::admin::link::answer;
use crate::admin::link::facts::{self, Tongue};
use crate::admin::link::form::Confirm;
use crate::admin::link::sheet::{Form, Sheet};
use crate::admin::link::visits::Answer;
use crate::base::clock::Wall;
use crate::base::limit::DIGEST_REST_EVERY;
use crate::digest::Rest;
use crate::digest::desk::Whole;
use crate::digest::record::Digest;
use crate::digest::token::Token;
use crate::words::{Arg, say};

impl Ask {
    /// How things stand with a whole digest; with what a POST came to above it.
    pub(super) async fn whole(&self, token: &Token, said: Option<Said>) -> Response {
        let whole = match self.site.desk.whole(token).await {
            Ok(whole) => whole,
            Err(error) => return self.trouble(token, &error),
        };
        let Some(cookie) = self.cookie() else {
            return self.away(token, "link-away", AWAY_SECS);
        };
        let nonce = self.site.keys.nonce(&self.text, cookie.value());
        let mut sheet = self.whole_sheet(token, &whole, nonce);
        let said = said.filter(|_| !whole.over);
        self.count(
            match &said {
                _ if whole.over => Answer::Over,
                Some(_) => Answer::Refused,
                None => Answer::Open,
            },
            Some(token),
        );
        if let Some(said) = said {
            let text = say(sheet.lang, said.key, &said.args);
            sheet.head(said.status, text, false);
        }
        let cookie = cookie.field(self.visit.tls);
        with(self.plain(sheet), header::SET_COOKIE, &cookie)
    }

    fn whole_sheet(&self, token: &Token, whole: &Whole, nonce: String) -> Sheet {
        let tongue = self.tongue(&whole.digest);
        let to = facts::mailbox(&whole.digest.to);
        let mut sheet = if whole.over {
            let end = Wall(u64::from(token.end).saturating_mul(3_600_000_000));
            let sheet = Sheet::new(tongue.lang, StatusCode::GONE, "expired");
            if end > self.site.clock.wall() {
                sheet.lead("link-ended", &[])
            } else {
                let date = tongue.when(end);
                sheet.lead("link-expired", &[("date", Arg::Text(&date))])
            }
        } else {
            Sheet::new(tongue.lang, StatusCode::OK, "more").lead("link-lead-more", &[])
        };
        let confirm = if whole.over {
            Confirm::Fresh
        } else {
            Confirm::More
        };
        sheet.token.clone_from(&self.text);
        sheet.form = Some(Form {
            nonce,
            code: None,
            first: Some(answer::mailing(tongue.lang, confirm, &to, true)),
            others: Vec::new(),
            others_name: String::new(),
        });
        if whole.over {
            sheet
                .after
                .push(say(tongue.lang, "link-nothing-changed", &[]));
        }
        sheet
    }

    /// The button of the digest's own link was pressed.
    pub(super) async fn act_whole(&self, token: &Token, confirm: Confirm) -> Response {
        let whole = match self.site.desk.whole(token).await {
            Ok(whole) => whole,
            Err(error) => return self.trouble(token, &error),
        };
        match confirm {
            Confirm::Fresh if whole.over => self.send_fresh(token, &whole.digest).await,
            Confirm::More if !whole.over => self.send_rest(token, &whole.digest).await,
            // A page that was open when the link ended shows that it has.
            Confirm::Fresh | Confirm::More => self.whole(token, None).await,
            Confirm::Release
            | Confirm::Requeue
            | Confirm::Delete
            | Confirm::Bounce
            | Confirm::Undo => {
                let said = Said::new(StatusCode::BAD_REQUEST, "link-notice-form");
                self.whole(token, Some(said)).await
            }
        }
    }

    /// Mails the next rows, whichever page of the digest asked.
    pub(super) async fn send_rest(&self, token: &Token, digest: &Digest) -> Response {
        let tongue = self.tongue(digest);
        let to = facts::mailbox(&digest.to);
        let rest = match self.site.digests.send_rest(token.digest, digest).await {
            Ok(rest) => rest,
            Err(error) => {
                tracing::warn!(%error, "the rest of a digest cannot be sent");
                return self.away(token, "link-away", AWAY_SECS);
            }
        };
        let (place, agent) = (self.visit.address, &self.visit.agent);
        tracing::info!(digest = token.digest, ?rest, %place, agent, "the rest of a digest was asked for");
        let (status, key, when) = match rest {
            Rest::Sent(_) => (StatusCode::OK, "more-sent", String::new()),
            Rest::All => (StatusCode::OK, "more-none", String::new()),
            Rest::TooSoon(at) => {
                let when = tongue.when(at);
                (StatusCode::TOO_MANY_REQUESTS, "more-soon", when)
            }
        };
        self.count(Answer::Open, Some(token));
        let args = [("to", Arg::Text(&to)), ("time", Arg::Text(&when))];
        let sheet = Sheet::new(tongue.lang, status, key).lead(&format!("link-{key}"), &args);
        let response = self.plain(sheet);
        if status == StatusCode::OK {
            return response;
        }
        let seconds = DIGEST_REST_EVERY.as_secs().to_string();
        with(response, header::RETRY_AFTER, &seconds)
    }

    fn tongue(&self, digest: &Digest) -> Tongue {
        Tongue {
            lang: self.lang(Some(digest.lang)),
            zone: self.site.conf.load().digest.zone.clone(),
        }
    }
}
