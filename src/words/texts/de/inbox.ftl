# Der Posteingang der Demo.
inbox-title = Posteingang der Demo
inbox-note = Alles, was der Server der Demo zustellt, kommt hier an; nichts verlässt diesen Rechner. Die Seite sieht von selbst nach neuen Nachrichten.
inbox-empty = Noch keine Nachricht. Senden Sie eine von einem zweiten Terminal aus:
inbox-caption = Die letzten 200 Nachrichten, neueste zuerst
inbox-received = Empfangen
inbox-subject = Betreff
inbox-from = Von
inbox-to = An
inbox-back = Zurück zum Posteingang
inbox-text = Text
inbox-html = HTML-Teil
inbox-frame = Ohne Skripte, Bilder und Links gezeigt, denn es ist eine fremde Seite; im Text funktionieren die Links.
inbox-raw = Quelltext
inbox-gone = Diese Nachricht gibt es nicht. Der Posteingang behält die letzten 200, und nach dem Ende der Demo keine.
