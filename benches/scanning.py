#!/usr/bin/env python3
"""What scanning costs: the same mail with and without a scanner that answers at once.

  benches/scanning.py [--rows rate,memory] [--rounds 7] [--messages 4000] [--mails 100] [--mebibytes 20]

`rate`: 10 KiB mails over 20 connections (smtp-source), rounds in turn without, with, with, without a scanner, each on a
store that the same server filled before; a round's ratio is taken inside it. `memory`: so many mails of that size at
once, each over its own connection, without a scanner, with one, and with [attachments] and a zip in each; PSS is
sampled, the peak of RSS is the kernel's own. Prints rows for the README as Markdown. Needs `cargo build --release` and the
unpacked Postfix of tests/run.sh. The scanner is clamd.rs. Not here: ours beside Postfix (end_to_end.py), real scanners.
"""
import argparse
import base64
import io
import json
import os
import random
import re
import resource
import signal
import socket
import statistics
import sys
import threading
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))
sys.dont_write_bytecode = True
import stand  # noqa: E402
from end_to_end import LIBRARY, MIB, SBIN, fsync_probe, pss, say, source  # noqa: E402

SESSIONS, SIZE = 20, 10240
WANTED_RATE, WANTED_MEMORY = 0.9, 200 * MIB
# All at once on two processors; what waits is neither a failure nor too slow.
PATIENCE = 900


# --------------------------------------------------------------------------------------------------------- programs

class InstantScanner:
    """clamd.rs, which reads a mail and finds nothing."""

    def __init__(self):
        text = stand.run(["cargo", "build", "--release", "--locked", "--bench", "clamd", "--message-format=json"], secs=1200,
                         cwd=stand.ROOT)
        built = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
        program = [one["executable"] for one in built if one.get("target", {}).get("name") == "clamd"][-1]
        self.port = stand.free_port()
        self.program = stand.Program([program, self.port], stand.PEERS / "bench-clamd.log")
        stand.wait_for("the scanner", self.answers)

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port), 5) as wire:
            wire.sendall(command)
            return wire.makefile("rb").read()

    def answers(self):
        try:
            return self.ask(b"zPING\0") == b"PONG\0"
        except OSError:
            return False

    def count(self):
        """Mails it looked at."""
        return int(self.ask(b"zCOUNT\0"))

    def spent(self):
        """Seconds of processor time."""
        return processor_time(self.program.pid)

    def stop(self):
        self.program.stop(5)


def processor_time(pid):
    fields = Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def everybody(sides, scanner):
    """Seconds of processor time of the servers, the scanner, and the clients that have ended."""
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    servers = sum(processor_time(one.program.pid) for one in sides.values())
    return servers + scanner.spent() + clients.ru_utime + clients.ru_stime


def server(name, scanner=None):
    """Ours, paused: nothing is delivered meanwhile. [attachments] looks at what comes by its mx listener."""
    extra = ""
    if scanner:
        extra = ('[[scanner]]\nname = "instant"\nkind = "clamd"\naddress = "127.0.0.1:%d"\ntimeout = "4m"\n'
                 'max_size = "50 MiB"\nconnections = 200\n' % scanner.port)
    one = stand.Postwerk(name, 9, extra=extra)
    one.config.write_text(one.config.read_text().replace("[queue]", '[queue]\npaused = true\nreserve = "64 MiB"'))
    return one.start()


# ------------------------------------------------------------------------------------------------------------- rate

def rate(options):
    """Accepted mails a second."""
    scanner = InstantScanner()
    sides = {}
    try:
        sides["without"] = server("bench-without")
        sides["with"] = server("bench-with", scanner)
        ratios, got = [], {name: [] for name in sides}
        costs, wholes = {name: [] for name in sides}, {name: [] for name in sides}
        for one in sides.values():
            source(one.open, SESSIONS, options.messages, SIZE)
        began = scanner.spent()
        for number in range(options.rounds):
            probe = fsync_probe()
            # There and back, so that what drifts meanwhile is on both sides.
            took = {name: [] for name in sides}
            for name in ("without", "with", "with", "without"):
                before, whole = processor_time(sides[name].program.pid), everybody(sides, scanner)
                took[name].append(source(sides[name].open, SESSIONS, options.messages, SIZE))
                costs[name].append((processor_time(sides[name].program.pid) - before) / options.messages)
                wholes[name].append((everybody(sides, scanner) - whole) / options.messages)
            for name, both in took.items():
                got[name].append(2 * options.messages / sum(both))
            ratios.append(got["with"][-1] / got["without"][-1])
            say("  round %d: without %6.0f/s, with %6.0f/s, ratio %.3f   (fsync %.2f ms, load %.1f)" % (
                number + 1, got["without"][-1], got["with"][-1], ratios[-1], probe, os.getloadavg()[0]))
        asked = 2 * options.rounds * options.messages
        say("  processor time a mail: without %.0f us, with %.0f us, the scanner itself %.0f us" % (
            1e6 * statistics.median(costs["without"]), 1e6 * statistics.median(costs["with"]),
            1e6 * (scanner.spent() - began) / asked))
        # What else the machine does moves the rates, and hardly these.
        without, asking = (1e6 * statistics.median(wholes[name]) for name in ("without", "with"))
        say("  of all that take part, with the client: without %.0f us, with %.0f us, ratio %.3f" % (
            without, asking, without / asking))
        # What was measured is what was meant.
        looked = scanner.count()
        assert looked == asked + options.messages, "the scanner saw %d of %d mails" % (looked, asked + options.messages)
    finally:
        for one in sides.values():
            one.stop()
        scanner.stop()
    ratio = statistics.median(ratios)
    return ["| accept, one message a connection, %d at once, 10 KiB: without a scanner; with an instant one | %.0f/s; %.0f/s | "
            "%.2fx (%.2f to %.2f) | %.2fx |%s" % (SESSIONS, statistics.median(got["without"]), statistics.median(got["with"]), ratio,
                                                min(ratios), max(ratios), WANTED_RATE, "" if ratio >= WANTED_RATE else " MISSED")]


# ----------------------------------------------------------------------------------------------------------- memory

def archive(octets):
    """A zip of about so many octets that holds two zips with a text each."""
    def text(name, size):
        dice = random.Random(name)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            # Hexadecimal digits pack to a little more than a half.
            zipped.writestr(name, dice.randbytes(int(size / 1.14)).hex())
        return packed.getvalue()
    whole = io.BytesIO()
    # Packed again, the inner one has to be kept beside the outer one.
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        zipped.writestr("inner.zip", text("inner.txt", octets // 2))
        zipped.writestr("more.zip", text("more.txt", octets // 2))
    return whole.getvalue()


def mail(octets, zipped):
    """A text of about so many octets, with its final dot."""
    head = b"From: bench@sender.example\r\nTo: user@example.org\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
    if not zipped:
        line = b"x" * 70 + b"\r\n"
        return head + b"Content-Type: text/plain\r\n\r\n" + line * ((octets - len(head)) // len(line)) + b".\r\n"
    lines = base64.encodebytes(archive(int(octets * 57 / 78))).replace(b"\n", b"\r\n")
    return (head + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nlarge\r\n'
            b'--b\r\nContent-Type: application/zip; name="large.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
            + lines + b"--b--\r\n.\r\n")


class Clients:
    """Mails over a connection each; all wait at DATA until the last one is there, so that they are one crowd."""

    def __init__(self, port, count, text):
        self.port, self.text = port, text
        self.replies = []
        self.gate = threading.Barrier(count)
        # Of ten peers: one alone may not have so much of its mail unfinished.
        self.threads = [threading.Thread(target=self.send, args=("127.0.0.%d" % (1 + n % 10),), daemon=True)
                        for n in range(count)]
        for one in self.threads:
            one.start()

    def send(self, source):
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0)) as wire, wire.makefile("rb") as lines:
                def say_line(line):
                    wire.sendall(line)
                    while (reply := lines.readline())[3:4] == b"-":
                        pass
                    return reply
                lines.readline()
                for line in (b"EHLO bench.example\r\n", b"MAIL FROM:<bench@sender.example>\r\n",
                             b"RCPT TO:<user@example.org>\r\n", b"DATA\r\n"):
                    reply = say_line(line)
                    assert reply[:1] in b"23", reply
                self.gate.wait(PATIENCE)
                self.replies.append(say_line(self.text))
        except (OSError, AssertionError, threading.BrokenBarrierError) as e:
            self.gate.abort()
            self.replies.append(repr(e).encode())

    def going(self):
        return any(one.is_alive() for one in self.threads)


def peak_of(one, port, count, text):
    """PSS before, its peak, the kernel's peak of RSS, and seconds."""
    idle, peak, began = pss(one.program.pid), 0, time.monotonic()
    clients = Clients(port, count, text)
    while clients.going():
        peak = max(peak, pss(one.program.pid))
        time.sleep(0.05)
        assert time.monotonic() - began < PATIENCE, "not done in time"
    bad = [reply for reply in clients.replies if not reply.startswith(b"250")]
    assert not bad and len(clients.replies) == count, "%d of %d were not taken: %r" % (len(bad), count, bad[:2])
    status = Path("/proc", str(one.program.pid), "status").read_text()
    return idle, peak, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status).group(1)), time.monotonic() - began


def memory(options):
    """The most that so many large mails at once take."""
    scanner = InstantScanner()
    rows = []
    try:
        for name, asked, zipped in (("without a scanner", None, False), ("with an instant scanner", scanner, False),
                                    ("with [attachments], each with a zip that holds zips", None, True),
                                    ("with a scanner and [attachments], the same zips", scanner, True)):
            text = mail(options.mebibytes * MIB, zipped)
            one = server("bench-large", asked)
            before = scanner.count()
            try:
                idle, peak, rss, secs = peak_of(one, one.mx if zipped else one.open, options.mails, text)
                held = re.search(r"(\d+) held", one.cli("status"))
                rest = pss(one.program.pid)
                looked = scanner.count() - before
                assert looked == (options.mails if asked else 0), "the scanner saw %d mails" % looked
            finally:
                one.stop()
                stand.fresh("bench-large")
            say("  %-52s idle %3.0f, peak PSS %4.0f, peak RSS %4.0f, after %4.0f MiB; %.0f s, load %.1f; %s" % (
                name, idle / MIB, peak / MIB, rss / MIB, rest / MIB, secs, os.getloadavg()[0], held.group(0) if held else ""))
            rows.append("| memory (PSS; peak RSS): %d mails of %d MiB at once, %s | %.0f; %.0f MiB | | %.0f MiB |%s" % (
                options.mails, options.mebibytes, name, peak / MIB, rss / MIB, WANTED_MEMORY / MIB,
                "" if max(peak, rss) <= WANTED_MEMORY else " MISSED"))
    finally:
        scanner.stop()
    return rows


ROWS = {"rate": rate, "memory": memory}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", default=",".join(ROWS))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--messages", type=int, default=4000)
    p.add_argument("--mails", type=int, default=100)
    p.add_argument("--mebibytes", type=int, default=20)
    options = p.parse_args()
    # By its end, too, the servers are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not stand.BINARY.exists() or not (SBIN / "smtp-source").exists():
        sys.exit("scanning: first run tests/run.sh build (it also unpacks Postfix)")
    empty = Path(LIBRARY["MAIL_CONFIG"])
    empty.mkdir(parents=True, exist_ok=True)
    (empty / "main.cf").write_text("compatibility_level = 3.6\n")
    rows = []
    for name in options.rows.split(","):
        say("== " + name)
        rows += ROWS[name](options)
    print("\n%d processors; load %.1f\n\n| work | measured | ratio | wanted |\n|---|---|---|---|" % (os.cpu_count(), os.getloadavg()[0]))
    print("\n".join(rows))
    return 1 if any(row.endswith("MISSED") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
