"""What an operator does from outside: check, signals, the queue's verbs, accounts, and the shipped configurations.

Only the command line and its exit codes are used. Run by tests/run.sh: python3 -m unittest -v operate
"""
import json
import os
import shutil
import signal
import smtplib
import subprocess
import time
import unittest

import stand


def ended(*words, stdin=None, secs=60):
    """Exit status and output of our program."""
    done = subprocess.run([str(stand.BINARY), *map(str, words)], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=secs, check=False, text=True)
    return done.returncode, done.stdout


class Shipped(unittest.TestCase):
    def test_both_configurations_pass_check(self):
        for name in ("postwerk.toml", "production.toml"):
            status, text = ended("check", stand.ROOT / "conf" / name)
            self.assertIn(status, (0, 1), "%s: %s" % (name, text))

    def test_serve_starts_with_the_shipped_file_on_a_clean_checkout(self):
        # On ports of its own, so that a server of the developer may run beside.
        home = stand.fresh("shipped")
        port, sink = stand.free_port(), stand.Sink().start()
        text = (stand.ROOT / "conf" / "postwerk.toml").read_text()
        text = text.replace(":2525", ":%d" % port).replace(":2526", ":%d" % sink.port).replace("../target/postwerk-data", "data")
        (home / "postwerk.toml").write_text(text)
        program = stand.Program([stand.BINARY, "serve", "--config", home / "postwerk.toml"], home / "log").ready(port)
        try:
            status, told = ended("test-mail", "you@example.org", "--server", "127.0.0.1:%d" % port)
            self.assertEqual(status, 0, told)
            sink.arrived("you@example.org")
        finally:
            status = program.stop()
            sink.stop()
        self.assertEqual(status, 0)

    def test_check_names_every_mistake_with_line_and_remedy(self):
        home = stand.fresh("broken")
        (home / "broken.toml").write_text('[server]\nhostnam = "x"\n[queue]\nretry = ["soon"]\n[[listener]]\nbind = "127.0.0.1:2525"\n'
                                          'role = "submission"\nauth = "off"\n')
        status, text = ended("check", home / "broken.toml")
        self.assertEqual(status, 2, text)
        for part in ("broken.toml:2:", "hostname", "broken.toml:4:", "retry", "trust", "errors"):
            self.assertIn(part, text)
        status, text = ended("serve", "--config", home / "broken.toml")
        self.assertNotEqual(status, 0)
        self.assertIn("broken.toml:2:", text)


class Signals(unittest.TestCase):
    def setUp(self):
        self.sink = stand.Sink().start()
        self.addCleanup(self.sink.stop)
        self.server = stand.Postwerk("signals", self.sink.port).start()
        self.addCleanup(self.server.stop)

    def send(self, tag):
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.sendmail("a@sender.example", ["user@example.org"], stand.awkward(tag))

    def test_sigterm_ends_sessions_with_421_and_the_program_with_0(self):
        client = smtplib.SMTP("127.0.0.1", self.server.open, timeout=30)
        began = time.monotonic()
        self.server.program.process.send_signal(signal.SIGTERM)
        code, _ = client.getreply()
        self.assertEqual(code, 421)
        self.assertEqual(self.server.program.process.wait(70), 0)
        self.assertLess(time.monotonic() - began, 70)

    def test_sighup_with_a_broken_file_keeps_the_old_one_and_says_why(self):
        good = self.server.config.read_text()
        self.server.config.write_text(good + "\n[queue2]\n")
        self.server.program.process.send_signal(signal.SIGHUP)
        stand.wait_for("the reason in the log", lambda: "queue2" in self.server.log())
        self.send("afterbroken")
        self.sink.arrived("afterbroken")

    def test_sighup_with_a_new_route_brings_mail_there_and_drops_nothing(self):
        second = stand.Sink().start()
        self.addCleanup(second.stop)
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.ehlo()
            text = self.server.config.read_text().replace(":%d\"" % self.sink.port, ":%d\"" % second.port)
            self.server.config.write_text(text)
            self.server.program.process.send_signal(signal.SIGHUP)
            stand.wait_for("reload in the log", lambda: "reload" in self.server.log().lower() or "configuration" in self.server.log().lower())
            client.sendmail("a@sender.example", ["user@example.org"], stand.awkward("newroute"))
        second.arrived("newroute")

    def test_a_second_server_on_the_same_data_says_so_and_ends(self):
        other = self.server.home / "other.toml"
        text = self.server.config.read_text()
        for port in (self.server.open, self.server.login, self.server.secure, self.server.mx):
            text = text.replace(":%d\"" % port, ":%d\"" % stand.free_port())
        other.write_text(text)
        status, told = ended("serve", "--config", other)
        self.assertNotEqual(status, 0)
        self.assertRegex(told, r"(?i)another|in use|locked|already")
        self.send("stillalive")
        self.sink.arrived("stillalive")

    def test_a_taken_port_is_named_and_the_store_stays_as_it_was(self):
        other = self.server.home / "taken.toml"
        other.write_text(self.server.config.read_text().replace(str(self.server.data), str(self.server.home / "data2")))
        status, told = ended("serve", "--config", other)
        self.assertNotEqual(status, 0)
        self.assertIn(str(self.server.open), told)


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = stand.Sink().start()
        cls.server = stand.Postwerk("verbs", cls.sink.port)
        text = cls.server.config.read_text()
        cls.server.config.write_text(text.replace("[queue]", "[queue]\npaused = true"))
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.sink.stop()

    def send(self, tag, *to):
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=30) as client:
            client.ehlo()
            client.mail("a@sender.example")
            for address in to or ("user@example.org",):
                client.rcpt(address)
            code, text = client.data(stand.awkward(tag))
            self.assertEqual(code, 250)
            return stand.ID.search(text.decode()).group(0)

    def queue(self, *words, stdin=None):
        return ended("queue", *words, "--config", self.server.config, stdin=stdin)

    def rows(self, where=""):
        status, text = self.queue("list", "--json", "--where", where)
        self.assertEqual(status, 0, text)
        return [json.loads(line) for line in text.splitlines()]

    def test_hold_and_release_move_a_message_between_the_lists(self):
        ident = self.send("verbshold")
        self.assertEqual(self.queue("hold", ident)[0], 0)
        row = next(r for r in self.rows("queue:quarantine") if r["queue_id"] == ident)
        self.assertEqual((row["queue_name"], row["hold_queue"]), ("hold", "quarantine"))
        self.assertIn("operator", json.dumps(row))
        self.assertEqual(self.queue("release", ident)[0], 0)
        self.assertFalse([r for r in self.rows("queue:quarantine") if r["queue_id"] == ident])
        self.assertTrue([r for r in self.rows("queue:due") if r["queue_id"] == ident])

    def test_one_recipient_is_deleted_and_comes_back_by_undo(self):
        ident = self.send("verbsdelete", "user@example.org", "zwei@example.org")
        self.assertEqual(self.queue("delete", ident + "/zwei@example.org")[0], 0)
        told = self.queue("show", ident)[1]
        self.assertIn("zwei@example.org", told)
        self.assertEqual(self.queue("undo", ident + "/zwei@example.org")[0], 0)

    def test_unknown_ids_are_told_one_by_one_and_the_others_are_done(self):
        ident = self.send("verbsunknown")
        status, text = self.queue("hold", "0000000000000001", ident, "nonsense")
        self.assertEqual(status, 1, text)
        self.assertIn("0000000000000001", text)
        self.assertIn("nonsense", text)
        self.assertTrue([r for r in self.rows("queue:quarantine") if r["queue_id"] == ident])

    def test_ids_come_from_standard_input(self):
        idents = [self.send("verbsstdin%d" % n) for n in range(3)]
        status, text = self.queue("delete", "--now", "-", stdin="\n".join(idents) + "\n")
        self.assertEqual(status, 0, text)
        left = {r["queue_id"] for r in self.rows()}
        self.assertFalse(left & set(idents))

    def test_queries_choose_and_a_wrong_word_is_named_with_its_place(self):
        ident = self.send("verbsquery", "only@query.example")
        self.assertEqual([r["queue_id"] for r in self.rows("to:query.example")], [ident])
        self.assertNotIn(ident, [r["queue_id"] for r in self.rows("-to:query.example")])
        status, text = self.queue("list", "--where", "queue:due colour:red")
        self.assertNotEqual(status, 0)
        self.assertIn("colour", text)

    def test_without_a_server_the_exit_status_is_75(self):
        home = stand.fresh("nobody")
        (home / "data").mkdir()
        self.assertEqual(ended("queue", "list", "--data", home / "data")[0], 75)


class Accounts(unittest.TestCase):
    def test_accounts_are_made_used_and_removed_with_and_without_a_server(self):
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("accounts", sink.port)
        (server.home / "secret").write_text("battery staple\n")

        def account(*words):
            return ended("account", *words, "--config", server.config)

        def login(password):
            with smtplib.SMTP_SSL("127.0.0.1", server.secure, timeout=30, context=blind()) as client:
                client.login("robot", password)
        self.assertEqual(account("add", "robot", "--password-file", server.home / "secret")[0], 0)
        server.start()
        self.addCleanup(server.stop)
        login("battery staple")
        status, text = account("list")
        self.assertEqual(status, 0, text)
        self.assertIn("robot", text)
        self.assertIn("app1", text)
        self.assertNotIn("battery", text)
        (server.home / "secret").write_text("another one\n")
        self.assertEqual(account("passwd", "robot", "--password-file", server.home / "secret")[0], 0)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            login("battery staple")
        login("another one")
        self.assertNotEqual(account("passwd", "app1", "--password-file", server.home / "secret")[0], 0, "file accounts are read-only")
        self.assertEqual(account("remove", "robot")[0], 0)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            login("another one")
        self.assertNotIn("another one", server.log())


def blind():
    import ssl
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    os.umask(0o022)
    shutil.rmtree(stand.PEERS / "operate", ignore_errors=True)
    unittest.main(verbosity=2)
