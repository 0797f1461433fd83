# Meldungen, dass eine Nachricht Spam ist oder keiner.
report-ham = Ist kein Spam
report-spam = Ist Spam
report-help = Der Spamfilter lernt daraus; die Nachricht bleibt, wo sie ist.
report-new = Der Spamfilter hat daraus gelernt.
report-already = Der Spamfilter hatte diese Nachricht schon gelernt.
report-nothing = Aus dieser Nachricht konnte der Spamfilter nichts lernen: Sie hat zu wenige Wörter, oder rspamd hat keinen Klassifikator, der lernt.
report-nobody = Hier lernt kein Spamfilter.
report-failed = Der Spamfilter hat nicht geantwortet, wie er sollte, und nichts gelernt. Das Protokoll sagt, warum.
report-step-ham = Als kein Spam gemeldet
report-step-spam = Als Spam gemeldet
