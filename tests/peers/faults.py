"""A disk that lies, fails or is full, and too few file descriptors: what was answered with 250 is there afterwards.

Needs root for a small tmpfs, and strace for failing syncs; what is missing is skipped. Not here: kill -9 (kill.py) and
power cuts (powercut.py). Run by tests/run.sh: python3 -m unittest -v faults
"""
import os
import shutil
import smtplib
import subprocess
import time
import unittest

import stand


def letter(tag, size):
    lines = "".join("%s\r\n" % ("x" * 70) for _ in range(size // 72))
    return ("From: <a@sender.example>\r\nTo: <user@example.org>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\n"
            "Message-ID: <%s@sender.example>\r\nX-Tag: %s\r\n\r\n%s" % (tag, tag, lines)).encode()


def hand_in(port, tag, size=1000):
    """The reply to the final dot (or to what came before it), or none when the connection broke."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo()
            for code, text in (client.mail("a@sender.example"), client.rcpt("user@example.org")):
                if code != 250:
                    return code, text.decode()
            code, text = client.data(letter(tag, size))
            return code, text.decode()
    except smtplib.SMTPDataError as e:
        return e.smtp_code, e.smtp_error.decode()
    except (OSError, smtplib.SMTPException):
        return None


class Faults(unittest.TestCase):
    def all_arrive(self, sink, acknowledged, secs=90):
        def missing():
            there = b"\n".join(m["raw"][:400] for m in list(sink.mails))
            return [t for t in acknowledged if b"X-Tag: %s\r" % t.encode() not in there]
        try:
            stand.wait_for("all acknowledged mails", lambda: not missing(), secs, 0.5)
        except AssertionError:
            self.fail("acknowledged %d, not arrived: %s" % (len(acknowledged), missing()[:10]))

    def small_disk(self, name, reserve, sink):
        """A server whose data lie on a tmpfs of 32 MiB."""
        if os.geteuid() != 0:
            self.skipTest("needs root for a tmpfs")
        server = stand.Postwerk(name, sink.port)
        server.config.write_text(server.config.read_text().replace("[queue]", '[queue]\nreserve = "%s"' % reserve))
        server.data.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", server.data], check=False, stderr=subprocess.DEVNULL)
        if made.returncode != 0:
            self.skipTest("no mount here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", server.data], check=False))
        return server.start()

    def fill(self, server, tag):
        acknowledged = []
        for n in range(2000):
            told = hand_in(server.open, "%s%04d" % (tag, n), 60_000)
            if not told or told[0] != 250:
                return acknowledged, told
            acknowledged.append("%s%04d" % (tag, n))
        self.fail("the disk was never full")

    def test_a_full_disk_is_452_and_room_that_comes_back_is_enough(self):
        away = {"now": True}
        sink = stand.Sink(answer=lambda verb, _l, _n: "451 4.3.0 away" if verb == "MAIL" and away["now"] else None).start()
        self.addCleanup(sink.stop)
        # More than arrives between two looks at the disk, one second apart.
        server = self.small_disk("full", "14 MiB", sink)
        self.addCleanup(server.stop)
        acknowledged, refused = self.fill(server, "full")
        self.assertTrue(acknowledged, refused)
        self.assertEqual(refused[0], 452, refused)
        self.assertTrue(refused[1].startswith("4.3.1"), refused)
        away["now"] = False
        self.all_arrive(sink, acknowledged, 120)
        stand.wait_for("mail is taken again, without a restart", lambda: (hand_in(server.open, "again") or (0,))[0] == 250, 120, 1)
        sink.arrived("X-Tag: again")

    def test_a_disk_without_any_room_loses_nothing_that_was_acknowledged(self):
        sink = stand.Sink(answer=lambda verb, _l, _n: "451 4.3.0 away" if verb == "MAIL" and not bigger else None).start()
        bigger = []
        self.addCleanup(sink.stop)
        server = self.small_disk("brim", "1 KiB", sink)
        acknowledged, refused = self.fill(server, "brim")
        self.assertIn(refused[0] if refused else 0, (451, 452), refused)
        for n in range(20):
            told = hand_in(server.open, "brimafter%04d" % n, 60_000)
            if told and told[0] == 250:
                acknowledged.append("brimafter%04d" % n)
        server.program.kill()
        stand.run(["mount", "-o", "remount,size=128m", server.data])
        bigger.append(True)
        server.start()
        self.addCleanup(server.stop)
        self.all_arrive(sink, acknowledged, 120)

    def test_a_sync_that_fails_never_becomes_a_250(self):
        if not shutil.which("strace"):
            self.skipTest("no strace")
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("eio", sink.port)
        text = server.config.read_text()
        server.config.write_text(text.replace("[queue]", "[queue]\npaused = true"))
        server.program = stand.Program(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=60+",
             *server.serve_command()], server.home / "serve.log")
        try:
            server.program.ready(server.open)
        except AssertionError as e:
            self.skipTest("strace may not trace here: %s" % str(e)[-200:])
        acknowledged, after = [], 0
        for n in range(200):
            told = hand_in(server.open, "eio%04d" % n)
            if told and told[0] == 250:
                acknowledged.append("eio%04d" % n)
            else:
                after += 1
            if after >= 5:
                break
        server.program.kill()
        self.assertTrue(acknowledged, "nothing was accepted before the fault")
        self.assertGreaterEqual(after, 5, "syncs failed, and mail was acknowledged all the same")
        server.config.write_text(text)
        server.start()
        self.addCleanup(server.stop)
        self.all_arrive(sink, acknowledged)

    def test_too_few_file_descriptors_are_421_and_not_the_end(self):
        sink = stand.Sink().start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("files", sink.port)
        server.program = stand.Program(["prlimit", "--nofile=64", *server.serve_command()], server.home / "serve.log").ready(server.open)
        self.addCleanup(server.stop)
        import socket
        sockets = []
        for _ in range(150):
            try:
                sockets.append(socket.create_connection(("127.0.0.1", server.open), 2))
            except OSError:
                break
        time.sleep(1)
        for s in sockets:
            s.close()
        stand.wait_for("mail is taken after the flood", lambda: (hand_in(server.open, "afterflood") or (0,))[0] == 250, 60, 0.5)
        sink.arrived("X-Tag: afterflood")


if __name__ == "__main__":
    unittest.main(verbosity=2)
