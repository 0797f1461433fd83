"""Debian's Postfix relays through us: smtp-source -> Postfix -> serve -> sink, in the clear, with TLS and with DSN parameters.

So our server side meets a client that pipelines, keeps connections open and asks for DSNs as real ones do.
Run by tests/run.sh (as root, for Postfix): python3 -m unittest -v postfix_client
"""
import re
import smtplib
import unittest

import stand


class PostfixClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = stand.Sink().start()
        cls.server = stand.Postwerk("client-serve", cls.sink.port).start()
        cls.postfix = stand.Postfix("client", relayhost="[127.0.0.1]:%d" % cls.server.open, virtual_mailbox_domains="",
                                    smtp_tls_security_level="may", smtp_tls_loglevel="1").start()

    @classmethod
    def tearDownClass(cls):
        cls.postfix.stop()
        cls.server.stop()
        cls.sink.stop()

    def hand_in(self, tag, options=(), notify=()):
        raw = stand.awkward(tag)
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.ehlo("client.example")
            client.mail("a@sender.example", list(options))
            client.rcpt("user@example.org", list(notify))
            code, text = client.data(raw)
            self.assertEqual(code, 250, text)
        return raw

    def test_postfix_relays_through_us_with_tls_and_the_bytes_stay(self):
        raw = self.hand_in("viapostfix", ["BODY=8BITMIME"])
        got = self.sink.arrived("viapostfix")["raw"]
        self.assertEqual(stand.hops(got), 2, "Postfix's and ours")
        self.assertEqual(stand.without_trace(got), raw, stand.difference(raw, stand.without_trace(got)))
        self.assertRegex(got.decode("latin-1").replace("\r\n\t", " "), r"with ESMTPS id [0-9A-F]{16}")
        ident = stand.ID.search(got.decode("latin-1")).group(0)
        text = stand.wait_for("the relayed attempt in queue show", lambda: (
            lambda t: t if "250" in t else None)(self.server.show(ident)))
        for word in ("a@sender.example", "user@example.org", "postfix.example", "TLS"):
            self.assertIn(word, text, "queue show %s" % ident)
        self.assertRegex(self.postfix.log_text(), r"status=sent \(250 2\.0\.0 .*%s" % ident)

    def test_dsn_parameters_pass_from_postfix_through_us_to_the_next_hop(self):
        self.hand_in("viadsn", ["RET=HDRS", "ENVID=envid-4711"], ["NOTIFY=FAILURE", "ORCPT=rfc822;orig@example.org"])
        mail = self.sink.arrived("viadsn")
        self.assertIn("ENVID=envid-4711", mail["from"])
        self.assertIn("RET=HDRS", mail["from"])
        self.assertRegex(mail["to"][0], r"NOTIFY=FAILURE\b.*ORCPT=rfc822;orig@example\.org|ORCPT=rfc822;orig@example\.org.*NOTIFY=FAILURE\b")

    def test_a_burst_of_two_hundred_arrives_whole(self):
        source = stand.UNPACKED / "usr" / "sbin" / "smtp-source"
        stand.run([source, "-s", "10", "-m", "200", "-l", "4096", "-f", "burst@sender.example", "-t", "user@example.org",
                   "127.0.0.1:%d" % self.postfix.port], env=self.postfix.environment())
        stand.wait_for("200 mails", lambda: sum("<burst@" in m["from"] for m in list(self.sink.mails)) >= 200, 90)
        self.assertEqual(sum("<burst@" in m["from"] for m in self.sink.mails), 200, "none twice")
        self.assertFalse(re.search(r"warning:.*127\.0\.0\.1.*:%d" % self.server.open, self.postfix.log_text()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
