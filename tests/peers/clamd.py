"""Debian's clamd behind our server: what it finds, and what becomes of mails while it is killed or stands still.
Run by tests/run.sh: python3 -m unittest -v clamd

clamd runs from target/peers with a configuration and two signatures of its own (EICAR's text and one of ours); nothing
is downloaded. Not here: clamds that lie or talk nonsense (tests/it/scan).
"""
import collections
import email
import email.message
import email.policy
import io
import json
import re
import signal
import smtplib
import socket
import threading
import unittest
import zipfile
from pathlib import Path

import inbox
import stand

# In pieces, so that no scanner reports this file.
EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*").encode()
OWN = b"POSTWERK-OWN-" + b"TEST-PATTERN-7d1f"

CONF = """
Foreground yes
User {user}
DatabaseDirectory {home}/db
TemporaryDirectory {home}
LogFile {home}/clamd.log
LogTime yes
LocalSocket {home}/ctl
FixStaleSocket yes
TCPSocket {port}
TCPAddr 127.0.0.1
ScanArchive yes
MaxThreads 4
"""

# Digests come when they are asked for; what is found is let go by who is logged in.
EXTRA = """
[admin]
bind = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}/"

[digest]
to = ["boss@admin.example"]
owners = false
lang = "de"

[[scanner]]
name = "clam"
kind = "clamd"
address = "{address}"
{more}
"""

# The server asks a scanner that is back every 10 s, and a mail that failed waits 10 s, then 20 s; machines are slow.
BACK = 180


class Clamd:
    def __init__(self, name):
        self.home = stand.fresh(name)
        self.port = stand.free_port()
        (self.home / "db").mkdir()
        signatures = [b"Eicar-Test-Signature:0:*:" + EICAR[28:].hex().encode(), b"Own-Pattern:0:*:" + OWN.hex().encode()]
        (self.home / "db" / "own.ndb").write_bytes(b"\n".join(signatures) + b"\n")
        user = stand.run(["id", "-un"]).strip()
        (self.home / "clamd.conf").write_text(CONF.format(home=self.home, port=self.port, user=user))
        self.program = None

    def start(self):
        command = ["/usr/sbin/clamd", "-c", self.home / "clamd.conf"]
        self.program = stand.Program(command, self.home / "out.log")

        def up():
            said = self.program.process.poll()
            assert said is None, "clamd ended with %s:\n%s" % (said, stand.tail(self.program.log))
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                    s.settimeout(5)
                    s.sendall(b"zPING\0")
                    return s.recv(16) == b"PONG\0"
            except OSError:
                return False
        stand.wait_for("clamd", up, 60, 0.1)
        return self

    def stop(self):
        # One that stands still hears no SIGTERM.
        if self.program.process.poll() is None:
            self.program.process.send_signal(signal.SIGCONT)
        self.program.stop()

    def address(self, kind):
        return "unix:%s/ctl" % self.home if kind == "unix" else "127.0.0.1:%d" % self.port


def letter(tag, content=None, name="invoice.txt"):
    """A mail, and what it has attached."""
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = "a@sender.example", "user@example.org", tag
    mail["Date"], mail["Message-ID"] = "Sat, 21 Nov 2026 20:00:00 +0000", "<%s@sender.example>" % tag
    mail["X-Tag"] = tag
    mail.set_content("See the attachment.\n")
    if content is not None:
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def zipped(name, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, content)
    return packed.getvalue()


class Behind(unittest.TestCase):
    def begin(self, kind="unix", more=""):
        name = self.id().rsplit(".", 1)[-1][5:30]
        self.clamd = Clamd(name + "-clam").start()
        self.addCleanup(self.clamd.stop)
        self.sink = stand.Sink().start()
        self.addCleanup(self.sink.stop)
        self.web = stand.free_port()
        extra = EXTRA.format(web=self.web, address=self.clamd.address(kind), more=more)
        self.server = stand.Postwerk(name, self.sink.port, extra).start()
        self.addCleanup(self.server.stop)

    def connect(self, secs=60):
        smtp = smtplib.SMTP("127.0.0.1", self.server.mx, timeout=secs)
        smtp.ehlo("client.example")
        return smtp

    def send(self, raw, smtp=None):
        """Its queue id; anything but 250 is an error."""
        if smtp is None:
            with self.connect() as own:
                return self.send(raw, own)
        self.assertEqual(smtp.mail("a@sender.example")[0], 250)
        self.assertEqual(smtp.rcpt("user@example.org")[0], 250)
        code, said = smtp.data(raw)
        self.assertEqual(code, 250, said)
        return stand.ID.search(said.decode()).group(0)

    def places(self):
        """Queue id -> (hold queue, reason) of all that is still in the queue; (None, None) when it is not held."""
        rows = self.server.cli("queue", "list", "--json", "--limit", "1000").splitlines()
        found = {}
        for row in map(json.loads, filter(str.strip, rows)):
            for to in row["recipients"]:
                if to["status"] == "held":
                    found[row["queue_id"]] = (to.get("hold_queue"), to.get("reason"))
                else:
                    found.setdefault(row["queue_id"], (None, None))
        return found

    def arrived(self):
        """Tag -> how often it came to the next hop."""
        tags = (re.search(rb"(?m)^X-Tag: (\S+)", mail["raw"]) for mail in list(self.sink.mails))
        return collections.Counter(tag.group(1).decode() for tag in tags if tag)

    def waits(self, what, ready, secs=40):
        try:
            return stand.wait_for(what, ready, secs, 0.5)
        except AssertionError as error:
            raise AssertionError("%s\n%s\n%s" % (error, self.places(), stand.tail(self.server.home / "serve.log", 40))) from None

    def found(self, ident, name):
        shown = self.server.show(ident)
        for part in ("held in quarantine", "reason virus", name):
            self.assertIn(part, shown)


class Found(Behind):
    def test_what_is_attached_packed_or_plain_is_found_and_clean_mail_goes_on(self):
        self.begin()
        twice = zipped("inner.zip", zipped("readme.txt", EICAR))
        self.found(self.send(letter("attached", EICAR)), "Eicar-Test-Signature")
        self.found(self.send(letter("zipped", twice, "papers.zip")), "Eicar-Test-Signature")
        self.found(self.send(letter("own", b"x" * 100_000 + OWN)), "Own-Pattern")
        self.send(letter("clean", zipped("inner.zip", zipped("readme.txt", b"hello")), "papers.zip"))
        self.sink.arrived("X-Tag: clean")
        self.assertEqual(self.arrived(), {"clean": 1})

    def test_chunks_that_cut_the_signature_hide_nothing(self):
        self.begin("tcp")
        raw = letter("plain") + OWN + b"\r\n"
        with socket.create_connection(("127.0.0.1", self.server.mx), 30) as s, s.makefile("rwb") as wire:
            def reply():
                line = wire.readline()
                while line[3:4] == b"-":
                    line = wire.readline()
                return line

            def say(octets):
                wire.write(octets)
                wire.flush()
                return reply()
            reply()
            for line in (b"EHLO client.example\r\n", b"MAIL FROM:<a@sender.example>\r\n", b"RCPT TO:<user@example.org>\r\n"):
                self.assertTrue(say(line).startswith(b"250"))
            cut = raw.index(OWN) + len(OWN) // 2
            for part in (raw[:100], raw[100:cut], raw[cut:cut + 1], raw[cut + 1:]):
                self.assertTrue(say(b"BDAT %d\r\n" % len(part) + part).startswith(b"250"))
            last = say(b"BDAT 0 LAST\r\n")
        self.assertTrue(last.startswith(b"250"), last)
        self.found(stand.ID.search(last.decode()).group(0), "Own-Pattern")

    def test_many_mails_share_a_connection_and_each_has_its_own_answer(self):
        self.begin("tcp")

        def kept():
            """Connections to clamd that stand (state 01)."""
            rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return sum(row[3] == "01" and int(row[2].rpartition(":")[2], 16) == self.clamd.port for row in rows)
        infected, clean = [], set()
        with self.connect() as smtp:
            for n in range(120):
                if n % 10 == 9:
                    infected.append(self.send(letter("many-%d" % n, OWN), smtp))
                else:
                    clean.add("many-%d" % n)
                    self.send(letter("many-%d" % n), smtp)
            # Only one who speaks like this keeps one when no mail is on its way.
            self.assertEqual(kept(), 1)
        for ident in infected:
            self.found(ident, "Own-Pattern")
        self.waits("all that is clean", lambda: clean <= set(self.arrived()))
        self.assertEqual(set(self.arrived()), clean)
        stand.wait_for("its end", lambda: kept() == 0, 30)
        self.found(self.send(letter("later", OWN)), "Own-Pattern")

    def test_a_mail_above_its_own_limit_is_never_taken_for_clean(self):
        self.begin()
        conf = self.clamd.home / "clamd.conf"
        conf.write_text(conf.read_text() + "StreamMaxLength 1M\n")
        self.clamd.stop()
        self.clamd.start()
        shown = self.server.show(self.send(letter("large", b"0123456789abcdef" * 200_000)))
        for part in ("held in bad", "StreamMaxLength"):
            self.assertIn(part, shown)
        self.send(letter("small", b"0123456789abcdef"))
        self.sink.arrived("X-Tag: small")


class Circle(Behind):
    def link_of(self, tag):
        """The link that releases it, out of a digest that is asked for now."""
        seen = len(self.sink.mails)
        self.server.cli("digest", "send", "--to", "boss@admin.example")

        def told():
            for kept in list(self.sink.mails)[seen:]:
                mail = email.message_from_bytes(kept["raw"], policy=email.policy.default)
                text = inbox.text_of(mail) if mail["List-Id"] else ""
                if tag in text:
                    self.assertIn("Own-Pattern", text)
                    return inbox.links(text[text.index(tag):], "Freigeben:")[0]
            return None
        return self.waits("a digest that lists %s" % tag, told)

    def held_id(self, browser):
        _, _, page = browser.ask("http://127.0.0.1:%d/holds" % self.web)
        return re.findall(r'name="id" value="([0-9A-Fa-f]+)"', page)

    def test_a_requeue_holds_again_and_a_release_takes_a_login_and_is_recorded(self):
        self.begin()
        ident = self.send(letter("infected", OWN))
        virus = {ident: ("quarantine", "virus")}
        link = self.link_of("infected")
        status, _, page = inbox.Browser().ask(link)
        self.assertIn(status, (200, 401, 403), page)
        self.assertIn("postwerk admin login-link", page)
        self.assertNotIn('value="release"', page)
        person = self.log_in()
        first = self.held_id(person)
        self.server.cli("queue", "requeue", ident)
        self.waits("another hold", lambda: self.places() == virus and self.held_id(person) != first)
        self.assertEqual(self.arrived(), {})
        link = self.link_of("infected")
        status, _, page = person.ask(link)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(link, page, "release")
        self.assertEqual(status, 200, page)
        self.sink.arrived("X-Tag: infected")
        self.assertEqual(self.arrived(), {"infected": 1})
        self.assertIn("released without being checked; skipped: ", self.server.show(ident))

    def log_in(self):
        person = inbox.Browser()
        url = re.search(r"https?://\S+/login/\S+", self.server.cli("admin", "login-link")).group(0)
        status, _, page = person.ask(url)
        self.assertEqual(status, 200, page)
        status, _, page = person.press(url, page)
        self.assertEqual(status, 200, page)
        return person


class Down(Behind):
    CLIENTS, EACH = 8, 25

    def crowd(self, at):
        """200 mails from 8 connections, every 5th infected; `at` is called when a third is answered."""
        answered, lock, errors = {}, threading.Lock(), []
        third = threading.Event()

        def client(number):
            try:
                with self.connect() as smtp:
                    for n in range(self.EACH):
                        infected = n % 5 == 4
                        tag = "%s-%d-%d" % ("infected" if infected else "clean", number, n)
                        ident = self.send(letter(tag, (OWN if infected else b"") + b"0123456789\n" * 3_000), smtp)
                        with lock:
                            answered[tag] = ident
                            if len(answered) >= self.CLIENTS * self.EACH // 3:
                                third.set()
            except Exception as error:  # pylint: disable=broad-except
                errors.append("%d: %r" % (number, error))
                third.set()
        threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        self.assertTrue(third.wait(120))
        at()
        for thread in threads:
            thread.join(120)
        self.assertEqual(errors, [])
        return answered

    def test_no_mail_is_lost_or_unseen_when_it_is_killed_under_load(self):
        self.begin()
        answered = self.crowd(self.clamd.program.kill)
        self.assertEqual(len(answered), self.CLIENTS * self.EACH)
        clean = {tag for tag in answered if tag.startswith("clean")}

        def settled():
            places, there = self.places(), self.arrived()
            kept = {tag for tag, ident in answered.items() if places.get(ident, (None,))[0]}
            return (places, kept) if clean - kept <= set(there) else None
        places, kept = self.waits("all that is not held", settled, 60)
        self.assertEqual({tag for tag in answered if tag not in kept and tag not in clean}, set(), "infected and not held")
        waiting = [ident for ident, place in places.items() if place == ("bad", "scanner")]
        self.assertGreater(len(waiting), 50)
        print("%d delivered, %d in bad, %d in quarantine" % (
            len(self.arrived()), len(waiting), sum(place == ("quarantine", "virus") for place in places.values())))
        # One line for the outage, not one a mail.
        self.assertEqual(self.server.log().count("the scanner fails; it is left alone"), 1)
        self.clamd.start()
        self.waits("an empty `bad`", lambda: all(place[0] != "bad" for place in self.places().values()), BACK)
        self.waits("all clean mails", lambda: clean <= set(self.arrived()), BACK)
        infected = {ident: ("quarantine", "virus") for tag, ident in answered.items() if tag not in clean}
        self.waits("nothing but infected mail", lambda: self.places() == infected)
        self.send(letter("last"))
        self.sink.arrived("X-Tag: last")
        self.assertEqual(self.arrived(), dict.fromkeys([*clean, "last"], 1))

    def test_one_that_takes_connections_and_is_silent_holds_mail_until_it_goes_on(self):
        self.begin("tcp", 'timeout = "2s"')
        self.send(letter("before"))
        self.sink.arrived("X-Tag: before")
        self.clamd.program.process.send_signal(signal.SIGSTOP)
        idents = [self.send(letter("silent-%d" % n, OWN if n == 4 else None)) for n in range(5)]
        self.assertEqual(self.places(), dict.fromkeys(idents, ("bad", "scanner")))
        self.assertIn("no answer within 2s", self.server.show(idents[0]))
        self.assertIn("left alone", self.server.show(idents[4]))
        self.clamd.program.process.send_signal(signal.SIGCONT)
        self.waits("what is held for good", lambda: self.places() == {idents[4]: ("quarantine", "virus")}, BACK)
        wanted = dict.fromkeys(["before", "silent-0", "silent-1", "silent-2", "silent-3"], 1)
        self.waits("all clean mails", lambda: self.arrived() == wanted)


if __name__ == "__main__":
    unittest.main(verbosity=2)
