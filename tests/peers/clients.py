"""Clients that we did not write hand mail in: swaks, Python's smtplib, curl and Debian's nodemailer, by every door.

Each mail must reach the sink with the bytes it was sent with, one Received field in front and nothing else changed.
Run by tests/run.sh: python3 -m unittest -v clients
"""
import os
import smtplib
import ssl
import unittest
from pathlib import Path

import stand


def blind():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = stand.Sink().start()
        cls.server = stand.Postwerk("clients", cls.sink.port).start()

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        cls.sink.stop()
        assert status == 0, "serve ended with %s after SIGTERM" % status

    def came_whole(self, raw, tag, with_part):
        mail = self.sink.arrived(tag)
        got = mail["raw"]
        self.assertEqual(stand.hops(got), 1, got[:600])
        self.assertEqual(stand.without_trace(got), raw, stand.difference(raw, stand.without_trace(got)))
        self.assertIn(b"with %s" % with_part, got.split(b"\r\nFrom:")[0], "the Received field names the protocol")
        return mail

    def swaks(self, tag, port, *more):
        raw = stand.awkward(tag)
        file = self.server.home / (tag + ".wire")
        # Without data fixup swaks sends the file as it is and adds the last CRLF itself.
        file.write_bytes(stand.stuffed(raw)[:-2])
        text = stand.run(["swaks", "--server", "127.0.0.1", "--port", port, "--from", "a@sender.example", "--to",
                          "user@example.org", "--helo", "swaks.example", "--no-data-fixup", "--data", "@%s" % file, *more])
        return raw, text

    def test_swaks_in_the_clear_from_a_trusted_network(self):
        raw, text = self.swaks("swaksclear", self.server.open)
        self.came_whole(raw, "swaksclear", b"ESMTP ")
        self.assertRegex(text, stand.ID, "the 250 names the queue id")

    def test_swaks_with_pipelining(self):
        raw, _ = self.swaks("swakspipe", self.server.open, "--pipeline")
        self.came_whole(raw, "swakspipe", b"ESMTP ")

    def test_swaks_with_starttls_and_auth_plain(self):
        raw, _ = self.swaks("swaksplain", self.server.login, "--tls", "--auth", "PLAIN", "--auth-user", "app1",
                            "--auth-password", "correct horse")
        self.came_whole(raw, "swaksplain", b"ESMTPSA")

    def test_swaks_with_implicit_tls_and_auth_login(self):
        raw, _ = self.swaks("swakslogin", self.server.secure, "--tls-on-connect", "--auth", "LOGIN", "--auth-user", "app1",
                            "--auth-password", "correct horse")
        self.came_whole(raw, "swakslogin", b"ESMTPSA")

    def test_swaks_with_a_wrong_password_is_refused_and_nothing_is_sent(self):
        text = stand.run(["swaks", "--server", "127.0.0.1", "--port", self.server.login, "--from", "a@sender.example", "--to",
                          "user@example.org", "--tls", "--auth", "PLAIN", "--auth-user", "app1", "--auth-password", "wrong",
                          "--body", "swakswrong"], ok=(28,))
        self.assertIn("535 5.7.8", text)
        self.assertFalse([m for m in self.sink.mails if b"swakswrong" in m["raw"]])

    def test_swaks_without_auth_where_auth_is_required_is_refused(self):
        text = stand.run(["swaks", "--server", "127.0.0.1", "--port", self.server.login, "--from", "a@sender.example", "--to",
                          "user@example.org", "--tls", "--body", "swaksnone"], ok=None)
        self.assertIn("530 5.7.0", text)

    def test_smtplib_with_two_mails_on_one_connection(self):
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            for tag in ("smtplibone", "smtplibtwo"):
                raw = stand.awkward(tag)
                self.assertEqual(client.sendmail("a@sender.example", ["user@example.org"], raw), {})
                self.came_whole(raw, tag, b"ESMTP ")

    def test_smtplib_with_starttls_auth_and_three_recipients(self):
        raw = stand.awkward("smtplibtls")
        with smtplib.SMTP("127.0.0.1", self.server.login, timeout=30) as client:
            client.starttls(context=blind())
            client.login("app1", "correct horse")
            client.sendmail("a@sender.example", ["user@example.org", "zwei@example.org", "drei@elsewhere.example"], raw)
        self.came_whole(raw, "smtplibtls", b"ESMTPSA")
        told = stand.wait_for("three recipients", lambda: (lambda to: to if len(to) == 3 else None)(
            sorted(r for m in list(self.sink.mails) if b"smtplibtls" in m["raw"] for r in m["to"])))
        self.assertEqual([t.split(">")[0] for t in told], ["<drei@elsewhere.example", "<user@example.org", "<zwei@example.org"])

    def test_smtplib_with_an_address_in_utf8(self):
        raw = stand.awkward("smtplibutf8")
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.sendmail("jörg@sender.example", ["übung@example.org"], raw, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        mail = self.came_whole(raw, "smtplibutf8", b"UTF8SMTP ")
        self.assertIn("SMTPUTF8", mail["from"])

    def test_a_submitted_mail_without_date_and_message_id_gets_them(self):
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.sendmail("a@sender.example", ["user@example.org"], b"From: <a@sender.example>\r\nBcc: x@y.example\r\nSubject: barefields\r\n\r\nhi\r\n")
        header = self.sink.arrived("barefields")["raw"].split(b"\r\n\r\n")[0].lower()
        self.assertIn(b"\r\ndate: ", header)
        self.assertIn(b"\r\nmessage-id: <", header)
        self.assertNotIn(b"bcc", header)

    def curl(self, tag, url, *more):
        raw = stand.awkward(tag)
        file = self.server.home / (tag + ".eml")
        file.write_bytes(raw)
        stand.run(["curl", "--silent", "--show-error", "--max-time", "30", "--url", url, "--mail-from", "a@sender.example",
                   "--mail-rcpt", "user@example.org", "--upload-file", file, *more])
        return raw

    def test_curl_in_the_clear(self):
        raw = self.curl("curlclear", "smtp://127.0.0.1:%d/curl.example" % self.server.open)
        self.came_whole(raw, "curlclear", b"ESMTP ")

    def test_curl_with_starttls_and_a_login(self):
        raw = self.curl("curltls", "smtp://127.0.0.1:%d/curl.example" % self.server.login, "--ssl-reqd", "--insecure",
                        "--user", "app1:correct horse")
        self.came_whole(raw, "curltls", b"ESMTPSA")

    def test_curl_with_implicit_tls(self):
        raw = self.curl("curlsmtps", "smtps://127.0.0.1:%d/curl.example" % self.server.secure, "--insecure",
                        "--user", "app1:correct horse")
        self.came_whole(raw, "curlsmtps", b"ESMTPSA")

    def test_nodemailer_by_every_door(self):
        script = Path(__file__).with_name("nodemailer.js")
        for tag, port, how in (("nodeclear", self.server.open, "clear"), ("nodestarttls", self.server.login, "starttls"),
                               ("nodeimplicit", self.server.secure, "implicit")):
            with self.subTest(tag):
                raw = stand.awkward(tag)
                file = self.server.home / (tag + ".eml")
                file.write_bytes(raw)
                env = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}
                text = stand.run(["node", script, port, how, file], env=env)
                self.assertIn("accepted", text)
                self.came_whole(raw, tag, b"ESMTP " if how == "clear" else b"ESMTPSA")

    def test_the_products_own_client_prints_its_dialogue(self):
        text = stand.run([stand.BINARY, "test-mail", "user@example.org", "--server", "127.0.0.1:%d" % self.server.login,
                          "--from", "a@sender.example", "--account", "app1", "--password-file", self.server.home / "password",
                          "--tls", "starttls"])
        self.assertIn("250", text)
        self.assertNotIn("correct horse", text)
        self.sink.arrived("a@sender.example")

    def test_the_products_own_client_says_69_for_a_refusal_and_75_for_no_server(self):
        stand.run([stand.BINARY, "test-mail", "user@elsewhere.example", "--server", "127.0.0.1:%d" % self.server.mx, "--tls", "off"], ok=(69,))
        stand.run([stand.BINARY, "test-mail", "user@example.org", "--server", "127.0.0.1:%d" % stand.free_port(), "--tls", "off"], ok=(75,))


if __name__ == "__main__":
    unittest.main(verbosity=2)
