"""What the demo's scanners find travels the whole circle. Run by tests/run.sh: python3 -m unittest -v scan_circle

A virus and spam, by the recipient or by the harmless test texts that every scanner reports, are held in quarantine; a
digest gives the reason; a requeue by its link is checked again and held again; letting it go needs a login; then it
arrives, and its history records which checks were skipped. The demo's scanners speak clamd's and rspamd's protocols.
"""
import json
import re
import unittest
import urllib.parse

import inbox
import stand

# In two pieces, so that no scanner reports this file.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class ScanCircle(unittest.TestCase):
    def setUp(self):
        self.demo = inbox.Demo(self.id().rsplit(".", 1)[-1][:40])
        self.addCleanup(self.demo.stop)

    def waits(self, what, ready, secs=40):
        try:
            return stand.wait_for(what, ready, secs, 0.2)
        except AssertionError as error:
            raise AssertionError("%s\n%s" % (error, self.demo.log())) from None

    def digest_of(self, subject):
        def found():
            return [m for m in self.demo.digests() if subject in inbox.text_of(m)]
        return self.waits("a digest that lists %r" % subject, found)[0]

    def log_in(self):
        """By a link of its own: the one that the demo prints works once."""
        person = inbox.Browser()
        url = re.search(r"https?://\S+/login/\S+", self.demo.cli("admin", "login-link")).group(0)
        status, _, page = person.ask(url)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(url, page)
        self.assertEqual(status, 200, page)
        return person

    def circle(self, to, reason, told, body="Guten Tag\r\n"):
        demo, subject = self.demo, "Rechnung fuer " + to.partition("@")[0]
        demo.send(to, subject=subject, body=body)
        held = {to: ("quarantine", reason)}
        self.waits("the hold", lambda: demo.held() == held)
        text = inbox.text_of(self.digest_of(subject))
        self.assertRegex(text, told)
        [again] = inbox.links(text, "Erneut in Warteschlange einstellen:")
        # Requeue checks again, and the scanner finds the same.
        person = inbox.Browser()
        status, _, page = person.ask(again)
        self.assertEqual(status, 200, page)
        first = self.hold_of(to)
        status, _, page = person.press(again, page, "requeue")
        self.assertEqual(status, 200, page)
        self.waits("the second hold", lambda: demo.held() == held and self.hold_of(to) != first)
        self.assertEqual([m for m in demo.inbox() if m["To"] == to], [])
        # The link of the next digest does not let it go without a login.
        def newer():
            lists = [inbox.links(inbox.text_of(m), "Freigeben:") for m in demo.digests()
                     if subject in inbox.text_of(m)]
            return lists if len(lists) > 1 else None
        [link] = self.waits("the second digest", newer)[0]
        status, _, page = inbox.Browser().ask(link)
        self.assertIn(status, (200, 401, 403), page)
        self.assertIn("postwerk admin login-link", page)
        self.assertNotIn('value="release"', page)
        person = self.log_in()
        status, _, page = person.ask(link)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(link, page, "release")
        self.assertEqual(status, 200, page)
        arrived = self.waits("the mail", lambda: [m for m in demo.inbox() if m["To"] == to])
        self.assertEqual([m["Subject"] for m in arrived], [subject])
        self.assertEqual(demo.held(), {})
        return arrived[0]

    def hold_of(self, to):
        """The hold's id, as the administrator's list has it."""
        if not hasattr(self, "admin"):
            self.admin = self.log_in()
        _, _, page = self.admin.ask(self.demo.url + "/holds")
        found = re.findall(r'name="id" value="([0-9A-Fa-f]+)"', page)
        return found[0] if found else None

    def test_a_virus_by_the_recipient(self):
        self.circle("virus@demo.test", "virus", "Demo-Virus")

    def test_spam_by_the_recipient(self):
        self.circle("spam@demo.test", "spam", "Spam")

    def test_the_test_texts_are_found_whoever_gets_them(self):
        self.demo.send("anna@demo.test", subject="EICAR", body=EICAR + "\r\n")
        self.demo.send("otto@demo.test", subject="GTUBE", body=GTUBE + "\r\n")
        wanted = {"anna@demo.test": ("quarantine", "virus"), "otto@demo.test": ("quarantine", "spam")}
        self.waits("two holds", lambda: self.demo.held() == wanted)
        self.assertRegex(inbox.text_of(self.digest_of("EICAR")), "Eicar")

    def test_the_page_of_checks_tells_and_asks(self):
        person = self.log_in()
        self.demo.send("anna@demo.test", subject="sauber")
        self.waits("the mail", lambda: [m for m in self.demo.inbox() if m["To"] == "anna@demo.test"])
        url = urllib.parse.urljoin(self.demo.url, "/checks")
        status, _, page = person.ask(url)
        self.assertEqual(status, 200, page)
        self.assertIn("nichts gefunden: 1", page)
        for name in ("clam", "rspamd"):
            status, _, page = person.press(url, page, name)
            self.assertIn("%s antwortet" % name, page)
            self.assertNotIn("antwortet nicht", page)
        status, _, ready = person.ask(self.demo.url + "/readyz")
        self.assertEqual(status, 200, ready)
        said = {line["component"]: line for line in map(json.loads, ready.splitlines())}
        self.assertTrue(said["scanner clam"]["ready"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
