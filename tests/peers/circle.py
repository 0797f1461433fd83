"""The whole circle on the running demo: held, told, decided, arrived. Run by tests/run.sh: python3 -m unittest -v circle

A mail is held; a digest arrives in the inbox; its link, asked for three times, changes nothing; its button, pressed
once, lets the mail go; it arrives, and the log says by whom. What the demo holds otherwise stands in the right queue.
"""
import unittest

import inbox
import stand


class Circle(unittest.TestCase):
    def setUp(self):
        self.demo = inbox.Demo(self.id().rsplit(".", 1)[-1][:40])
        self.addCleanup(self.demo.stop)

    def waits(self, what, ready, secs=30):
        try:
            return stand.wait_for(what, ready, secs, 0.2)
        except AssertionError as error:
            raise AssertionError("%s\n%s" % (error, self.demo.log())) from None

    def digest_of(self, subject):
        def found():
            return [m for m in self.demo.digests() if subject in inbox.text_of(m)]
        return self.waits("a digest that lists %r" % subject, found)[0]

    def test_held_told_decided_arrived(self):
        demo, person = self.demo, inbox.Browser()
        demo.send("held@demo.test", subject="Rechnung 2026-1187")
        digest = self.digest_of("Rechnung 2026-1187")
        [link] = inbox.links(inbox.text_of(digest), "Freigeben:")
        for method in ("GET", "HEAD", "GET"):
            status, headers, page = person.ask(link, method)
            self.assertEqual(status, 200, page)
            self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(demo.held(), {"held@demo.test": ("quarantine", "rule")}, "asking for a page changes nothing")
        self.assertIn("Rechnung 2026-1187", page)
        status, _, page = person.press(link, page, "release")
        self.assertEqual(status, 200, page)
        arrived = self.waits("the mail", lambda: [m for m in demo.inbox() if m["To"] == "held@demo.test"])
        self.assertEqual([m["Subject"] for m in arrived], ["Rechnung 2026-1187"])
        self.waits("the event", lambda: "email.released" in demo.log(), 5)
        self.assertEqual(demo.held(), {})
        status, _, page = inbox.Browser().ask(link)
        self.assertEqual(status, 409, page)

    def test_what_is_held_stands_in_its_queue_with_its_reason(self):
        demo = self.demo
        for name in ("held", "broken", "loop"):
            demo.send(name + "@demo.test", subject="for " + name)
        wanted = {"held@demo.test": ("quarantine", "rule"), "broken@demo.test": ("defect", "rule"),
                  "loop@demo.test": ("defect", "loop")}
        self.waits("three holds", lambda: demo.held() == wanted)
        text = inbox.text_of(self.digest_of("for loop"))
        self.assertIn("Mailschleife", text)

    def test_a_button_without_the_cookie_of_its_page_does_nothing_and_says_so(self):
        demo = self.demo
        demo.send("held@demo.test", subject="without a cookie")
        [link] = inbox.links(inbox.text_of(self.digest_of("without a cookie")), "Freigeben:")
        _, _, page = inbox.Browser().ask(link)
        status, _, said = inbox.Browser().press(link, page, "release")
        self.assertNotEqual(status, 500, said)
        self.assertIn("<form", said, "the page offers itself again")
        self.assertEqual(demo.held(), {"held@demo.test": ("quarantine", "rule")})


if __name__ == "__main__":
    unittest.main(verbosity=2)
