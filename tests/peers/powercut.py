"""A power cut under load: the file system is shut down by force, so that what was not synced is gone, three times.

Needs root, a loop mount, xfs_io and the probes beside the project; skipped where one of them is missing (the simulated
disk of the store's own tests cuts the power a thousand times without any). Not here: kill -9 (kill.py).
"""
import os
import subprocess
import unittest

import probes
import stand


class PowerCut(unittest.TestCase):
    def setUp(self):
        if not probes.PROBES.is_dir():
            self.skipTest("no probes beside this checkout")
        self.home = stand.fresh("powercut")
        self.image, self.mount = self.home / "image", self.home / "mount"
        self.tool = probes.PROBES / "powercut.sh"
        if os.geteuid() != 0:
            self.skipTest("needs root")
        made = subprocess.run(["sh", self.tool, "new", self.image, self.mount], timeout=60, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0 or not os.path.ismount(self.mount):
            self.skipTest("no loop mount here: %s" % made.stdout.decode("utf-8", "replace").strip())
        self.addCleanup(self.unmount)

    def unmount(self):
        for _ in range(20):
            if not os.path.ismount(self.mount):
                return
            subprocess.run(["umount", self.mount], timeout=30, check=False, stderr=subprocess.DEVNULL)

    def test_acknowledged_mail_survives_three_power_cuts(self):
        sink_port = stand.free_port()
        server = stand.Postwerk("powercut-serve", sink_port)
        server.config.write_text(server.config.read_text().replace(str(server.data), str(self.mount / "data")))
        verdict = probes.probe(
            "crash_load.py", "--smtp-port", server.open, "--sink-port", sink_port, "--rounds", "3", "--sink-fail", "0.1",
            "--before-kill", "sh %s cut %s" % (self.tool, self.mount),
            "--after-kill", "sh %s back %s %s" % (self.tool, self.image, self.mount),
            "--quiet", "20", "--log", server.home / "serve.log", "--", *server.serve_command(), secs=400)
        self.assertIn(": PASS", verdict)


if __name__ == "__main__":
    unittest.main(verbosity=2)
