# SPDX-License-Identifier: Apache-2.0
"""Has imgbuild-fetch pull from and push to registries that misbehave: the scripts of the hostile corpus, and more.

usage: test_registries.py IMGBUILD-FETCH [PATTERN]

A case ends as it says (accept: everything arrived; refuse: an error in words; neutralise: either), within its time,
with the bytes of every digest right, and no secret seen by another server or told in an error. Waiting is scaled down
by IMGBUILD_PATIENCE.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support.scripted_registry import MANIFEST_TYPE, PASSWORD, USER, ScriptedRegistry, digest_of  # noqa: E402  (the path is set above)

LAYER = bytes(range(256)) * 32
CONFIG = json.dumps({"architecture": "amd64", "os": "linux",
                     "rootfs": {"type": "layers", "diff_ids": [digest_of(LAYER)]}}).encode()
SECONDS = 20
# What the helper is never asked to do, or cannot be shown on loopback without TLS (fetch/fetch_test.cc has that one).
LEFT_OUT = {"registry/tags-endless-pages", "registry/tags-null", "registry/redirect-https-to-http"}

# Where the corpus expects something else, and why this is right as well.
DIFFERENT = {
    "registry/500-then-ok": "refuse",  # three tries in all
    "registry/blob-gzip-content-encoding": "accept",  # nothing is decoded: the bytes are those of the digest
}
# A token server at another port of the registry's own host is trusted with its credentials, as docker's is.
SAME_HOST = "registry/realm-other-host"

ASK = {"WWW-Authenticate": 'Bearer realm="{base}/token",service="x",scope="repository:t:pull"'}
BASIC_ASK = {"WWW-Authenticate": 'Basic realm="x"'}
MANIFEST, BLOB, UPLOAD = "GET /v2/t/manifests/.*", "GET /v2/t/blobs/.*", "POST /v2/t/blobs/uploads/"


def rule(on, **more):
    return dict(on=on, **more)


# name: (op, rules, expected)
MORE = {
    "token-then-ok": ("pull", [rule(MANIFEST, nth=1, status=401, headers=ASK)], "accept"),
    "token-runs-out-between-requests": ("pull", [rule(MANIFEST, nth=1, status=401, headers=ASK),
                                                 rule(BLOB, nth=1, status=401, headers=ASK)], "accept"),
    "token-server-500-once": ("pull", [rule(MANIFEST, nth=1, status=401, headers=ASK),
                                       rule("GET /token.*", nth=1, status=500)], "accept"),
    "token-server-says-no": ("pull", [rule(MANIFEST, status=401, headers=ASK),
                                      rule("GET /token.*", status=401)], "refuse"),
    "token-is-html": ("pull", [rule(MANIFEST, status=401, headers=ASK),
                               rule("GET /token.*", status=200, body="<html>")], "refuse"),
    "token-is-null": ("pull", [rule(MANIFEST, status=401, headers=ASK),
                               rule("GET /token.*", status=200, body='{"token":null}')], "refuse"),
    "token-redirected-elsewhere": ("pull", [rule(MANIFEST, nth=1, status=401, headers=ASK),
                                            rule("GET /token.*", status=307,
                                                 headers={"Location": "http://127.0.0.1:{port2}/token"})], "neutralise"),
    "realm-is-a-file": ("pull", [rule(MANIFEST, status=401, headers={
        "WWW-Authenticate": 'Bearer realm="file:///etc/passwd"'})], "refuse"),
    "realm-is-link-local": ("pull", [rule(MANIFEST, status=401, headers={
        "WWW-Authenticate": 'Bearer realm="http://169.254.169.254/token"'})], "refuse"),
    "realm-at-another-address": ("pull", [rule(MANIFEST, status=401, headers={
        "WWW-Authenticate": 'Bearer realm="http://127.0.0.2:{port2}/token"'})], "refuse"),
    "basic-then-ok": ("pull", [rule(MANIFEST, nth=1, status=401, headers=BASIC_ASK)], "accept"),
    "basic-for-ever": ("pull", [rule(MANIFEST, status=401, headers=BASIC_ASK)], "refuse"),
    "401-without-a-challenge": ("pull", [rule(MANIFEST, status=401)], "refuse"),
    "403": ("pull", [rule(MANIFEST, status=403, body='{"errors":[{"message":"\\u001b[31mno"}]}')], "refuse"),
    "500-on-a-blob-once": ("pull", [rule(BLOB, nth=1, status=503)], "accept"),
    "closed-without-an-answer-once": ("pull", [rule(MANIFEST, nth=1, do=["raw:"])], "accept"),
    "closed-without-an-answer": ("pull", [rule(MANIFEST, do=["raw:"])], "refuse"),
    "blob-missing": ("pull", [rule(BLOB, status=404)], "refuse"),
    "blob-is-another": ("pull", [rule(BLOB, status=200, body="x" * len(LAYER))], "refuse"),
    "blob-is-empty": ("pull", [rule(BLOB, status=200, body="")], "refuse"),
    "blob-shorter-for-ever": ("pull", [rule(BLOB, status=200, body="x")], "refuse"),
    "blob-206-unasked": ("pull", [rule(BLOB, nth=1, blob=True, status=206,
                                       headers={"Content-Range": "bytes 0-9/10"})], "refuse"),
    "manifest-304": ("pull", [rule(MANIFEST, status=304)], "refuse"),
    "manifest-204": ("pull", [rule(MANIFEST, status=204)], "refuse"),
    "redirect-without-location": ("pull", [rule(MANIFEST, status=302)], "refuse"),
    "redirect-with-password": ("pull", [rule(MANIFEST, status=302,
                                             headers={"Location": "http://a:b@127.0.0.1:{port2}/"})], "refuse"),
    "push-plain": ("push", [], "accept"),
    "push-in-pieces": ("push-pieces", [], "accept"),
    "push-head-not-allowed": ("push", [rule("HEAD .*", status=405)], "accept"),
    "push-needs-token": ("push", [rule(UPLOAD, nth=1, status=401, headers=ASK)], "accept"),
    "push-basic": ("push", [rule(UPLOAD, nth=1, status=401, headers=BASIC_ASK)], "accept"),
    "push-denied": ("push", [rule(UPLOAD, status=403)], "refuse"),
    "push-mount-granted": ("push-mount", [], "accept"),
    "push-mount-denied": ("push-mount", [rule(UPLOAD + r"\?mount=.*", status=403)], "accept"),
    "push-no-location": ("push", [rule(UPLOAD, status=202)], "refuse"),
    "push-location-is-a-file": ("push", [rule(UPLOAD, status=202, headers={"Location": "file:///tmp/x"})], "refuse"),
    "push-location-link-local": ("push", [rule(UPLOAD, status=202,
                                               headers={"Location": "http://169.254.169.254/x"})], "refuse"),
    "push-500-once": ("push", [rule(UPLOAD, nth=1, status=500)], "accept"),
    "push-put-reset-once": ("push", [rule("PUT .*blobs.*", nth=1, do=["raw:"])], "accept"),
    "push-put-fails-for-ever": ("push", [rule("PUT .*blobs.*", status=503)], "refuse"),
    "push-session-lost-for-ever": ("push", [rule("PUT .*blobs.*", status=404)], "refuse"),
    "push-piece-reset": ("push-pieces", [rule("PATCH .*", nth=2, do=["raw:"])], "accept"),
    "push-piece-500": ("push-pieces", [rule("PATCH .*", nth=3, status=500)], "accept"),
    "push-piece-stored-but-500": ("push-pieces", [rule("PATCH .*", nth=2, status=502, do=["store"])], "accept"),
    "push-pieces-not-taken": ("push-pieces", [rule("PATCH .*", status=405)], "accept"),
    "push-nothing-taken": ("push-pieces", [rule("PATCH .*", status=202, headers={"Range": "0-0"})], "refuse"),
    "push-manifest-500-once": ("push", [rule("PUT .*manifests.*", nth=1, status=500)], "accept"),
    "push-manifest-429": ("push", [rule("PUT .*manifests.*", nth=1, status=429,
                                        headers={"Retry-After": "1"})], "accept"),
    "push-tag-refused": ("push", [rule("PUT /v2/t/manifests/1", status=403)], "refuse"),
}


class Case:
    """Two registries, and the helper that speaks to the first."""

    def __init__(self, program, rules):
        self.program = program
        self.other = ScriptedRegistry()
        self.registry = ScriptedRegistry(rules, self.other.address.rpartition(":")[2])
        self.digest = self.registry.put_image("t", "1", LAYER, CONFIG)
        self.registry.put_image("src", "1", LAYER, CONFIG)
        self.manifest = self.registry.manifests[("t", "1")][1]
        self.said = ""
        is_manifest = any("manifests" in one["on"] for one in rules)
        self.other.elsewhere = [self.manifest] if is_manifest else [CONFIG, LAYER]
        auths = {self.registry.address: {"username": USER, "password": PASSWORD}}
        self.environment = {"PATH": os.environ["PATH"], "IMGBUILD_PATIENCE": "0.02", "LC_ALL": "C.UTF-8",
                            "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})}

    def close(self):
        self.registry.close()
        self.other.close()

    def ask(self, kind, data=None, **members):
        """One request; (status, output)."""
        request = {"kind": kind, "domain": self.registry.address, "repository": "t", **members}
        with tempfile.NamedTemporaryFile() as said, tempfile.NamedTemporaryFile() as given:
            given.write(data or b"")
            given.flush()
            command = ["/bin/sh", "-c", 'exec "$0" 3>"$1" 4<"$2"', self.program, said.name, given.name]
            done = subprocess.run(command, input=json.dumps(request).encode(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=self.environment, timeout=SECONDS, check=False)
            text = said.read()
        self.said += text.decode() + done.stderr.decode()
        # What it says while it works comes before the status.
        return json.loads(text.splitlines()[-1]), done.stdout

    def pull(self, reference):
        status, manifest = self.ask("manifest", reference=reference, maxBytes=4 << 20)
        if not status["ok"]:
            return status
        if status["contentType"] != MANIFEST_TYPE or manifest != self.manifest:
            return {"ok": False, "kind": "invalid_input", "message": "what the program refuses of a manifest"}
        for data in (CONFIG, LAYER):
            status, blob = self.ask("blob", digest=digest_of(data), size=len(data))
            if status["ok"] and blob != data:
                raise AssertionError("other bytes than those of the digest were taken")
            if not status["ok"]:
                return status
        return status

    def push(self, **members):
        self.other.elsewhere = []
        for store in (self.registry.blobs, self.registry.manifests):
            for key in [key for key in store if key[0] == "t"]:
                del store[key]
        for data in (LAYER, CONFIG):
            status, _ = self.ask("missing-blobs", digests=[digest_of(data)])
            if status["ok"]:
                status, _ = self.ask("push-blob", data, digest=digest_of(data), size=len(data), hasData=True, **members)
            if not status["ok"]:
                return status
        status, _ = self.ask("push-manifest", self.manifest, digest=self.digest, mediaType=MANIFEST_TYPE, tags=["1"])
        kept = self.registry.blobs.get(("t", digest_of(LAYER)))
        if status["ok"] and (kept != LAYER or self.registry.manifests[("t", "1")][1] != self.manifest):
            raise AssertionError("what was pushed is not there")
        return status

    def run(self, op):
        if op == "pull":
            return self.pull("1")
        if op == "pull-by-digest":
            return self.pull(self.digest)
        if op == "push-pieces":
            self.environment["IMGBUILD_UPLOAD_PIECE"] = "1000"
        return self.push(**({"mountFrom": "src"} if op == "push-mount" else {}))


def judge(program, name, op, rules, expected):
    """What is wrong with a case; empty where nothing is."""
    # The corpus' rules for PATCH speak of uploads in several parts.
    if op == "push" and any("PATCH" in one["on"] for one in rules):
        op = "push-pieces"
    case = Case(program, rules)
    begun = time.monotonic()
    try:
        status = case.run(op)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        case.close()
    took = time.monotonic() - begun
    if took > SECONDS:
        return f"took {took:.0f} s"
    if expected != "neutralise" and status["ok"] != (expected == "accept"):
        return f"expected {expected}: {json.dumps(status)}"
    if not status["ok"] and (status["kind"] in ("internal", "usage") or not status.get("message")):
        return f"no error for people: {json.dumps(status)}"
    for secret in (PASSWORD, "t0ken-of-", "\x1b"):
        if secret in case.said:
            return f"told {secret!r}: {case.said}"
    for request in case.other.requests:
        if "authorization" in request.headers and name != SAME_HOST:
            return "another server saw the Authorization"
    return ""


def corpus(folder):
    subprocess.run([sys.executable, os.path.join(HERE, "gen_hostile.py"), folder, "--quick", "--only", "registry/"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        for case in json.load(file)["cases"]:
            if case["id"] in LEFT_OUT:
                continue
            with open(os.path.join(folder, case["path"]), encoding="utf-8") as script:
                yield case["id"], case["op"], json.load(script)["rules"], DIFFERENT.get(case["id"], case["expect"])


def main():
    program = os.path.abspath(sys.argv[1])
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory(prefix="imgbuild-hostile-", dir="/var/tmp") as folder:
        cases = list(corpus(folder))
    cases += [("more/" + name, *case) for name, case in MORE.items()]
    cases = [case for case in cases if pattern in case[0]]
    wrong, queue, lock = [], list(cases), threading.Lock()

    def work():
        while True:
            with lock:
                if not queue:
                    return
                case = queue.pop()
            try:
                found = judge(program, *case)
            except Exception as error:  # a mistake here must not look like a case that passed
                found = repr(error)
            if found:
                with lock:
                    wrong.append(f"{case[0]}: {found}")

    # They mostly wait.
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("\n".join(sorted(wrong)))
    print(f"{len(cases) - len(wrong)} passed, {len(wrong)} failed, {len(LEFT_OUT)} left out")
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
