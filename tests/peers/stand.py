"""What the peer tests stand on: ports, programs that are stopped by their process id, our server, Debian's Postfix
(unpacked, never installed), and a sink that keeps what came over the wire.

Standard library only. Every wait has a bound; nothing is written outside target/peers, but for Postfix's queue when
the checkout lies where other users may not go (see Postfix). Not here: what is tested (clients.py, postfix_*.py …).
"""
import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PEERS = TARGET / "peers"
UNPACKED = PEERS / "root"
BINARY = Path(os.environ.get("POSTWERK", TARGET / "release" / "postwerk"))
ID = re.compile(r"\b[0-9A-F]{16}\b")


def free_port():
    """A port nobody listens on; taken at once by the caller's program."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, ready, secs=30, pause=0.05):
    """The first true value of `ready()`; AssertionError with `what` when it does not come."""
    end = time.monotonic() + secs
    while True:
        got = ready()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("after %d s still waiting for: %s" % (secs, what))
        time.sleep(pause)


def banner(port, secs=2):
    """Does a mail server answer 220 there?"""
    try:
        with socket.create_connection(("127.0.0.1", port), secs) as s:
            s.settimeout(secs)
            ok = s.recv(512).startswith(b"220")
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return ok
    except OSError:
        return False


def tail(path, lines=25):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def fresh(name):
    """An empty directory target/peers/NAME."""
    home = PEERS / name
    for _ in range(20):
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            break
        time.sleep(0.1)
    home.mkdir(parents=True)
    return home


def certificate(home):
    """A self-signed certificate and key for localhost and 127.0.0.1."""
    cert, key = home / "cert.pem", home / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert])
    return cert, key


def run(command, secs=60, ok=(0,), **more):
    """Runs a command to its end; its output is in the error when the exit status is not expected."""
    done = subprocess.run([str(c) for c in command], timeout=secs, stdin=more.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    text = done.stdout.decode("utf-8", "replace")
    if ok is not None and done.returncode not in ok:
        raise AssertionError("%s ended with %s:\n%s" % (" ".join(map(str, command)), done.returncode, text[-3000:]))
    return text


class Program:
    """A process of ours in its own session, stopped by its id and never by a name."""

    def __init__(self, command, log, env=None, cwd=None):
        self.log = Path(log)
        self.command = [str(c) for c in command]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
                                            env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self.process.pid

    def stop(self, secs=30):
        """SIGTERM, then SIGKILL for the whole session; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(secs)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait(10)
            # Children that outlive their master write into a directory that is about to go. Right after its end only:
            # later the id may be somebody else's.
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait(10)

    def ready(self, port, secs=30):
        def up():
            if self.process.poll() is not None:
                raise AssertionError("%s ended at once with %s:\n%s" % (
                    self.command[0], self.process.returncode, tail(self.log)))
            return banner(port)
        try:
            wait_for("220 on port %d" % port, up, secs)
        except AssertionError as e:
            self.stop(2)
            raise AssertionError("%s\n%s" % (e, tail(self.log))) from None
        return self


class Control(http.client.HTTPConnection):
    """The control socket, spoken to as the manual says."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Postwerk:
    """Our server by its command line only: a configuration, `serve`, and `queue …`."""

    def __init__(self, name, sink_port, extra="", hop_tls="off", hostname="mail.postwerk.example", retry='["2s"]',
                 home=None, route_extra=""):
        self.home = home or fresh(name)
        self.open, self.login, self.secure, self.mx = (free_port() for _ in range(4))
        (self.home / "password").write_text("correct horse\n")
        self.config = self.home / "postwerk.toml"
        self.data = self.home / "data"
        # The four doors: trusted network, AUTH after STARTTLS, implicit TLS, and an mx that trusts nobody.
        self.config.write_text("""
[server]
hostname = "{hostname}"
data_dir = "{data}"

[[listener]]
bind = "127.0.0.1:{open}"
role = "submission"
tls = "starttls"
auth = "off"
trust = ["127.0.0.1/32"]

[[listener]]
bind = "127.0.0.1:{login}"
role = "submission"
tls = "starttls"
auth = "required"

[[listener]]
bind = "127.0.0.1:{secure}"
role = "submission"
tls = "implicit"
auth = "required"

[[listener]]
bind = "127.0.0.1:{mx}"
role = "mx"
tls = "starttls"
auth = "off"

[[account]]
name = "app1"
password = "file:{home}/password"

[[domain]]
name = "example.org"
relay = ["127.0.0.1:{sink}"]
owner = "chef@example.org"

[[route]]
domain = "*"
relay = ["127.0.0.1:{sink}"]
tls = "{hop_tls}"
{route_extra}

[queue]
retry = {retry}

[log]
format = "postfix"
{extra}
""".format(hostname=hostname, data=self.data, open=self.open, login=self.login, secure=self.secure, mx=self.mx,
           home=self.home, sink=sink_port, hop_tls=hop_tls, retry=retry, extra=extra, route_extra=route_extra))
        self.program = None
        self.binary = BINARY

    def serve_command(self):
        return [self.binary, "serve", "--config", self.config]

    def start(self):
        self.program = Program(self.serve_command(), self.home / "serve.log").ready(self.open)
        return self

    def stop(self):
        return self.program.stop(90) if self.program else None

    def cli(self, *words, ok=(0,)):
        return run([BINARY, *words, "--config", self.config], ok=ok)

    def show(self, ident):
        return self.cli("queue", "show", ident)

    def log(self):
        return tail(self.home / "serve.log", 100000)


class Postfix:
    """Debian's Postfix out of its unpacked package: own configuration, own queue, high ports, no users made.

    Its daemons drop root for an account that every Debian has (news, group uucp) and need to reach the queue then; when
    a directory above the checkout forbids that, queue and mailboxes live in a temporary directory instead."""

    OWNER, GROUP, MAILBOX_ID = "news", "uucp", 9999

    def __init__(self, name, **settings):
        self.home = fresh(name)
        self.work = self.home
        self.temporary = None
        if not all(p.stat().st_mode & stat.S_IXOTH for p in [self.home, *self.home.parents]):
            self.temporary = self.work = Path(tempfile.mkdtemp(prefix="postwerk-peers-"))
            self.work.chmod(0o755)
        self.port = free_port()
        self.mail = self.work / "mail"
        self.log = self.home / "mail.log" if not self.temporary else self.work / "mail.log"
        self.conf = self.work / "conf"
        self.settings = settings
        self.process = None
        self._directories()
        self._main_cf()
        self._master_cf()

    def _directories(self):
        queue = self.work / "queue"
        for d in (self.conf, queue, self.work / "data", queue / "pid"):
            d.mkdir(parents=True)
        shutil.chown(self.work / "data", self.OWNER)
        for d in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (queue / d).mkdir(mode=0o700)
            shutil.chown(queue / d, self.OWNER)
        for d, mode in (("maildrop", 0o730), ("public", 0o710)):
            (queue / d).mkdir()
            shutil.chown(queue / d, self.OWNER, self.GROUP)
            (queue / d).chmod(mode)
        self.mail.mkdir()
        os.chown(self.mail, self.MAILBOX_ID, self.MAILBOX_ID)

    def _main_cf(self):
        lib = UNPACKED / "usr" / "lib" / "postfix"
        values = {
            "compatibility_level": "3.6",
            "queue_directory": self.work / "queue", "data_directory": self.work / "data",
            "command_directory": UNPACKED / "usr" / "sbin", "daemon_directory": lib / "sbin", "shlib_directory": lib,
            "meta_directory": UNPACKED / "etc" / "postfix",
            "import_environment": "LD_LIBRARY_PATH=%s MAIL_CONFIG=%s" % (lib, self.conf),
            "export_environment": "LD_LIBRARY_PATH=%s MAIL_CONFIG=%s TZ" % (lib, self.conf),
            "mail_owner": self.OWNER, "setgid_group": self.GROUP, "default_privs": "nobody",
            "maillog_file": self.log, "maillog_file_prefixes": "/",
            "myhostname": "postfix.example", "mydestination": "", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "alias_maps": "", "alias_database": "",
            "virtual_mailbox_domains": "example.org", "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": "inline:{ {user@example.org = user/} {zwei@example.org = zwei/} }",
            "virtual_uid_maps": "static:%d" % self.MAILBOX_ID, "virtual_gid_maps": "static:%d" % self.MAILBOX_ID,
            "virtual_minimum_uid": "100", "smtpd_peername_lookup": "no",
            "minimal_backoff_time": "2s", "queue_run_delay": "2s",
            **self.settings,
        }
        (self.conf / "main.cf").write_text("".join("%s = %s\n" % kv for kv in values.items()))

    def _master_cf(self):
        private = {"unix": "- - n - -"}
        rows = ["127.0.0.1:%d inet n - n - %s smtpd" % (self.port, os.environ.get("POSTFIX_SMTPD_MAX", "-"))]
        for name, program, columns in (
                ("pickup", "pickup", "n - n 60 1"), ("cleanup", "cleanup", "n - n - 0"), ("qmgr", "qmgr", "n - n 300 1"),
                ("tlsmgr", "tlsmgr", "- - n 1000? 1"), ("rewrite", "trivial-rewrite", private["unix"]),
                ("bounce", "bounce", "- - n - 0"), ("defer", "bounce", "- - n - 0"), ("trace", "bounce", "- - n - 0"),
                ("verify", "verify", "- - n - 1"), ("flush", "flush", "n - n 1000? 0"),
                ("proxymap", "proxymap", private["unix"]), ("proxywrite", "proxymap", "- - n - 1"),
                ("smtp", "smtp", private["unix"]), ("relay", "smtp", private["unix"]),
                ("showq", "showq", "n - n - -"), ("error", "error", private["unix"]),
                ("retry", "error", private["unix"]), ("discard", "discard", private["unix"]),
                ("virtual", "virtual", "- n n - -"), ("anvil", "anvil", "- - n - 1"), ("scache", "scache", "- - n - 1")):
            rows.append("%s unix %s %s" % (name, columns, program))
        rows.append("postlog unix-dgram n - n - 1 postlogd")
        (self.conf / "master.cf").write_text("\n".join(rows) + "\n")

    def environment(self):
        return {"MAIL_CONFIG": str(self.conf), "LD_LIBRARY_PATH": str(UNPACKED / "usr" / "lib" / "postfix")}

    def start(self, secs=30):
        master = UNPACKED / "usr" / "lib" / "postfix" / "sbin" / "master"
        self.process = Program([master, "-c", self.conf, "-d"], self.home / "master.log", self.environment())
        try:
            self.process.ready(self.port, secs)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, tail(self.log))) from None
        return self

    def stop(self):
        if self.process:
            self.process.stop(15)
        if self.temporary:
            shutil.copy(self.log, self.home / "mail.log")
            shutil.rmtree(self.temporary, ignore_errors=True)

    def delivered(self, box="user"):
        """The bytes of all mails in a Maildir; Postfix writes LF for CRLF."""
        return [p.read_bytes() for p in sorted((self.mail / box / "new").glob("*"))]

    def log_text(self):
        return tail(self.log, 100000)


class Sink:
    """A next hop in a thread that keeps what arrives as it was on the wire, un-dot-stuffed, with its envelope."""

    def __init__(self, port=None, answer=None, cert=None, keep=True):
        self.port = port or free_port()
        self.answer = answer or (lambda verb, line, n: None)   # (verb, line, how often) -> reply or None
        self.cert = cert
        self.keep = keep
        self.mails = []                                        # {"from", "to", "raw", "tls", "lines"}
        self.count = 0
        self.asked = {}
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        assert self.ready.wait(10), "the sink did not start"
        return self

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    def arrived(self, text, secs=60):
        """The first mail that holds these bytes."""
        needle = text.encode()
        return wait_for("a mail with %r at the sink" % text,
                        lambda: next((m for m in list(self.mails) if needle in m["raw"]), None), secs)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self._client, "127.0.0.1", self.port, limit=1 << 20, backlog=512))
        self.ready.set()
        self.loop.run_forever()

    def _say(self, verb, line, default):
        key = (verb, line.strip().upper())
        self.asked[key] = self.asked.get(key, 0) + 1
        return (self.answer(verb, line.decode("latin-1").strip(), self.asked[key]) or default).encode() + b"\r\n"

    async def _client(self, r, w):
        try:
            w.write(self._say("CONNECT", b"", "220 sink.example ESMTP"))
            await self._session(r, w)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError, ssl.SSLError):
            pass
        finally:
            w.close()

    async def _session(self, r, w):
        mail, tls, lines = {}, False, []
        while True:
            await w.drain()
            line = await asyncio.wait_for(r.readline(), 120)
            verb = line[:4].upper().strip().decode("latin-1")
            lines.append(line.decode("latin-1").strip())
            if not line:
                return
            if verb == "EHLO":
                words = ["sink.example", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE 104857600"]
                words += ["STARTTLS"] if self.cert and not tls else []
                text = "".join("250-%s\r\n" % x for x in words[:-1]) + "250 " + words[-1]
                w.write(self._say("EHLO", line, text))
            elif verb == "STAR" and self.cert:
                w.write(b"220 2.0.0 go\r\n")
                await w.drain()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.cert)
                await w.start_tls(context)
                tls = True
            elif verb == "MAIL":
                mail = {"from": line.decode("latin-1").strip()[10:], "to": [], "tls": tls}
                w.write(self._say("MAIL", line, "250 2.1.0 ok"))
            elif verb == "RCPT":
                said = self._say("RCPT", line, "250 2.1.5 ok")
                if said.startswith(b"2"):
                    mail["to"].append(line.decode("latin-1").strip()[8:])
                w.write(said)
            elif verb == "DATA":
                said = self._say("DATA", line, "354 go")
                w.write(said)
                if said.startswith(b"354"):
                    await self._data(r, w, mail, lines)
            elif verb == "QUIT":
                w.write(b"221 2.0.0 bye\r\n")
                await w.drain()
                return
            else:
                w.write(self._say(verb, line, "250 2.0.0 ok"))

    async def _data(self, r, w, mail, lines):
        await w.drain()
        raw = bytearray()
        while not (raw.endswith(b"\r\n.\r\n") or raw == b".\r\n"):
            part = await asyncio.wait_for(r.readline(), 120)
            if not part:
                return
            raw += part
        said = self._say("DOT", b"", "250 2.0.0 kept")
        if said.startswith(b"2"):
            self.count += 1
            if self.keep:
                plain = re.sub(rb"(?m)^\.", b"", bytes(raw[:-3]))
                self.mails.append({**mail, "raw": plain, "lines": list(lines)})
        w.write(said)


TRACE = re.compile(rb"\A(?:(?:Received|Return-Path|X-Original-To|Delivered-To):[^\n]*\n(?:[ \t][^\n]*\n)*)+", re.I)


def without_trace(raw):
    """The mail behind the trace fields that servers put in front of it."""
    return TRACE.sub(b"", raw)


def hops(raw):
    """How many Received fields stand in front."""
    match = TRACE.match(raw)
    return len(re.findall(rb"(?mi)^Received:", match.group(0))) if match else 0


def stuffed(raw):
    """As it goes over the wire: dots doubled, with the final dot."""
    return re.sub(rb"(?m)^\.", b"..", raw) + b".\r\n"


def difference(wanted, got):
    """Where two byte strings part, for a person."""
    for n, (a, b) in enumerate(zip(wanted, got)):
        if a != b:
            return "at octet %d: wanted %r, got %r" % (n, wanted[max(0, n - 30):n + 30], got[max(0, n - 30):n + 30])
    return "wanted %d octets, got %d: %r" % (len(wanted), len(got), (wanted + got)[min(len(wanted), len(got)):][:80])


def awkward(tag, sender="a@sender.example", to="user@example.org"):
    """A mail with what gets broken on the way: dots, 8-bit text, long lines, blanks at line ends, folded fields."""
    return ("From: <%s>\r\nTo: <%s>\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <%s@sender.example>\r\n"
            "Subject: %s =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\tfolded with a tab\r\n folded with a blank\r\nX-Odd:no blank\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            ".\r\n..\r\n.leading dot\r\n...\r\nGrüße aus Köln — naïve\r\nblank at the end \r\n\t\r\n%s\r\n"
            "From the start of a line\r\n\r\nlast line\r\n" % (sender, to, tag, tag, "x" * 990)).encode()
