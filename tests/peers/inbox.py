"""A person in front of the demo: starts it, reads its inbox, follows links, presses buttons. Standard library only.

Mails are read with Python's own email package, pages with html.parser; a browser without scripts does no more.
Not here: what is tested (circle.py, digest_mail.py).
"""
import email
import email.policy
import html.parser
import http.cookiejar
import json
import os
import re
import smtplib
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import stand

LINK = re.compile(r"^https?://\S+/d/[A-Za-z0-9_-]{44}$", re.M)


class Forms(html.parser.HTMLParser):
    """The forms of a page: where they go, their fields, their buttons."""

    def __init__(self):
        super().__init__()
        self.forms = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag == "form":
            self.inside = True
            self.forms.append({"method": (said.get("method") or "get").lower(), "action": said.get("action"),
                               "fields": {}, "buttons": [], "asked": []})
        elif self.inside and tag == "input" and said.get("type") == "hidden":
            self.forms[-1]["fields"][said.get("name")] = said.get("value") or ""
        elif self.inside and tag == "input" and said.get("type") != "submit":
            self.forms[-1]["asked"].append(said.get("name"))
        elif self.inside and tag in ("button", "input"):
            self.forms[-1]["buttons"].append((said.get("name"), said.get("value")))

    def handle_endtag(self, tag):
        if tag == "form":
            self.inside = False


class Browser:
    """Follows redirects, keeps cookies, knows no script."""

    def __init__(self, lang="de"):
        self.jar = http.cookiejar.CookieJar()
        # No proxy: everything is on this machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar))
        self.lang = lang

    def ask(self, url, method="GET", fields=None):
        """Status, headers, text."""
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        headers = {"Accept-Language": self.lang, "User-Agent": "circle.py"}
        if data is not None:
            parts = urllib.parse.urlsplit(url)
            headers["Origin"] = "%s://%s" % (parts.scheme, parts.netloc)
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode("utf-8", "replace")

    def press(self, url, page, verb=None):
        """Sends a form of the page as its button does: the one whose values name `verb`, else the first that posts."""
        forms = Forms()
        forms.feed(page)
        posts = [f for f in forms.forms if f["method"] == "post"]
        for form in posts:
            for name, value in form["buttons"] or [(None, None)]:
                said = [value, form["action"] or "", *form["fields"].values()]
                if verb is None or any(verb in (s or "") for s in said):
                    fields = dict(form["fields"])
                    if name:
                        fields[name] = value or ""
                    target = urllib.parse.urljoin(url, form["action"] or url)
                    return self.ask(target, "POST", fields)
        raise AssertionError("no button for %s in:\n%s" % (verb, page))


class Demo:
    """The release binary's `demo` with a data directory of its own."""

    def __init__(self, name, lang="de_DE.UTF-8", *words):
        self.home = stand.fresh(name)
        self.data = self.home / "data"
        self.smtp, self.web = stand.free_port(), stand.free_port()
        self.url = "http://127.0.0.1:%d" % self.web
        command = [stand.BINARY, "demo", "--data", self.data, "--smtp-port", self.smtp, "--web-port", self.web, *words]
        self.program = stand.Program(command, self.home / "log", env={"LC_ALL": lang}).ready(self.smtp)
        self.browser = Browser()

    def stop(self):
        return self.program.stop()

    def log(self):
        return stand.tail(self.program.log, 100000)

    def send(self, *to, subject="Rechnung 2026-1187", sender="stadtwerke@example.org", more="", body="Guten Tag\r\n"):
        mail = ("From: Stadtwerke <%s>\r\nTo: %s\r\nSubject: %s\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\n%s\r\n%s"
                % (sender, ", ".join(to), subject, more, body))
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=20) as client:
            client.sendmail(sender, list(to), mail.encode("utf-8"), mail_options=["SMTPUTF8"] if not mail.isascii() else [])

    def cli(self, *words, ok=(0,)):
        return stand.run([stand.BINARY, *words, "--data", self.data], ok=ok)

    def queue(self):
        """The rows of `queue list --json`."""
        done = subprocess.run([str(stand.BINARY), "queue", "list", "--json", "--data", str(self.data)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=True, env=dict(os.environ))
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def held(self):
        """Address -> (hold queue, reason) of what is held now."""
        return {to["address"]: (to.get("hold_queue"), to.get("reason"))
                for row in self.queue() for to in row["recipients"] if to["status"] == "held"}

    def inbox(self):
        """Mails of the inbox, newest first, as the email package reads them."""
        status, _, page = self.browser.ask(self.url + "/inbox")
        assert status == 200, page
        mails = []
        for number in re.findall(r'href="/inbox/(\d+)"', page):
            status, _, raw = self.browser.ask("%s/inbox/%s/raw" % (self.url, number))
            assert status == 200, raw
            mails.append(email.message_from_bytes(raw.encode("utf-8", "surrogateescape"), policy=email.policy.default))
        return mails

    def digests(self):
        """Those of them that are digests."""
        return [m for m in self.inbox() if m["List-Id"] and m["Auto-Submitted"]]


def text_of(mail):
    return mail.get_body(("plain",)).get_content()


def unlinked(address):
    """An address as our own mails and pages tell it: readable, and no link in anybody's mail program."""
    return address.replace("@", "[at]").replace(".", "[.]")


def links(text, heading):
    """The links that stand below a heading such as `Freigeben:`, each alone on its line."""
    lines = [line.strip() for line in text.splitlines()]
    return [after for before, after in zip(lines, lines[1:]) if before.startswith(heading) and LINK.match(after)]
