# The pages of administrators: held messages.
holds-all = All
holds-queues = Queues
holds-search = Search
holds-search-example = from:@shop.example
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
    [one] Delete 1 message and tell its sender?
   *[other] Delete { $count } messages and tell their senders?
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
    [one] 1 message is deleted, and its sender is told.
   *[other] { $count } messages are deleted, and their senders are told.
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
holds-no-job = Unknown job
holds-no-job-text = There is no such job, or it ended more than seven days ago.
holds-job-so-far = So far: { $count }
holds-job-goes-on = The job goes on, even when you close this page.
holds-job-refused = { $count ->
    [one] It was not possible with 1 message: it is being delivered, or somebody was faster.
   *[other] It was not possible with { $count } messages: they are being delivered, or somebody was faster.
}
