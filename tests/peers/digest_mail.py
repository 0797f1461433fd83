"""A digest as another program's mail parser reads it: Python's email package finds no defect in it, whatever strangers
wrote into subjects and names. Run by tests/run.sh: python3 -m unittest -v digest_mail
"""
import re
import smtplib
import unittest

import inbox
import stand

HOSTILE = [
    "=?utf-8?b?%s?=" % __import__("base64").b64encode("🎉 Grüße\r\nBcc: x@evil.example\r\n\r\n<script>".encode()).decode(),
    "x" * 300,
    "=?utf-8?q?=E2=80=AEtxt.exe_=D7=A9=D7=9C=D7=95=D7=9D?=",
    "<b>bold</b> & \"quotes\" https://evil.example/d/x",
    ".",
    "",
]


def defects(mail):
    """All that the email package complains about, part by part."""
    found = []
    for part in mail.walk():
        found += [(part.get_content_type(), d) for d in part.defects]
        for name, value in part.items():
            found += [(name, d) for d in getattr(value, "defects", ())]
        if not part.is_multipart():
            part.get_content()
            found += [(part.get_content_type(), d) for d in part.defects]
    return found


class DigestMail(unittest.TestCase):
    def one(self, lang, count_of):
        demo = inbox.Demo("digest-" + lang[:2], lang)
        self.addCleanup(demo.stop)
        for n, subject in enumerate(HOSTILE):
            demo.send("held@demo.test", subject=subject, sender="s%d@example.org" % n)
        seen = {}

        def rows():
            for mail in demo.digests():
                seen[mail["Message-ID"]] = mail
            return sum(count_of(inbox.text_of(m)) for m in seen.values()) >= len(HOSTILE)
        stand.wait_for("all rows", rows, 40, 0.3)
        for mail in seen.values():
            self.judge(mail, lang[:2])

    def judge_log(self, log, needed):
        """Each event stands on one line; nothing of a mail hides in it or begins a line of its own."""
        lines = log.read_text(encoding="utf-8").split("\n")
        self.assertTrue(any(needed in line for line in lines), "%s in the log" % needed)
        for line in lines:
            self.assertNotRegex(line, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
            self.assertNotRegex(line, r"(?i)^\s*(bcc:|<script)")
        return [line for line in lines if needed in line]

    def test_what_strangers_write_stays_on_its_line_of_the_log(self):
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("hostile-log", sink.port)
        self.addCleanup(server.stop)
        server.start()
        for n, subject in enumerate(HOSTILE):
            mail = ("From: \x1b[31m\u202eeve <e@evil.example>\r\nMessage-ID: <x%d\x1b[2J\u202e\x07@evil.example>\r\n"
                    "Subject: %s\r\n\r\nx\r\n" % (n, subject)).encode()
            with smtplib.SMTP("127.0.0.1", server.open, local_hostname="helo.evil.example", timeout=20) as client:
                client.sendmail("e@evil.example", ["b@example.org"], mail)
        stand.wait_for("all mails", lambda: len(sink.mails) == len(HOSTILE), 30)
        server.stop()
        told = self.judge_log(server.home / "serve.log", "message-id=<x")
        self.assertEqual(len(told), len(HOSTILE), told)

    def test_what_the_demo_tells_of_a_mail_stays_on_its_line(self):
        demo = inbox.Demo("hostile-demo")
        self.addCleanup(demo.stop)
        for subject in HOSTILE:
            demo.send("open@demo.test", subject=subject)
        arrived = lambda: [m for m in demo.inbox() if m["To"] == "open@demo.test"]
        stand.wait_for("all mails", lambda: len(arrived()) == len(HOSTILE), 30, 0.3)
        told = self.judge_log(demo.program.log, "arrived: to open@demo.test")
        self.assertEqual(len(told), len(HOSTILE), told)

    def judge(self, mail, lang):
        self.assertEqual(defects(mail), [])
        self.assertEqual(mail.get_content_type(), "multipart/alternative")
        self.assertEqual([p.get_content_type() for p in mail.iter_parts()], ["text/plain", "text/html"])
        self.assertEqual(mail["Content-Language"], lang)
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertEqual(mail["X-Auto-Response-Suppress"], "All")
        self.assertIsNone(mail["Bcc"])
        for field in ("From", "To", "Date", "Message-ID", "Subject"):
            self.assertEqual(len(mail.get_all(field, [])), 1, field)
        self.assertTrue(mail["To"].addresses[0].addr_spec.startswith("postmaster@"))
        self.assertIsNotNone(mail["Date"].datetime)
        text = inbox.text_of(mail)
        html = mail.get_body(("html",)).get_content()
        for line in text.splitlines():
            self.assertNotRegex(line, r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
            if inbox.LINK.match(line):
                self.assertLessEqual(len(line), 78)
        self.assertNotRegex(html, r"(?i)<(style|img|script|form|b>bold)")
        # The same links in both parts, but for the canary, which stands in one.
        plain = set(re.findall(r"https?://\S+/d/[\w-]{44}", text))
        shown = set(re.findall(r"https?://[^\"<>\s]+/d/[\w-]{44}", html))
        self.assertTrue(plain)
        self.assertEqual(plain - shown, set())
        self.assertEqual(len(shown - plain), 1)
        # As other servers see it: no line of the wire is too long (RFC 5322 section 2.1.1).
        self.assertTrue(all(len(line) <= 998 for line in mail.as_bytes().splitlines()))

    def test_a_german_digest_has_no_defect(self):
        self.one("de_DE.UTF-8", lambda text: len(inbox.links(text, "Freigeben:")))

    def test_an_english_digest_has_no_defect(self):
        self.one("en_GB.UTF-8", lambda text: len(inbox.links(text, "Release:")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
