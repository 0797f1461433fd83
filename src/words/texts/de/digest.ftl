# Zusammenfassungen.
digest-from = Mailserver { $host }
digest-subject = [{ $host }] { $held } ({ $queues }) – { $date }
digest-held-more = mehr als { $count } angehaltene Nachrichten
digest-title = Angehaltene Nachrichten auf { $host }
digest-span = { $from } bis { $until } ({ $zone })
digest-until = bis { $until } ({ $zone })
digest-none = Es ist nichts angehalten.
digest-no-subject = (ohne Betreff)
digest-no-sender = (leer)
digest-and-more = und { $count } weitere
digest-colon = { $label }:
digest-label-from = Von
digest-label-to = An
digest-label-received = Empfangen
digest-label-size = Größe
digest-label-reason = Grund
digest-label-queue = Angehalten in
digest-label-expires = Verfällt
digest-label-code = Code
digest-label-id = Kennung
digest-label-account = Konto
digest-envelope = (Umschlag: { $address })
digest-attachments = { $count ->
    [one] 1 Anhang: { $list }
   *[other] { $count } Anhänge: { $list }
}
digest-no-name = ohne Namen
digest-warn-delete = Achtung: Wird am { $date } gelöscht.
digest-warn-bounce = Achtung: Wird am { $date } an den Absender zurückgesandt.
digest-warn-requeue = Achtung: Wird am { $date } neu geprüft.
digest-note-login = Freigeben verlangt hier eine Anmeldung.
digest-note-never = Aus diesem Grund Angehaltenes wird nicht freigegeben.
digest-note-administrator = Freigeben und erneutes Einstellen: Administrator fragen.
digest-left-out = { $count ->
    [one] 1 weitere Nachricht steht nicht in dieser Zusammenfassung.
   *[other] { $count } weitere Nachrichten stehen nicht in dieser Zusammenfassung.
}
digest-left-out-more = Mehr als { $count } weitere Nachrichten stehen nicht in dieser Zusammenfassung.
digest-left-out-next = Was noch in keiner stand, nennen die nächsten, das Älteste zuerst.
digest-older = { $count ->
    [one] 1 ältere noch angehalten.
   *[other] { $count } ältere noch angehalten.
}
digest-older-more = Mehr als { $count } ältere noch angehalten.
digest-all = Alle anzeigen
digest-help-release = Freigeben = sofort zustellen, ohne erneute Prüfung.
digest-help-requeue = Erneut in Warteschlange einstellen = noch einmal vollständig prüfen.
digest-help-delete = Löschen = in den Papierkorb; von dort 7 Tage lang zurückzuholen.
digest-help-pages = Die Links öffnen eine Seite; erst der Knopf dort handelt. Sie gelten bis { $end }.
digest-help-newest = Die Links öffnen eine Seite; erst der Knopf dort handelt. Sie gelten bis zur nächsten Zusammenfassung, die diese Nachricht nennt, längstens bis { $end }.
digest-help-code = Fragt die Seite nach einem Code: Er steht hier bei der Nachricht.
digest-help-care = Geben Sie nichts frei, das Sie nicht sicher zuordnen können.
digest-no-links-administrator = Diese Zusammenfassung hat keine Links. So entscheiden Sie auf dem Server, mit der Kennung der Nachricht:
digest-no-links-owner = Diese Zusammenfassung hat keine Links. Bitten Sie die Verwaltung von { $host } zu entscheiden, und nennen Sie die Kennung der Nachricht.
digest-why-administrator = Diese Zusammenfassung geht an { $to }, weil diese Adresse { $host } verwaltet ({ $queues }).
digest-why-domain = Diese Zusammenfassung geht an { $to }, weil diese Adresse als Besitzer der Domain { $domain } eingetragen ist.
digest-why-account = Diese Zusammenfassung geht an { $to }, weil diese Adresse als Besitzer des Kontos { $account } eingetragen ist.
digest-version = Postwerk { $version } auf { $host }
digest-day-1 = Mo
digest-day-2 = Di
digest-day-3 = Mi
digest-day-4 = Do
digest-day-5 = Fr
digest-day-6 = Sa
digest-day-7 = So
# Gründe, wenn mehr von ihnen bekannt ist.
why-spam = Spam-Bewertung { $score } (Grenze { $limit })
why-filter = Der Filter „{ $name }“ hält sie an
why-virus = Virus gefunden: { $name }
why-phish = Phishing-Verdacht: { $name }
why-rule = Regel: { $reason }
why-account = Alle Nachrichten des Kontos { $account } werden angehalten
why-rate_limit = Das Konto { $account } hat zu viele Nachrichten gesendet
why-loop = Mailschleife: { $received }-mal weitergereicht, davon { $own }-mal von diesem Server
why-attachment = Nicht zugelassener Anhang: { $name }
