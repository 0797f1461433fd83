"""swaks -> serve -> Debian's Postfix -> Maildir: the bytes arrive as they were sent, but for trace fields.

So our client side meets TLS, pipelining and DSN parameters of software that we did not write, and `queue show` tells
every step. Run by tests/run.sh (as root, for Postfix): python3 -m unittest -v postfix_hop
"""
import json
import re
import smtplib
import unittest

import stand


class PostfixHop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = stand.fresh("hop-cert")
        cert, key = stand.certificate(home)
        cls.postfix = stand.Postfix("hop", smtpd_tls_cert_file=cert, smtpd_tls_key_file=key, smtpd_tls_security_level="may",
                                    smtpd_tls_received_header="yes").start()
        cls.server = stand.Postwerk("hop-serve", cls.postfix.port, hop_tls="opportunistic").start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.postfix.stop()

    def mail(self, tag, box="user"):
        return stand.wait_for("%s in the Maildir" % tag,
                              lambda: next((m for m in self.postfix.delivered(box) if tag.encode() in m), None), 60)

    def send(self, tag, *more, to="user@example.org"):
        raw = stand.awkward(tag)
        file = self.server.home / (tag + ".wire")
        file.write_bytes(stand.stuffed(raw)[:-2])
        text = stand.run(["swaks", "--server", "127.0.0.1", "--port", self.server.open, "--from", "a@sender.example", "--to", to,
                          "--helo", "swaks.example", "--no-data-fixup", "--data", "@%s" % file, *more])
        return raw, stand.ID.search(text.split("queued")[-1] if "queued" in text else text).group(0)

    def test_swaks_to_maildir_keeps_the_bytes_and_tells_every_step(self):
        raw, ident = self.send("hopbytes")
        got = self.mail("hopbytes")
        wanted = raw.replace(b"\r\n", b"\n")
        self.assertEqual(stand.hops(got), 2, "ours and Postfix's")
        self.assertEqual(stand.without_trace(got), wanted, stand.difference(wanted, stand.without_trace(got)))
        self.assertIn(b"Return-Path: <a@sender.example>", got)
        self.assertIn(ident.encode(), got, "our Received field names our queue id")
        text = stand.wait_for("the relayed attempt in queue show", lambda: (
            lambda t: t if re.search(r"relayed|sent|delivered", t, re.I) else None)(self.server.show(ident)))
        for word in ("a@sender.example", "user@example.org", "127.0.0.1", "250", "queued as", "TLS"):
            self.assertIn(word, text, "queue show %s" % ident)

    def test_the_way_to_postfix_was_encrypted(self):
        self.send("hoptls")
        self.assertRegex(self.mail("hoptls").decode("latin-1"), r"using TLSv1\.3 with cipher")

    def test_dsn_parameters_reach_postfix(self):
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.ehlo("dsn.example")
            client.mail("a@sender.example", ["RET=HDRS", "ENVID=envid-4711"])
            client.rcpt("zwei@example.org", ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;orig+2Buser@example.org"])
            code, text = client.data(stand.awkward("hopdsn"))
            self.assertEqual(code, 250, text)
        got = self.mail("hopdsn", "zwei")
        self.assertIn(b"X-Original-To: zwei@example.org", got)
        self.assertRegex(self.postfix.log_text(), r"orig_to=<orig\+user@example\.org>|to=<zwei@example\.org>")

    def test_a_refusal_by_postfix_becomes_a_dsn_that_names_its_reply(self):
        raw, ident = self.send("hopbounce", "--from", "user@example.org", to="nobody@example.org")
        del raw
        dsn = stand.wait_for("the DSN in the Maildir", lambda: next((
            m for m in self.postfix.delivered() if b"multipart/report" in m and b"hopbounce" in m), None), 150)
        for part in (b"message/delivery-status", b"Action: failed", b"Status: 5.1.1", b"nobody@example.org",
                     b"Diagnostic-Code: smtp; 550", b"Auto-Submitted: auto-"):
            self.assertIn(part, dsn)
        self.assertIn(b"Return-Path: <>", dsn)
        self.assertIn("550 5.1.1", self.server.show(ident))

    def test_many_mails_share_connections(self):
        for n in range(20):
            self.send("hopmany%02d" % n)
        stand.wait_for("20 mails", lambda: sum(b"hopmany" in m for m in self.postfix.delivered()) == 20, 60)

    def test_queue_list_as_json_speaks_postfixs_member_names(self):
        # With the next hop away, mail stays; then it is listed, and leaves once the hop is back.
        self.postfix.process.stop(15)
        _, ident = self.send("hoplisted")
        row = stand.wait_for("the deferred mail in queue list", lambda: next((
            r for r in map(json.loads, filter(None, self.server.cli("queue", "list", "--json").splitlines()))
            if r["queue_id"] == ident and r["queue_name"] == "deferred"), None))
        for member in ("arrival_time", "message_size", "sender", "recipients"):
            self.assertIn(member, row)
        self.assertEqual(row["recipients"][0]["address"], "user@example.org")
        self.assertIn("delay_reason", row["recipients"][0])
        self.postfix.start()
        self.server.cli("queue", "retry", ident)
        self.mail("hoplisted")


if __name__ == "__main__":
    unittest.main(verbosity=2)
