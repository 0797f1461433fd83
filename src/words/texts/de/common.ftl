# Warteschlangen, Verben, Gründe, Prüfungen: auf Seiten und in Zusammenfassungen dieselben Wörter.
queue-bad = Störung
queue-quarantine = Quarantäne
queue-defect = Defekt
held-messages = { $count ->
    [one] 1 angehaltene Nachricht
   *[other] { $count } angehaltene Nachrichten
}
verb-release = Freigeben
verb-requeue = Erneut in Warteschlange einstellen
verb-delete = Löschen
verb-bounce = Rückläufer (Bounce)
verb-undo = Rückgängig
verb-retry = Sofort versuchen
verb-hold = Anhalten
check-loop = Mailschleife
check-mime = MIME-Aufbau
check-account = Konto
check-rate = Sendemenge
check-rules = Regeln
check-virus = Viren
check-spam = Spam
check-dmarc = DMARC
check-attachments = Anhänge
check-filter = Filter
reason-operator = Von der Verwaltung angehalten
reason-loop = Mailschleife
reason-broken_mime = Fehlerhafter MIME-Aufbau
reason-undeliverable = Unzustellbar, und der Absender ist nicht erreichbar
reason-internal = Interner Fehler bei der Verarbeitung
reason-rule = Regel
reason-account = Alle Nachrichten dieses Kontos werden angehalten
reason-rate_limit = Das Konto hat zu viele Nachrichten gesendet
reason-virus = Virus gefunden
reason-phish = Phishing-Verdacht
reason-spam = Spam-Bewertung über der Grenze
reason-dmarc = DMARC fehlgeschlagen
reason-attachment = Nicht zugelassener Anhang
reason-scanner = Prüfung nicht möglich
reason-filter = Ein Filter hält sie an
reason-maybe_delivered = Vielleicht schon zugestellt: Der Server des Empfängers hat zuletzt nicht geantwortet
