# The demo's inbox.
inbox-title = Inbox of the demo
inbox-note = Everything that the demo's server delivers arrives here; nothing leaves this machine. The page looks for new mail by itself.
inbox-empty = No mail yet. Send one in a second terminal:
inbox-caption = The last 200 mails, newest first
inbox-received = Received
inbox-subject = Subject
inbox-from = From
inbox-to = To
inbox-back = Back to the inbox
inbox-text = Text
inbox-html = HTML part
inbox-frame = Shown without scripts, pictures and links, as it is a stranger's page; the links work in the text.
inbox-raw = Source
inbox-gone = There is no such mail. The inbox keeps the last 200, and none after the demo has ended.
