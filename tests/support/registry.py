# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback for the length of one case: Debian's docker-registry on a free port."""

import json
import os
import shutil
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

START_LIMIT_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_registry(case, accounts=None, folder="registry"):
    """Starts a registry that ends with the case; gives "127.0.0.1:PORT". With `accounts`, lines of a password file as
    htpasswd -B makes them, it knows these users only. A second one of a case needs another `folder`."""
    program = shutil.which("docker-registry")
    if program is None:
        raise unittest.SkipTest("docker-registry is not installed")
    address = f"127.0.0.1:{free_port()}"
    document = {"version": "0.1", "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": case.make_folder(folder)}},
                "http": {"addr": address}}
    if accounts is not None:
        with open(case.path("htpasswd"), "w", encoding="utf-8") as file:
            file.write(accounts)
        document["auth"] = {"htpasswd": {"realm": "test", "path": case.path("htpasswd")}}
    configuration = case.path(folder + ".yml")
    with open(configuration, "w", encoding="utf-8") as file:
        json.dump(document, file)
    with open(case.path(folder + ".log"), "wb") as log:
        process = subprocess.Popen([program, "serve", configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"})
    case.addCleanup(process.wait)
    case.addCleanup(process.kill)
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=2):
                return address
        except urllib.error.HTTPError as error:
            if error.code == 401 and accounts is not None:
                return address
            time.sleep(0.05)
        except OSError:
            time.sleep(0.05)
    with open(case.path(folder + ".log"), encoding="utf-8", errors="replace") as log:
        case.fail(f"the registry does not answer:\n{log.read()}")
