"""One verb on all that a query means, while the server is killed, its disk fills, and other people decide as well.

POSTWERK_HELD says how many mails are held for the kills (3,000). The full disk needs root for a tmpfs; without it that
one is skipped. Run by tests/run.sh: python3 -m unittest -v bulk
"""
import collections
import concurrent.futures
import json
import os
import re
import signal
import smtplib
import subprocess
import threading
import time
import unittest
import urllib.parse

import stand

RULE = """
[[hold_rule]]
name = "everything"
reason = "to be looked at"
match = { domain = "example.org" }
"""
QUERY = "queue:quarantine reason:rule"
LOADERS = 8


def letter(tag, to):
    return ("From: <a@sender.example>\r\nTo: <%s>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\nSubject: bulk %s\r\n"
            "Message-ID: <%s@sender.example>\r\nX-Tag: %s\r\n\r\n%s\r\n" % (to, tag, tag, tag, "x" * 70)).encode()


def ended(server, *words, secs=120):
    """Exit status and output of our program."""
    done = subprocess.run([str(stand.BINARY), *words, "--config", str(server.config)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=secs, check=False, text=True)
    return done.returncode, done.stdout


class Bulk(unittest.TestCase):
    def serve(self, server):
        server.start()
        self.addCleanup(server.stop)
        return server

    def ask(self, server, path, order=None):
        client = stand.Control(server.data / "control.sock")
        try:
            body = json.dumps(order) if order is not None else None
            client.request("POST" if order is not None else "GET", path, body, {"Content-Type": "application/json"})
            answer = client.getresponse()
            text = answer.read().decode()
            return answer.status, text
        finally:
            client.close()

    def asked(self, server, path, order=None):
        status, text = self.ask(server, path, order)
        self.assertIn(status, (200, 202), text)
        return json.loads(text)

    def load(self, server, count):
        """Holds so many mails; tag -> queue id."""
        ids, lock, numbers = {}, threading.Lock(), iter(range(count))

        def loader(_):
            with smtplib.SMTP("127.0.0.1", server.open, timeout=60) as client:
                client.ehlo()
                while True:
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return
                    tag = "t%06d" % number
                    to = "%s@example.org" % tag
                    client.mail("a@sender.example")
                    client.rcpt(to)
                    code, text = client.data(letter(tag, to))
                    self.assertEqual(code, 250, text)
                    with lock:
                        ids[tag] = stand.ID.search(text.decode()).group()
        with concurrent.futures.ThreadPoolExecutor(LOADERS) as pool:
            list(pool.map(loader, range(LOADERS)))
        return ids

    def begin(self, server, verb="release"):
        """As a careful caller does: it says how many it was told, and looks again when those have changed."""
        path = "/api/v1/survey?" + urllib.parse.urlencode({"q": QUERY, "verb": verb})
        for _ in range(200):
            order = {"verb": verb, "query": QUERY, "number": self.asked(server, path)["count"]}
            status, text = self.ask(server, "/api/v1/jobs", order)
            if status != 409:
                break
        self.assertEqual(status, 202, text)
        return json.loads(text)

    def progress(self, server, job):
        return self.asked(server, "/api/v1/jobs/" + job["id"])

    def end_of(self, server, job, secs=300):
        def over():
            found = self.progress(server, job)
            return found if found["ended"] else None
        return stand.wait_for("the end of job " + job["id"], over, secs, 0.1)

    def acts(self, server, ident):
        """What people and jobs did to the one recipient of a mail, in order."""
        story = self.asked(server, "/api/v1/queue/" + ident)
        return [step["text"].split(":")[0] for step in story["timeline"] if step["type"] == "acted"]

    def all_acts(self, server, ids):
        with concurrent.futures.ThreadPoolExecutor(LOADERS) as pool:
            return dict(zip(ids, pool.map(lambda tag: self.acts(server, ids[tag]), ids)))

    def arrivals(self, sink):
        found = (re.search(rb"^X-Tag: (\w+)", mail["raw"], re.M) for mail in list(sink.mails))
        return collections.Counter(match.group(1).decode() for match in found)

    def nothing_is_held(self, server):
        self.assertIn("nothing in the queue matches", server.cli("queue", "list", "--where", "status:held"))

    def test_a_job_survives_kills_and_acts_on_each_once(self):
        count = int(os.environ.get("POSTWERK_HELD", "3000"))
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = self.serve(stand.Postwerk("bulk_kill", sink.port, extra=RULE))
        ids = self.load(server, count)
        self.assertEqual(len(ids), count)
        job, kills = self.begin(server), 0
        for share in (0.2, 0.4, 0.6):
            found = stand.wait_for("progress", lambda: (lambda p: p if p["done"] >= share * count or p["ended"] else None)(
                self.progress(server, job)), 300, 0)
            server.program.kill()
            kills += not found["ended"]
            server.start()
            again = self.progress(server, job)
            self.assertGreaterEqual(again["done"], found["done"], "what was shown as done is done")
        self.assertGreater(kills, 0, "the job was too fast to be killed on its way")
        over = self.end_of(server, job)
        self.assertEqual((over["done"], over["refused"]), (count, 0), over)
        stand.wait_for("all mails", lambda: len(self.arrivals(sink)) == count, 300, 0.5)
        self.nothing_is_held(server)
        arrived, twice = self.arrivals(sink), 0
        self.assertEqual(set(arrived), set(ids))

        def settled():
            return "nothing in the queue matches" in server.cli("queue", "list", "--where", "status:due")
        stand.wait_for("the last reply", settled, 60, 0.5)
        for tag, acts in self.all_acts(server, ids).items():
            self.assertEqual(acts, ["release"], tag)
            twice += arrived[tag] - 1
        print("held %d, kills %d, arrived %d, twice %d" % (count, kills, len(arrived), twice))
        # Only what was under way when the server was killed: its final reply was lost.
        self.assertLessEqual(twice, 200 * 3)

    def test_a_disk_that_fills_makes_a_job_wait_and_nothing_is_lost(self):
        if os.geteuid() != 0:
            self.skipTest("needs root for a tmpfs")
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("bulk_full", sink.port, extra=RULE)
        server.config.write_text(server.config.read_text().replace("[queue]", '[queue]\nreserve = "20 MiB"'))
        server.data.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", server.data], check=False, stderr=subprocess.DEVNULL)
        if made.returncode != 0:
            self.skipTest("no mount here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", server.data], check=False))
        self.serve(server)
        # Many pages: between a look and the stop below the job goes on, a page in a few milliseconds.
        ids = self.load(server, 6000)
        job = self.begin(server)
        found = stand.wait_for("progress", lambda: (lambda p: p if p["done"] else None)(self.progress(server, job)), 60, 0)
        # It stands still while the disk fills: so the disk is full in the middle of the job, however fast this machine is.
        os.kill(server.program.pid, signal.SIGSTOP)
        try:
            space = os.statvfs(server.data)
            filler = server.data / "filler"
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize)
            time.sleep(2)
        finally:
            os.kill(server.program.pid, signal.SIGCONT)
        self.assertLess(found["done"], len(ids), "the job was too fast")
        stand.wait_for("the line", lambda: "a bulk job waits: the disk has no room" in server.log(), 60)
        waits = self.progress(server, job)
        self.assertFalse(waits["ended"])
        time.sleep(3)
        self.assertEqual(self.progress(server, job)["done"], waits["done"])
        self.assertLess(server.log().count("a bulk job waits"), 4, "the log is not filled too")
        filler.unlink()
        over = self.end_of(server, job, 120)
        self.assertIn("a bulk job goes on", server.log())
        self.assertEqual((over["done"], over["refused"]), (len(ids), 0))
        stand.wait_for("all mails", lambda: len(self.arrivals(sink)) == len(ids), 180, 0.5)
        self.nothing_is_held(server)
        for tag, acts in self.all_acts(server, ids).items():
            self.assertEqual(acts, ["release"], tag)

    def test_two_jobs_and_people_at_once_act_on_each_once(self):
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = self.serve(stand.Postwerk("bulk_people", sink.port, extra=RULE))
        ids = self.load(server, 1500)
        tags = sorted(ids)
        targets = {tag: "%s/%s@example.org" % (ids[tag], tag) for tag in tags[::5]}
        by_hand = list(targets)[-10:]

        def delete(tag):
            if tag in by_hand:
                return ended(server, "queue", "delete", "--now", targets[tag])[0] == 0
            return self.asked(server, "/api/v1/queue/delete", {"ids": [targets[tag]], "now": True})["ok"]
        with concurrent.futures.ThreadPoolExecutor(LOADERS + 2) as pool:
            # Some are faster than the jobs, which then come in between.
            order = [tag for pair in zip(reversed(targets), targets) for tag in pair][:len(targets)]
            deletes = [pool.submit(delete, tag) for tag in order[:60]]
            jobs = [pool.submit(self.begin, server) for _ in range(2)]
            deletes += [pool.submit(delete, tag) for tag in order[60:]]
            jobs = [self.end_of(server, job.result()) for job in jobs]
            deleted = {tag for tag, done in zip(order, deletes) if done.result()}
        stories = self.all_acts(server, ids)
        released = 0
        for tag, acts in stories.items():
            released += acts.count("release")
            # What a job has released is mail like any other, until it has left: somebody may still delete it.
            wanted = (["delete"], ["release", "delete"]) if tag in deleted else (["release"],)
            self.assertIn(acts, wanted, tag)
        self.assertEqual(sum(job["done"] for job in jobs), released, jobs)
        for job in jobs:
            self.assertEqual(job["done"] + job["refused"], job["total"], "it tells what it left out: %s" % job)
        stand.wait_for("all mails", lambda: len(self.arrivals(sink)) >= len(ids) - len(deleted), 120, 0.5)
        self.nothing_is_held(server)
        arrived = self.arrivals(sink)
        self.assertEqual(set(arrived), set(ids) - deleted)
        self.assertEqual(set(arrived.values()), {1})
        print("released %d by %s, deleted %d" % (released, [job["done"] for job in jobs], len(deleted)))

    def test_a_query_that_means_nothing_or_is_wrong_says_so_and_does_nothing(self):
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = self.serve(stand.Postwerk("bulk_words", sink.port, extra=RULE))
        self.load(server, 12)
        status, text = ended(server, "queue", "release", "--where", QUERY, "--dry-run")
        self.assertEqual(status, 0, text)
        self.assertIn("release would act on 12 recipients", text)
        self.assertIn("bulk t", text)
        for query, wanted, words in ((QUERY + " subject:other", 1, ("nothing matches",)),
                                     ("queue:quarantine form:x", 2, ("column 18", "`form:`", "`from`")),
                                     ("queue:quarantin", 2, ("column 7", "`quarantin`", "`quarantine`")),
                                     ("", 1, ("empty query",)), ("  ", 1, ("empty query",))):
            for more in ((), ("--dry-run",)):
                status, text = ended(server, "queue", "release", "--where", query, *(more or ("--yes",)))
                if more and wanted == 1 and query.strip():
                    self.assertEqual((status, "would act on 0 recipients" in text), (0, True), text)
                    continue
                self.assertEqual(status, wanted, "%r: %s" % (query, text))
                for word in words:
                    self.assertIn(word, text, repr(query))
        self.assertEqual(server.cli("queue", "list", "--where", "status:held").count("@example.org: held"), 12)
        self.assertEqual(sink.count, 0)
        status, text = ended(server, "queue", "release", "--where", QUERY)
        self.assertEqual(status, 1, text)
        self.assertIn("there is no terminal to ask at; write --yes to do it", text)
        status, text = ended(server, "queue", "release", "--where", QUERY, "--yes")
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"job [0-9A-F]{16}: release: 12 recipients")
        stand.wait_for("all mails", lambda: len(self.arrivals(sink)) == 12)
        status, text = ended(server, "queue", "release", "--where", QUERY, "--yes")
        self.assertEqual(status, 1, text)
        self.assertIn("nothing matches; nothing was done", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
