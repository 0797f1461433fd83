//! # Milters
//!
//! A filter speaks Sendmail's protocol, which was made for a session that is under way. Here it is asked when the text is
//! there, before the 250, as every scanner is.
//!
//! * **The whole session is played from what was kept of it**: connect, HELO, MAIL, RCPT, DATA, fields, body, end. So one
//!   filter costs one connection a mail and no open session, a requeue can ask it again, and nothing of a dialogue that
//!   breaks off has to be undone.
//! * **A recipient that it refuses of several is held** in `quarantine` with its reply: the client has heard 250 for that
//!   RCPT. If it refuses all of them, the client hears that.
//! * **Discard is a hold.** Nothing that was accepted disappears because a program says so; `quarantine` names the filter.
//! * **Fields that are added stand on top**, behind our Received, also where Sendmail appends them: so the stored text stays
//!   as it came. Changes, removals, places further down and new bodies make a new text, streamed through the edits.
//! * **The next scanner in the file sees what a filter changed.** A filter that signs comes last.
//! * **Positions count what the filter was shown.** 0 and 1 are the top; a removed field is not counted any more.
//! * **A requeue asks a filter that did its work for its verdict only**: a second signature or footer would be wrong. One
//!   that could not be asked before may still put fields on top. A new text, sender or recipient it may not: others may have
//!   the mail already; it is held and says so.
//! * **A client's name is not looked up**: the connect step shows `[192.0.2.1]`, as Sendmail does for a host without one,
//!   the macros say `unknown`, as Postfix does. `{daemon_name}` is the hostname, `{daemon_addr}` and `{daemon_port}` are
//!   where the client met us; for mail of this program there is neither.
//! * **Nothing is believed until the line was closed in order.** An answer to a step that agreed not to have one, two
//!   answers to one, or octets between steps: each would be read as the answer to the next step, and a refusal be lost. So
//!   the line must be quiet before each step, and the filter's close behind QUIT must be all that is left; else nothing
//!   that it said counts, and `on_failure` decides. That costs one round trip.
//! * **PROGRESS does not prolong `timeout`**: the client waits for its reply all the while.
//! * **One connection a mail** (no QUIT_NC): a filter that leaks in one mail does not show it to the next.
