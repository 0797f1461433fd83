"""Debian's testssl.sh at every kind of door: STARTTLS on SMTP, TLS at once on SMTP, and HTTPS.

Protocols, ciphers, forward secrecy, the server's own choice, the certificate, and every known weakness; no DNS, nothing
leaves the loopback. No finding of MEDIUM or worse is allowed but those in DUE, each of which is due to the test's own
private CA or machine. Not here: what certificates say (tests/it), and ACME (pebble.py).
"""
import json
import os
import subprocess
import unittest

import stand

TESTSSL = "/usr/bin/testssl"
# What is asked: protocols, cipher categories, forward secrecy, preference, the certificate, all weaknesses.
ASKED = ["-p", "-s", "-f", "-P", "-S", "-U"]
BAD = {"MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN"}
# Finding -> why it is due here and nowhere else.
DUE = {
    "engine_problem": "Debian's openssl has no GOST engine; nothing here speaks GOST",
    "cert_revocation": "the test's private CA has neither CRL nor OCSP",
    "sessionresumption_ticket": "testssl.sh cannot read a resumption behind STARTTLS; certs::tests proves it",
    "sessionresumption_ID": "as with tickets",
    "HTTP_status_code": "the top redirects to the pages",
}


def private_ca(home):
    """A CA of our own and a chain for localhost that it signed; (CA, chain, key)."""
    ca, ca_key, cert, key = (home / name for name in ("ca.pem", "ca.key", "cert.pem", "cert.key"))
    request, more = home / "request.pem", home / "more.cnf"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    stand.run(["openssl", "req", "-x509", *curve, "-days", "120", "-subj", "/CN=Test CA", "-keyout", ca_key, "-out", ca])
    stand.run(["openssl", "req", "-new", *curve, "-subj", "/CN=localhost", "-keyout", key, "-out", request])
    more.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n"
                    "basicConstraints=critical,CA:false\n")
    stand.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "89",
               "-extfile", more, "-out", cert])
    return ca, cert, key


class Testssl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = stand.fresh("testssl-certs")
        cls.ca, cert, key = private_ca(cls.home)
        cls.https = stand.free_port()
        extra = """
[tls]
mode = "files"
cert = "%s"
key = "%s"

[admin]
bind = "127.0.0.1:%d"
public_url = "https://localhost:%d"
""" % (cert, key, cls.https, cls.https)
        cls.server = stand.Postwerk("testssl", stand.free_port(), extra=extra, hostname="localhost").start()
        cls.addClassCleanup(cls.server.stop)
        doors = {"mx": cls.server.mx, "submission": cls.server.login, "implicit": cls.server.secure, "https": cls.https}
        # All at once: testssl.sh waits more than it works.
        cls.runs = {name: cls.ask(name, port) for name, port in doors.items()}

    @classmethod
    def ask(cls, name, port):
        found = cls.home / (name + ".json")
        starttls = ["--starttls", "smtp"] if name in ("mx", "submission") else []
        # HTTP is looked at where it is spoken; elsewhere its checks would only wait.
        http = ["-h"] if name == "https" else []
        command = [TESTSSL, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
                   "--connect-timeout", "10", "--openssl-timeout", "20", "--add-ca", cls.ca, *ASKED, *http,
                   "--jsonfile", found, *starttls, "127.0.0.1:%d" % port]
        run = stand.Program(command, cls.home / (name + ".log"), cwd=cls.home)
        cls.addClassCleanup(run.kill)
        return run, found

    def no_weakness(self, name):
        run, path = self.runs[name]
        try:
            run.process.wait(int(os.environ.get("POSTWERK_TESTSSL_SECS", "500")))
        except subprocess.TimeoutExpired:
            self.fail("testssl.sh did not end:\n%s" % stand.tail(run.log))
        findings = json.loads(path.read_text())
        said = {one["id"]: one for one in findings}
        # A run that saw nothing found nothing: these are there when the door was really looked at.
        for ident, wanted in (("TLS1_2", "offered"), ("TLS1_3", "offered"), ("SSLv3", "not offered"), ("TLS1", "not offered"),
                              ("heartbleed", "not vulnerable"), ("cert_commonName", "localhost")):
            self.assertIn(ident, said, "testssl.sh looked at too little:\n%s" % stand.tail(run.log))
            self.assertTrue(said[ident]["finding"].startswith(wanted), said[ident])
        bad = [one for one in findings if one["severity"] in BAD and one["id"] not in DUE]
        self.assertEqual([], ["%(severity)s %(id)s: %(finding)s" % one for one in bad])

    def test_mx_with_starttls(self):
        self.no_weakness("mx")

    def test_submission_with_starttls(self):
        self.no_weakness("submission")

    def test_submission_with_tls_at_once(self):
        self.no_weakness("implicit")

    def test_https(self):
        self.no_weakness("https")


if __name__ == "__main__":
    unittest.main(verbosity=2)
