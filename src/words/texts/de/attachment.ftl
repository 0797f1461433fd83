# Was in Anhängen und Archiven gefunden wurde.
why-blocked = Nicht zugelassener Anhang: { $name } ({ $type })
why-encrypted = Nur mit einem Passwort zu öffnen: { $name }
why-damaged = Beschädigtes Archiv, Prüfung nicht möglich: { $name }
why-packed = Prüfung nicht möglich, mit { $method } gepackt: { $name }
why-busy = Noch nicht geprüft, zu viele andere Nachrichten; es wird von selbst wiederholt
why-encoding = Prüfung nicht möglich, { $name } ist in einer unbekannten Kodierung ({ $encoding })
why-piece = Prüfung nicht möglich, die Nachricht ist nur ein Teil einer größeren: { $name }
why-binhex = Prüfung nicht möglich, { $name } enthält eine Datei in BinHex
why-bound = Prüfung nicht möglich, { $name } überschreitet eine Grenze ({ $bound })
why-bound-mail = Prüfung nicht möglich, die Nachricht überschreitet eine Grenze ({ $bound })
# Was clamd findet und was kein Schadprogramm ist; der Name ist der des Fundes.
why-clamd-limits = Nicht vollständig geprüft, eine Grenze des Virenscanners ist überschritten ({ $name })
why-clamd-encrypted = Ein Anhang ist nur mit einem Passwort zu öffnen und konnte nicht geprüft werden ({ $name })
why-clamd-macros = Eine Office-Datei mit Makros ({ $name })
