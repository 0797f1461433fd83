# The pages of administrators: held messages.
holds-all = All
holds-queues = Queues
holds-search = Search
holds-search-example = invoice 7, anna@firm.example or from:@shop.example
holds-help = How to search
holds-help-from = from this sender
holds-help-to = to this recipient
holds-help-subject = in the subject
holds-help-reason = held for this reason
holds-help-account = sent by this account
holds-help-older = older than 3 days (newer: too)
holds-help-not = not: a minus before it
holds-wrong = This search cannot be understood:
holds-empty = Nothing is held
holds-empty-text = What somebody should look at before it is delivered appears here: processing errors, quarantine, defects. Who is asked then stands in [digest] of the configuration.
holds-none = No held message matches this search
holds-show-all = Show all
holds-chosen = Choose
holds-choose = Choose: { $subject }
holds-first = To the first page
holds-next = Next
holds-with-chosen = With the chosen messages
holds-asked-first = You are shown first how many and which they are.
holds-back = Back to the list
holds-cancel = Cancel
holds-verbs = What the buttons do
holds-message = Message
holds-id = Hold id
holds-story = History
holds-again = It was held again after that: to its new page
holds-handled = Somebody was faster. Nothing else was changed.
holds-never = Nobody releases messages that are held for this reason; the configuration says so.
holds-unknown = Unknown
holds-unknown-text = There is no such held message, or it was dealt with long ago.
holds-by-cli = Command line ({ $who })
holds-step-accepted = Accepted from { $peer }
holds-step-tried = Delivery attempt { $count } at { $site }
holds-step-held = Held: { $reason }
holds-step-judged = Checked again
holds-step-said = Check: { $text }
holds-step-good = Found good
holds-step-retry = Try now
holds-step-doubt = May have been delivered: the last answer of { $site } was still awaited
holds-step-expired = Its lifetime is over
holds-step-returned = Only the header of the message goes to its sender, not the content
holds-step-returned-stranger = The sender is not told: the message came from a stranger, and a check found fault with it
holds-step-returned-unasked = The sender is not told: the message asks for no report
holds-step-returned-nopath = The sender is not told: the message names no sender
holds-step-told = Told: { $to }
holds-sure-release = { $count ->
    [one] Release 1 message?
   *[other] Release { $count } messages?
}
holds-sure-requeue = { $count ->
    [one] Check 1 message again?
   *[other] Check { $count } messages again?
}
holds-sure-delete = { $count ->
    [one] Delete 1 message?
   *[other] Delete { $count } messages?
}
holds-sure-bounce = { $count ->
    [one] Delete 1 message and tell its sender? A stranger is not told if a check found fault with his message.
   *[other] Delete { $count } messages and tell their senders? Strangers are not told if a check found fault with their message.
}
holds-sure-more = { $count ->
    [one] and 1 more
   *[other] and { $count } more
}
holds-done-release = { $count ->
    [one] 1 message is released.
   *[other] { $count } messages are released.
}
holds-done-requeue = { $count ->
    [one] 1 message is checked again.
   *[other] { $count } messages are checked again.
}
holds-done-delete = { $count ->
    [one] 1 message is in the trash for 7 days.
   *[other] { $count } messages are in the trash for 7 days.
}
holds-done-bounce = { $count ->
    [one] 1 message is deleted. Its sender is told, unless he is a stranger and a check found fault with it.
   *[other] { $count } messages are deleted. Their senders are told, but for strangers with whose message a check found fault.
}
holds-done-undo = { $count ->
    [one] 1 message is held again.
   *[other] { $count } messages are held again.
}
holds-sum-handled = { $count ->
    [one] With 1 message somebody was faster.
   *[other] With { $count } messages somebody was faster.
}
holds-sum-never = { $count ->
    [one] Nobody releases 1 of the messages; the configuration says so.
   *[other] Nobody releases { $count } of the messages; the configuration says so.
}
holds-sum-busy = { $count ->
    [one] 1 message is being worked on; try again in a moment.
   *[other] { $count } messages are being worked on; try again in a moment.
}
holds-with-all = With everything on this list, on its other pages too
holds-all-meant = This means everything that this search finds:
holds-newest = The newest of them
holds-or-more = (or more)
holds-nothing = Nothing to do
holds-nothing-text = For this search nothing is held any more that can be decided like this. Nothing was changed.
holds-barred = Nothing to do
holds-barred-text = Nobody may let go of what this search finds ([hold.release] of the configuration). Nothing was changed.
holds-no-job = Unknown job
holds-no-job-text = There is no such job, or it ended more than seven days ago.
holds-job-so-far = So far: { $count }
holds-job-goes-on = The job goes on, even when you close this page.
holds-job-refused = { $count ->
    [one] It was not possible with 1 message: it is being delivered, or somebody was faster.
   *[other] It was not possible with { $count } messages: they are being delivered, or somebody was faster.
}
holds-of-high = { $count ->
    [one] 1 of these was found harmful.
   *[other] { $count } of these were found harmful.
}
holds-of-raised = { $count ->
    [one] 1 of these was not checked, or found doubtful.
   *[other] { $count } of these were not checked, or found doubtful.
}
holds-of-stays = { $count ->
    [one] 1 of these nobody may release ([hold.release] of the configuration): it stays held.
   *[other] { $count } of these nobody may release ([hold.release] of the configuration): they stay held.
}
holds-of-login = { $count ->
    [one] 1 of these is released only by who is logged in, as you are here.
   *[other] { $count } of these are released only by who is logged in, as you are here.
}
holds-back-trash = { $count ->
    [one] For a day this can be taken back as a whole.
   *[other] For { $count } days this can be taken back as a whole.
}
holds-back-wait = { $count ->
    [one] For a second this can be taken back as a whole, then no more.
   *[other] For { $count } seconds this can be taken back as a whole, then no more.
}
holds-back-never = This cannot be taken back.
holds-mark-high = Harmful
holds-mark-raised = Doubtful
holds-trash = Trash
holds-done = Done
holds-ended = Done
holds-trash-until = in the trash until { $date }
holds-bring-back = Bring back
holds-help-text = in subject, sender or recipient
holds-help-quotes = exactly so, with blanks and commas
holds-understood = Searched for: { $what }
holds-looked = { $count } messages were looked at; there are more.
holds-none-yet = No message up to here matches this search
holds-look-on = Search on
holds-empty-bad = No trouble
holds-empty-bad-text = What could not be checked appears here, for example because a scanner does not answer.
holds-empty-quarantine = The quarantine is empty
holds-empty-quarantine-text = What was checked and withheld appears here.
holds-empty-defect = No defect
holds-empty-defect-text = What is broken or cannot be delivered, and of which nobody can be told, appears here.
holds-empty-trash = The trash is empty
holds-empty-trash-text = What was deleted from a hold queue and can still be brought back appears here, for seven days.
holds-empty-done = Nothing done yet
holds-empty-done-text = What was released, checked again, returned or deleted for good appears here.
holds-nothing-chosen = No message is chosen. Tick some, or use the buttons for all matches.
holds-all-handled = Somebody has decided about the chosen messages meanwhile. Nothing was changed.
holds-number = To confirm, type how many messages these are:
holds-number-other = Nothing was changed: { $count ->
    [one] 1 message is meant now. Type this number if that is right.
   *[other] { $count } messages are meant now. Type this number if that is right.
}
holds-jobs = Jobs
holds-jobs-none = No jobs
holds-jobs-none-text = What was done to all matches of a search at once appears here for seven days.
holds-job-verb = Job
holds-job-meant = Meant was
holds-job-state = State
holds-job-begun = Begun
holds-job-who = By whom
holds-job-running = running
holds-job-done = done
holds-job-undone = taken back
holds-job-of = { $done } of { $total }
holds-job-back = Take this job back
holds-job-what = What is taken back
holds-job-stays = { $count ->
    [one] 1 message nobody may release; it stays held.
   *[other] { $count } messages nobody may release; they stay held.
}
holds-back-until = Possible until { $date }, as far as nothing of it has left and nobody else has decided.
holds-back-late = It is too late: what this job did has left, or was deleted for good.
holds-back-already = This job was taken back.
holds-back-nothing = This job did nothing that could be taken back.
holds-done-retry = { $count ->
    [one] 1 message is tried now.
   *[other] { $count } messages are tried now.
}
holds-done-hold = { $count ->
    [one] 1 message is held.
   *[other] { $count } messages are held.
}
holds-done-delete-now = { $count ->
    [one] 1 message is deleted for good.
   *[other] { $count } messages are deleted for good.
}
