# Zertifikate: ihre Seite, und was `postwerk cert` ausgibt.
certs-title = Zertifikate
certs-look = Zertifikate ansehen
certs-back = Zurück zu den Zertifikaten
certs-alert = Das Zertifikat für { $name }: { $left }.
certs-renew = Jetzt erneuern
certs-names = Namen
certs-valid = Gültig
certs-next = Erneuerung
certs-issuer = Unterschrieben von
certs-chain = Kette
certs-key = Schlüssel
certs-serial = Seriennummer
certs-days = { $count ->
    [one] noch 1 Tag
   *[other] noch { $count } Tage
}
certs-hours = { $count ->
    [0] noch weniger als eine Stunde
    [one] noch 1 Stunde
   *[other] noch { $count } Stunden
}
certs-ended = { $count ->
    [0] abgelaufen seit weniger als einem Tag
    [one] abgelaufen seit 1 Tag
   *[other] abgelaufen seit { $count } Tagen
}
certs-never = läuft nicht ab
certs-source-acme = Von diesem Server bestellt (ACME).
certs-source-stand-in = Ein selbst unterschriebenes Zertifikat springt ein, bis die erste Bestellung erledigt ist; wer prüft, lehnt es ab.
certs-source-files = Aus Dateien gelesen, die jemand anderes erzeugt.
certs-source-self-signed = Von diesem Server erzeugt und unterschrieben; wer prüft, lehnt es ab.
certs-renewal-files = Wer die Dateien erzeugt, erneuert sie; neue Dateien gelten von selbst.
certs-renewal-self-signed = Es wird nie erneuert, damit zufrieden bleibt, wer es sich gemerkt hat.
certs-renewal-unplanned = Die nächste Bestellung wird gerade geplant.
certs-renewal-again = Der nächste Versuch ist am { $at }.
certs-renewal-first = Die erste Bestellung ist am { $at } fällig.
certs-renewal-at = Von selbst; das nächste Mal wird am { $at } nachgesehen.
certs-failures = { $count ->
    [one] Die letzte Bestellung ist fehlgeschlagen
   *[other] { $count } Bestellungen nacheinander sind fehlgeschlagen
}
certs-tlsa = DANE-Einträge (TLSA)
certs-tlsa-text = Für Zonen, die unterschrieben sind (DNSSEC), und für Namen, auf die MX-Einträge zeigen: Wer Mail mit DANE sendet, nimmt dann diesen Schlüssel und keinen anderen.
certs-tlsa-self-signed = Sie bleiben richtig, solange dieses Zertifikat bleibt; ein anderer Hostname oder eine entfernte Datei führt zu einem neuen Schlüssel.
certs-tlsa-files = Sie bleiben über Erneuerungen richtig, solange der Schlüssel bleibt. Bevor Dateien mit einem anderen Schlüssel gelten, veröffentlichen Sie dessen Eintrag neben diesem, mindestens zwei TTLs vorher; entfernen Sie den alten danach.
certs-tlsa-next = Das nächste Zertifikat bekommt einen anderen Schlüssel, für ihn ist jeweils der zweite Eintrag. Veröffentlichen Sie beide mindestens zwei TTLs vor dem { $at }; entfernen Sie den ersten, wenn das neue Zertifikat gilt.
certs-tlsa-unmade = Das nächste Zertifikat bekommt einen anderen Schlüssel ([acme] new_key); sein Eintrag steht hier, sobald der Schlüssel erzeugt ist.
certs-tlsa-stays = Sie bleiben über Erneuerungen richtig: Der Schlüssel bleibt. Sie müssen sich nur ändern, wenn er sich ändert ([acme] new_key = true, oder eine entfernte Datei).
