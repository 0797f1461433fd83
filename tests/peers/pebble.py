"""Debian's pebble issues for the running server: by HTTP-01 and by TLS-ALPN-01, strict, with three of ten nonces refused.

Mail (STARTTLS and implicit) and HTTPS serve what it issued; a renewal happens while a message is being received and a
link page is open, and drops neither. Its DNS is ours and answers 127.0.0.1 for every name; its ports for validation are
our doors. Run by tests/run.sh: python3 -m unittest -v pebble
"""
import http.client
import json
import smtplib
import socket
import ssl
import stat
import struct
import threading
import unittest

import stand

NAME = "mail.postwerk.example"
OTHER = "smtp.postwerk.example"


class Dns:
    """Answers A with 127.0.0.1 for everything, and every other question with nothing (RFC 1035 section 4.1)."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(2048)
            except OSError:
                return
            end = 12
            while end < len(packet) and packet[end]:
                end += packet[end] + 1
            question = packet[12:end + 5]
            is_a = question[-4:-2] == b"\x00\x01"
            head = packet[:2] + struct.pack(">HHHHH", 0x8580, 1, 1 if is_a else 0, 0, 0)
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]) if is_a else b""
            try:
                self.socket.sendto(head + question + answer, peer)
            except OSError:
                return

    def stop(self):
        self.socket.close()


class Pebble:
    """The directory, with an own certificate and the ports of our doors."""

    def __init__(self, home, http_port, tls_port, dns, binding=False):
        self.home = home
        self.port, self.management = stand.free_port(), stand.free_port()
        # No CA itself: rustls takes none for a server (RFC 5280 section 4.2.1.9).
        cert, key = home / "pebble-cert.pem", home / "pebble-key.pem"
        stand.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
                   "-keyout", key, "-out", cert])
        self.root = cert
        config = {"listenAddress": "127.0.0.1:%d" % self.port, "managementListenAddress": "127.0.0.1:%d" % self.management,
                  "certificate": str(cert), "privateKey": str(key), "httpPort": http_port, "tlsPort": tls_port,
                  "ocspResponderURL": "", "externalAccountBindingRequired": binding}
        if binding:
            config["externalAccountMACKeys"] = {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
        (home / "pebble.json").write_text(json.dumps({"pebble": config}))
        self.dns = dns
        self.program = None

    def start(self):
        env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "30"}
        command = ["pebble", "-strict", "-config", self.home / "pebble.json", "-dnsserver", "127.0.0.1:%d" % self.dns.port]
        self.program = stand.Program(command, self.home / "pebble.log", env)
        stand.wait_for("pebble", self.up)
        return self

    def up(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def stop(self):
        if self.program:
            self.program.stop(5)


def anybody():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def issued(der):
    """Issuer, serial and names of a certificate, by openssl."""
    pem = ssl.DER_cert_to_PEM_cert(der)
    path = stand.PEERS / "pebble-shown.pem"
    path.write_text(pem)
    return stand.run(["openssl", "x509", "-in", path, "-noout", "-issuer", "-serial", "-ext", "subjectAltName"])


class Issuing(unittest.TestCase):
    def setUp(self):
        self.dns = Dns()
        self.addCleanup(self.dns.stop)
        self.sink = stand.Sink().start()
        self.addCleanup(self.sink.stop)

    def server(self, challenge, binding=False):
        http_port, https_port = stand.free_port(), stand.free_port()
        home = stand.fresh("pebble-" + challenge + ("-bound" if binding else ""))
        self.pebble = Pebble(home, http_port, https_port, self.dns, binding).start()
        self.addCleanup(self.pebble.stop)
        bound = ""
        if binding:
            secret = home / "eab"
            secret.write_text("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n")
            secret.chmod(0o600)
            bound = 'eab_kid = "kid-1"\neab_hmac = "file:%s"' % secret
        server = stand.Postwerk("", self.sink.port, home=home, extra="""
[tls]
mode = "acme"
[[certificate]]
names = ["%s", "%s"]
[acme]
directory = "https://localhost:%d/dir"
contact = "postmaster@example.org"
challenge = "%s"
root = "%s"
%s
[admin]
bind = "127.0.0.1:%d"
http_bind = "127.0.0.1:%d"
public_url = "https://%s:%d/"
""" % (NAME, OTHER, self.pebble.port, challenge, self.pebble.root, bound, https_port, http_port, NAME, https_port))
        self.https = https_port
        server.start()
        self.addCleanup(server.stop)
        return server

    def shown(self, server):
        """What each door shows; all the same."""
        with socket.create_connection(("127.0.0.1", server.secure), 10) as raw:
            with anybody().wrap_socket(raw, server_hostname=OTHER) as tls:
                implicit = tls.getpeercert(True)
        with socket.create_connection(("127.0.0.1", self.https), 10) as raw:
            with anybody().wrap_socket(raw, server_hostname=NAME) as tls:
                https = tls.getpeercert(True)
        with smtplib.SMTP("127.0.0.1", server.open, timeout=20) as client:
            client.starttls(context=anybody())
            starttls = client.sock.getpeercert(True)
        # Between two of these connections a new one may come into force.
        return implicit if implicit == https == starttls else None

    def wait_issued(self, server, other_than=None, meanwhile=lambda: None):
        def done():
            meanwhile()
            shown = self.shown(server)
            if shown and shown != other_than and "Pebble" in issued(shown):
                return shown
        try:
            return stand.wait_for("a certificate of pebble", done, 90, 0.5)
        except AssertionError as error:
            raise AssertionError("%s\n%s\n%s" % (error, server.log()[-4000:], stand.tail(self.pebble.home / "pebble.log", 40))) from None

    def check(self, challenge, binding=False):
        server = self.server(challenge, binding)
        first = self.wait_issued(server)
        text = issued(first)
        self.assertIn("DNS:%s" % NAME, text)
        self.assertIn("DNS:%s" % OTHER, text)
        for path in (server.data / "certs").iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        self.assertEqual(stat.S_IMODE((server.data / "certs").stat().st_mode), 0o700)
        self.assertNotIn("PRIVATE KEY", server.log())
        return server, first

    def renew_under_way(self, server, first):
        """A message half received and a page's connection open, while another certificate comes into force."""
        mail = smtplib.SMTP("127.0.0.1", server.open, timeout=120)
        mail.starttls(context=anybody())
        mail.ehlo("client.example")
        for command in ("MAIL FROM:<a@sender.example>", "RCPT TO:<user@example.org>"):
            self.assertEqual(mail.docmd(command)[0], 250)
        self.assertEqual(mail.docmd("DATA")[0], 354)
        mail.send("Subject: half\r\n\r\nbefore the renewal\r\n")
        page = http.client.HTTPSConnection("127.0.0.1", self.https, timeout=120, context=anybody())
        kept = None

        def look():
            """Somebody who reads: a connection on which nothing is asked is closed after a while."""
            nonlocal kept
            page.request("GET", "/livez")
            answer = page.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b"ok\n"))
            kept = kept or page.sock
            self.assertIs(page.sock, kept, "the connection was dropped")

        look()
        # The floor between two orders is a minute; until it is over the answer says when.
        server.cli("cert", "renew", NAME)
        second = self.wait_issued(server, first, look)
        self.assertNotEqual(first, second)
        mail.send("after the renewal\r\n.\r\n")
        self.assertEqual(mail.getreply()[0], 250)
        look()
        self.assertIn(b"before the renewal", self.sink.arrived("after the renewal")["raw"])
        mail.quit()
        page.close()

    def test_http_01_and_a_renewal_that_drops_nothing(self):
        server, first = self.check("http-01")
        self.renew_under_way(server, first)

    def test_tls_alpn_01(self):
        self.check("tls-alpn-01")

    def test_an_account_that_must_be_bound(self):
        self.check("http-01", binding=True)


if __name__ == "__main__":
    unittest.main()
