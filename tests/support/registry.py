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
ACCEPT = ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
          "application/vnd.docker.distribution.manifest.v2+json")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_registry(case, accounts=None, tls=None, client_authority=None, tokens=None, name="registry"):
    """Starts a registry that ends with the case; gives "127.0.0.1:PORT". With `accounts`, lines of a password file as
    htpasswd -B makes them, it knows these users only. `tls` is a support.certificates.Identity; `client_authority` the
    file of who vouches for clients; `tokens` a support.tokens.TokenServer. Several of one case need a `name` each."""
    program = shutil.which("docker-registry")
    if program is None:
        raise unittest.SkipTest("docker-registry is not installed")
    address = f"127.0.0.1:{free_port()}"
    document = {"version": "0.1", "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": case.make_folder(name)}},
                "http": {"addr": address}}
    if accounts is not None:
        with open(case.path(name, "htpasswd"), "w", encoding="utf-8") as file:
            file.write(accounts)
        document["auth"] = {"htpasswd": {"realm": "test", "path": case.path(name, "htpasswd")}}
    if tls is not None:
        document["http"]["tls"] = {"certificate": tls.certificate, "key": tls.key}
        if client_authority is not None:
            document["http"]["tls"]["clientcas"] = [client_authority]
    if tokens is not None:
        document["auth"] = {"token": {"realm": tokens.realm, "service": tokens.service, "issuer": tokens.issuer,
                                      "rootcertbundle": tokens.certificate}}
    configuration, log_file = case.path(name + ".yml"), case.path(name + ".log")
    with open(configuration, "w", encoding="utf-8") as file:
        json.dump(document, file)
    with open(log_file, "wb") as log:
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
            # 400: it speaks TLS.
            if error.code == 401 or (error.code == 400 and tls is not None):
                return address
            time.sleep(0.05)
        except OSError:
            time.sleep(0.05)
    with open(log_file, encoding="utf-8", errors="replace") as log:
        case.fail(f"the registry does not answer:\n{log.read()}")


def manifest_of(address, repository, reference):
    """(digest, document) of what a registry on loopback has."""
    request = urllib.request.Request(f"http://{address}/v2/{repository}/manifests/{reference}",
                                     headers={"Accept": ", ".join(ACCEPT)})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["Docker-Content-Digest"], json.load(answer)
