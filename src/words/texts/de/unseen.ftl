# Warum bleibt, was früher gefunden wurde, obwohl neu geprüft wurde.
unseen-failed = nicht erneut geprüft: „{ $name }“ hat nicht geantwortet
unseen-unfit = nicht erneut geprüft: „{ $name }“ konnte diese Nachricht nicht beurteilen
unseen-excepted = nicht erneut geprüft: wegen einer Ausnahme sieht „{ $name }“ sie nicht an
unseen-skipped = nicht erneut geprüft: „{ $name }“ hat sie nach eigenen Einstellungen ungesehen durchgelassen
unseen-gone = nicht erneut geprüft: „{ $name }“ ist nicht mehr eingerichtet
unseen-elsewhere = nicht erneut geprüft: „{ $name }“ prüft keine Nachrichten von diesem Eingang
unseen-not_reached = nicht erneut geprüft: die Prüfung endete vor „{ $name }“
unseen-nameless = nicht erneut geprüft: welche Prüfung es gefunden hat, ist nicht mehr bekannt
unseen-also = außerdem gefunden: { $what }
unseen-fault = nicht erneut geprüft: ein Fehler dieses Servers kam „{ $name }“ dazwischen
