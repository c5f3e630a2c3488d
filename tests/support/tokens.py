# SPDX-License-Identifier: Apache-2.0
"""A token server on loopback as registries want it: signed tokens for those who log in or show an identity token."""

import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

from support.certificates import Authority

# The registry takes a token for so long after it ran out.
LEEWAY_SECONDS = 60


def _packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    """Ends with the case. `lifetimes` are the seconds for which the first tokens are good, one after the other; later
    ones live long. `asked` lists (who, scopes, grant type) of each token that was given."""

    service, issuer = "registry of the test", "token server of the test"

    def __init__(self, case, user, password, identity=None, lifetimes=()):
        self.user, self.password, self.identity = user, password, identity
        self.lifetimes, self.asked, self.lock = list(lifetimes), [], threading.Lock()
        # RS256, which openssl signs as tokens hold it.
        authority = Authority(case.make_folder("token-server"), key=("-newkey", "rsa:2048", "-nodes"))
        self.certificate, self.key = authority.certificate, authority.key
        with open(self.certificate, encoding="utf-8") as file:
            self.chain = ["".join(line.strip() for line in file if not line.startswith("-----"))]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                given = base64.b64decode(self.headers.get("Authorization", "Basic ").split(" ", 1)[1]).decode()
                outer.answer(self, given == f"{outer.user}:{outer.password}", query, "password")

            def do_POST(self):
                query = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.answer(self, query.get("refresh_token") == [outer.identity], query, query["grant_type"][0])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self.server.server_port}/token"
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        case.addCleanup(thread.join)
        case.addCleanup(self.server.server_close)
        case.addCleanup(self.server.shutdown)

    def answer(self, handler, is_known, query, grant):
        scopes = [scope for text in query.get("scope", []) for scope in text.split(" ")]
        with self.lock:
            if is_known:
                self.asked.append((self.user, scopes, grant))
            lifetime = self.lifetimes.pop(0) if is_known and self.lifetimes else 300
        body = json.dumps({"token": self.token(scopes, lifetime)} if is_known else {}).encode()
        handler.send_response(200 if is_known else 401)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def token(self, scopes, lifetime):
        now = int(time.time())
        access = [dict(zip(("type", "name", "actions"), (kind, name, actions.split(","))))
                  for kind, name, actions in (scope.split(":") for scope in scopes)]
        head = {"typ": "JWT", "alg": "RS256", "x5c": self.chain}
        claims = {"iss": self.issuer, "sub": self.user, "aud": self.service, "nbf": now - 600, "iat": now - 600,
                  "exp": now + lifetime - LEEWAY_SECONDS, "jti": str(len(self.asked)), "access": access}
        text = ".".join(_packed(json.dumps(part).encode()) for part in (head, claims))
        signed = subprocess.run(("openssl", "dgst", "-sha256", "-sign", self.key), input=text.encode(), check=True,
                                stdout=subprocess.PIPE)
        return f"{text}.{_packed(signed.stdout)}"
