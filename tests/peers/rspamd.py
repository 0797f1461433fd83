"""Debian's rspamd behind our server: GTUBE and own symbols, fields on top, reports that it learns from.
Run by tests/run.sh: python3 -m unittest -v rspamd

rspamd runs from target/peers with a configuration of its own: no network, no Redis, one symbol of ours, Bayes in SQLite.
"""
import email
import email.policy
import re
import smtplib
import unittest
import urllib.request

import inbox
import stand

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

CONF = """
options {{
  pidfile = "{home}/rspamd.pid"; filters = "regexp"; cache_file = "{home}/symbols.cache";
  history_file = "{home}/history"; dynamic_conf = "{home}/dynamic"; url_tld = "{home}/tld";
  control_socket = "{home}/control.sock mode=0600"; tempdir = "{home}"; hs_cache_dir = "{home}";
  dns {{ timeout = 100ms; retransmits = 1; nameserver = ["127.0.0.1:9"]; }}
}}
logging {{ type = "file"; filename = "{home}/rspamd.log"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "controller" {{ bind_socket = "127.0.0.1:{learn}"; count = 1; password = "one-to-read"; enable_password = "one-to-learn"; secure_ip = []; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
classifier "bayes" {{
  tokenizer {{ name = "osb"; }}
  min_tokens = 5; min_learns = 100; backend = "sqlite3";
  cache {{ type = "sqlite3"; path = "{home}/learned.sqlite"; }}
  statfile {{ symbol = "BAYES_HAM"; spam = false; path = "{home}/ham.sqlite"; }}
  statfile {{ symbol = "BAYES_SPAM"; spam = true; path = "{home}/spam.sqlite"; }}
}}
lua = "{home}/own.lua";
"""

LUA = """
rspamd_config:register_symbol{ name = 'OWN_OFFER', type = 'normal', callback = function(task)
  if (task:get_subject() or ''):find('Offer') then return true, 1.0, 'one' end
end }
rspamd_config:set_metric_symbol{ name = 'OWN_OFFER', score = 7.5, description = 'An offer nobody asked for', group = 'own' }
"""

WORDS = "many words about gardens and flowers in spring and summer for everybody who likes them"

SCANNER = """
[[scanner]]
name = "spam"
kind = "rspamd"
address = "http://127.0.0.1:{port}"
learn = "http://127.0.0.1:{learn}"
password = "file:{secret}"
{more}

[admin]
bind = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}/"

[digest]
to = ["chef@example.org"]
lang = "en"
"""


class Rspamd:
    def __init__(self, name):
        self.home = stand.fresh(name)
        self.port, self.learn = stand.free_port(), stand.free_port()
        (self.home / "tld").write_text("com\norg\nexample\n")
        (self.home / "own.lua").write_text(LUA)
        (self.home / "rspamd.conf").write_text(CONF.format(home=self.home, port=self.port, learn=self.learn))
        self.program = None

    def start(self):
        command = ["rspamd", "-f", "-i", "-c", self.home / "rspamd.conf"]
        self.program = stand.Program(command, self.home / "out.log")

        def up():
            for port in (self.port, self.learn):
                try:
                    urllib.request.urlopen("http://127.0.0.1:%d/ping" % port, timeout=2).read()
                except OSError:
                    return False
            return True
        stand.wait_for("rspamd: " + stand.tail(self.home / "rspamd.log"), up, 60, 0.2)
        return self


class Behind(unittest.TestCase):
    def begin(self, more=""):
        name = self.id().rsplit(".", 1)[-1][5:35]
        self.rspamd = Rspamd(name + "-rspamd").start()
        self.addCleanup(self.rspamd.program.stop)
        self.sink = stand.Sink().start()
        self.addCleanup(self.sink.stop)
        self.web = stand.free_port()
        secret = self.rspamd.home / "secret"
        secret.write_text("one-to-learn\n")
        secret.chmod(0o600)
        extra = SCANNER.format(port=self.rspamd.port, learn=self.rspamd.learn, secret=secret, more=more, web=self.web)
        self.server = stand.Postwerk(name, self.sink.port, extra).start()
        self.addCleanup(self.server.stop)

    def send(self, subject, text, fields=""):
        with smtplib.SMTP("127.0.0.1", self.server.mx, timeout=30) as smtp:
            mail = "From: a@b.example\r\nTo: c@example.org\r\nMessage-ID: <%s@b.example>\r\n%sSubject: %s\r\n\r\n%s\r\n" % (
                abs(hash((subject, text))), fields, subject, text)
            smtp.ehlo("client.example")
            smtp.mail("a@b.example")
            smtp.rcpt("c@example.org")
            code, said = smtp.data(mail)
            self.assertEqual(code, 250, said)
            return stand.ID.search(said.decode()).group(0)

    def page(self, path, who=None):
        url = "http://127.0.0.1:%d%s" % (self.web, path)
        status, _, text = (who or inbox.Browser("en")).ask(url)
        self.assertEqual(status, 200, text)
        return url, text

    def metrics(self):
        """Of the control socket, where they need no token."""
        client = stand.Control(self.server.data / "control.sock")
        client.request("GET", "/metrics")
        return client.getresponse().read().decode()

    def log_in(self):
        person = inbox.Browser("en")
        url = re.search(r"https?://\S+/login/\S+", self.server.cli("admin", "login-link")).group(0)
        status, _, page = person.ask(url)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(url, page)
        self.assertEqual(status, 200, page)
        return person

    def test_gtube_is_held(self):
        self.begin()
        ident = self.send("hello", GTUBE)
        shown = self.server.show(ident)
        for part in ("held in quarantine", "reason spam", "GTUBE"):
            self.assertIn(part, shown)

    def test_an_own_symbol_marks_a_mail_and_forged_marks_go(self):
        self.begin()
        forged = "X-Spam-Flag: NO\r\nAuthentication-Results: (x) mail.postwerk.example; dmarc=pass\r\nX-Own: stays\r\n"
        self.send("Offer", "hello", forged)
        mail = self.sink.arrived("X-Own")["raw"].decode()
        self.assertIn("X-Spam-Flag: YES\r\n", mail)
        self.assertIn("OWN_OFFER=7.50", mail)
        self.assertIn("X-Own: stays\r\n", mail)
        self.assertNotIn("X-Spam-Flag: NO", mail)
        self.assertNotIn("dmarc=pass", mail)

    def test_a_limit_of_our_own_names_the_symbol_and_a_report_is_learned_once(self):
        self.begin("limit = 7.0")
        ident = self.send("Offer", WORDS)
        shown = self.server.show(ident)
        for part in ("held in quarantine", "OWN_OFFER (An offer nobody asked for)", "check: spam: 7.5 of 7.0 points"):
            self.assertIn(part, shown)
        self.assertIn("learned", self.server.cli("queue", "report", ident, "--ham"))
        self.assertIn("learned before", self.server.cli("queue", "report", ident, "--ham"))
        self.assertIn("report ham: spam: learned", self.server.show(ident))
        self.assertIn('postwerk_scan_learned_total{scanner="spam",class="ham"} 1', self.metrics())

    def test_spam_is_reported_by_a_button_and_at_the_command_line(self):
        self.begin("limit = 7.0")
        ident = self.send("Offer", WORDS)
        person = self.log_in()
        _, page = self.page("/holds", person)
        hold = re.search(r'name="id" value="([0-9A-Fa-f]+)"', page).group(1)
        url, page = self.page("/holds/" + hold, person)
        self.assertIn("Check: spam: 7.5 of 7.0 points", page)
        status, _, page = person.press(url, page, "spam")
        self.assertEqual(status, 200, page)
        self.assertIn("The spam filter has learned from it", page)
        self.assertIn("Reported as spam", page)
        self.assertIn("learned before", self.server.cli("queue", "report", ident, "--spam"))
        # Of the two classes it learns the one that was said last.
        self.assertIn("learned", self.server.cli("queue", "report", ident, "--ham"))
        metrics = self.metrics()
        self.assertIn('postwerk_scan_learned_total{scanner="spam",class="spam"} 1', metrics)

    def test_a_digest_says_why_and_its_link_asks_for_a_login(self):
        self.begin("limit = 7.0")
        self.send("Offer", WORDS)
        self.server.cli("digest", "send")
        raw = self.sink.arrived("List-Id:")["raw"]
        text = inbox.text_of(email.message_from_bytes(raw, policy=email.policy.default))
        self.assertIn("Spam score 7.5 (limit 7.0)", text)
        [link] = inbox.links(text, "Release:")
        status, _, page = inbox.Browser("en").ask(link)
        self.assertEqual(status, 200, page)
        self.assertIn("postwerk admin login-link", page)
        self.assertNotIn('value="release"', page)
        person = self.log_in()
        status, _, page = person.ask(link)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(link, page, "release")
        self.assertEqual(status, 200, page)
        self.sink.arrived("gardens and flowers", 30)


if __name__ == "__main__":
    unittest.main()
