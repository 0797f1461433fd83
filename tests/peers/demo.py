"""The first thing a user does: `demo`, a mail to it, and what it says. Run by tests/run.sh: python3 -m unittest -v demo"""
import re
import signal
import socket
import subprocess
import unittest

import stand


def demo(*words):
    """On a free web port, unless it is given."""
    words = [*map(str, words), *([] if "--web-port" in words else ["--web-port", "0"])]
    return subprocess.Popen([str(stand.BINARY), "demo", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def up(process, port):
    def answers():
        if process.poll() is not None:
            raise AssertionError("the demo ended with %s: %s" % (process.returncode, process.communicate()[0]))
        return stand.banner(port)
    stand.wait_for("the demo", answers)


class Demo(unittest.TestCase):
    def mail(self, port, *to):
        return stand.run([stand.BINARY, "test-mail", *to, "--server", "127.0.0.1:%d" % port, "--tls", "off"])

    def run_with(self, to, *words, secs=90):
        port = stand.free_port()
        process = demo("--smtp-port", port, *words)
        try:
            up(process, port)
            if to:
                self.mail(port, *to)
            text, _ = process.communicate(timeout=secs)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)
        return process.returncode, text

    def test_it_ends_by_itself_when_the_sink_has_what_was_asked_for(self):
        status, text = self.run_with(["success@demo.test"], "--exit-after", "1", "--timeout", "60s")
        self.assertEqual(status, 0, text)
        self.assertIn("arrived: to success@demo.test", text)
        self.assertNotIn("panicked", text)

    def test_a_deferred_mail_comes_at_the_third_try(self):
        status, text = self.run_with(["defer@demo.test"], "--exit-after", "1", "--timeout", "60s")
        self.assertEqual(status, 0, text)
        self.assertIn("arrived: to defer@demo.test", text)

    def test_what_is_missing_after_the_timeout_is_counted(self):
        status, text = self.run_with(["bounce@demo.test"], "--exit-after", "1", "--timeout", "4s")
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r"(?m)\b1 recipient.* not arrived")

    def test_ctrl_c_ends_it_with_0_and_the_temporary_store_is_gone(self):
        port = stand.free_port()
        process = demo("--smtp-port", port)
        up(process, port)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, text)
        store = re.search(r"--data (\S+)", text)
        self.assertTrue(store, "the block says how to look into the queue: " + text)
        self.assertFalse(stand.Path(store.group(1).strip("'\"")).exists(), "the temporary store is removed")

    def test_a_taken_port_is_named_with_the_flag_that_changes_it(self):
        for flag in ("--smtp-port", "--web-port"):
            with self.subTest(flag), socket.create_server(("127.0.0.1", 0)) as taken:
                other = "--smtp-port" if flag == "--web-port" else "--web-port"
                process = demo(flag, taken.getsockname()[1], other, 0)
                text, _ = process.communicate(timeout=60)
                self.assertNotEqual(process.returncode, 0)
                self.assertIn(flag, text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
