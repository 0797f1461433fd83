"""Filters on libmilter behind our server: one that does everything a filter may, and Debian's opendkim, which signs.
Run by tests/run.sh: python3 -m unittest -v milters

Both run from target/peers; keys are made here and published by a function, so that nothing asks the DNS.
Not here: answers that libmilter would never give (tests/it/milter).
"""
import json
import smtplib
import socket
import unittest

import stand

# Debian's packages belong to Debian's Python, whichever one comes first on this machine.
PYTHON = "/usr/bin/python3"

SCANNER = """
[[scanner]]
name = "{name}"
kind = "milter"
address = "{address}"
{more}
"""

OPENDKIM = """
Mode s
Domain sender.example
Selector peer
KeyFile {home}/key.pem
Socket inet:{port}@127.0.0.1
PidFile {home}/opendkim.pid
Canonicalization relaxed/simple
OversignHeaders From
RequireSafeKeys no
Syslog no
"""

VERIFY = """
import sys, dkim
def record(name, timeout=5):
    return sys.argv[1].encode() if name == b"peer._domainkey.sender.example." else None
print("good" if dkim.verify(sys.stdin.buffer.read(), dnsfunc=record) else "bad")
"""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False


class Peer:
    """A filter at a port; it can be ended and started again."""

    def __init__(self, name, home, port, command):
        self.name, self.home, self.port, self.command = name, home, port, command
        self.program = None

    def start(self):
        self.program = stand.Program(self.command, self.home / "out.log")
        stand.wait_for("%s: %s" % (self.name, stand.tail(self.home / "out.log")), lambda: listens(self.port), 30)
        return self

    def stop(self):
        self.program.stop(5)

    def section(self, more=""):
        return SCANNER.format(name=self.name, address="127.0.0.1:%d" % self.port, more=more)


def scripted(name):
    home, port = stand.fresh(name + "-filter"), stand.free_port()
    return Peer("filter", home, port, [PYTHON, "-B", stand.ROOT / "tests/peers/filter.py", port, home])


class Opendkim(Peer):
    def __init__(self, name):
        home, port = stand.fresh(name + "-dkim"), stand.free_port()
        stand.run(["openssl", "genrsa", "-out", home / "key.pem", "2048"])
        (home / "key.pem").chmod(0o600)
        stand.run(["openssl", "rsa", "-in", home / "key.pem", "-pubout", "-out", home / "public.pem"])
        public = (home / "public.pem").read_text().splitlines()
        self.record = "v=DKIM1; k=rsa; p=" + "".join(line for line in public if not line.startswith("--"))
        (home / "opendkim.conf").write_text(OPENDKIM.format(home=home, port=port))
        super().__init__("dkim", home, port, ["/usr/sbin/opendkim", "-f", "-x", home / "opendkim.conf"])

    def verify(self, raw):
        """What Debian's python3-dkim thinks of a mail."""
        file = self.home / "mail.eml"
        file.write_bytes(raw)
        with open(file, "rb") as mail:
            return stand.run([PYTHON, "-c", VERIFY, self.record], stdin=mail).strip()


class Behind(unittest.TestCase):
    def begin(self, *peers, more=""):
        self.sink = stand.Sink().start()
        self.addCleanup(self.sink.stop)
        for peer in peers:
            peer.start()
            self.addCleanup(peer.stop)
        extra = "".join(peer.section(more) for peer in peers)
        self.server = stand.Postwerk(self.name(), self.sink.port, extra).start()
        self.addCleanup(self.server.stop)

    def name(self):
        return self.id().rsplit(".", 1)[-1][5:30]

    def one(self, more=""):
        self.filter = scripted(self.name())
        self.begin(self.filter, more=more)

    def send(self, subject, to=("first@example.org",), fields="", text="hello"):
        """The reply to the text, or to what was refused before it."""
        with smtplib.SMTP("127.0.0.1", self.server.mx, timeout=60) as smtp:
            mail = ("From: <a@sender.example>\r\nTo: <first@example.org>\r\nMessage-ID: <%s@sender.example>\r\n%s"
                    "Subject: %s\r\n\r\n%s\r\n" % (abs(hash((subject, text))), fields, subject, text))
            smtp.ehlo("client.example")
            smtp.mail("a@sender.example", ["BODY=8BITMIME"])
            for one in to:
                self.assertEqual(smtp.rcpt(one)[0], 250)
            code, said = smtp.data(mail)
            return code, said.decode()

    def taken(self, *args, **more):
        code, said = self.send(*args, **more)
        self.assertEqual(code, 250, said)
        return stand.ID.search(said).group(0)

    def held(self, ident, *words):
        shown = self.server.show(ident)
        for word in words:
            self.assertIn(word, shown)
        return shown

    def test_fields_are_added_put_in_changed_and_removed(self):
        self.one()
        self.taken("add")
        mail = self.sink.arrived("Subject: add")["raw"].decode()
        self.assertIn("\r\nX-Added: by the filter\r\nX-Folded: one\r\n\ttwo\r\n", mail)
        self.assertLess(mail.index("Received:"), mail.index("X-Added:"))
        own = "X-Own: one\r\nX-Own: two\r\n"
        self.taken("insert", fields=own)
        mail = self.sink.arrived("Subject: insert")["raw"].decode()
        head = mail.split("\r\n\r\n")[0]
        self.assertLess(head.index("X-First: 1"), head.index("From:"))
        self.assertLess(head.index("From:"), head.index("X-Third: 3"))
        self.assertLess(head.index("X-Third: 3"), head.index("Subject:"))
        self.taken("change", fields=own)
        mail = self.sink.arrived("Subject: another")["raw"].decode()
        self.assertIn("X-Own: one\r\nX-Own: changed\r\nSubject: another\r\n", mail)
        self.assertIn("X-New: made\r\n", mail)
        self.taken("delete", fields=own)
        mail = self.sink.arrived("Subject: delete")["raw"].decode()
        self.assertNotIn("X-Own: one", mail)
        self.assertIn("X-Own: two\r\n", mail)

    def test_it_sees_the_session(self):
        self.one()
        ident = self.taken("nothing", to=("first@example.org", "second@example.org"), text="x" * 500)
        seen = json.loads((self.filter.home / "seen.json").read_text())
        self.assertEqual(seen["client"], ["[127.0.0.1]", "127.0.0.1"])
        self.assertEqual(seen["helo"], "client.example")
        self.assertEqual(seen["from"][0], "<a@sender.example>")
        self.assertIn("BODY=8BITMIME", seen["from"])
        self.assertEqual(seen["rcpt"], ["<first@example.org>", "<second@example.org>"])
        self.assertEqual((seen["i"], seen["j"]), (ident, "mail.postwerk.example"))
        self.assertIn(["Subject", "nothing"], seen["fields"])
        self.assertEqual(seen["body"], 502)

    def test_a_new_body_sender_and_recipients(self):
        self.one()
        self.taken("body")
        raw = self.sink.arrived("Subject: body")["raw"].decode()
        wanted = "".join("line %04d of the new body, and as long as this one\r\n" % n for n in range(3000))
        self.assertEqual(raw.split("\r\n\r\n", 1)[1], wanted)
        self.taken("sender")
        mail = self.sink.arrived("Subject: sender")
        self.assertTrue(mail["from"].startswith("<other@sender.example>"), mail["from"])
        self.taken("recipients", to=("first@example.org", "second@example.org"))
        mail = self.sink.arrived("Subject: recipients")
        to = sorted(one.split(">")[0] + ">" for one in mail["to"])
        self.assertEqual(to, ["<added@example.org>", "<first@example.org>"])

    def test_what_it_would_keep_or_drop_is_held(self):
        self.one()
        self.held(self.taken("quarantine"), "held in quarantine", "the filter wants a person to look")
        self.held(self.taken("discard"), "held in quarantine", "would have dropped")
        self.taken("progress")
        self.assertIn(b"X-Slow: done", self.sink.arrived("Subject: progress")["raw"])
        self.assertEqual(len(self.sink.mails), 1)

    def test_its_replies_reach_the_client(self):
        self.one()
        self.assertEqual(self.send("reject"), (554, "5.7.9 Not this one, 100% sure\n5.7.9 see the second line"))
        code, said = self.send("tempfail")
        self.assertEqual((code, said[:5]), (451, "4.7.1"))
        code, said = self.send("nothing", to=("refused@example.org",))
        self.assertEqual((code, said), (550, "5.1.1 This one is not here, says the filter"))
        ident = self.taken("nothing", to=("refused@example.org", "first@example.org"))
        to = self.sink.arrived("Subject: nothing")["to"]
        self.assertEqual([one.split(">")[0] for one in to], ["<first@example.org"])
        self.held(ident, "held in quarantine", "This one is not here, says the filter")

    def test_a_refusal_is_held_where_that_is_wanted(self):
        self.one('on_reject = "hold"')
        self.held(self.taken("reject"), "held in quarantine", "Not this one, 100% sure")

    def test_it_dies_in_the_middle_and_the_mail_goes_out_when_it_is_back(self):
        self.one()
        ident = self.taken("die", text="hello")
        self.held(ident, "held in bad", "filter:", "closed")
        stand.wait_for("the end of the filter", lambda: not listens(self.filter.port))
        self.filter.stop()
        self.held(self.taken("add"), "held in bad", "cannot be reached")
        self.filter.start()
        self.sink.arrived("Subject: die", 120)
        self.assertIn(b"X-Added: by the filter", self.sink.arrived("Subject: add", 120)["raw"])

    def signed(self, dkim, subject):
        raw = self.sink.arrived("Subject: " + subject, 120)["raw"]
        self.assertEqual(raw.count(b"DKIM-Signature:"), 1, raw)
        self.assertEqual(dkim.verify(raw), "good", raw)
        return raw

    def test_opendkim_signs(self):
        dkim = Opendkim(self.name())
        self.begin(dkim)
        self.taken("signed")
        raw = self.signed(dkim, "signed")
        self.assertEqual(dkim.verify(raw.replace(b"hello", b"hallo")), "bad")
        odd = stand.awkward("odd", "a@sender.example", "user@example.org")
        with smtplib.SMTP("127.0.0.1", self.server.mx, timeout=60) as smtp:
            smtp.sendmail("a@sender.example", ["user@example.org"], odd, ["BODY=8BITMIME"])
        raw = self.signed(dkim, "odd")
        self.assertTrue(raw.endswith(odd), stand.difference(odd, raw[-len(odd):]))

    def test_opendkim_signs_what_the_filter_before_it_made(self):
        dkim, before = Opendkim(self.name()), scripted(self.name())
        self.begin(before, dkim)
        self.taken("footer")
        self.assertIn(b"footer of the filter", self.signed(dkim, "footer"))

    def test_without_opendkim_mail_waits_and_is_signed_once_when_it_is_back(self):
        dkim = Opendkim(self.name())
        self.begin(dkim)
        dkim.stop()
        self.held(self.taken("waits"), "held in bad", "reason scanner", "dkim:", "cannot be reached")
        self.assertEqual(self.sink.mails, [])
        dkim.start()
        self.signed(dkim, "waits")

    def test_a_mail_that_was_signed_is_not_signed_again_after_a_hold(self):
        dkim, after = Opendkim(self.name()), scripted(self.name())
        self.begin(dkim, after)
        after.stop()
        self.held(self.taken("nothing"), "held in bad", "filter:")
        after.start()
        self.signed(dkim, "nothing")


if __name__ == "__main__":
    unittest.main()
