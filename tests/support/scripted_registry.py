# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback that follows the distribution specification but where a rule says otherwise.

A rule is {on: "METHOD path-regex", nth, status, headers, body, blob, do: [action, …]}; `nth` counts the requests that
match `on`. Actions: reset_after:N, truncate_after:N, stall_after:N, drip:BYTES_PER_SECOND, extra:N, raw:TEXT, and store,
by which a refused upload is kept all the same. In texts, {base}, {self}, {port2}, {manifest} and {httpdate+N} stand for
what their names say.
"""

import base64
import email.utils
import hashlib
import json
import re
import socket
import struct
import threading
import time
import urllib.parse

USER, PASSWORD = "joe", "s3cret-of-joe"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, _, query = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


class ScriptedRegistry:
    """Runs from the constructor until close(). `requests` grows."""

    def __init__(self, rules=(), second_port=0, host="127.0.0.1"):
        self.rules = [dict(rule, seen=0) for rule in rules]
        self.is_scripted = True
        self.second_port = second_port
        self.requests, self.blobs, self.manifests, self.uploads = [], {}, {}, {}
        self.elsewhere = []  # what is given, in this order, to those who were sent here for something else
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, 0), backlog=64)
        self.address = "%s:%d" % self.listener.getsockname()[:2]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def put_image(self, repository, tag, layer, config):
        """Keeps an image of one plain layer; gives its manifest's digest."""
        descriptors = []
        for kind, data in (("config.v1+json", config), ("layer.v1.tar", layer)):
            self.blobs[(repository, digest_of(data))] = data
            descriptors.append({"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest_of(data),
                                "size": len(data)})
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptors[0],
                               "layers": descriptors[1:]}).encode()
        for name in (tag, digest_of(manifest)):
            self.manifests[(repository, name)] = (MANIFEST_TYPE, manifest)
        return digest_of(manifest)

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                request = self._read(connection)
                if request is not None:
                    self._answer(connection, request)
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # who asked is gone

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            part = connection.recv(65536)
            if not part:
                return None
            body += part
        method, target, _ = first.split(" ", 2)
        return Request(method, target, headers, body)

    def _answer(self, connection, request):
        with self.lock:
            self.requests.append(request)
            rule = self._rule_for(request) if self.is_scripted else None
            status, headers, body = self._respond(request) if rule is None or "store" in rule.get("do", ()) or \
                rule.get("blob") or "status" not in rule else (None, {}, b"")
        if rule is not None:
            return self._follow(connection, request, rule, status, headers, body)
        self._send(connection, status, headers, body, request.method == "HEAD")

    def _rule_for(self, request):
        found = None
        for rule in self.rules:
            if re.match(rule["on"] + "$", f"{request.method} {request.target}"):
                rule["seen"] += 1
                if found is None and rule.get("nth", rule["seen"]) == rule["seen"]:
                    found = rule
        return found

    def _fill(self, text, request):
        manifest = self.manifests.get(("t", "1"), ("", b""))[1].decode()
        text = text.replace("{base}", f"http://{self.address}").replace("{self}", request.target)
        text = text.replace("{port2}", str(self.second_port)).replace("{manifest}", manifest)
        return re.sub(r"\{httpdate\+(\d+)\}", lambda m: email.utils.formatdate(time.time() + int(m[1]), usegmt=True), text)

    def _follow(self, connection, request, rule, status, headers, body):
        actions = dict(action.partition(":")[::2] for action in rule.get("do", ()))
        if "raw" in actions:
            return connection.sendall(actions["raw"].replace("\\r", "\r").replace("\\n", "\n").encode())
        given = {name: self._fill(value, request) for name, value in rule.get("headers", {}).items()}
        status = rule.get("status", status)
        if not rule.get("blob") and "status" in rule:
            headers = {}
        if "body" in rule:
            body = self._fill(rule["body"], request).encode()
            headers.setdefault("Content-Type", MANIFEST_TYPE)
        headers = {**headers, **given}
        if actions.get("extra"):
            headers.pop("Content-Length", None)
            headers["Connection"] = "close"
            self._head(connection, status, headers)
            connection.sendall(body)
            left = int(actions["extra"])
            while left > 0:
                connection.sendall(b"x" * min(left, 65536))
                left -= 65536
            return None
        cut = next((int(actions[name]) for name in ("reset_after", "truncate_after", "stall_after") if name in actions), None)
        if cut is None and "drip" not in actions:
            return self._send(connection, status, headers, body, request.method == "HEAD")
        if headers.get("Transfer-Encoding") == "chunked":
            body = b"%x\r\n" % len(body) + body
        else:
            headers.setdefault("Content-Length", str(len(body)))
        if cut is not None:
            self._head(connection, status, headers)
            connection.sendall(body[:cut])
            if "stall_after" in actions:
                time.sleep(6)
            if "reset_after" in actions:
                time.sleep(0.05)  # what was sent arrives first
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        text = self._head_text(status, headers)
        end = time.monotonic() + 20
        for byte in (text if rule.get("status") else b"") + body:
            if time.monotonic() > end:
                return None
            connection.sendall(bytes([byte]))
            time.sleep(1 / int(actions["drip"]))
        return None

    @staticmethod
    def _head_text(status, headers):
        lines = [f"HTTP/1.1 {status} Said"] + [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _head(self, connection, status, headers):
        connection.sendall(self._head_text(status, headers))

    def _send(self, connection, status, headers, body, is_head):
        headers = {"Content-Length": str(len(body)), "Connection": "close", **headers}
        self._head(connection, status, headers)
        if not is_head:
            connection.sendall(body)

    # The registry as it should be.
    def _respond(self, request):
        if request.path == "/token":
            return 200, {}, json.dumps({"token": "t0ken-of-" + (USER if request.headers.get("authorization") == BASIC
                                                                 else "anybody")}).encode()
        if request.path in ("/v2", "/v2/"):
            return 200, {}, b"{}"
        match = re.match(r"/v2/(.+)/(manifests|blobs/uploads|blobs)/?([^/]*)$", request.path)
        if not match or (match[2] == "manifests" and match[3] == "x"):
            return (200, {"Content-Type": MANIFEST_TYPE}, self.elsewhere.pop(0)) if self.elsewhere else (404, {}, b"")
        repository, kind, name = match.groups()
        return {"manifests": self._manifest, "blobs": self._blob, "blobs/uploads": self._upload}[kind](
            request, repository, name)

    def _manifest(self, request, repository, name):
        if request.method == "PUT":
            kind = request.headers.get("content-type", "")
            for key in (name, digest_of(request.body)):
                self.manifests[(repository, key)] = (kind, request.body)
            return 201, {"Docker-Content-Digest": digest_of(request.body)}, b""
        kind, data = self.manifests.get((repository, name), ("", None))
        if data is None:
            return 404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}'
        return 200, {"Content-Type": kind, "Docker-Content-Digest": digest_of(data)}, data

    def _blob(self, request, repository, name):
        data = self.blobs.get((repository, name))
        if data is None:
            return 404, {}, b""
        begin = re.match(r"bytes=(\d+)-$", request.headers.get("range", ""))
        if begin and int(begin[1]) < len(data):
            return 206, {"Content-Range": f"bytes {begin[1]}-{len(data) - 1}/{len(data)}"}, data[int(begin[1]):]
        return 200, {}, data

    def _upload(self, request, repository, name):
        place = f"/v2/{repository}/blobs/uploads/"
        if request.method == "POST":
            source = self.blobs.get((request.query.get("from"), request.query.get("mount")))
            if source is not None:
                self.blobs[(repository, request.query["mount"])] = source
                return 201, {}, b""
            name = f"u{len(self.uploads) + 1}"
            self.uploads[name] = b""
            return 202, {"Location": f"{place}{name}?_state=x%2Fy", "Range": "0-0"}, b""
        if name not in self.uploads:
            if not name.startswith(("abc", "u")) or request.method == "GET":
                return 404, {}, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'
            self.uploads[name] = b""
        if request.method == "DELETE":
            del self.uploads[name]
            return 204, {}, b""
        begin = int(request.headers.get("content-range", str(len(self.uploads[name]))).partition("-")[0])
        if begin != len(self.uploads[name]):
            return 416, {"Location": request.target, "Range": f"0-{max(len(self.uploads[name]) - 1, 0)}"}, b""
        self.uploads[name] += request.body
        headers = {"Location": f"{place}{name}?_state=x%2Fy", "Range": f"0-{max(len(self.uploads[name]) - 1, 0)}"}
        if request.method in ("PATCH", "GET"):
            return (202 if request.method == "PATCH" else 204), headers, b""
        data = self.uploads.pop(name)
        if digest_of(data) != request.query.get("digest"):
            return 400, {}, b'{"errors":[{"code":"DIGEST_INVALID","message":"digest invalid"}]}'
        self.blobs[(repository, digest_of(data))] = data
        return 201, {}, b""
