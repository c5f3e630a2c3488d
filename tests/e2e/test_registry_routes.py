# SPDX-License-Identifier: Apache-2.0
"""How registries are reached: what the files of docker, podman and containerd say, over TLS, by mirrors, with tokens."""

import hashlib
import json
import os
import shutil
import urllib.request

from support.case import EndToEnd
from support.certificates import Authority
from support.registry import free_port, start_registry
from support.relay import Relay
from support.scripted_registry import ScriptedRegistry
from support.tokens import TokenServer

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

# Of "alice", whose password is "open sesame".
ACCOUNTS = "alice:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"


class Routes(EndToEnd):
    """A HOME in which cases write configuration."""

    def configure(self, path, text):
        """Writes a file below ~/.config."""
        full = os.path.join(self.home, ".config", path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def give_certificates(self, address, owner="docker", **files):
        """Copies certificates to ~/.config/OWNER/certs.d/ADDRESS, under names in which _ stands for the dot."""
        folder = os.path.join(self.home, ".config", owner, "certs.d", address)
        os.makedirs(folder, exist_ok=True)
        for name, path in files.items():
            shutil.copy(path, os.path.join(folder, name.replace("_", ".")))
        return folder

    def small_image(self, *names, text="small\n"):
        """Builds an image of one file under these names; its digest."""
        files = self.context({"Buildfile": "FROM scratch\nCOPY a /a\n", "a": text}, "small-" + text.strip()[:9])
        return self.imgbuild("build", "-q", *(word for name in names for word in ("-t", name)), files).digest

    def pull_anew(self, name, status=0):
        """Pulls into a store of its own."""
        self.store = self.path(f"store-{len(os.listdir(self.folder))}")
        result = self.imgbuild("pull", name, status=status)
        if status == 0:
            self.assert_store_is_sound()
        return result


class Tls(Routes):
    def test_a_registry_whose_authority_stands_in_certs_d(self):
        authority = Authority(self.path("authority"))
        address = start_registry(self, accounts=ACCOUNTS, tls=authority.sign_server())
        name = f"{address}/team/app:1"
        digest = self.small_image(name)
        self.assertIn("the server speaks TLS", self.imgbuild("push", name, status=3).stderr)
        self.give_certificates(address, ca_crt=Authority(self.path("other")).certificate)
        told = self.imgbuild("push", name, status=3).stderr
        self.assertIn("certificate", told)
        self.assertIn("certs.d/HOST:PORT/ca.crt", told)
        self.give_certificates(address, owner="containers", ca_crt=authority.certificate)
        self.imgbuild("login", "-u", "alice", "--password-stdin", address, stdin="open sesame\n")
        self.assertEqual(self.imgbuild("push", name).digest, digest)
        self.assertEqual(self.pull_anew(name).digest, digest)
        told = self.imgbuild("doctor", name).stdout
        self.assertIn(f"{digest}, by TLS and HTTP/2", told)
        self.assertIn("certs.d/" + address + ": 1 authority", told)
        # Another port is another registry.
        other = start_registry(self, tls=authority.sign_server(), name="other-registry")
        self.imgbuild("push", name, f"{other}/team/app:1", status=3)

    def test_a_registry_that_wants_to_know_its_clients(self):
        authority, clients = Authority(self.path("authority")), Authority(self.path("clients"))
        address = start_registry(self, tls=authority.sign_server(), client_authority=clients.certificate)
        name = f"{address}/team/app:1"
        digest = self.small_image(name)
        folder = self.give_certificates(address, ca_crt=authority.certificate)
        self.imgbuild("push", name, status=3)
        me = clients.sign("me")
        self.give_certificates(address, me_cert=me.certificate)
        self.assertIn("me.key is missing beside it", self.imgbuild("push", name, status=2).stderr)
        self.give_certificates(address, me_key=me.key)
        self.assertEqual(self.imgbuild("push", name).digest, digest)
        shutil.rmtree(folder)
        self.configure(f"containerd/certs.d/{address}/hosts.toml",
                       f'server = "https://{address}"\nca = "{authority.certificate}"\n'
                       f'client = [["{me.certificate}", "{me.key}"]]\n')
        self.assertEqual(self.pull_anew(name).digest, digest)

    def test_a_registry_that_is_called_insecure(self):
        server = Authority(self.path("authority")).sign_server()
        unknown, plain = start_registry(self, tls=server), start_registry(self, name="plain")
        digest = self.small_image(f"{unknown}/team/app:1", f"{plain}/team/app:1")
        self.configure("containers/registries.conf", f'[[registry]]\nlocation = "{unknown}"\ninsecure = true\n'
                                                     f'[[registry]]\nlocation = "{plain}"\ninsecure = true\n')
        for address in (unknown, plain):
            with self.subTest(registry=address):
                self.assertEqual(self.imgbuild("push", f"{address}/team/app:1").digest, digest)
        self.configure("containers/registries.conf", "")
        self.configure("docker/daemon.json", json.dumps({"insecure-registries": ["127.0.0.0/8"]}))
        for address in (unknown, plain):
            with self.subTest(registry=address):
                self.assertEqual(self.pull_anew(f"{address}/team/app:1").digest, digest)

    def test_an_authority_of_the_environment(self):
        authority = Authority(self.path("authority"))
        address = start_registry(self, tls=authority.sign_server())
        name = f"{address}/team/app:1"
        digest = self.small_image(name)
        self.configure(f"containerd/certs.d/{address}/hosts.toml", f'server = "https://{address}"\n')
        self.imgbuild("push", name, status=3)
        folder = self.make_folder("trusted")
        self.imgbuild("push", name, status=3, env={"SSL_CERT_DIR": folder})
        shutil.copy(authority.certificate, os.path.join(folder, "own.pem"))
        for variables in ({"SSL_CERT_FILE": authority.certificate}, {"SSL_CERT_DIR": f"/nowhere:{folder}"}):
            with self.subTest(variables):
                self.assertEqual(self.imgbuild("push", name, env=variables).digest, digest)


class Mirrors(Routes):
    def setUp(self):
        super().setUp()
        self.origin = start_registry(self)
        self.name = f"{self.origin}/team/app:1"
        # So large that it does not come at once.
        self.digest = self.small_image(self.name, text="large\n" + os.urandom(100_000).hex())
        self.imgbuild("push", self.name)

    def scripted(self, rules=()):
        registry = ScriptedRegistry(rules)
        self.addCleanup(registry.close)
        return registry

    def mirror_by(self, *addresses):
        tables = "".join(f'[[registry.mirror]]\nlocation = "{address}"\n' for address in addresses)
        return self.configure("containers/registries.conf", f'[[registry]]\nlocation = "{self.origin}"\n{tables}')

    def manifest(self):
        request = urllib.request.Request(f"http://{self.origin}/v2/team/app/manifests/1",
                                         headers={"Accept": MANIFEST_TYPE})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def test_one_that_is_down_or_has_nothing_leads_to_the_next(self):
        empty = self.scripted()
        down = f"127.0.0.1:{free_port()}"
        conf = self.mirror_by(down, empty.address)
        self.assertEqual(self.pull_anew(self.name).digest, self.digest)
        self.assertEqual(len(empty.requests), 1, "whoever gave the manifest is asked for the rest")
        told = self.imgbuild("doctor", self.name).stdout
        for text in (f"{conf}: decides for {self.origin}", f"1. http://{down}/v2/team/app (mirror, by {conf})",
                     "Failed to connect", f"2. http://{empty.address}/v2/team/app", "not found (HTTP 404)",
                     f"3. http://{self.origin}/v2/team/app (the registry itself)", f"answers: {self.digest}",
                     ".docker/config.json: not there"):
            self.assertIn(text, told)
        asked = len(empty.requests)
        self.assertNotIn("answers", self.imgbuild("doctor", "--offline", self.name).stdout)
        self.assertEqual(len(empty.requests), asked)
        told = self.pull_anew(f"{self.origin}/team/none:1", status=3).stderr
        self.assertIn("not found (HTTP 404); before that, registry " + down, told)

    def test_one_with_wrong_content_is_caught_and_the_next_is_asked(self):
        manifest = self.manifest()
        document = json.loads(manifest)
        layer, config = document["layers"][0], document["config"]
        for name, rules in (("other bytes", ()),
                            ("breaks off", [{"on": "GET /v2/.*/blobs/.*", "blob": True, "do": ["truncate_after:100"]}])):
            with self.subTest(name):
                wrong = self.scripted(rules)
                wrong.manifests[("team/app", "1")] = (MANIFEST_TYPE, manifest)
                for blob in (layer, config):
                    wrong.blobs[("team/app", blob["digest"])] = b"x" * blob["size"]
                self.mirror_by(wrong.address)
                self.assertEqual(self.pull_anew(self.name).digest, self.digest)
                self.assertTrue([one for one in wrong.requests if config["digest"] in one.path])

    def test_a_tag_means_what_it_means_to_whoever_answers(self):
        mirror = start_registry(self, name="mirror")
        other = self.small_image(f"{mirror}/copies/team/app:1", text="other\n")
        self.imgbuild("push", f"{mirror}/copies/team/app:1")
        self.mirror_by(f"{mirror}/copies")
        self.assertNotEqual(other, self.digest)
        self.assertEqual(self.pull_anew(self.name).digest, other)
        self.assertEqual(self.pull_anew(f"{self.origin}/team/app@{self.digest}").digest, self.digest)

    def test_a_name_is_rewritten_and_stays_the_name(self):
        self.configure("containers/registries.conf",
                       f'[[registry]]\nprefix = "*.example.com/"\nlocation = "{self.origin}"\n'
                       f'[[registry]]\nprefix = "bad.example.com/secret"\nblocked = true\n')
        files = self.context({"Buildfile": "FROM a.example.com/team/app:1\nCOPY Buildfile /b\n"})
        self.build(files)
        told = self.imgbuild("pull", "a.example.com/team/app:1")
        self.assertEqual(told.digest, self.digest)
        self.assertIn("a.example.com/team/app", self.imgbuild("images").stdout)
        self.assertIn("is blocked by", self.imgbuild("pull", "bad.example.com/secret/a", status=3).stderr)

    def test_credentials_for_a_registry_are_not_given_to_its_mirror(self):
        curious = self.scripted([{"on": "GET .*", "status": 401, "headers": {"WWW-Authenticate": 'Basic realm="x"'}}])
        self.mirror_by(curious.address)
        with open(os.path.join(self.make_folder("home", ".docker"), "config.json"), "w", encoding="utf-8") as file:
            json.dump({"auths": {self.origin: {"username": "joe", "password": "secret"}}}, file)
        self.assertEqual(self.pull_anew(self.name).digest, self.digest)
        self.assertTrue(curious.requests)
        for request in curious.requests:
            self.assertNotIn("authorization", request.headers)

    def test_a_host_of_hosts_toml_is_told_what_it_stands_for(self):
        mirror = self.scripted()
        self.configure(f"containerd/certs.d/{self.origin}/hosts.toml",
                       f'server = "http://{self.origin}"\n[host."http://{mirror.address}"]\n'
                       '[host."http://' + mirror.address + '".header]\nx-team = "blue"\n')
        self.assertEqual(self.pull_anew(self.name).digest, self.digest)
        request = mirror.requests[0]
        self.assertEqual(request.query["ns"], self.origin)
        self.assertEqual(request.headers["x-team"], "blue")
        self.imgbuild("push", self.name)
        self.assertEqual({one.method for one in mirror.requests}, {"GET"})

    def test_a_file_that_cannot_be_understood_is_named_with_the_line(self):
        conf = self.configure("containers/registries.conf", "[[registry]]\nlocation = docker.io\n")
        self.assertIn(f"{conf}:2:", self.imgbuild("pull", self.name, status=2).stderr)


class ShortNames(Routes):
    def test_an_alias_and_the_registries_for_short_names(self):
        first, second = start_registry(self, name="first"), start_registry(self, name="second")
        tool = self.small_image(f"{second}/team/tool:1", text="tool\n")
        self.imgbuild("push", f"{second}/team/tool:1")
        both = self.small_image(f"{first}/both:1", text="first\n")
        self.imgbuild("push", f"{first}/both:1")
        self.small_image(f"{second}/both:1", text="second\n")
        self.imgbuild("push", f"{second}/both:1")
        self.configure("containers/registries.conf", f'unqualified-search-registries = ["{first}", "{second}"]\n'
                                                     f'[aliases]\n"a-tool" = "{second}/team/tool"\n')
        self.assertEqual(self.pull_anew("a-tool:1").digest, tool)
        self.assertIn(f"{second}/team/tool", self.imgbuild("images").stdout)
        self.assertEqual(self.pull_anew("both:1").digest, both)
        self.assertEqual(self.pull_anew("team/tool:1").digest, tool)
        self.build(self.context({"Buildfile": "FROM team/tool:1\nCOPY --from=both:1 /a /b\n"}))
        told = self.imgbuild("doctor", "team/tool:1").stdout
        self.assertIn(f"team/tool:1 stands for {first}/team/tool:1, by unqualified-search-registries in ", told)
        self.assertIn(f"answers: {tool}", told)
        self.configure("containers/registries.conf.d/mode.conf", 'short-name-mode = "enforcing"\n')
        self.assertIn(f"both:1: may stand for {first}/both:1 or {second}/both:1",
                      self.pull_anew("both:1", status=2).stderr)


class Patience(Routes):
    def test_a_pause_is_said_to_people_and_to_nobody_else(self):
        busy = {"on": "GET /v2/t/manifests/1", "status": 503, "headers": {"Retry-After": "1"}}
        registry = ScriptedRegistry([{**busy, "nth": 1}])
        self.addCleanup(registry.close)
        layer = bytes(10240)
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [
            "sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
        registry.put_image("t", "1", layer, config)
        files = self.context({"Buildfile": f"FROM {registry.address}/t:1\nENV A=b\n"})
        said = f"retrying {registry.address} in 1.0 s: HTTP 503"
        for how, is_told in (("plain", True), ("rawjson", False)):
            with self.subTest(progress=how):
                registry.rules[0]["seen"] = 0
                self.store = self.path("store-" + how)
                told = self.imgbuild("build", "--progress", how, "--platform", "linux/amd64", files).stderr
                self.assertEqual(said in told, is_told, told)


class Proxy(ScriptedRegistry):
    """Is asked for what lies elsewhere, and has it itself."""

    def _read(self, connection):
        request = super()._read(connection)
        if request is not None and request.target.startswith("http://"):
            _, _, rest = request.target.removeprefix("http://").partition("/")
            self.hosts.append(request.headers["host"])
            request.target = "/" + rest
            request.path = request.target.partition("?")[0]
        return request

    hosts: list


class Proxies(Routes):
    def test_the_variables_of_proxies(self):
        proxy = Proxy()
        proxy.hosts = []
        self.addCleanup(proxy.close)
        proxy.put_image("t", "1", b"", b"{}")
        # An address that nobody listens at, and that is none of those that are never reached by a proxy.
        elsewhere = f"0.0.0.0:{free_port()}"
        self.configure("docker/daemon.json", json.dumps({"insecure-registries": [elsewhere]}))
        url = f"http://{proxy.address}"
        for variables, is_used in (({"HTTP_PROXY": url}, True), ({"http_proxy": url}, True), ({"ALL_PROXY": url}, True),
                                   ({"HTTP_PROXY": url, "http_proxy": "http://127.0.0.1:1"}, False),
                                   ({"HTTP_PROXY": url, "NO_PROXY": "0.0.0.0"}, False),
                                   ({"HTTP_PROXY": url, "no_proxy": "a.example,0.0.0.0/8"}, False), ({}, False)):
            with self.subTest(variables):
                del proxy.hosts[:]
                self.imgbuild("doctor", f"{elsewhere}/t:1", env=variables)
                self.assertEqual(proxy.hosts, [elsewhere] if is_used else [])


class Tokens(Routes):
    def layer_of(self, size):
        return self.context({"Buildfile": "FROM scratch\nCOPY a /a\n", "a": os.urandom(size)}, f"context-{size}")

    def test_a_token_that_runs_out_in_the_middle_of_an_upload_is_renewed(self):
        server = TokenServer(self, "joe", "secret of joe", lifetimes=[3])
        address = start_registry(self, tokens=server)
        relay = Relay(self, address, b"PATCH /v2/", nth=3, seconds=4.5)
        auths = json.dumps({"auths": {relay.address: {"username": "joe", "password": "secret of joe"}}})
        name = f"{relay.address}/team/app:1"
        digest = self.imgbuild("build", "-q", "--push", "-t", name, self.layer_of(3 << 20),
                               env={"DOCKER_AUTH_CONFIG": auths, "IMGBUILD_UPLOAD_PIECE": str(1 << 19)}).digest
        self.assertLessEqual(relay.left, 0, "the upload was not held back")
        # One for everything, and one when it was over.
        self.assertEqual(server.asked, [("joe", ["repository:team/app:pull,push"], "password")] * 2)
        self.store = self.path("another")
        self.assertEqual(self.imgbuild("pull", name, env={"DOCKER_AUTH_CONFIG": auths}).digest, digest)

    def test_an_identity_token_is_exchanged_and_shown_to_nobody_else(self):
        server = TokenServer(self, "joe", "unknown", identity="identity-of-joe")
        address = start_registry(self, tokens=server)
        name = f"{address}/team/app:1"
        digest = self.small_image(name)
        told = self.imgbuild("push", name, status=3).stderr
        auths = json.dumps({"auths": {address: {"identitytoken": "identity-of-joe"}}})
        result = self.imgbuild("push", name, env={"DOCKER_AUTH_CONFIG": auths})
        self.assertEqual(result.digest, digest)
        self.assertEqual([grant for _, _, grant in server.asked], ["refresh_token"], "one token does for all blobs")
        self.assertNotIn("identity-of-joe", told + result.stderr)
