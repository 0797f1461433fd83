# Die Seiten der Verwaltung: angehaltene Nachrichten.
holds-all = Alle
holds-queues = Warteschlangen
holds-search = Suchen
holds-search-example = Rechnung 7, anna@firma.example oder from:@shop.example
holds-help = Wie gesucht wird
holds-help-from = vom Absender
holds-help-to = an den Empfänger
holds-help-subject = im Betreff
holds-help-reason = aus diesem Grund angehalten
holds-help-account = von diesem Konto gesendet
holds-help-older = älter als 3 Tage (auch newer:)
holds-help-not = nicht: ein Minus davor
holds-wrong = Diese Suche ist nicht verständlich:
holds-empty = Es ist nichts angehalten
holds-empty-text = Hier erscheint, was vor der Zustellung jemand ansehen soll: Störungen, Quarantäne, Defekte. Wer dann gefragt wird, steht in [digest] der Konfiguration.
holds-none = Keine angehaltene Nachricht passt zu dieser Suche
holds-show-all = Alle anzeigen
holds-chosen = Auswahl
holds-choose = Auswählen: { $subject }
holds-first = Zum Anfang
holds-next = Weiter
holds-with-chosen = Mit den ausgewählten Nachrichten
holds-asked-first = Vorher wird gezeigt, wie viele und welche es sind.
holds-back = Zurück zur Liste
holds-cancel = Abbrechen
holds-verbs = Was die Knöpfe tun
holds-message = Nachricht
holds-id = Kennung
holds-story = Verlauf
holds-again = Sie wurde danach erneut angehalten: zur neuen Seite
holds-handled = Jemand war schneller. Es wurde nichts weiter verändert.
holds-never = Aus diesem Grund angehaltene Nachrichten gibt niemand frei; so steht es in der Konfiguration.
holds-unknown = Unbekannt
holds-unknown-text = Diese angehaltene Nachricht gibt es nicht, oder sie ist schon lange erledigt.
holds-by-cli = Befehlszeile ({ $who })
holds-step-accepted = Angenommen von { $peer }
holds-step-tried = Zustellversuch { $count } bei { $site }
holds-step-held = Angehalten: { $reason }
holds-step-judged = Erneut geprüft
holds-step-said = Prüfung: { $text }
holds-step-good = Für gut befunden
holds-step-retry = Sofort versuchen
holds-step-doubt = Vielleicht zugestellt: Bei { $site } stand noch die letzte Antwort aus
holds-step-expired = Ihre Lebenszeit ist vorbei
holds-step-returned = An den Absender geht nur der Kopf der Nachricht, nicht ihr Inhalt
holds-step-returned-stranger = Der Absender erfährt nichts: Die Nachricht kam von einem Fremden, und eine Prüfung hat sie beanstandet
holds-step-returned-unasked = Der Absender erfährt nichts: Er wollte keine Meldung
holds-step-returned-nopath = Der Absender erfährt nichts: Die Nachricht nennt keine Absenderadresse
holds-step-told = Benachrichtigt: { $to }
holds-sure-release = { $count ->
    [one] 1 Nachricht freigeben?
   *[other] { $count } Nachrichten freigeben?
}
holds-sure-requeue = { $count ->
    [one] 1 Nachricht erneut prüfen?
   *[other] { $count } Nachrichten erneut prüfen?
}
holds-sure-delete = { $count ->
    [one] 1 Nachricht löschen?
   *[other] { $count } Nachrichten löschen?
}
holds-sure-bounce = { $count ->
    [one] 1 Nachricht löschen und ihrem Absender melden? Ein Fremder erfährt nichts, wenn eine Prüfung seine Nachricht beanstandet hat.
   *[other] { $count } Nachrichten löschen und ihren Absendern melden? Fremde erfahren nichts, wenn eine Prüfung ihre Nachricht beanstandet hat.
}
holds-sure-more = { $count ->
    [one] und 1 weitere
   *[other] und { $count } weitere
}
holds-done-release = { $count ->
    [one] 1 Nachricht ist freigegeben.
   *[other] { $count } Nachrichten sind freigegeben.
}
holds-done-requeue = { $count ->
    [one] 1 Nachricht wird erneut geprüft.
   *[other] { $count } Nachrichten werden erneut geprüft.
}
holds-done-delete = { $count ->
    [one] 1 Nachricht liegt für 7 Tage im Papierkorb.
   *[other] { $count } Nachrichten liegen für 7 Tage im Papierkorb.
}
holds-done-bounce = { $count ->
    [one] 1 Nachricht ist gelöscht. Ihr Absender bekommt eine Fehlermeldung, außer er ist ein Fremder und eine Prüfung hat sie beanstandet.
   *[other] { $count } Nachrichten sind gelöscht. Ihre Absender bekommen eine Fehlermeldung, außer Fremde, deren Nachricht eine Prüfung beanstandet hat.
}
holds-done-undo = { $count ->
    [one] 1 Nachricht ist wieder angehalten.
   *[other] { $count } Nachrichten sind wieder angehalten.
}
holds-sum-handled = { $count ->
    [one] Bei 1 Nachricht war jemand schneller.
   *[other] Bei { $count } Nachrichten war jemand schneller.
}
holds-sum-never = { $count ->
    [one] 1 Nachricht gibt niemand frei; so steht es in der Konfiguration.
   *[other] { $count } Nachrichten gibt niemand frei; so steht es in der Konfiguration.
}
holds-sum-busy = { $count ->
    [one] 1 Nachricht wird gerade bearbeitet; versuchen Sie es gleich noch einmal.
   *[other] { $count } Nachrichten werden gerade bearbeitet; versuchen Sie es gleich noch einmal.
}
holds-with-all = Mit allen Treffern dieser Liste, auch auf weiteren Seiten
holds-all-meant = Gemeint ist alles, was diese Suche findet:
holds-newest = Die neuesten davon
holds-or-more = (oder mehr)
holds-nothing = Nichts zu tun
holds-nothing-text = Zu dieser Suche ist nichts mehr angehalten, worüber so entschieden werden kann. Es wurde nichts verändert.
holds-barred = Nichts zu tun
holds-barred-text = Was diese Suche findet, gibt niemand frei ([hold.release] der Konfiguration). Es wurde nichts verändert.
holds-no-job = Unbekannter Auftrag
holds-no-job-text = Diesen Auftrag gibt es nicht, oder er ist länger als sieben Tage zu Ende.
holds-job-so-far = Bisher: { $count }
holds-job-goes-on = Der Auftrag läuft weiter, auch wenn Sie diese Seite schließen.
holds-job-refused = { $count ->
    [one] Bei 1 Nachricht ging es nicht: Sie wird gerade zugestellt, oder jemand war schneller.
   *[other] Bei { $count } Nachrichten ging es nicht: Sie werden gerade zugestellt, oder jemand war schneller.
}
holds-of-high = { $count ->
    [one] 1 davon gilt als schädlich.
   *[other] { $count } davon gelten als schädlich.
}
holds-of-raised = { $count ->
    [one] 1 davon wurde nicht geprüft oder gilt als zweifelhaft.
   *[other] { $count } davon wurden nicht geprüft oder gelten als zweifelhaft.
}
holds-of-stays = { $count ->
    [one] 1 davon gibt niemand frei ([hold.release] der Konfiguration): Sie bleibt angehalten.
   *[other] { $count } davon gibt niemand frei ([hold.release] der Konfiguration): Sie bleiben angehalten.
}
holds-of-login = { $count ->
    [one] 1 davon gibt nur frei, wer angemeldet ist, so wie Sie hier.
   *[other] { $count } davon gibt nur frei, wer angemeldet ist, so wie Sie hier.
}
holds-back-trash = { $count ->
    [one] Einen Tag lang lässt sich das als Ganzes rückgängig machen.
   *[other] { $count } Tage lang lässt sich das als Ganzes rückgängig machen.
}
holds-back-wait = { $count ->
    [one] Eine Sekunde lang lässt sich das als Ganzes rückgängig machen, dann nicht mehr.
   *[other] { $count } Sekunden lang lässt sich das als Ganzes rückgängig machen, dann nicht mehr.
}
holds-back-never = Das lässt sich nicht rückgängig machen.
holds-mark-high = Schädlich
holds-mark-raised = Zweifelhaft
holds-trash = Papierkorb
holds-done = Erledigt
holds-ended = Erledigt
holds-trash-until = im Papierkorb bis { $date }
holds-bring-back = Zurückholen
holds-help-text = in Betreff, Absender oder Empfänger
holds-help-quotes = genau so, mit Leerzeichen und Komma
holds-understood = Gesucht: { $what }
holds-looked = { $count } Nachrichten wurden angesehen; es gibt noch mehr.
holds-none-yet = Bis hierher passt keine Nachricht zu dieser Suche
holds-look-on = Weiter suchen
holds-empty-bad = Keine Störung
holds-empty-bad-text = Hier erscheint, was nicht geprüft werden konnte, etwa weil ein Scanner nicht antwortet.
holds-empty-quarantine = Die Quarantäne ist leer
holds-empty-quarantine-text = Hier erscheint, was geprüft und zurückgehalten wurde.
holds-empty-defect = Kein Defekt
holds-empty-defect-text = Hier erscheint, was beschädigt oder unzustellbar ist und niemandem gemeldet werden kann.
holds-empty-trash = Der Papierkorb ist leer
holds-empty-trash-text = Hier erscheint, was aus einer Warteschlange für angehaltene Nachrichten gelöscht wurde und sich noch zurückholen lässt: sieben Tage lang.
holds-empty-done = Noch nichts erledigt
holds-empty-done-text = Hier erscheint, was freigegeben, erneut geprüft, zurückgesandt oder endgültig gelöscht wurde.
holds-nothing-chosen = Es ist keine Nachricht ausgewählt. Kreuzen Sie welche an, oder nehmen Sie die Knöpfe für alle Treffer.
holds-all-handled = Über die ausgewählten Nachrichten hat inzwischen jemand entschieden. Es wurde nichts verändert.
holds-number = Geben Sie zur Bestätigung ein, wie viele Nachrichten es sind:
holds-number-other = Es wurde nichts verändert: Gemeint { $count ->
    [one] ist jetzt 1 Nachricht. Geben Sie diese Zahl ein, wenn das so richtig ist.
   *[other] sind jetzt { $count } Nachrichten. Geben Sie diese Zahl ein, wenn das so richtig ist.
}
holds-jobs = Aufträge
holds-jobs-none = Keine Aufträge
holds-jobs-none-text = Hier erscheint sieben Tage lang, was mit allen Treffern einer Suche auf einmal getan wurde.
holds-job-verb = Auftrag
holds-job-meant = Gemeint war
holds-job-state = Stand
holds-job-begun = Begonnen
holds-job-who = Durch wen
holds-job-running = läuft
holds-job-done = fertig
holds-job-undone = rückgängig gemacht
holds-job-of = { $done } von { $total }
holds-job-back = Auftrag rückgängig machen
holds-job-what = Was rückgängig gemacht wird
holds-job-stays = { $count ->
    [one] 1 Nachricht gibt niemand frei; sie bleibt angehalten.
   *[other] { $count } Nachrichten gibt niemand frei; sie bleiben angehalten.
}
holds-back-until = Geht bis { $date }, soweit nichts davon hinausgegangen ist und niemand anders entschieden hat.
holds-back-late = Dafür ist es zu spät: Was dieser Auftrag tat, ist hinausgegangen oder endgültig gelöscht.
holds-back-already = Dieser Auftrag wurde rückgängig gemacht.
holds-back-nothing = Dieser Auftrag hat nichts getan, was sich rückgängig machen ließe.
holds-done-retry = { $count ->
    [one] 1 Nachricht wird sofort versucht.
   *[other] { $count } Nachrichten werden sofort versucht.
}
holds-done-hold = { $count ->
    [one] 1 Nachricht ist angehalten.
   *[other] { $count } Nachrichten sind angehalten.
}
holds-done-delete-now = { $count ->
    [one] 1 Nachricht ist endgültig gelöscht.
   *[other] { $count } Nachrichten sind endgültig gelöscht.
}
