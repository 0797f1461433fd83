//! # What was found, and what is not judged
//!
//! A requeue looks at a mail again, and scanners are away, are reconfigured, and have their own exceptions. Whoever can
//! requeue must not be able to make a virus into something that has fewer walls.
//!
//! * **A finding belongs to a check by its name**: a `[[scanner]]` by `name`, the built-in look into attachments as
//!   `attachments`, rules, an account's mode, loops and broken MIME by themselves. It ends when that check looked at the
//!   mail again and says otherwise. A scanner that failed, was not asked, is left out by an `[[exception]]` or a listener,
//!   takes no mail of that size, puts the mail off or passes it unseen by its own settings (rspamd's `is_skipped`) did not
//!   look, nor did one that was taken away or renamed, nor another one of its kind. rspamd takes back a DMARC finding only
//!   when it learned what the domain wants. A milter's "accept" is its answer, whenever in the mail it comes.
//! * **What the configuration says, the configuration takes back**: a hold rule, a pattern or `[attachments]` itself that
//!   is gone, an account that is no longer held. A scanner knows what no configuration says, so its removal ends nothing.
//! * **Old records** of virus, phish, spam and DMARC without the name of their scanner are taken back by none; a person
//!   decides. Old ones of attachments can only be of `attachments`, and those of filters name the filter.
//! * **Then the hold stays**: queue, reason, cause, parameters, rights, with why nobody looked, in words. Its page and its
//!   digest name the check and the kind of obstacle; addresses and errors are for the log, the API and the command line.
//!   It is a new hold of the same kind, so that the link of the old one says what became of the requeue.
//! * **A mail can have several findings.** The gravest tells (virus, phish, then what is judged, then what is ordered, and
//!   last what could not be judged); the others go along, each until its own check looked. Who may release or requeue goes
//!   by all of them: the strictest `[hold.release]`, and an owner only where an owner may for each. Scanners of one round
//!   count alike: a recipient whom a milter refuses in a mail with a virus is held for the virus.
//! * **"Not judged" is no finding** (`bad`: a scanner that failed, an archive that cannot be read, a fault of ours): the
//!   next judgement decides anew, by the configuration of that moment. What a person ordered, a limit of rate, an end of
//!   delivery are none either: no check finds them again, so requeueing is releasing, and asks for the right to release.
//! * **By itself** a hold that stays is judged again when the scanner answers that kept its check from looking, as often
//!   as one in `bad`; one whose check looked waits for a person.
//! * **What a person let go stays what it was.** A release remembers the findings; held again by hand, as undeliverable,
//!   in doubt, or by a fault of ours, the mail has their rights, and what is told of it outside goes by them.
//! * **`never` is the queue's own answer**: release, and requeue where it releases, are refused to links, pages, commands,
//!   API and jobs alike. At the end of its time such a hold with `at_expiry = "requeue"` stays, and the log says so.
