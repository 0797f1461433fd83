# Die Seiten der Verwaltung: angehaltene Nachrichten.
holds-all = Alle
holds-queues = Warteschlangen
holds-search = Suchen
holds-search-example = from:@shop.example
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
    [one] 1 Nachricht löschen und ihrem Absender melden?
   *[other] { $count } Nachrichten löschen und ihren Absendern melden?
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
    [one] 1 Nachricht ist gelöscht, und ihr Absender bekommt eine Fehlermeldung.
   *[other] { $count } Nachrichten sind gelöscht, und ihre Absender bekommen eine Fehlermeldung.
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
holds-no-job = Unbekannter Auftrag
holds-no-job-text = Diesen Auftrag gibt es nicht, oder er ist länger als sieben Tage zu Ende.
holds-job-so-far = Bisher: { $count }
holds-job-goes-on = Der Auftrag läuft weiter, auch wenn Sie diese Seite schließen.
holds-job-refused = { $count ->
    [one] Bei 1 Nachricht ging es nicht: Sie wird gerade zugestellt, oder jemand war schneller.
   *[other] Bei { $count } Nachrichten ging es nicht: Sie werden gerade zugestellt, oder jemand war schneller.
}
