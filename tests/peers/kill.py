"""kill -9 under load: what was answered with 250 arrives, and its bytes are whole. Three rounds on the same data.

What arrives twice has been marked: its history says so. A double without a mark fails.

POSTWERK_ROUNDS makes it longer. Run by tests/run.sh: python3 -m unittest -v kill
"""
import collections
import hashlib
import os
import random
import re
import smtplib
import threading
import time
import unittest

import stand


def letter(ident, rng):
    text = "".join("%s\r\n" % "".join(rng.choices("abcdefghij .", k=70)) for _ in range(rng.randint(1, 300)))
    told = hashlib.sha256(text.encode()).hexdigest()
    return ("From: <a@sender.example>\r\nTo: <user@example.org>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\n"
            "Message-ID: <%s@sender.example>\r\nX-Id: %s\r\nX-Hash: %s\r\n\r\n%s" % (ident, ident, told, text)).encode()


class Kill(unittest.TestCase):
    def load(self, server, stop, acknowledged, number, seed):
        rng = random.Random(seed)
        while not stop.is_set():
            with self.lock:
                ident = "k%06d" % next(number)
            try:
                with smtplib.SMTP("127.0.0.1", server.open, timeout=10) as client:
                    client.sendmail("a@sender.example", ["user@example.org"], letter(ident, rng))
                    with self.lock:
                        acknowledged.add(ident)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def test_what_was_acknowledged_before_a_kill_arrives_whole(self):
        rounds = int(os.environ.get("POSTWERK_ROUNDS", "3"))
        seed = random.randrange(1 << 30)
        print("seed", seed)
        rng = random.Random(seed)
        self.lock = threading.Lock()
        acknowledged, number = set(), iter(range(1, 1_000_000))
        sink = stand.Sink(answer=lambda verb, _line, _n: "451 4.3.0 later" if verb == "DOT" and rng.random() < 0.1 else None).start()
        server = stand.Postwerk("kill", sink.port)
        for round_ in range(rounds):
            server.start()
            stop = threading.Event()
            threads = [threading.Thread(target=self.load, args=(server, stop, acknowledged, number, seed + round_ * 10 + n),
                                        daemon=True) for n in range(4)]
            for t in threads:
                t.start()
            time.sleep(rng.uniform(0.5, 3.0))
            server.program.kill()
            stop.set()
            for t in threads:
                t.join(30)
        server.start()
        arrived, queue_ids = collections.Counter(), collections.defaultdict(set)

        def all_there():
            arrived.clear()
            for mail in list(sink.mails):
                header, _, text = mail["raw"].partition(b"\r\n\r\n")
                told = dict(line.split(b": ", 1) for line in header.split(b"\r\n") if line.startswith(b"X-"))
                self.assertEqual(hashlib.sha256(text).hexdigest().encode(), told[b"X-Hash"], told[b"X-Id"])
                ident = told[b"X-Id"].decode()
                arrived[ident] += 1
                queue_ids[ident].add(re.search(rb"\bid ([0-9A-F]{16})\b", header).group(1).decode())
            return acknowledged <= set(arrived)
        try:
            stand.wait_for("all acknowledged mails", all_there, 120, 1)
        except AssertionError:
            lost = sorted(acknowledged - set(arrived))
            self.fail("seed %d: acknowledged %d, lost %d: %s" % (seed, len(acknowledged), len(lost), lost[:10]))
        else:
            # What is in doubt goes out once more; all of it must have come before the doubles are counted.
            stand.wait_for("an empty queue", lambda: "nothing in the queue" in server.cli("queue", "list"), 120, 1)
            all_there()
            double = [ident for ident, n in arrived.items() if n > 1]
            for ident in double:
                (queue_id,) = queue_ids[ident]
                self.assertIn("may have arrived", server.show(queue_id), "seed %d: %s arrived twice" % (seed, ident))
        finally:
            server.stop()
            sink.stop()
        self.assertGreater(len(acknowledged), 10 * rounds, "the load was too thin to prove anything")
        print("acknowledged %d, lost 0, arrived twice %d, all marked" % (len(acknowledged), len(double)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
