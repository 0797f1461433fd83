//! # Queries that act
//!
//! The query that lists mail also deletes it, with no row ticked. What it means must be what its author meant:
//!
//! * **Nothing is guessed.** Cut at its comma, `subject:"Dear customer,"` would end in an empty value that matches everything.
//!   Values are read with their quotes and cut outside of them; an empty value, a pattern that fits everybody (`to:*`), a
//!   star where none has a meaning, half a pair of quotes, a typographic quote, a stray backslash and an unknown word are
//!   errors with their column, in the language of the page. A negated slip means nearly everything: that is why
//!   `-to:<>` or `-word:"two words"`, which no mail can fail, are refused too.
//! * **A blank means and, a comma or the same word again means or**, and the words say so. For `text:` and for ages both
//!   must hold: a person who types two words wants both. The alternative, `and` for every word, would make
//!   `from:a from:b` silently empty.
//! * **It is said back.** What was understood, in words, stands before every bulk action: on the page, on the command line,
//!   in the survey of the API, in the list of jobs, and in the log. It is made from what was parsed, never from the text.
//! * **A tab is a queue unless the search names one.** Added to `queue:bad`, the tab's own queue would be an "or"; so the
//!   search wins, and the list shows that tab.
//! * **Above 500 the number is said again**, typed on the page, `--yes N` at the command line, `number` in the API; also
//!   of a list of ids. The queue itself asks (`begin_job`), so there is no road around it. A number that is not the one
//!   of now is refused with the one of now. Counting stops at 10,000: above it the number is 10,000, and more may be
//!   meant.
//! * **`never` holds for many, too.** A bulk release leaves alone what `[hold.release]` lets nobody release, whoever asks,
//!   and counts it before and after; so does a requeue of what no check finds again.
//! * **What waits can be taken back as a whole**: a delete into the trash, and a release or requeue with a wait. What left
//!   before is counted, not called back. A bounce, `--now` and a release at once cannot, and the look before says so.
//! * **Words alone search subject, sender and recipient** on the page, where a person looks; at the command line they are
//!   refused, where a forgotten `from:` would act. No index answers them: a page looks at 3,000 holds, says so, and goes on
//!   by a button. What has its own word (`word:`, `from:@`, `to:@`, `account:`, `reason:`, `queue:`) is indexed.
