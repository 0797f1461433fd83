# Digests.
digest-from = Mail server { $host }
digest-subject = [{ $host }] { $held } ({ $queues }) – { $date }
digest-held-more = more than { $count } messages held
digest-title = Messages held at { $host }
digest-span = { $from } to { $until } ({ $zone })
digest-until = until { $until } ({ $zone })
digest-none = Nothing is held.
digest-no-subject = (no subject)
digest-no-sender = (empty)
digest-and-more = and { $count } more
digest-colon = { $label }:
digest-label-from = From
digest-label-to = To
digest-label-received = Received
digest-label-size = Size
digest-label-reason = Reason
digest-label-queue = Held in
digest-label-expires = Expires
digest-label-code = Code
digest-label-id = ID
digest-label-account = Account
digest-envelope = (envelope: { $address })
digest-attachments = { $count ->
    [one] 1 attachment: { $list }
   *[other] { $count } attachments: { $list }
}
digest-no-name = no name
digest-warn-delete = Attention: will be deleted on { $date }.
digest-warn-bounce = Attention: will be returned to its sender on { $date }.
digest-warn-requeue = Attention: will be checked again on { $date }.
digest-note-login = Release needs a login here.
digest-note-never = What is held for this reason is not released.
digest-note-administrator = Release and requeue: ask an administrator.
digest-left-out = { $count ->
    [one] 1 more message is not listed in this digest.
   *[other] { $count } more messages are not listed in this digest.
}
digest-left-out-more = More than { $count } more messages are not listed in this digest.
digest-left-out-next = What stood in none yet is listed by the next ones, the oldest first.
digest-older = { $count ->
    [one] 1 older one is still held.
   *[other] { $count } older ones are still held.
}
digest-older-more = More than { $count } older ones are still held.
digest-all = Show all
digest-help-release = Release = deliver at once, without another check.
digest-help-requeue = Requeue = check everything once more.
digest-help-delete = Delete = into the trash, from which it can be taken back for 7 days.
digest-help-pages = The links open a page; only the button there acts. They are valid until { $end }.
digest-help-newest = The links open a page; only the button there acts. They are valid until the next digest that lists the message, at most until { $end }.
digest-help-code = If the page asks for a code: it is printed here beside the message.
digest-help-care = Do not release anything that you cannot place with certainty.
digest-no-links-administrator = This digest has no links. Decide on the server, with the ID of the message:
digest-no-links-owner = This digest has no links. Ask the administrators of { $host } to decide, and tell them the ID of the message.
digest-why-administrator = This digest goes to { $to } because this address administers { $host } ({ $queues }).
digest-why-domain = This digest goes to { $to } because this address is set as the owner of the domain { $domain }.
digest-why-account = This digest goes to { $to } because this address is set as the owner of the account { $account }.
digest-version = Postwerk { $version } on { $host }
digest-day-1 = Mon
digest-day-2 = Tue
digest-day-3 = Wed
digest-day-4 = Thu
digest-day-5 = Fri
digest-day-6 = Sat
digest-day-7 = Sun
# Reasons when more of them is known.
why-spam = Spam score { $score } (limit { $limit })
why-filter = The filter “{ $name }” holds it
why-virus = Virus found: { $name }
why-phish = Suspected phishing: { $name }
why-rule = Rule: { $reason }
why-account = All mail of the account { $account } is held
why-rate_limit = The account { $account } sent too many messages
why-loop = Mail loop: passed on { $received } times, { $own } of them by this server
why-attachment = Attachment of a kind that is not let through: { $name }
