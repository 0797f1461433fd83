"""Debian's rspamd behind our server: GTUBE and own symbols, fields on top, reports that it learns from.
Run by tests/run.sh: python3 -m unittest -v rspamd

rspamd runs from target/peers with a configuration of its own: no network, no Redis, one symbol of ours, Bayes in SQLite.
"""
import smtplib
import unittest
import urllib.request

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

SCANNER = """
[[scanner]]
name = "spam"
kind = "rspamd"
address = "http://127.0.0.1:{port}"
learn = "http://127.0.0.1:{learn}"
password = "file:{secret}"
{more}
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
        secret = self.rspamd.home / "secret"
        secret.write_text("one-to-learn\n")
        secret.chmod(0o600)
        extra = SCANNER.format(port=self.rspamd.port, learn=self.rspamd.learn, secret=secret, more=more)
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
        ident = self.send("Offer", "many words about gardens and flowers in spring and summer for everybody who likes them")
        shown = self.server.show(ident)
        for part in ("held in quarantine", "OWN_OFFER (An offer nobody asked for)"):
            self.assertIn(part, shown)
        self.assertIn("learned", self.server.cli("queue", "report", ident, "--ham"))
        self.assertIn("learned before", self.server.cli("queue", "report", ident, "--ham"))
        self.assertIn("report ham: spam: learned", self.server.show(ident))


if __name__ == "__main__":
    unittest.main()
