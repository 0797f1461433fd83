"""Our DSNs as another program's mail parser reads them: Python's email package finds no defect, and in each who failed,
why, and what came back. The files under tests/dsn are what the server composes; `bounce::report` holds them to that.

Run by tests/run.sh: python3 -m unittest -v dsn_mail
"""
import email
import email.policy
import unittest

import inbox
import stand

FOLDER = stand.ROOT / "tests" / "dsn"
# Recipient as a machine reads it, action, status; and what is returned.
WANTED = {
    "refused.eml": ([("rfc822; kunde@example.net", "failed", "5.1.1"), ("rfc822; big@example.net", "failed", "5.2.2")],
                    "message/rfc822"),
    "expired.eml": ([("rfc822; kunde@example.net", "failed", "4.4.1")], "text/rfc822-headers"),
    "never_tried.eml": ([("rfc822; kunde@example.net", "failed", "4.4.1")], "message/rfc822"),
    "relayed.eml": ([("rfc822; kunde@example.net", "relayed", "2.0.0")], "text/rfc822-headers"),
    "eight_bit.eml": ([("rfc822; kunde@example.net", "failed", "5.6.3")], "text/rfc822-headers"),
    "utf8_recipient.eml": ([(r"utf-8; j\x{F6}rg@b\x{FC}cher.example", "failed", "5.6.7")], "text/rfc822-headers"),
    "utf8_author.eml": ([("rfc822; kunde@example.net", "failed", "5.1.1")], "message/global"),
    "utf8.eml": ([("utf-8; jörg@bücher.example", "failed", "5.6.7")], "message/global"),
}
# Whose reverse-path is beyond ASCII, so that the report needs SMTPUTF8 whatever it says.
BEYOND = {"utf8.eml", "utf8_author.eml"}


def blocks(part):
    """The groups of fields of the machine's part. The package knows the older type by itself."""
    if part.get_content_type() == "message/delivery-status":
        return part.get_payload()
    text = part.get_payload()[0].as_bytes(policy=email.policy.SMTPUTF8)
    return [email.message_from_bytes(block, policy=email.policy.SMTPUTF8) for block in text.split(b"\r\n\r\n") if block]


class DsnMail(unittest.TestCase):
    def read(self, name):
        raw = (FOLDER / name).read_bytes()
        return raw, email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)

    def test_every_file_is_known_here(self):
        self.assertEqual({file.name for file in FOLDER.glob("*.eml")}, set(WANTED))

    def test_no_part_has_a_defect(self):
        for name in WANTED:
            with self.subTest(name):
                _, mail = self.read(name)
                found = [(part.get_content_type(), defect) for part in mail.walk() for defect in part.defects]
                self.assertEqual(found, [])
                self.assertEqual(mail.get_content_type(), "multipart/report")
                self.assertEqual(mail["Auto-Submitted"], "auto-replied")

    def test_who_failed_and_why_is_found(self):
        for name, (told, returned) in WANTED.items():
            with self.subTest(name):
                _, mail = self.read(name)
                text, status, original = mail.get_payload()
                self.assertEqual(text.get_content_type(), "text/plain")
                self.assertEqual("message/" + mail.get_param("report-type"), status.get_content_type())
                message, *groups = blocks(status)
                self.assertIn("mail.example.org", message["Reporting-MTA"])
                got = [(str(g["Final-Recipient"]), g["Action"], g["Status"]) for g in groups]
                self.assertEqual(got, told)
                for address, _, _ in told:
                    plain = address.split("; ")[1].replace(r"\x{F6}", "ö").replace(r"\x{FC}", "ü")
                    self.assertIn("<%s>" % inbox.unlinked(plain), text.get_content())
                self.assertEqual(original.get_content_type(), returned)

    def test_a_report_to_an_ascii_address_passes_every_hop(self):
        for name in set(WANTED) - BEYOND:
            with self.subTest(name):
                raw, mail = self.read(name)
                self.assertTrue(raw.isascii())
                self.assertTrue(all(len(line) <= 998 for line in raw.split(b"\r\n")))
                self.assertEqual(mail.get_payload(1).get_content_type(), "message/delivery-status")

    def test_nothing_is_hidden_in_base64(self):
        for name in WANTED:
            with self.subTest(name):
                _, mail = self.read(name)
                for part in mail.walk():
                    self.assertNotEqual(part.get("Content-Transfer-Encoding", "7bit").lower(), "base64")


if __name__ == "__main__":
    unittest.main(verbosity=2)
