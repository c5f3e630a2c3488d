# SPDX-License-Identifier: Apache-2.0
"""Provenance in images and beside files (docs/conformance.md, 11.23)."""

import base64
import json
import os
import socket

from support.case import EndToEnd, need_tool, write_tree
from support.git import Repository
from support.oci import INDEX_TYPE, TarLayout, open_index, open_layout, read_blob, sha256
from support.tree import tree_of_folder, tree_of_tar
from support.web import serve_folder

V1, V0_2 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
SPDX = "https://spdx.dev/Document"
# Says of each tree that it is shown which files are there.
SCANNER = r"""#!/bin/sh
set -e
for source in "$BUILDKIT_SCAN_SOURCE" "${BUILDKIT_SCAN_SOURCE_EXTRAS:-/none}"/*; do
  test -d "$source" || continue
  files=$(cd "$source" && find . -type f | sort | sed 's/.*/"&"/' | tr '\n' ',')
  printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],
"predicate":{"spdxVersion":"SPDX-2.3","files":[%s]}}' "${files%,}" > "$BUILDKIT_SCAN_DESTINATION/${source##*/}.spdx.json"
done
touch "$BUILDKIT_SCAN_SOURCE/x" 2> /dev/null && exit 1
test ! -e /sys/class/net/eth0
"""
BOTH = "--platform=linux/amd64,linux/arm64"


def request_of(statement):
    return statement["predicate"]["buildDefinition"]["externalParameters"]["request"]


def source_of(statement):
    return statement["predicate"]["buildDefinition"]["externalParameters"]["configSource"]


def materials_of(statement):
    """{uri: digests} of everything from elsewhere."""
    found = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {material["uri"]: material.get("digest") for material in found}


def own_of(statement):
    return statement["predicate"]["runDetails"]["metadata"]["imgbuild_metadata"]


def steps_of(statement):
    steps = statement["predicate"]["buildDefinition"]["internalParameters"]["buildConfig"]["steps"]
    return {step["id"]: step for step in steps}


class Attested(EndToEnd):
    """Builds with provenance, and reads what an index says of its images."""

    def attested(self, *arguments, attest="--provenance", **options):
        """The index of a build."""
        out = self.path(f"layout{len(os.listdir(self.folder))}")
        self.build(attest, "-o", f"type=oci,tar=false,dest={out}", *arguments, **options)
        index = open_index(out)
        self.assertEqual([statement.about for statement in index.attestations], [image.digest for image in index.images])
        return index

    def statement(self, *arguments, version=V1, **options):
        """The one statement of a build for one platform."""
        index = self.attested(*arguments, **options)
        self.assertEqual(list(index.attestations[0].statements), [version])
        return index.attestations[0].statements[version]


class Statements(Attested):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": "FROM busybox AS last\nARG SECRET_PLACE\nCOPY f /f\n", "f": "x\n"})

    def test_a_statement_stands_beside_the_image_in_an_index(self):
        index = self.attested("-t", "app:1", "-t", "host:5000/team/app", self.files)
        self.assertEqual(index.platforms[1], "unknown/unknown")
        attestation = index.attestations[0]
        self.assertEqual(attestation.manifest["artifactType"], "application/vnd.docker.attestation.manifest.v1+json")
        self.assertEqual(attestation.manifest["subject"]["digest"], index.images[0].digest)
        self.assertEqual((attestation.manifest["config"]["mediaType"], attestation.config),
                         ("application/vnd.oci.empty.v1+json", {}))
        subjects = attestation.statements[V1]["subject"]
        self.assertEqual([subject["name"] for subject in subjects],
                         ["pkg:docker/app@1?platform=linux%2Famd64",
                          "pkg:docker/host:5000/team/app@latest?platform=linux%2Famd64"])
        self.assertEqual({"sha256:" + subject["digest"]["sha256"] for subject in subjects}, {index.images[0].digest})

    def test_the_older_form_of_the_manifest_is_an_image(self):
        out = self.path("old.tar")
        self.build("--provenance", "-t", "old:1", "-o", "type=image,oci-artifact=false", "-o",
                   f"type=oci,oci-artifact=false,dest={out}", self.files)
        attestation = open_index(out).attestations[0]
        self.assertNotIn("artifactType", attestation.manifest)
        self.assertEqual((attestation.config["os"], attestation.config["rootfs"]["diff_ids"]),
                         ("unknown", [layer["digest"] for layer in attestation.manifest["layers"]]))
        self.assert_store_is_sound()
        self.assertEqual(self.imgbuild("history", "old:1").stdout.count("COPY f"), 1)

    def test_both_versions_the_two_modes_and_the_builder(self):
        least = self.statement("--build-arg=SECRET_PLACE=here", "--label=a=b", self.files,
                               attest="--provenance=mode=min,builder-id=https://builder")
        self.assertEqual(least["predicate"]["runDetails"]["builder"]["id"], "https://builder")
        self.assertNotIn("here", json.dumps(least))
        self.assertEqual(set(request_of(least)), {"frontend", "platform", "locals"})
        self.assertNotIn("imgbuild_metadata", least["predicate"]["runDetails"]["metadata"])
        base, = [uri for uri in materials_of(least)]
        self.assertEqual(base, "pkg:docker/busybox@latest?platform=linux%2Famd64")
        most = self.statement("--build-arg=SECRET_PLACE=here", "--label=a=b", self.files, attest="--provenance=true")
        self.assertEqual(request_of(most)["args"], {"build-arg:SECRET_PLACE": "here", "label:a": "b"})
        with open(os.path.join(self.files, "Buildfile"), "rb") as file:
            self.assertEqual(base64.b64decode(own_of(most)["source"]["infos"][0]["data"]), file.read())
        old = self.statement("--target=last", self.files, version=V0_2, attest="--attest=type=provenance,version=v0.2")
        predicate = old["predicate"]
        self.assertEqual((predicate["invocation"]["configSource"], predicate["invocation"]["parameters"]["target"]),
                         ({"entryPoint": "Buildfile"}, "last"))
        self.assertEqual([material["uri"] for material in predicate["materials"]], [base])
        self.assertEqual(predicate["materials"][0]["digest"], materials_of(most)[base])

    def test_equal_builds_say_the_same_and_times_are_told_on_request(self):
        digests = {self.imgbuild("build", "-q", "--provenance", "--no-cache", self.files).digest for _ in range(2)}
        self.assertEqual(len(digests), 1)
        metadata = self.statement(self.files, attest="--provenance=times=true")["predicate"]["runDetails"]["metadata"]
        self.assertRegex(metadata["startedOn"] + metadata["finishedOn"], r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ){2}$")

    def test_without_the_flag_an_image_is_one_manifest(self):
        open_layout(self.export("plain", self.files))
        open_layout(self.export("false", "--provenance=false", "--sbom=false", self.files))

    def test_what_cannot_hold_a_statement_says_so(self):
        self.refuse("--provenance", "-o", f"type=docker,oci-mediatypes=false,dest={self.path('a')}", self.files, status=2,
                    says="cannot export attestations with oci-mediatypes=false")
        self.refuse("--provenance=mode=most", self.files, status=2, says="no such mode")

    def test_everything_else_looks_past_statements_and_copies_keep_them(self):
        self.build("--provenance", "-t", "app:1", self.files)
        index = json.loads(self.imgbuild("manifest", "app:1").stdout)
        self.assertEqual(json.loads(self.imgbuild("images", "--json").stdout)[0]["platforms"], ["linux/amd64"])
        inspected = json.loads(self.imgbuild("inspect", "app:1").stdout)
        self.assertEqual((inspected["digest"], inspected["index"]), (index["manifests"][0]["digest"], index))
        missing = self.imgbuild("inspect", "--platform=linux/s390x", "app:1", status=2)
        self.assertNotIn("unknown", missing.stderr)
        self.build("--offline", self.context({"Buildfile": "FROM app:1\nRUN test -f /f\n"}, "next"))
        self.imgbuild("prune", "--all")
        self.assert_store_is_sound()
        self.imgbuild("save", "--format=oci", "-o", self.path("saved.tar"), "app:1")
        self.assertEqual(open_index(self.path("saved.tar")).document, index)
        self.imgbuild("save", "-o", self.path("docker.tar"), "app:1")
        self.imgbuild("rm", "app:1")
        for name in ("saved.tar", "docker.tar"):
            self.imgbuild("load", "-i", self.path(name))
            self.assertEqual(json.loads(self.imgbuild("inspect", "app:1").stdout)["digest"], index["manifests"][0]["digest"])
            self.imgbuild("rm", "app:1")

    def test_another_tool_copies_all_of_it_and_loads_the_image(self):
        need_tool("skopeo")
        out, archive = self.path("out"), self.path("docker.tar")
        self.build("--provenance", "-t", "app:1", "-o", f"type=oci,tar=false,dest={out}", "-o", f"type=docker,dest={archive}",
                   self.files)
        self.command("skopeo", "copy", "--all", "--preserve-digests", f"oci:{out}:1", f"oci:{self.path('copy')}:1")
        self.assertEqual(open_index(self.path("copy")).document, open_index(out).document)
        for place in (f"docker-archive:{archive}", f"oci-archive:{archive}"):
            self.assertEqual(json.loads(self.command("skopeo", "inspect", "--config", place).stdout),
                             open_index(out).images[0].config)

    def test_several_platforms_each_have_one_with_their_arguments(self):
        files = self.context({"Buildfile": "FROM scratch\nARG A\nARG TARGETARCH\nCOPY f /$A-$TARGETARCH\n", "f": ""})
        index = self.attested(BOTH, "--build-arg=A=b", files)
        self.assertEqual(index.platforms, ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"])
        for attestation, name in zip(index.attestations, ("amd64", "arm64")):
            statement = attestation.statements[V1]
            self.assertEqual(request_of(statement)["platform"], f"linux/{name}")
            self.assertEqual(request_of(statement)["args"], {"build-arg:A": "b"})
            labels = [step["label"] for step in steps_of(statement).values()]
            self.assertIn(f"COPY f /b-{name}", labels)
            self.assertEqual(len([label for label in labels if label.startswith("COPY")]), 1)

    def test_a_platform_that_is_named_twice_has_one(self):
        index = self.attested("--platform=linux/arm64,linux/arm64", self.context({"Buildfile": "FROM scratch\nENV a=b\n"}))
        self.assertEqual(index.platforms, ["linux/arm64", "unknown/unknown"])

    def test_a_context_that_is_gone_is_an_error_and_no_crash(self):
        result = self.refuse("--provenance", self.path("gone"), status=2, says="gone")
        self.assertNotIn("signal", result.stderr)
        self.refuse("--provenance", "-f", os.path.join(self.files, "Buildfile"), "--build-context",
                    f"more={self.path('gone')}", self.files, status=2, says="gone")


class Sources(Attested):
    def test_ids_of_secrets_and_agents_and_never_their_values(self):
        with open(self.path("hush"), "w", encoding="ascii") as file:
            file.write("s3cret-value")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(self.path("agent"))
            agent.listen(1)
            files = self.context({"Buildfile": "FROM busybox\n"
                                               "RUN --mount=type=secret,id=one,required cat /run/secrets/one > /dev/null\n"
                                               "RUN --mount=type=secret,id=two,env=TWO --mount=type=ssh true\n"})
            index = self.attested("--secret", f"id=one,src={self.path('hush')}", "--ssh", f"default={self.path('agent')}",
                                  files, attest="--provenance=mode=max")
            least = self.attested("--secret", f"id=one,src={self.path('hush')}", "--ssh", f"default={self.path('agent')}",
                                  files, attest="--provenance=mode=min")
        statement = index.attestations[0].statements[V1]
        self.assertEqual(request_of(statement)["secrets"], [{"id": "one"}, {"id": "two", "optional": True}])
        self.assertEqual(request_of(statement)["ssh"], [{"id": "default", "optional": True}])
        for text in ("s3cret-value", self.folder):
            self.assertNotIn(text, json.dumps(statement))
        self.assertFalse({"secrets", "ssh"} & set(request_of(least.attestations[0].statements[V1])))

    def test_a_layout_is_a_material_by_its_context_and_digest(self):
        base = self.export("base", self.context({"Buildfile": "FROM scratch\nCOPY f /f\n", "f": "x\n"}, "below"))
        files = self.context({"Buildfile": "FROM foo\nCOPY f /g\n", "f": "y\n"})
        statement = self.statement("--build-context", f"foo=oci-layout://{base}", files)
        self.assertEqual(materials_of(statement), {"pkg:oci/foo?platform=linux%2Famd64":
                                                   {"sha256": open_layout(base).digest.partition(":")[2]}})
        self.assertEqual(request_of(statement)["args"], {"context:foo": "oci-layout://foo"})
        self.assertNotIn(self.folder, json.dumps(statement))

    def test_files_of_the_web_are_materials_with_their_digest(self):
        web = write_tree(self.make_folder("web"), {"f": "of the web\n"})
        address, _ = serve_folder(self, web)
        files = self.context({"Buildfile": f"FROM scratch\nADD {address}/f /f\nCOPY --from=more f /g\n"})
        statement = self.statement("--build-context", f"more={address}/f", files)
        self.assertEqual(materials_of(statement), {f"{address}/f": {"sha256": sha256(b"of the web\n").partition(":")[2]}})

    def test_each_line_leads_to_a_step_and_back(self):
        lines = ["FROM busybox AS base", "RUN echo 1 \\", "  > /one", "FROM scratch", "WORKDIR /w", "ENV a=b",
                 "COPY --from=base /one .", "COPY <<EOF /two", "2", "EOF"]
        statement = self.statement(self.context({"Buildfile": "\n".join(lines) + "\n"}))
        source, steps = own_of(statement)["source"], steps_of(statement)
        wanted = {"FROM pkg": [1, 1], "RUN": [2, 3], "WORKDIR": [5, 5], "COPY --from": [7, 7], "COPY <<": [8, 10]}
        for label, (first, last) in wanted.items():
            number, = [number for number, step in steps.items() if step["label"].startswith(label)]
            place, = source["locations"][number]["locations"]
            self.assertEqual(place["ranges"], [{"start": {"line": first}, "end": {"line": last}}], label)
            for line in range(first, last + 1):
                self.assertEqual(source["lines"][str(line)], [number])
        self.assertEqual(set(source["lines"]), {"1", "2", "3", "5", "7", "8", "9", "10"})
        self.assertEqual({number for numbers in source["lines"].values() for number in numbers}, set(source["locations"]))

    def test_lines_that_name_the_same_base_are_one_step(self):
        text = "FROM busybox AS one\nRUN echo 1 > /one\nFROM busybox\nCOPY --from=one /one /\n"
        source = own_of(self.statement(self.context({"Buildfile": text})))["source"]
        self.assertEqual(source["lines"]["1"], source["lines"]["3"])
        places = source["locations"][source["lines"]["1"][0]]["locations"]
        self.assertEqual([place["ranges"][0]["start"]["line"] for place in places], [1, 3])

    def test_layers_of_a_step_are_listed_once(self):
        files = self.context({"Buildfile": "FROM busybox AS base\nCOPY f /f\nFROM base AS left\nCOPY f /g\n"
                                           "FROM base\nCOPY --from=left /g /g\nCOPY f /g\n", "f": "x\n"})
        index = self.attested(files)
        statement, image = index.attestations[0].statements[V1], index.images[0]
        layers = own_of(statement)["layers"]
        self.assertEqual([layer["digest"] for list_ in layers.values() for layer in list_],
                         [layer["digest"] for layer in image.manifest["layers"]])
        self.assertEqual([len(list_) for list_ in layers.values()], [1] * len(image.manifest["layers"]))


class GitSources(Attested):
    FORMAT, KIND = "sha1", "sha1"

    def setUp(self):
        super().setUp()
        self.address, _ = serve_folder(self, self.make_folder("web"))
        self.repository = Repository(self, "r", {"Buildfile": "FROM scratch\nCOPY a /\n", "sub/My": "FROM scratch\nADD a /\n",
                                                 "a": "x\n", "sub/a": "y\n"}, self.path("web"), self.FORMAT)
        self.url = f"{self.address}/r.git"

    def check_source(self):
        digest = {self.KIND: self.repository.first}
        for place, arguments, path in ((self.url, [], "Buildfile"), (f"{self.url}#main:sub", ["-f", "My"], "My")):
            statement = self.statement(*arguments, place)
            self.assertEqual(source_of(statement), {"uri": place, "digest": digest, "path": path})
            self.assertEqual(materials_of(statement), {place: digest})
            self.assertNotIn("locals", request_of(statement))
        old = self.statement(self.url, version=V0_2, attest="--provenance=mode=min,version=v0.2")["predicate"]
        self.assertEqual(old["invocation"]["configSource"], {"uri": self.url, "digest": digest, "entryPoint": "Buildfile"})
        self.assertTrue(old["metadata"]["completeness"]["materials"])

    def test_the_address_the_commit_and_the_path(self):
        self.check_source()

    def test_a_repository_that_add_brings(self):
        statement = self.statement(self.context({"Buildfile": f"FROM scratch\nADD {self.url}#main /x\n"}))
        self.assertEqual(materials_of(statement), {f"{self.url}#main": {self.KIND: self.repository.first}})

    def test_a_password_is_refused_in_an_address_and_taken_from_a_secret(self):
        self.refuse("--provenance", self.url.replace("http://", "http://me:s3cret@"), status=2, says="password")
        host = self.address.removeprefix("http://").partition(":")[0]
        with open(self.path("token"), "w", encoding="ascii") as file:
            file.write("s3cret")
        statement = self.statement("--secret", f"id=GIT_AUTH_TOKEN.{host},src={self.path('token')}", self.url)
        self.assertEqual(source_of(statement)["uri"], self.url)
        self.assertNotIn("s3cret", json.dumps(statement))


class GitSourcesWithLongHashes(GitSources):
    FORMAT, KIND = "sha256", "sha256"

    def test_the_address_the_commit_and_the_path(self):
        self.check_source()


class Files(Attested):
    def setUp(self):
        super().setUp()
        self.files = self.context({"Buildfile": "FROM scratch\nARG TARGETARCH\nCOPY f /f-$TARGETARCH\n", "f": "x\n"})

    def local(self, *arguments, **options):
        """The files that a build leaves, and their texts."""
        out = self.path(f"out{len(os.listdir(self.folder))}")
        attributes = options.pop("output", "")
        self.build("--provenance", "-o", f"type=local,dest={out}{attributes}", *arguments, self.files, **options)
        texts = {}
        for path, entry in tree_of_folder(out).items():
            if entry.kind == "file":
                with open(os.path.join(out, path), encoding="utf-8") as file:
                    texts[path] = file.read()
        return texts

    def test_a_statement_beside_the_files_names_them(self):
        built = self.local()
        self.assertEqual(set(built), {"f-amd64", "provenance.json"})
        statement = json.loads(built["provenance.json"])
        self.assertEqual(statement["predicateType"], V1)
        self.assertEqual(statement["subject"],
                         [{"name": "f-amd64",
                           "digest": {"sha256": sha256(b"x\n").partition(":")[2]}}])
        named = self.local(output=",attestation-prefix=about-")
        self.assertEqual(set(named), {"f-amd64", "about-provenance.json"})
        tar = self.path("out.tar")
        self.build("--provenance=filename=p.json", "-o", f"type=tar,dest={tar}", self.files)
        self.assertEqual(set(tree_of_tar(tar)) - {""}, {"f-amd64", "p.json"})

    def test_a_folder_for_one_platform(self):
        self.assertEqual(set(self.local(output=",platform-split=true")),
                         {"linux_amd64/f-amd64", "linux_amd64/provenance.json"})

    def test_one_in_the_folder_of_each_platform(self):
        built = self.local(BOTH)
        self.assertEqual(set(built), {"linux_amd64/f-amd64", "linux_amd64/provenance.json", "linux_arm64/f-arm64",
                                      "linux_arm64/provenance.json"})
        for name in ("amd64", "arm64"):
            statement = json.loads(built[f"linux_{name}/provenance.json"])
            self.assertEqual([subject["name"] for subject in statement["subject"]], [f"f-{name}"])

    def test_the_platform_is_in_the_name_where_platforms_share_a_folder(self):
        self.assertEqual(set(self.local(BOTH, output=",platform-split=false")),
                         {"f-amd64", "f-arm64", "provenance.linux_amd64.json", "provenance.linux_arm64.json"})
        same = self.context({"Buildfile": "FROM scratch\nCOPY f /d/f\n", "f": "x\n"}, "same")
        self.refuse(BOTH, "-o", f"type=local,dest={self.path('o')},platform-split=false", same, status=2,
                    says="cannot overwrite d/f from linux/amd64 with linux/arm64")

    def test_a_statement_never_replaces_a_file(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY f /provenance.json\n", "f": "x\n"}, "taken")
        self.refuse("--provenance", "-o", self.path("o"), files, status=2, says=["provenance.json", "attestation-prefix"])

    def test_empty_images_have_one_in_every_output(self):
        files = self.context({"Buildfile": "FROM scratch\nENV a=b\n"}, "empty")
        out = {kind: self.path(kind) for kind in ("oci", "docker", "tar", "local")}
        self.build("--provenance", "-t", "app:1", "-o", "type=image", "-o", f"type=oci,dest={out['oci']}", "-o",
                   f"type=docker,dest={out['docker']}", "-o", f"type=tar,dest={out['tar']}", "-o",
                   f"type=local,dest={out['local']}", files)
        for kind in ("oci", "docker"):
            index = open_index(out[kind])
            self.assertEqual((index.descriptor["mediaType"], index.images[0].manifest["layers"]), (INDEX_TYPE, []))
            self.assertEqual(list(index.attestations[0].statements), [V1])
        described = json.loads(TarLayout(out["docker"]).read("manifest.json"))
        self.assertEqual((described[0]["RepoTags"], described[0]["Layers"]), (["app:1"], []))
        self.assertEqual(set(tree_of_tar(out["tar"])) - {""}, {"provenance.json"})
        self.assertEqual(os.listdir(out["local"]), ["provenance.json"])
        self.assertEqual(len(json.loads(self.imgbuild("manifest", "app:1").stdout)["manifests"]), 2)
        self.build("--provenance", "-o", "type=cacheonly", files)


class Scans(Attested):
    def setUp(self):
        super().setUp()
        self.build("-t", "scanner:1", self.context({"Buildfile": "FROM busybox\nCOPY --chmod=755 scan /scan\nENTRYPOINT [\"/scan\"]\n",
                                                    "scan": SCANNER}, "scanner"))

    def scanned(self, *arguments, attest="--sbom=generator=scanner:1"):
        """What the reports say of the files that each scan saw, the result's own first."""
        index = self.attested("--offline", *arguments, attest=attest)
        layers = index.attestations[0].manifest["layers"]
        reports = [json.loads(read_blob(index.attestations[0].layout, layer)) for layer in layers]
        for report in reports:
            self.assertEqual(report["predicateType"], SPDX)
            self.assertEqual("sha256:" + report["subject"][0]["digest"]["sha256"], index.images[0].digest)
        return sorted(report["predicate"]["files"] for report in reports)

    def test_a_scanner_is_shown_the_image_and_its_report_stands_beside_it(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY f /d/f\n", "f": "x\n"})
        self.assertEqual(self.scanned(files), [["./d/f"]])
        self.assertEqual(self.scanned(files, attest="--attest=type=sbom,generator=scanner:1"), [["./d/f"]])
        index = self.attested("--offline", "--provenance", BOTH, files, attest="--sbom=generator=scanner:1")
        self.assertEqual([sorted(attestation.statements) for attestation in index.attestations], [[V1, SPDX]] * 2)
        self.assertEqual([image.manifest["layers"] for image in index.images][0],
                         open_layout(self.export("plain", files)).manifest["layers"])
        again = self.build("--offline", "--sbom=generator=scanner:1", files)
        self.assertIn("scan with scanner:1", again.stderr)
        self.assertEqual(again.cached_steps, 2)
        out = self.path("files")
        self.build("--offline", "--sbom=generator=scanner:1", "-o", out, files)
        self.assertEqual(set(os.listdir(out)), {"d", "sbom.spdx.json"})
        self.assertEqual(self.scanned(self.context({"Buildfile": "FROM scratch\nENV a=b\n"}, "empty")), [[]])

    def test_arguments_widen_the_scan(self):
        text = ("{0}FROM scratch AS base\n{1}COPY f /of-base\nFROM scratch AS other\nCOPY f /of-other\n"
                "FROM scratch AS unused\nCOPY f /of-none\nFROM base\nCOPY --from=other /of-other /\nCOPY f /of-last\n")
        last, base, other = ["./of-base", "./of-last", "./of-other"], ["./of-base"], ["./of-other"]
        whole = ["./Buildfile", "./f", "./g"]
        stage, context = "BUILDKIT_SBOM_SCAN_STAGE", "BUILDKIT_SBOM_SCAN_CONTEXT"
        for number, (before, inside, arguments, wanted) in enumerate([
                ("", "", [], [last]),
                (f"ARG {stage}=true\n", "", [], [last, base, other]),
                (f"ARG {stage}=true\n", "", [f"--build-arg={stage}=false"], [last]),
                (f"ARG {stage}=other\n", "", [], [last, other]),
                ("", f"ARG {stage}=true\n", ["--target=base"], [base]),
                ("", "", [f"--build-arg={stage}=base,other"], [last, base, other]),
                ("", f"ARG {context}=true\n", [], [last, whole]),
                (f"ARG {context}=1\nARG {stage}=base\n", "", [], [last, base, whole])]):
            files = self.context({"Buildfile": text.format(before, inside), "f": "x\n", "g": "y\n"}, f"context{number}")
            self.assertEqual(self.scanned(*arguments, files), sorted(wanted), (before, inside, arguments))

    def test_a_scanner_that_fails_or_says_nothing_fails_the_build(self):
        files = self.context({"Buildfile": "FROM scratch\nCOPY f /f\n", "f": "x\n"})
        for name, command, status, says in (("silent", "true", 6, "left no report"), ("broken", "exit 4", 1, "exit status 4"),
                                            ("wrong", "echo {} > $BUILDKIT_SCAN_DESTINATION/a.spdx.json", 6, "a.spdx.json")):
            self.build("-t", name, self.context({"Buildfile": f"FROM busybox\nENTRYPOINT {command}\n"}, name))
            self.refuse("--offline", "-t", "app:1", f"--sbom=generator={name}", files, status=status, says=says)
        self.refuse("--offline", "--sbom=true", files, status=3, says="docker/buildkit-syft-scanner")
