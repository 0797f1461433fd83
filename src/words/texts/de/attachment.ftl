# Was in Anhängen und Archiven gefunden wurde.
why-blocked = Nicht zugelassener Anhang: { $name } ({ $type })
why-encrypted = Nur mit einem Passwort zu öffnen: { $name }
why-damaged = Beschädigtes Archiv, Prüfung nicht möglich: { $name }
why-bound = Prüfung nicht möglich, { $name } überschreitet eine Grenze ({ $bound })
why-bound-mail = Prüfung nicht möglich, die Nachricht überschreitet eine Grenze ({ $bound })
