# SPDX-License-Identifier: Apache-2.0
"""Authorities of a case's own, and certificates that they sign, by the openssl program."""

import dataclasses
import os
import subprocess

from support.case import need_tool

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclasses.dataclass
class Identity:
    """Files in PEM."""

    certificate: str
    key: str


def _openssl(*arguments):
    subprocess.run(("openssl", *arguments), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


class Authority:
    """Vouches for whom it is asked to. Its certificate is the file `certificate`."""

    def __init__(self, folder, name="test authority", key=NEW_KEY):
        need_tool("openssl")
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.certificate, self.key = os.path.join(folder, "ca.crt"), os.path.join(folder, "ca.key")
        _openssl("req", "-x509", *key, "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}",
                 "-days", "2")

    def sign(self, name, names=""):
        """A certificate for `name`; `names` is a subjectAltName like "IP:127.0.0.1,DNS:localhost"."""
        made = Identity(os.path.join(self.folder, name + ".crt"), os.path.join(self.folder, name + ".key"))
        request, more = os.path.join(self.folder, name + ".csr"), os.path.join(self.folder, name + ".ext")
        with open(more, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        _openssl("req", *NEW_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days",
                 "2", "-out", made.certificate, "-extfile", more)
        return made

    def sign_server(self):
        """For a server on loopback."""
        return self.sign("server", "IP:127.0.0.1,DNS:localhost")
