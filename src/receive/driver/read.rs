//! Reading a text from the socket, up to its dot or to the end of a chunk.
//!
//! What is too large is read on to twice its bound, so that the client gets its reply; then it is cut.

use std::io;
use std::sync::Arc;

use super::super::text::Text;
use super::{Driver, Read, Waited};
use crate::base::clock::Mono;
use crate::base::limit::STOP_TEXT_TIMEOUT;
use crate::judge::Reception;
use crate::smtp::server::End;

impl Driver {
    pub(super) async fn read_dotted(&mut self) -> io::Result<Read> {
        let mut stop = None;
        loop {
            let Some(text) = self.mail.as_mut().and_then(|mail| mail.text.as_mut()) else {
                return Ok(Read::Gone);
            };
            let unread = self.wire.buffer.unread();
            let (used, end) = text.take(unread, &self.hall, &self.reception).await;
            self.wire.buffer.consume(used);
            if end {
                return Ok(Read::Whole);
            }
            if text.seen() > flood(&self.reception) {
                return Ok(Read::Flood);
            }
            match self.wait_text(&mut stop).await? {
                Waited::Filled => {}
                Waited::Gone => return Ok(Read::Gone),
                Waited::Over(end) => return Ok(Read::Over(end)),
            }
        }
    }

    /// Reads `left` octets behind BDAT. `keep`: they belong to the mail.
    pub(super) async fn read_chunk(&mut self, size: u64, keep: bool) -> io::Result<Read> {
        let (mut stop, mut left) = (None, size);
        let mut lost = None;
        self.begin_chunks(keep);
        loop {
            let unread = self.wire.buffer.unread();
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let part = unread.get(..most.min(unread.len())).unwrap_or_default();
            let taken = part.len();
            let text = self.mail.as_mut().and_then(|mail| mail.text.as_mut());
            if let (true, Some(text)) = (keep, text) {
                text.take(part, &self.hall, &self.reception).await;
                lost = (text.seen() > flood(&self.reception)).then_some(Read::Flood);
            }
            self.wire.buffer.consume(taken);
            left -= u64::try_from(taken).unwrap_or(left).min(left);
            if let Some(lost) = lost {
                return Ok(lost);
            }
            if left == 0 {
                return Ok(Read::Whole);
            }
            match self.wait_text(&mut stop).await? {
                Waited::Filled => {}
                Waited::Gone => return Ok(Read::Gone),
                Waited::Over(end) => return Ok(Read::Over(end)),
            }
        }
    }

    fn begin_chunks(&mut self, keep: bool) {
        if keep && self.mail.as_ref().is_some_and(|mail| mail.text.is_none()) {
            let text = Text::chunked(&self.reception, self.source());
            if let Some(mail) = &mut self.mail {
                mail.text = Some(text);
            }
        }
    }

    /// Waits for octets of a text. When we stop, it may still end, but not take its time: `stop` is by when.
    async fn wait_text(&mut self, stop: &mut Option<Mono>) -> io::Result<Waited> {
        loop {
            let (mut span, mut end) = self.patience(None);
            if let Some(stop) = stop {
                let left = *stop - self.hall.clock.mono();
                if left < span {
                    (span, end) = (left, End::Shutdown);
                }
            }
            // Octets that are there already are read before any wait ends.
            if span.is_zero() {
                return Ok(Waited::Over(end));
            }
            let hall = Arc::clone(&self.hall);
            tokio::select! {
                biased;
                read = hall.clock.timeout(span, self.wire.fill(true)) => return match read {
                    Ok(read) => Ok(if read? == 0 { Waited::Gone } else { Waited::Filled }),
                    Err(_) => Ok(Waited::Over(end)),
                },
                // Octets that belong to no mail.
                () = self.permit.leaving(), if self.mail.is_none() => {
                    return Ok(Waited::Over(End::Crowded));
                }
                () = hall.shutdown.wait(), if stop.is_none() => {
                    let most = hall.conf.load().queue.stop_timeout.min(STOP_TEXT_TIMEOUT);
                    *stop = Some(hall.clock.mono() + most);
                }
            }
        }
    }
}

/// Octets after which the end of a mail is not waited for: twice what is taken.
fn flood(reception: &Reception) -> u64 {
    let max = reception.conf().queue.max_message_size.0;
    max.saturating_mul(2)
}
