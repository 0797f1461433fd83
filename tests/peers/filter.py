"""A filter on libmilter (python3-milter) that does what the Subject of a mail asks for; milters.py starts it.

    filter.py PORT HOME

HOME holds what it must remember, and what it saw. Not here: what our server makes of it.
"""
import json
import os
import sys
from pathlib import Path

import Milter

HOME = Path(sys.argv[2])


class Filter(Milter.Base):
    def __init__(self):
        self.seen = {"rcpt": [], "fields": [], "body": 0}
        self.subject = ""

    def connect(self, host, family, address):
        self.seen["client"] = [host, address[0] if address else None]
        self.seen["j"] = self.getsymval("j")
        return Milter.CONTINUE

    def hello(self, name):
        self.seen["helo"] = name
        return Milter.CONTINUE

    def envfrom(self, path, *more):
        self.seen["from"] = [path, *more]
        return Milter.CONTINUE

    def envrcpt(self, path, *more):
        self.seen["rcpt"].append(path)
        self.seen["i"] = self.getsymval("i")
        if path.startswith("<refused"):
            self.setreply("550", "5.1.1", "This one is not here, says the filter")
            return Milter.REJECT
        return Milter.CONTINUE

    def header(self, name, value):
        self.seen["fields"].append([name, value])
        if name == "Subject":
            self.subject = value
        return Milter.CONTINUE

    def eoh(self):
        return Milter.CONTINUE

    def body(self, chunk):
        self.seen["body"] += len(chunk)
        once = HOME / "died"
        if self.subject == "die" and not once.exists():
            once.touch()
            os._exit(1)
        return Milter.CONTINUE

    def eom(self):
        (HOME / "seen.json").write_text(json.dumps(self.seen))
        act = getattr(self, "do_" + self.subject.replace(" ", "_"), None)
        return act() if act else Milter.CONTINUE

    def do_add(self):
        self.addheader("X-Added", "by the filter")
        self.addheader("X-Folded", "one\n\ttwo")
        return Milter.CONTINUE

    def do_insert(self):
        self.addheader("X-First", "1", 0)
        self.addheader("X-Third", "3", 3)
        return Milter.CONTINUE

    def do_change(self):
        self.chgheader("X-Own", 2, "changed")
        self.chgheader("Subject", 1, "another")
        self.chgheader("X-New", 1, "made")
        return Milter.CONTINUE

    def do_delete(self):
        self.chgheader("X-Own", 1, "")
        self.chgheader("X-None", 1, "")
        return Milter.CONTINUE

    def do_body(self):
        for n in range(3000):
            self.replacebody(("line %04d of the new body, and as long as this one\r\n" % n).encode())
        return Milter.CONTINUE

    def do_sender(self):
        self.chgfrom("<other@sender.example>")
        return Milter.CONTINUE

    def do_recipients(self):
        self.addrcpt("<added@example.org>")
        self.delrcpt("<second@example.org>")
        return Milter.CONTINUE

    def do_quarantine(self):
        self.addheader("X-Kept", "yes")
        self.quarantine("the filter wants a person to look")
        return Milter.CONTINUE

    def do_reject(self):
        self.setreply("554", "5.7.9", "Not this one, 100%% sure", "see the second line")
        return Milter.REJECT

    def do_tempfail(self):
        return Milter.TEMPFAIL

    def do_discard(self):
        return Milter.DISCARD

    def do_progress(self):
        for _ in range(5):
            self.progress()
        self.addheader("X-Slow", "done")
        return Milter.CONTINUE

    def do_footer(self):
        self.replacebody(b"hello\r\n-- \r\nfooter of the filter\r\n")
        return Milter.CONTINUE


Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.DELRCPT | Milter.CHGFROM
                 | Milter.QUARANTINE)
Milter.runmilter("filter", "inet:%s@127.0.0.1" % sys.argv[1], 60)
