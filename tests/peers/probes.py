"""The black-box probes that stand beside the project (../shared/probes, or POSTWERK_PROBES), each against a fresh server.

Without them nothing here runs: the project's own tests cover the same ground. Each prints its verdict last.
"""
import os
import re
import smtplib
import sys
import threading
import unittest
from pathlib import Path

import stand

PROBES = Path(os.environ.get("POSTWERK_PROBES", stand.ROOT.parent / "shared" / "probes"))
SHORT = bool(os.environ.get("CI"))


def probe(name, *words, secs=300):
    """Runs a probe to its verdict; python writes no cache beside it."""
    text = stand.run([sys.executable, "-B", PROBES / name, *words], secs=secs, ok=None, cwd=PROBES)
    print(text)
    # Behind the verdict Python may complain about tasks that ended with the probe.
    verdicts = re.findall(r"(?m)^\w+: (?:PASS|FAIL).*", text)
    return verdicts[-1] if verdicts else "no verdict: %s" % text[-500:]


@unittest.skipUnless(PROBES.is_dir(), "no probes beside this checkout")
class Probes(unittest.TestCase):
    def serve(self, name, **more):
        sink_port = stand.free_port()
        server = stand.Postwerk("probe-" + name, sink_port, **more).start()
        self.addCleanup(server.stop)
        return server, sink_port

    def passes(self, verdict):
        self.assertIn(": PASS", verdict)

    def test_smuggling(self):
        server, sink_port = self.serve("smuggling")
        quiet = ["--quiet", "0.4"] if SHORT else []
        self.passes(probe("smuggling.py", "127.0.0.1", server.mx, "--sink-port", sink_port, "--strict", *quiet))

    def test_smuggling_where_bare_newlines_are_normalised(self):
        server, sink_port = self.serve("normalise")
        text = server.config.read_text().replace('role = "mx"', 'role = "mx"\nbare_newline = "normalise"')
        server.stop()
        server.config.write_text(text)
        server.start()
        quiet = ["--quiet", "0.4"] if SHORT else []
        self.passes(probe("smuggling.py", "127.0.0.1", server.mx, "--sink-port", sink_port, *quiet))

    def test_relay_matrix_at_the_mx_listener(self):
        server, _ = self.serve("relay-mx")
        self.passes(probe("relay_matrix.py", "127.0.0.1", server.mx, "--bind", "127.0.0.9", "--strict"))

    def test_relay_matrix_at_a_submission_listener_that_trusts_one_address(self):
        server, _ = self.serve("relay-submission")
        self.passes(probe("relay_matrix.py", "127.0.0.1", server.open, "--bind", "127.0.0.9", "--strict"))

    def test_starttls_injection_at_our_server(self):
        server, _ = self.serve("starttls")
        self.passes(probe("starttls_injection.py", "127.0.0.1", server.mx))

    def starttls_client(self, name, hop_tls, *more, ca=False):
        home = stand.fresh("probe-" + name + "-cert")
        cert, key = stand.certificate(home)
        extra = 'ca = "%s"' % cert if ca else ""
        server, port = self.serve(name, hop_tls=hop_tls, route_extra=extra)
        told = []
        run = threading.Thread(target=lambda: told.append(probe(
            "starttls_injection.py", "--fake-server", port, "--cert", cert, "--key", key, "--wait", "20", *more)))
        run.start()
        with smtplib.SMTP("127.0.0.1", server.open, timeout=30) as client:
            client.sendmail("a@sender.example", ["user@elsewhere.example"], stand.awkward(name))
        run.join(60)
        return told[0]

    def test_starttls_injection_at_our_client(self):
        self.passes(self.starttls_client("forged", "opportunistic"))

    def test_a_route_that_requires_tls_never_falls_back_to_the_clear(self):
        verdict = self.starttls_client("fallback", "required", "--fallback", ca=True)
        self.passes(verdict)
        self.assertIn("did not send in the clear", verdict)

    def test_limits(self):
        sink = stand.Sink(keep=False).start()
        self.addCleanup(sink.stop)
        server = stand.Postwerk("probe-limits", sink.port).start()
        self.addCleanup(server.stop)
        short = ["--rcpts", "3000", "--drip", "5"] if SHORT else []
        self.passes(probe("limits.py", "127.0.0.1", server.mx, "--bind2", "127.0.0.3", "--pid", server.program.pid, *short, secs=600))

    def test_crash_load(self):
        sink_port = stand.free_port()
        server = stand.Postwerk("probe-crash", sink_port)
        self.passes(probe("crash_load.py", "--smtp-port", server.open, "--sink-port", sink_port, "--rounds", "3", "--strict",
                          "--sink-fail", "0.1", "--quiet", "20", "--log", server.home / "serve.log",
                          "--", *server.serve_command(), secs=400))


if __name__ == "__main__":
    unittest.main(verbosity=2)
