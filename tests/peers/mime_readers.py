"""What two independent readers of MIME find in a mail is found by our server too. Run by tests/run.sh:
python3 -m unittest -v mime_readers

The mails of tests/mime go through the mx listener with the usual [attachments]. The table says what must become of each;
and wherever Python's email package, by its old or its new policy, shows a blocked name or decodes a program, the mail
must be held, whatever the table says. Not here: the same mails at every cut (tests/it/mime.rs).
"""
import base64
import binascii
import email
import email.policy
import io
import json
import re
import socket
import unittest
import zipfile

import stand

MIME = stand.ROOT / "tests" / "mime"
EXE = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8" + b"\0" * 7 + b"@\0\0\0 and so on"
NAMES = ["report.pdf", "My report.pdf", "Rechnung 2024.11.30 final.xlsx", "photo (1).jpg"]
HEAD = "From: a@sender.example\nTo: b@example.org\nMIME-Version: 1.0\n"
MIXED = ('Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nhi\n--b\n', "\n--b--\n")
# A page that is called by its address is no program, although its name ends in `.com`.
PAGE = re.compile(r"^https?://www\.", re.I)
BLOCKED = re.compile(r"\.(js|exe|scr|vbs|bat|com|lnk)[\s.]*$", re.I)


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("setup.exe", b"x")
    return out.getvalue()


def uuencoded():
    lines = [binascii.b2a_uu(EXE[at:at + 45]).decode() for at in range(0, len(EXE), 45)]
    return "begin 644 a.pdf\n" + "".join(lines) + "`\nend"


def octets(text):
    def one(found):
        return bytes([int(found[1], 16)]) if found[1] else found[3] * int(found[2])
    raw = re.sub(rb"\\x([0-9a-f]{2})|@(\d+)\*(.)@", one, text.encode(), flags=re.S)
    return raw.replace(b"\n", b"\r\n")


def written(text):
    def encode(raw):
        return base64.encodebytes(raw).decode().rstrip("\n")
    for mark, file in (("@JS@", "WScript.Echo('owned');"), ("@EXE64@", encode(EXE)), ("@EXEUU@", uuencoded()),
                       ("@ZIP64@", encode(zipped()))):
        text = text.replace(mark, file)
    text = re.sub(r"@B64\{\n(.*?)\}@", lambda m: encode(octets(m[1])), text, flags=re.S)
    return octets(text)


def table(name):
    for block in (MIME / name).read_text(encoding="utf-8").split("\n== ")[1:]:
        name, wanted, form, text = block.split("\n", 3)
        if form == "part":
            text = MIXED[0] + text + MIXED[1]
        for own in NAMES if "@NAME@" in text else [""]:
            yield (name + " " + own).strip(), wanted, written(HEAD + text.replace("@NAME@", own) + "\n")


def seen_by_python(raw):
    """What its readers show of a mail that we block: a name, or a program."""
    found = []
    for policy in (email.policy.compat32, email.policy.default):
        try:
            parts = list(email.message_from_bytes(raw, policy=policy).walk())
        except Exception:  # A reader that falls shows nothing.
            continue
        for part in parts:
            try:
                if part.is_multipart():
                    continue
                name, content = part.get_filename(), part.get_payload(decode=True) or b""
            except Exception:
                continue
            if name and BLOCKED.search(str(name)) and not PAGE.match(str(name)):
                found.append(str(name))
            if content.startswith(b"MZ") and b"\0" in content[:64]:
                found.append("a program")
    return found


def send_all(port, mails):
    """The queue ids, in one session."""
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        wire = s.makefile("rwb")

        def ask(line):
            if line is not None:
                wire.write(line)
                wire.flush()
            while True:
                reply = wire.readline().decode("utf-8", "replace")
                if reply[3:4] != "-":
                    return reply
        ask(None)
        ask(b"EHLO sender.example\r\n")
        ids = []
        for name, raw in mails:
            ask(b"MAIL FROM:<a@sender.example> BODY=8BITMIME\r\n")
            ask(b"RCPT TO:<b@example.org>\r\n")
            reply = ask(b"BDAT %d LAST\r\n" % len(raw) + raw)
            assert reply.startswith("250"), (name, reply)
            ids.append(stand.ID.search(reply).group(0))
        ask(b"QUIT\r\n")
        return ids


class MimeReaders(unittest.TestCase):
    def test_what_other_readers_show_is_held(self):
        cases = list(table("variants.txt")) + list(table("ordinary.txt"))
        self.assertGreater(len(cases), 200)
        # What is let go waits: only what is held matters.
        server = stand.Postwerk("mime_readers", stand.free_port(), retry='["2s"]\npaused = true')
        server.start()
        self.addCleanup(server.stop)
        ids = send_all(server.mx, [(name, raw) for name, _, raw in cases])
        held = {}
        for line in server.cli("queue", "list", "--json").splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                held[row.get("id") or row.get("queue_id")] = row
        wrong, shown = [], 0
        for queue_id, (name, wanted, raw) in zip(ids, cases):
            row = json.dumps(held.get(queue_id, {}))
            got = "lost" if '"bad"' in row else "held" if '"quarantine"' in row else "clear"
            found = seen_by_python(raw)
            shown += bool(found)
            if got != wanted:
                wrong.append("%s: %s, wanted %s" % (name, got, wanted))
            if found and got == "clear":
                wrong.append("%s: let go, but a reader shows %s" % (name, found))
        self.assertEqual(wrong, [])
        # The readers are no ornament: they show what is meant.
        self.assertGreater(shown, 30)


if __name__ == "__main__":
    unittest.main()
