# SPDX-License-Identifier: Apache-2.0
"""The network of a RUN: one of its own, with a way out that starts when it is needed and ends with the command."""

import contextlib
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from support.case import EndToEnd, need_root, need_tool

CONTENT = b"over the way out\n" * 100_000  # more than what fits into one window
NOTE = "commands use this machine's own network"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def do_PUT(self):
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *arguments):
        """Says nothing: the case looks at what comes."""


class Network(EndToEnd):
    def setUp(self):
        super().setUp()
        need_root()
        need_tool("ip")
        if not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("this machine makes no network interfaces")

    def serve(self):
        """A web server on an address of this machine that is none of its loopback's; gives its port and what was put."""
        # Of those for measurements, one for each case: on the loopback interface, and none of the loopback's.
        self.address = f"198.18.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        made = subprocess.run(["ip", "addr", "add", f"{self.address}/32", "dev", "lo"], capture_output=True, text=True,
                              check=False)
        if made.returncode != 0:
            raise unittest.SkipTest(f"this machine gets no address here: {made.stderr.strip()}")
        self.addCleanup(subprocess.run, ["ip", "addr", "del", f"{self.address}/32", "dev", "lo"], check=False)
        server = http.server.ThreadingHTTPServer((self.address, 0), _Handler)
        server.daemon_threads = True
        server.got = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1], server.got

    def only(self, *programs):
        """A PATH with these of the programs and nothing else."""
        folder = self.path("path-" + "-".join(programs))
        if not os.path.isdir(folder):
            os.mkdir(folder)
            for name in programs:
                need_tool(name)
                os.symlink(shutil.which(name), os.path.join(folder, name))
        return {"PATH": folder}

    def recent_passt(self):
        """A PATH with a passt that says to be of 2024, whatever it is: for what every one can."""
        need_tool("passt")
        folder = self.make_folder("path-recent")
        with open(os.path.join(folder, "passt"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\ntest "$1" = --version && echo "passt 2024_12_11.09478d5" && exit\nexec {shutil.which("passt")} "$@"\n')
        os.chmod(os.path.join(folder, "passt"), 0o755)
        return {"PATH": folder}

    def files_of(self, text, *options, env=None):
        """{name: content} of the files that the stage has; what the build said is kept."""
        out = self.make_folder(f"out-{time.monotonic_ns()}")
        context = self.context({"Buildfile": text}, f"context-{time.monotonic_ns()}")
        self.said = self.imgbuild("build", "--progress=plain", "-o", f"type=local,dest={out}", *options, context,
                                  env=env).stderr
        found = {}
        for name in os.listdir(out):
            if os.path.isfile(os.path.join(out, name)):
                with open(os.path.join(out, name), "rb") as file:
                    found[name] = file.read()
        return found

    def check_program(self, env, *options, sends=True):
        port, got = self.serve()
        send = (f"printf 'PUT / HTTP/1.0\\r\\nContent-Length: 300000\\r\\n\\r\\n' > /put && "
                f"head -c 300000 /got >> /put && nc {self.address} {port} < /put > /answer") if sends else "touch /answer"
        text = ("FROM busybox AS made\n"
                f"RUN wget -q -O /got http://{self.address}:{port}/ && cp /got /copy && {send}\n"
                "RUN cat /proc/net/dev > /devices; cat /etc/resolv.conf > /resolver\n"
                "FROM scratch\nCOPY --from=made /copy /answer /devices /resolver /\n")
        found = self.files_of(text, "--step-timeout=60s", *options, env=env)
        self.assertEqual(found["copy"], CONTENT)
        if sends:
            self.assertEqual(got, [CONTENT[:300000]])
            self.assertIn(b" 201 ", found["answer"])
        self.assertIn(b"eth0:", found["devices"])
        self.assertIn(b"nameserver ", found["resolver"])
        self.assertNotIn(NOTE, self.said)

    def test_slirp4netns_carries_what_a_command_sends_and_gets(self):
        self.check_program(self.only("slirp4netns"), "--root-mode=root")

    def test_passt_carries_what_a_command_gets(self):
        self.check_program(self.recent_passt(), "--root-mode=root", sends=False)

    def test_the_rung_with_one_id_has_the_same_way_out(self):
        self.check_program(self.only("slirp4netns"), "--root-mode=single")

    def test_names_are_resolved_by_the_machines_resolver_also_on_its_loopback(self):
        # A resolver of ours at the loopback address that resolv.conf of this build's mount namespace names.
        server = self.start_resolver()
        resolver = self.path("resolv.conf")
        with open(resolver, "w", encoding="ascii") as file:
            file.write("nameserver 127.0.0.153\nsearch example.test\n")
        context = self.context({"Buildfile": "FROM busybox\nRUN nslookup host.example.test > /out; cat /out\n"})
        said = self.command("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver,
                            self.program, "build", "--progress=plain", "-o", "type=cacheonly", context,
                            env=self.environment(IMGBUILD_STORE=self.store)).stderr
        server.join(10)
        self.assertIn("203.0.113.99", said)

    def start_resolver(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.settimeout(30)
        try:
            listener.bind(("127.0.0.153", 53))
        except OSError as error:
            raise unittest.SkipTest(f"no resolver can be started here: {error}") from error

        def answer():
            with listener, contextlib.suppress(TimeoutError):
                for _ in range(2):  # the address of each family
                    question, asker = listener.recvfrom(1500)
                    name_end = question.index(b"\0", 12) + 5
                    has_address = question[name_end - 3] == 1
                    header = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if has_address else b"\0\0") + b"\0\0\0\0"
                    found = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([203, 0, 113, 99]) if has_address else b""
                    listener.sendto(header + question[12:name_end] + found, asker)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        return thread

    def test_without_a_program_commands_have_the_machines_network_and_the_build_says_so_once(self):
        text = "FROM busybox\nRUN readlink /proc/self/ns/net > /one\nRUN readlink /proc/self/ns/net > /two\n"
        found = self.files_of(text, env={"PATH": self.make_folder("empty")})
        here = os.readlink("/proc/self/ns/net").encode() + b"\n"
        self.assertEqual([found["one"], found["two"]], [here, here])
        self.assertEqual(self.said.count(NOTE), 1, self.said)
        self.assertIn("neither slirp4netns nor passt is installed", self.said)
        said = self.imgbuild("doctor", env={"PATH": self.make_folder("nothing")}).stdout
        self.assertIn("network of commands (without --network):\nthis machine's, services on its loopback included: neither slirp4netns"
                      " nor passt is installed\n", said)
        self.assertIn("try: apt-get install slirp4netns\n", said)

    def test_nothing_outlives_a_build_whether_it_ends_or_is_killed(self):
        port, _ = self.serve()
        got = f"FROM busybox\nRUN wget -q -O /got http://{self.address}:{port}/ && "
        ends = self.context({"Buildfile": got + "sleep 1\n"}, "ends")
        stays = self.context({"Buildfile": got + "sleep 600\n"}, "stays")
        for env in (self.only("slirp4netns"), self.recent_passt()):
            for context, number, status in ((ends, None, 0), (stays, signal.SIGKILL, -signal.SIGKILL),
                                            (stays, signal.SIGINT, 130)):
                process = self.start("build", "--no-cache", "--progress=plain", context, env=env)
                self.wait_until(lambda: "imgbuild-uplink" in self.helpers_of(process.pid))
                helper = self.helper
                if number:
                    process.send_signal(number)
                self.finish(process, status, limit=30)
                self.wait_until(lambda: not self.in_session(helper))

    def helpers_of(self, build):
        """The names of the processes of a build but itself; all are in the session of the helper."""
        for pid, (_, parent, session) in self.processes().items():
            if parent == build and session == pid:
                self.helper = pid
                return self.in_session(pid)
        return []

    def in_session(self, leader):
        return [name for name, _, session in self.processes().values() if session == leader]

    @staticmethod
    def processes():
        """{number: (name, parent, session)}"""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    before, _, after = file.read().rpartition(")")
                fields = after.split()
                found[int(pid)] = (before.partition("(")[2], int(fields[1]), int(fields[3]))
        return found


if __name__ == "__main__":
    unittest.main()
