# Zertifikate: ihre Seite, und was `postwerk cert` ausgibt.
certs-title = Zertifikate
certs-look = Zertifikate ansehen
certs-back = Zurück zu den Zertifikaten
certs-alert = Das Zertifikat für { $name }: { $left }.
certs-renew = Jetzt erneuern
certs-names = Namen
certs-valid = Gültig
certs-next = Erneuerung
certs-issuer = Signiert von
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
certs-source-stand-in = Ein selbst signiertes Zertifikat springt ein, bis die erste Bestellung erledigt ist; wer prüft, lehnt es ab.
certs-source-files = Aus Dateien gelesen, die jemand anderes erzeugt.
certs-source-self-signed = Von diesem Server erzeugt und signiert; wer prüft, lehnt es ab.
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
certs-tlsa-text = Für Zonen, die signiert sind (DNSSEC), und für Namen, auf die MX-Einträge zeigen: Wer Mail mit DANE sendet, nimmt dann diesen Schlüssel und keinen anderen.
certs-tlsa-self-signed = Sie bleiben richtig, solange dieses Zertifikat bleibt; ein anderer Hostname oder eine entfernte Datei führt zu einem neuen Schlüssel.
certs-tlsa-files = Sie bleiben über Erneuerungen richtig, solange der Schlüssel bleibt. Bevor Dateien mit einem anderen Schlüssel gelten, veröffentlichen Sie dessen Eintrag neben diesem, mindestens zwei TTLs vorher; entfernen Sie den alten danach.
certs-tlsa-next = Das nächste Zertifikat bekommt einen anderen Schlüssel, für ihn ist jeweils der zweite Eintrag. Veröffentlichen Sie beide mindestens zwei TTLs vor dem { $at }; entfernen Sie den ersten, wenn das neue Zertifikat gilt.
certs-tlsa-unmade = Das nächste Zertifikat bekommt einen anderen Schlüssel ([acme] new_key); sein Eintrag steht hier, sobald der Schlüssel erzeugt ist.
certs-tlsa-stays = Sie bleiben über Erneuerungen richtig: Der Schlüssel bleibt. Sie müssen sich nur ändern, wenn er sich ändert ([acme] new_key = true, oder eine entfernte Datei).
certs-check = Prüfen
certs-check-text = Was falsch ist, ob ACME die Namen bestätigen kann, und was von hier aus erreichbar ist. Es dauert einige Sekunden.
certs-check-general = Dieser Server
certs-check-good = gut
certs-check-note = Hinweis
certs-check-bad = zu tun
certs-check-unordered = Noch wurde nichts bestellt; ein laufender Server bestellt von selbst, bis dahin springt ein selbst signiertes ein.
certs-check-unmade = Es gibt es noch nicht; der Server erzeugt es bei seinem Start.
certs-check-unreadable = { $why }
certs-check-pair = { $path } ist lesbar, und der Schlüssel gehört dazu.
certs-check-names = Es gilt für { $names }.
certs-check-name = Es gilt nicht für { $name }; wer prüft, lehnt es dort ab. Besorgen Sie eines mit diesem Namen, oder nehmen Sie den Namen aus [[certificate]].
certs-check-until = { $count ->
    [one] Noch 1 Tag: Es endet am { $until }.
   *[other] Noch { $count } Tage: Es endet am { $until }.
}
certs-check-soon = Es endet am { $until }; wer seine Dateien erzeugt, muss es erneuern.
certs-check-soon-acme = Es endet am { $until } und sollte schon erneuert sein; rufen Sie „postwerk cert renew“ auf, und lesen Sie den letzten Fehler.
certs-check-ended = Es endete am { $until }; wer prüft, lehnt es ab. Erneuern Sie es jetzt.
certs-check-early = Es gilt erst ab { $from }; geht die Uhr dieses Rechners richtig?
certs-check-own = Es ist selbst signiert: Mailservern genügt das, Programme und Browser, die prüfen, lehnen es ab; [tls] mode = "acme" besorgt eines, dem alle trauen.
certs-check-self-signed = Es ist selbst signiert; Programme und Browser, die prüfen, lehnen es ab, wenn sie es nicht kennen.
certs-check-order = In seiner Datei folgt auf { $subject } nicht { $issuer }, von dem es signiert ist; schreiben Sie das des Servers zuerst, dann jeweils das, welches das vorige signiert hat.
certs-check-chain = { $count ->
    [one] Die Kette ist vollständig und in der richtigen Reihenfolge: 1 Zertifikat, dieser Rechner traut ihm.
   *[other] Die Kette ist vollständig und in der richtigen Reihenfolge: { $count } Zertifikate, dieser Rechner traut ihnen.
}
certs-check-root = Die Reihenfolge der Kette stimmt, aber ihr Ende ({ $issuer }) hat keine Wurzel dieses Rechners signiert. Bei einer eigenen CA ist das so; bei einer öffentlichen fehlen die Zwischenzertifikate: Schreiben Sie sie hinter das des Servers.
certs-check-not-loaded = Der laufende Server kennt es noch nicht; laden Sie die Konfiguration neu (SIGHUP).
certs-check-stand-in = Der laufende Server zeigt ein selbst signiertes, bis die erste Bestellung erledigt ist; sie ist am { $at } fällig.
certs-check-other = Der laufende Server zeigt ein anderes als seine Datei; laden Sie die Konfiguration neu (SIGHUP), und lesen Sie sein Protokoll, wenn das nichts ändert.
certs-check-failing = { $count ->
    [one] Die letzte Bestellung ist fehlgeschlagen: { $why }. Nächster Versuch: { $at }.
   *[other] { $count } Bestellungen nacheinander sind fehlgeschlagen, die letzte, weil: { $why }. Nächster Versuch: { $at }.
}
certs-check-host = Ein Zertifikat gilt für { $name }, den Namen, mit dem wir grüßen.
certs-check-no-host = Kein Zertifikat gilt für { $name } ([server] hostname); nehmen Sie den Namen in ein Zertifikat auf.
certs-check-no-url = Kein Zertifikat gilt für { $name } ([admin] public_url), Browser warnen also vor jedem Link; nehmen Sie den Namen in ein Zertifikat auf.
certs-check-no-server = Am Steuersocket antwortet kein Server; geprüft wurden nur Dateien und Konfiguration.
certs-acme-off = Hier wird nichts bestellt. ACME könnte mit http-01 bestätigen, wenn Port 80 zu [admin] http_bind führte (jetzt: { $http }), mit tls-alpn-01, wenn Port 443 zu [admin] bind führte (jetzt: { $https }), oder mit DNS-01 bei jedem Port.
certs-acme-http = ACME bestätigt mit http-01 auf Port 80, und dort antwortet { $doors }.
certs-acme-not-http = ACME kann auf { $doors } nicht bestätigen: http-01 kommt zu Port 80 jedes Namens und zu keinem anderen. Leiten Sie Port 80 dorthin, schreiben Sie [admin] http_bind = "0.0.0.0:80", oder nehmen Sie challenge = "dns-01".
certs-acme-alpn = ACME bestätigt mit tls-alpn-01 auf Port 443, und dort antwortet { $doors }.
certs-acme-not-alpn = ACME kann auf { $doors } nicht bestätigen: tls-alpn-01 kommt zu Port 443 jedes Namens und zu keinem anderen. Leiten Sie Port 443 dorthin, lauschen Sie auf 443, öffnen Sie Port 80 und nehmen Sie challenge = "http-01", oder nehmen Sie challenge = "dns-01".
certs-acme-dns = ACME bestätigt mit DNS-01, gleich bei welchen Ports: { $hook } schreibt die TXT-Einträge.
certs-reach-door = { $door } lauscht auf diesem Rechner.
certs-reach-no-door = Auf { $door } dieses Rechners lauscht gerade niemand; starten Sie den Server.
certs-reach-open = { $name } Port { $port } antwortet ({ $ip }).
certs-reach-ours = { $name } Port { $port } antwortet mit unserem Zertifikat ({ $ip }).
certs-reach-other = { $name } Port { $port } antwortet mit einem anderen Zertifikat als unserem ({ $ip }): Dort steht etwas anderes. Leiten Sie den Port hierher, oder nehmen Sie challenge = "dns-01".
certs-reach-no-tls = { $name } Port { $port } nimmt eine Verbindung an, aber kein TLS ({ $ip }): Dort steht etwas anderes. Leiten Sie den Port hierher, oder nehmen Sie challenge = "dns-01".
certs-reach-closed = { $name } Port { $port } ist von hier aus nicht erreichbar ({ $ip }: { $why }). Öffnen Sie ihn in der Firewall, oder leiten Sie ihn hierher; ist er nur von innen unerreichbar, prüfen Sie von außen.
certs-reach-no-address = { $name } hat keine Adresse, die sich finden lässt ({ $why }); veröffentlichen Sie einen A- oder AAAA-Eintrag. Port { $port } wurde nicht versucht.
certs-reach-late = { $name } Port { $port } antwortete nicht rechtzeitig; sehen Sie nach Firewall und Nameservern.
