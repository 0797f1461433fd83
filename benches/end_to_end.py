#!/usr/bin/env python3
"""Ours beside Debian's Postfix, end to end: the same smtp-source and smtp-sink load, alternating A-B-A-B in one run.

  benches/end_to_end.py [--rows accept,kept,…] [--rounds 3] [--deferred 500000] [--delivering] [--long]
  benches/end_to_end.py --against BINARY [--rows …] [--rounds 5]

Prints the table of the README as Markdown. An fsync probe stands before and behind each measurement; a round whose
probes differ by more than 25 % is repeated, because a disk that throttles measures itself, and ratios are taken inside
a round. --long fills the store to a million. Needs `cargo build --release`, the packages of tests/run.sh, and root for Postfix.

What is compared: both keep every message durably before the 250. Where only acceptance is measured, ours is paused
and Postfix puts the mail into its hold queue, so that neither delivers meanwhile; --delivering lets both deliver.
--against measures an older binary of ours in Postfix's place, and ends with 1 where this tree reaches less of it than
AGAINST says. Not here: microbenchmarks (store.rs).
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "peers"))
sys.dont_write_bytecode = True
import stand  # noqa: E402

SBIN = stand.UNPACKED / "usr" / "sbin"
LIBRARY = {"LD_LIBRARY_PATH": str(stand.UNPACKED / "usr" / "lib" / "postfix"), "MAIL_CONFIG": str(stand.PEERS / "bench-empty")}
PROBE_TOLERANCE, REPEATS_MAX = 0.25, 3
MIB = 1 << 20


def say(*words):
    print(*words, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------ what is measured

def fsync_probe():
    """Milliseconds of one small durable write here, now."""
    path = stand.PEERS / "fsync-probe"
    with open(path, "wb", buffering=0) as f:
        times = []
        for _ in range(200):
            t = time.perf_counter()
            f.write(b"x" * 16384)
            os.fdatasync(f.fileno())
            times.append(time.perf_counter() - t)
    path.unlink()
    return 1000 * statistics.median(times)


def source(port, sessions, messages, size, keep=False):
    """smtp-source; seconds it took."""
    command = [SBIN / "smtp-source", "-s", sessions, "-m", messages, "-l", size, "-f", "bench@sender.example",
               "-t", "user@example.org"] + (["-d"] if keep else []) + ["127.0.0.1:%d" % port]
    t = time.perf_counter()
    stand.run(command, secs=1800, env={**os.environ, **LIBRARY})
    return time.perf_counter() - t


class SmtpSink:
    """smtp-sink, counting."""

    def __init__(self):
        self.port = stand.free_port()
        self.log = stand.PEERS / "bench-sink.log"
        self.log.write_bytes(b"")
        # -c prints its counters after each message, ended by CR.
        self.program = stand.Program([SBIN / "smtp-sink", "-u", "nobody", "-c", "127.0.0.1:%d" % self.port, "1000"], self.log, LIBRARY)
        stand.wait_for("smtp-sink", lambda: stand.banner(self.port))

    def count(self):
        with open(self.log, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log) - 400))
            found = re.findall(rb"mesg=(\d+)", f.read())
        return int(found[-1]) if found else 0

    def stop(self):
        self.program.stop(5)


def pss(pid):
    """Proportional memory of a session's processes, in octets."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getsid(int(entry)) == pid:
                    text = Path("/proc", entry, "smaps_rollup").read_text()
                    total += 1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
            except (OSError, AttributeError):
                pass
    return total


def since_start(start, port):
    """Milliseconds from the start of a program to its first 220."""
    t = time.perf_counter()
    start()
    while not stand.banner(port, 1):
        assert time.perf_counter() - t < 120, "no 220 in two minutes"
        time.sleep(0.001)
    return 1000 * (time.perf_counter() - t)


# ------------------------------------------------------------------------------------------------------- the two

class Ours:
    name = "ours"

    def __init__(self, sink_port=9, paused=True, cert=None, home=None):
        extra = ""
        if cert:
            extra = '[tls]\nmode = "files"\ncert = "%s"\nkey = "%s"\n' % cert
        self.server = stand.Postwerk("bench-ours", sink_port, extra=extra, home=home)
        if paused:
            text = self.server.config.read_text().replace("[queue]", "[queue]\npaused = true")
            self.server.config.write_text(text)
        self.port = self.server.open

    def launch(self):
        self.server.program = stand.Program(self.server.serve_command(), self.server.home / "serve.log")

    def start(self):
        self.launch()
        self.server.program.ready(self.port, 120)
        return self

    @property
    def pid(self):
        return self.server.program.pid

    def stop(self):
        self.server.stop()

    def kill(self):
        self.server.program.kill()


class Before(Ours):
    """An older binary of ours."""

    name, binary = "before", None

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.server.binary = self.binary


class Theirs:
    name = "Postfix"

    def __init__(self, sink_port=9, paused=True, cert=None, home=None):
        del home
        settings = {"relayhost": "[127.0.0.1]:%d" % sink_port, "virtual_mailbox_domains": "", "smtp_tls_security_level": "none"}
        if paused:
            settings["smtpd_sender_restrictions"] = "check_sender_access static:hold"
        if cert:
            settings.update(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert[0], smtpd_tls_key_file=cert[1])
        self.server = stand.Postfix("bench-postfix", **settings)
        self.port = self.server.port

    def launch(self):
        master = stand.UNPACKED / "usr" / "lib" / "postfix" / "sbin" / "master"
        self.server.process = stand.Program([master, "-c", self.server.conf, "-d"], self.server.home / "master.log",
                                            self.server.environment())

    def start(self):
        self.server.start()
        return self

    @property
    def pid(self):
        return self.server.process.pid

    def stop(self):
        self.server.stop()


# ---------------------------------------------------------------------------------------------------------- rows

class Bench:
    def __init__(self, options):
        self.options = options
        self.sides = (Before, Ours) if options.against else (Theirs, Ours)
        self.missed = []
        self.probes = []
        self.rows = []
        say("fsync probe: %.2f ms" % self.probe())

    def probe(self):
        self.probes.append(fsync_probe())
        return self.probes[-1]

    def steady(self, measure, what):
        """Measures between two probes, again when the disk has changed its mind meanwhile."""
        for attempt in range(REPEATS_MAX + 1):
            probes = [self.probe()]
            value = measure()
            probes.append(self.probe())
            say("  %-60s %10.1f   (fsync %s ms)" % (what, value, ", ".join("%.2f" % p for p in probes)))
            if max(probes) <= (1 + PROBE_TOLERANCE) * min(probes):
                return value
            say("  … the disk changed, %s" % ("again" if attempt < REPEATS_MAX else "kept all the same"))
        return value

    def pairs(self, what, measure, disk=True):
        """Rounds of theirs and ours, each between probes; the median of each, and the median of the rounds' ratios."""
        got = []
        for _ in range(self.options.rounds):
            for attempt in range(REPEATS_MAX + 1):
                probes, values = [self.probe()], []
                try:
                    for side in self.sides:
                        values.append(measure(side))
                        probes.append(self.probe())
                except AssertionError as e:
                    if attempt == REPEATS_MAX:
                        raise
                    say("  … failed, again: %s" % str(e)[-300:])
                    continue
                say("  %-60s %8.1f %8.1f   (fsync %s ms)" % (what, *values, ", ".join("%.2f" % p for p in probes)))
                if not disk or max(probes) <= (1 + PROBE_TOLERANCE) * min(probes):
                    break
                say("  … the disk changed, %s" % ("again" if attempt < REPEATS_MAX else "kept all the same"))
            got.append(values)
        theirs, ours = (statistics.median(values) for values in zip(*got))
        return theirs, ours, statistics.median(o / t for t, o in got)

    def row(self, work, theirs, ours, ratio, reach):
        self.rows.append("| %s | %s | %s | %s | %s |" % (work, theirs, ours, ratio, reach))
        say(self.rows[-1])

    def rate_row(self, work, reach, measure, against=0.95):
        theirs, ours, ratio = self.pairs(work, measure)
        if self.options.against:
            self.row(work, "%.0f/s" % theirs, "%.0f/s" % ours, "%.0f %%" % (100 * ratio), ">= %.0f %%" % (100 * against))
            if ratio < against:
                self.missed.append(work)
        else:
            self.row(work, "%.0f/s" % theirs, "%.0f/s" % ours, "%.1fx" % ratio, reach)
        return ours

    def accepting(self, sessions, messages, size, keep=False):
        def measure(side):
            sink = SmtpSink() if self.options.delivering else None
            one = (side(sink.port, paused=False) if sink else side()).start()
            try:
                source(one.port, sessions, sessions, size, keep)
                return messages / source(one.port, sessions, messages, size, keep)
            finally:
                one.stop()
                if sink:
                    sink.stop()
        return measure

    def through(self, sessions, messages, size):
        def measure(side):
            sink = SmtpSink()
            one = side(sink.port, paused=False).start()
            try:
                t = time.perf_counter()
                base = sink.count()
                source(one.port, sessions, messages, size)
                stand.wait_for("%d mails at the sink" % messages, lambda: sink.count() - base >= messages, 600, 0.01)
                return messages / (time.perf_counter() - t)
            finally:
                one.stop()
                sink.stop()
        return measure

    def accept(self):
        self.accept_rate = self.rate_row("accept, one message a connection, 50 at once, 10 KiB", ">= 3.5x, aim 4.5x",
                                         self.accepting(50, 5000, 10240))

    def kept(self):
        self.rate_row("accept, connections kept open, 50, 10 KiB", ">= 3.5x, aim 5x", self.accepting(50, 8000, 10240, True))

    def arrive(self):
        for sessions in (20, 100):
            self.rate_row("accept to arrival at the sink, %d connections, 5 KiB" % sessions, ">= 4x, aim 6x",
                          self.through(sessions, 4000, 5120), against=0.85)

    def single(self):
        self.rate_row("one client, one connection, 1 KiB, one after the other", ">= 1.5x", self.accepting(1, 1500, 1024, True))

    def starttls(self):
        home = stand.fresh("bench-cert")
        cert = stand.certificate(home)

        def measure(side, cert=cert):
            one = side(cert=cert).start()
            try:
                text = stand.run([loader(), "127.0.0.1:%d" % one.port, "20", "8"], secs=60)
                return float(re.search(r"([\d.]+) connections/s", text).group(1))
            finally:
                one.stop()
        theirs, ours, ratio = self.pairs("STARTTLS, RSA-2048", measure, disk=False)
        own = self.steady(lambda: measure(Ours, None), "STARTTLS, our own P-256 certificate")
        self.row("STARTTLS connections, 20 clients, RSA-2048 for both (ours with its own P-256 key: %.0f/s)" % own,
                 "%.0f/s" % theirs, "%.0f/s" % ours, "%.1fx" % ratio, ">= 3x")

    def memory(self):
        told = {}
        first, second = self.sides
        for side in self.sides:
            one = side().start()
            try:
                source(one.port, 1, 5, 1024)
                time.sleep(3)
                idle = pss(one.pid)
                load = subprocess.Popen([str(SBIN / "smtp-source"), "-d", "-s", "200", "-m", "6000", "-l", "10240", "-f", "b@sender.example",
                                         "-t", "user@example.org", "127.0.0.1:%d" % one.port], env={**os.environ, **LIBRARY})
                peak = 0
                while load.poll() is None:
                    peak = max(peak, pss(one.pid))
                    time.sleep(0.1)
                told[side] = (idle / MIB, peak / MIB)
            finally:
                one.stop()
        self.row("memory (PSS): idle; 200 connections with 10 KiB mails", "%.0f; %.0f MiB" % told[first], "%.0f; %.0f MiB" % told[second],
                 "%.2fx; %.2fx" % tuple(o / t for o, t in zip(told[second], told[first])), "<= 15; <= 60 MiB")

    def startup(self):
        def measure(side):
            one = side()
            try:
                return since_start(one.launch, one.port)
            finally:
                one.stop()
        theirs, ours, ratio = self.pairs("start to first 220, ms", measure)
        self.row("start to first 220, empty store", "%.0f ms" % theirs, "%.0f ms" % ours, "%.1fx" % (1 / ratio), "<= 50 ms")

    def deferred(self):
        """One store, filled; what acceptance, memory and start are worth then."""
        one = Ours().start()
        try:
            empty = self.steady(lambda: 5000 / source(one.port, 50, 5000, 10240), "accept, empty store")
            marks = [self.options.deferred] + ([1_000_000] if self.options.long else [])
            held = 5000
            for mark in marks:
                t = time.perf_counter()
                source(one.port, 100, max(1, mark - held), 300, True)
                held = mark
                say("  filled to %d in %.0f s" % (mark, time.perf_counter() - t))
                full = statistics.median(self.steady(lambda: 5000 / source(one.port, 50, 5000, 10240), "accept, %d waiting" % mark)
                                         for _ in range(self.options.rounds))
                held += 5000 * self.options.rounds
                self.row("accept as in the first row with %s waiting in the store" % format(mark, ","), "-", "%.0f/s" % full,
                         "%.0f %% of empty (%.0f/s)" % (100 * full / empty, empty), ">= 70 %")
                one.kill()
                millis = since_start(one.launch, one.port)
                time.sleep(10)
                self.row("start to first 220, %s queued, after a kill" % format(held, ","), "-", "%.0f ms" % millis, "-", "<= 1 s")
                self.row("memory (PSS) with %s waiting" % format(held, ","), "-", "%.0f MiB" % (pss(one.pid) / MIB), "-", "<= 150 MiB")
        finally:
            one.stop()

    def writes(self):
        """System calls of the store for one message's whole life, counted by strace; slow, so not timed."""
        if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            say("no strace: pwrites are not counted")
            return
        sink = SmtpSink()
        one = Ours(sink.port, paused=False).start()
        try:
            for sessions in (1, 50):
                log = one.server.home / "strace"
                tracer = stand.Program(["strace", "-f", "-c", "-o", log, "-e", "trace=pwrite64,fdatasync,fsync", "-p", one.pid],
                                       one.server.home / "strace.err")
                time.sleep(1)
                base, messages = sink.count(), 1000 if sessions > 1 else 200
                source(one.port, sessions, messages, 10240)
                stand.wait_for("the sink", lambda: sink.count() - base >= messages, 300)
                time.sleep(2)
                tracer.process.send_signal(2)
                tracer.process.wait(10)
                counts = dict.fromkeys(("pwrite64", "fdatasync", "fsync"), 0)
                for line in log.read_text().splitlines():
                    words = line.split()
                    if words and words[-1] in counts:
                        counts[words[-1]] = int(words[3])
                self.row("pwrites and syncs for a message's life, 10 KiB, %d at once" % sessions, "-", "%.1f; %.2f" % (
                    counts["pwrite64"] / messages, (counts["fdatasync"] + counts["fsync"]) / messages), "-", "-")
        finally:
            one.stop()
            sink.stop()


def loader():
    """Our own STARTTLS loader, used alike against both."""
    text = stand.run(["cargo", "build", "--release", "--locked", "--bench", "starttls", "--message-format=json"], secs=1200, cwd=stand.ROOT)
    return re.findall(r'"executable":"([^"]+starttls-[^"]+)"', text)[-1]


ROWS = ("accept", "kept", "arrive", "single", "starttls", "memory", "startup", "writes", "deferred")
# What an older binary is measured by, and the share of it that this tree must reach at least (see the calls of `rate_row`).
AGAINST = ("accept", "kept", "arrive", "single", "memory", "startup")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", help="any of %s" % ", ".join(ROWS))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--against", metavar="BINARY", type=Path, help="an older binary of ours, instead of Postfix")
    p.add_argument("--deferred", type=int, default=500_000)
    p.add_argument("--delivering", action="store_true", help="both deliver to smtp-sink while they accept")
    p.add_argument("--long", action="store_true")
    options = p.parse_args()
    rows = (options.rows or ",".join(AGAINST if options.against else ROWS)).split(",")
    if unknown := [row for row in rows if row not in ROWS]:
        p.error("no row %s; there are %s" % (", ".join(map(repr, unknown)), ", ".join(ROWS)))
    if options.against:
        if not options.against.is_file():
            p.error("there is no binary %s" % options.against)
        Before.binary = options.against.resolve()
    if not stand.BINARY.exists() or not (SBIN / "smtp-source").exists():
        sys.exit("end_to_end: first run tests/run.sh build (it also unpacks Postfix)")
    stand.PEERS.mkdir(parents=True, exist_ok=True)
    empty = Path(LIBRARY["MAIL_CONFIG"])
    empty.mkdir(exist_ok=True)
    (empty / "main.cf").write_text("compatibility_level = 3.6\n")
    bench = Bench(options)
    failed = []
    for name in rows:
        say("== " + name)
        try:
            getattr(bench, name)()
        except AssertionError as e:
            failed.append(name)
            say("FAILED %s: %s" % (name, e))
    probes = bench.probes
    print("\nfsync probe: median %.2f ms, %.2f to %.2f; %d processors; load %.1f" % (
        statistics.median(probes), min(probes), max(probes), os.cpu_count(), os.getloadavg()[0]))
    print("\n| work | %s | Postwerk | ratio | reach |\n|---|---|---|---|---|" % ("the older binary" if options.against else "Debian's Postfix"))
    print("\n".join(bench.rows))
    for work in bench.missed:
        print("MISSED: " + work)
    return 1 if failed or bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
