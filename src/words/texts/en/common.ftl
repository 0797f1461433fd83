# Queues, verbs, reasons, checks: the same words on pages and in digests.
queue-bad = Trouble
queue-quarantine = Quarantine
queue-defect = Defective
held-messages = { $count ->
    [one] 1 message held
   *[other] { $count } messages held
}
verb-release = Release
verb-requeue = Requeue
verb-delete = Delete
verb-bounce = Bounce
verb-undo = Undo
verb-retry = Try now
verb-hold = Hold
check-loop = mail loop
check-mime = MIME structure
check-account = account
check-rate = rate
check-rules = rules
check-virus = viruses
check-spam = spam
check-dmarc = DMARC
check-attachments = attachments
check-filter = filter
reason-operator = Held by an administrator
reason-loop = Mail loop
reason-broken_mime = Broken MIME structure
reason-undeliverable = Undeliverable, and its sender cannot be told
reason-internal = Internal fault while processing
reason-rule = Rule
reason-account = All mail of this account is held
reason-rate_limit = The account sent too many messages
reason-virus = Virus found
reason-phish = Suspected phishing
reason-spam = Spam score above the limit
reason-dmarc = DMARC failed
reason-attachment = Attachment of a kind that is not let through
reason-scanner = Could not be checked
reason-filter = A filter holds it
reason-maybe_delivered = It may have been delivered already: the recipient's server gave no last answer
