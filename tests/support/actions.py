# SPDX-License-Identifier: Apache-2.0
"""The cache service of GitHub Actions on loopback, in both of its protocols, as far as its clients can tell.

An entry belongs to a scope (a ref of the repository), has a key and a version, is written once, and is found by jobs
whose token may read the scope: by the whole key, or the newest whose key begins as one of the restore keys. A token is a
JSON Web Token without a signature that counts; here it has to be one that token() gave out.
"""

import base64
import glob
import http.server
import json
import re
import secrets
import threading
import urllib.parse

MAIN = "refs/heads/main"
READ, WRITE = 1, 2
TWIRP = "/twirp/github.actions.results.api.v1.CacheService/"
REST = "/service/_apis/artifactcache/"
DENIED = "cache write denied: the token has no writable scopes"


class Entry:
    def __init__(self, number, scope, key, version):
        self.number, self.scope, self.key, self.version = number, scope, key, version
        self.signature = secrets.token_hex(16)
        self.parts, self.blocks = {}, {}  # by offset, and by the id of a block
        self.data = None  # once it is finished


class ActionsServer:
    """Runs until the case ends. `entries` and `requests`, lines of "METHOD path", grow."""

    def __init__(self, case):
        self.tokens = {}  # token: [(scope, permission)]
        self.entries, self.requests, self.mistakes = [], [], []
        self.lock = threading.Lock()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        server.service = self
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        case.addCleanup(thread.join, 10)
        case.addCleanup(server.server_close)
        case.addCleanup(server.shutdown)

    def token(self, *scopes):
        """A token for (ref, permission) pairs."""
        claims = {"ac": json.dumps([{"Scope": scope, "Permission": bits} for scope, bits in scopes]),
                  "nonce": secrets.token_hex(16)}
        parts = [{"alg": "none"}, claims, {"signature": "none"}]
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        self.tokens[token] = list(scopes)
        return token

    def variables(self, token, version):
        """The environment that a runner gives a job."""
        if version == 1:
            return {"ACTIONS_CACHE_URL": f"{self.address}/service/", "ACTIONS_RUNTIME_TOKEN": token}
        return {"ACTIONS_RESULTS_URL": f"{self.address}/", "ACTIONS_CACHE_SERVICE_V2": "true",
                "ACTIONS_RUNTIME_TOKEN": token}

    def finished(self, prefix=""):
        return [entry for entry in self.entries if entry.data is not None and entry.key.startswith(prefix)]

    # What the protocols have in common; under the lock.

    def find(self, scopes, key, restore_keys, version):
        for scope in sorted({scope for scope, bits in scopes if bits & READ}, key=lambda s: s == MAIN):
            there = [entry for entry in self.finished() if entry.scope == scope and entry.version == version]
            for entry in there:
                if entry.key == key:
                    return entry
            for prefix in restore_keys:
                found = [entry for entry in there if entry.key.startswith(prefix)]
                if found:
                    return max(found, key=lambda entry: entry.number)
        return None

    def create(self, scopes, key, version):
        """An Entry, "exists" or "denied"."""
        own = [scope for scope, bits in scopes if bits & WRITE]
        if not own:
            return "denied"
        if any((e.scope, e.key, e.version) == (own[0], key, version) for e in self.entries):
            return "exists"
        if len(key) > 512 or "," in key or not re.fullmatch("[0-9a-f]{64}", version):
            self.mistakes.append(f"key {key} version {version}")
        self.entries.append(Entry(len(self.entries) + 1, own[0], key, version))
        return self.entries[-1]

    def address_of(self, entry):
        return f"{self.address}/blobs/{entry.number}?se=2099&sig={entry.signature}"

    def finish(self, entry, size):
        data = b"".join(entry.parts[offset] for offset in sorted(entry.parts))
        if entry.data is not None or len(data) != size:
            self.mistakes.append(f"{entry.key}: finished with {len(data)} bytes as {size}")
            return False
        entry.data = data
        return True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        service = self.server.service
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        with service.lock:
            service.requests.append(f"{self.command} {self.path}")
            self._look_for_tokens(service)
            if self.path.startswith("/blobs/"):
                return self._blob(service)
            scopes = service.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            if scopes is None:
                return self._send(401, {"message": "bad token", "msg": "bad token"})
            if self.path.startswith(TWIRP):
                return self._twirp(service, scopes, self.path.removeprefix(TWIRP))
            return self._rest(service, scopes, self.path.removeprefix(REST))

    do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = _handle

    def _look_for_tokens(self, service):
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if any(token.encode() in words for token in service.tokens):
                service.mistakes.append(f"a token stands in {path}")

    def _rest(self, service, scopes, path):
        if "api-version=6.0-preview.1" not in self.headers.get("Accept", "") and self.command != "PATCH":
            service.mistakes.append(f"{self.command} {path}: no version in Accept")
        if (self.command, path) == ("GET", "cache"):
            keys = self.query["keys"].split(",")
            entry = service.find(scopes, keys[0], keys[1:], self.query["version"])
            if entry is None:
                return self._send(204)
            return self._send(200, {"cacheKey": entry.key, "scope": entry.scope, "cacheVersion": entry.version,
                                    "archiveLocation": service.address_of(entry)})
        if (self.command, path) == ("POST", "caches"):
            asked = json.loads(self.body)
            made = service.create(scopes, asked["key"], asked["version"])
            if made == "denied":
                return self._send(403, {"message": DENIED})
            if made == "exists":
                return self._send(409, {"typeKey": "ArtifactCacheItemAlreadyExistsException",
                                        "message": f"Cache already exists. Key: {asked['key']}"})
            return self._send(201, {"cacheId": made.number})
        match = re.fullmatch(r"caches/([0-9]+)", path)
        if match is None:
            return self._send(404, {"message": "no such path"})
        entry = service.entries[int(match[1]) - 1]
        if self.command == "PATCH":
            first, last = map(int, re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/\*", self.headers["Content-Range"]).groups())
            if last - first + 1 != len(self.body):
                service.mistakes.append(f"{path}: {len(self.body)} bytes as {first} to {last}")
            entry.parts[first] = self.body
            return self._send(204)
        return self._send(204 if service.finish(entry, json.loads(self.body)["size"]) else 400)

    def _twirp(self, service, scopes, method):
        asked = json.loads(self.body)
        key, version = asked["key"], asked["version"]
        if method == "GetCacheEntryDownloadURL":
            entry = service.find(scopes, key, asked.get("restore_keys", []), version)
            if entry is None:
                return self._send(200, {"ok": False, "signed_download_url": "", "matched_key": ""})
            return self._send(200, {"ok": True, "signed_download_url": service.address_of(entry),
                                    "matched_key": entry.key})
        if method == "CreateCacheEntry":
            made = service.create(scopes, key, version)
            if made == "denied":
                return self._send(200, {"ok": False, "signed_upload_url": "", "message": DENIED})
            if made == "exists":
                return self._send(409, {"code": "already_exists", "msg": "cache entry with the same key, version, and "
                                                                          "scope already exists"})
            return self._send(200, {"ok": True, "signed_upload_url": service.address_of(made), "message": ""})
        if method == "FinalizeCacheEntryUpload":
            own = [scope for scope, bits in scopes if bits & WRITE][0]
            entry = [e for e in service.entries if (e.scope, e.key, e.version) == (own, key, version)][0]
            is_finished = service.finish(entry, int(asked["size_bytes"]))
            return self._send(200, {"ok": is_finished, "entry_id": str(entry.number), "message": ""})
        return self._send(404, {"code": "bad_route", "msg": "no such method"})

    def _blob(self, service):
        """The blob store behind the service: whoever has a signed address may use it, and no token belongs there."""
        entry = service.entries[int(self.path.rpartition("/")[2]) - 1]
        if "Authorization" in self.headers:
            service.mistakes.append("the token was sent to the blob store")
        if self.query.get("sig") != entry.signature:
            return self._send(403)
        if self.command == "GET":
            return self._send_bytes(entry.data)
        if self.query.get("comp") == "block":
            entry.blocks[self.query["blockid"]] = self.body
        elif self.query.get("comp") == "blocklist":
            ids = re.findall("<Latest>([^<]*)</Latest>", self.body.decode())
            if len({len(name) for name in ids}) != 1:
                service.mistakes.append("ids of blocks that are not of one length")
            entry.parts = {number: entry.blocks[name] for number, name in enumerate(ids)}
        elif self.headers.get("x-ms-blob-type") != "BlockBlob":
            service.mistakes.append("a blob of no type")
        else:
            entry.parts = {0: self.body}
        return self._send(201)

    def _send(self, status, document=None):
        self._send_bytes(b"" if document is None else json.dumps(document).encode(), status)

    def _send_bytes(self, data, status=200):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(data)

    def log_message(self, *arguments):
        """Says nothing: the case looks at requests."""
