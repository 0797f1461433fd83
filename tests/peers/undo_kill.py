"""kill -9 inside the undo window: what was released goes out exactly once, what was taken back in time stays held.

A mail is released by its link in a digest, another by `queue release --undo`; the server dies before the window ends
and starts again, at times only after it. POSTWERK_ROUNDS makes it longer.
Run by tests/run.sh: python3 -m unittest -v undo_kill
"""
import email
import email.policy
import json
import os
import random
import smtplib
import time
import unittest

import inbox
import stand

CONF = """
[admin]
bind = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}/"

[digest]
to = ["boss@admin.example"]
owners = false
lang = "de"

[hold]
undo = "{undo}s"

[[hold_rule]]
match = {{ recipient = "held@example.org" }}
reason = "to be looked at"
"""


class House:
    """A server that holds what goes to held@example.org, and the next hop behind it."""

    def __init__(self, name, undo):
        self.undo = undo
        self.sink = stand.Sink().start()
        self.server = stand.Postwerk(name, self.sink.port, extra=CONF.format(web=stand.free_port(), undo=undo))

    def stop(self):
        self.server.stop()
        self.sink.stop()

    def hold(self, tag):
        """Its queue id."""
        mail = "From: <a@sender.example>\r\nTo: <held@example.org>\r\nSubject: %s\r\nX-Tag: %s.\r\n\r\nx\r\n" % (tag, tag)
        with smtplib.SMTP("127.0.0.1", self.server.open, timeout=20) as client:
            client.ehlo()
            client.mail("a@sender.example")
            client.rcpt("held@example.org")
            code, said = client.data(mail.encode())
        assert code == 250, said
        return stand.ID.search(said.decode()).group(0)

    def delivered(self, tag):
        needle = ("X-Tag: %s.\r\n" % tag).encode()
        return sum(needle in mail["raw"] for mail in list(self.sink.mails))

    def held(self):
        """The queue ids of what is held now."""
        rows = [json.loads(line) for line in self.server.cli("queue", "list", "--json").splitlines() if line.strip()]
        return {row["queue_id"] for row in rows if any(to["status"] == "held" for to in row["recipients"])}

    def link_of(self, tag):
        """The link that releases it, out of a digest that is asked for now."""
        def found():
            seen = len(self.sink.mails)
            self.server.cli("digest", "send", "--to", "boss@admin.example")
            stand.wait_for("a digest", lambda: len(self.sink.mails) > seen, 20)
            for kept in list(self.sink.mails)[seen:]:
                text = inbox.text_of(email.message_from_bytes(kept["raw"], policy=email.policy.default))
                if tag in text:
                    return inbox.links(text[text.index(tag):], "Freigeben:")[0]
            return None
        return stand.wait_for("a digest that lists %s" % tag, found, 20, 0.2)

    def release(self, tag, ident, way):
        """Begins the window; when it began."""
        if way == "link":
            link, person = self.link_of(tag), inbox.Browser()
            status, _, page = person.ask(link)
            assert status == 200, page
            start = time.monotonic()
            status, _, page = person.press(link, page, "release")
            assert status == 200, page
        else:
            start = time.monotonic()
            self.server.cli("queue", "release", "--undo", ident)
        return start


class UndoKill(unittest.TestCase):
    def house(self, name, undo):
        house = House(name, undo)
        self.addCleanup(house.stop)
        return house

    def setUp(self):
        self.rounds = int(os.environ.get("POSTWERK_ROUNDS", "4"))
        seed = random.randrange(1 << 30)
        print("seed", seed)
        self.rng = random.Random(seed)

    def test_what_was_released_goes_out_once_though_the_server_died_in_the_window(self):
        house = self.house("undo-kill", 5)
        house.server.start()
        for round_ in range(self.rounds):
            way, tag = ("link", "cli")[round_ % 2], "out-of-here-%d" % round_
            ident = house.hold(tag)
            began = house.release(tag, ident, way)
            time.sleep(self.rng.uniform(0, 2))
            house.server.program.kill()
            if time.monotonic() - began < house.undo:
                self.assertEqual(house.delivered(tag), 0, "before the window ends nothing leaves")
            # Every other start comes when the window has long ended.
            time.sleep(self.rng.uniform(0, 1) if round_ % 4 < 2 else house.undo)
            house.server.start()
            stand.wait_for("%s, released by %s" % (tag, way), lambda tag=tag: house.delivered(tag), 40)
            self.assertEqual(house.held(), set())
        house.server.stop()
        house.server.start()
        # One that is sent behind them shows that nothing else was under way.
        house.server.cli("queue", "release", house.hold("last"))
        stand.wait_for("the last one", lambda: house.delivered("last"), 20)
        self.assertEqual([house.delivered("out-of-here-%d" % n) for n in range(self.rounds)], [1] * self.rounds)

    def test_what_is_taken_back_after_the_kill_stays_held(self):
        house = self.house("undo-kill-back", 60)
        house.server.start()
        kept = set()
        for round_ in range(self.rounds):
            way, tag = ("link", "cli")[round_ % 2], "taken-back-%d" % round_
            ident = house.hold(tag)
            house.release(tag, ident, way)
            time.sleep(self.rng.uniform(0, 0.5))
            house.server.program.kill()
            house.server.start()
            house.server.cli("queue", "undo", ident)
            kept.add(ident)
            self.assertEqual(house.held(), kept, way)
            house.server.program.kill()
            house.server.start()
            self.assertEqual(house.held(), kept, "and after another kill")
        house.server.cli("queue", "release", house.hold("last"))
        stand.wait_for("the last one", lambda: house.delivered("last"), 20)
        self.assertEqual([house.delivered("taken-back-%d" % n) for n in range(self.rounds)], [0] * self.rounds)
        # Decided anew, at once, each goes out once.
        house.server.cli("queue", "release", *sorted(kept))
        stand.wait_for("all of them", lambda: all(house.delivered("taken-back-%d" % n) for n in range(self.rounds)), 40)
        self.assertEqual([house.delivered("taken-back-%d" % n) for n in range(self.rounds)], [1] * self.rounds)


if __name__ == "__main__":
    unittest.main(verbosity=2)
