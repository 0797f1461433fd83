# Reports that a mail is spam, or is none.
report-ham = Is no spam
report-spam = Is spam
report-help = The spam filter learns from it; the message stays where it is.
report-new = The spam filter has learned from it.
report-already = The spam filter had learned this message before.
report-nothing = The spam filter could learn nothing from this message: it has too few words, or rspamd has no classifier that learns.
report-nobody = No spam filter learns here.
report-failed = The spam filter did not answer as it should, and has learned nothing. The log says why.
report-step-ham = Reported as no spam
report-step-spam = Reported as spam
