# SPDX-License-Identifier: Apache-2.0
"""RUN: heredocs, mounts, resources, secrets, agents (docs/conformance.md, 11.13, 11.16, 11.24 and 11.25)."""

import os
import socket
import threading

from support.case import need_root
from support.language import Language

UUID = "cat /proc/sys/kernel/random/uuid"


class Heredocs(Language):
    """11.13"""

    def test_files_of_copy(self):
        built = self.files("FROM busybox\nCOPY <<EOF /single\nhello\nEOF\nCOPY <<one <<two /dir/\n1\none\n2\ntwo\n"
                           "COPY --chmod=0777 <<EOF /mode\nx\nEOF\nCOPY --chown=1:2 <<EOF /owner\nx\nEOF\n"
                           "ADD <<EOF /added\na\nEOF\n")
        self.assertEqual((built["single"], built["dir/one"], built["dir/two"], built["added"]),
                         ("hello\n", "1\n", "2\n", "a\n"))
        self.assertEqual((built.mode("single"), built.mode("mode")), (0o644, 0o777))
        self.assertEqual((built.owner("single"), built.owner("owner")), ((0, 0), (1, 2)))

    def test_quotes_and_backslashes_in_files_of_copy(self):
        body = "\"double\" 'single' `back`\n\\\n\\\\ \\$ $v\n"
        built = self.files(f"FROM scratch\nENV v=V\nCOPY <<EOF /open\n{body}EOF\nCOPY <<\"EOF\" /closed\n{body}EOF\n")
        self.assertEqual(built["open"], "\"double\" 'single' `back`\n\n\\ $ V\n")
        self.assertEqual(built["closed"], body)

    def test_a_script_for_the_shell(self):
        built = self.files("FROM busybox\nRUN <<EOF\necho i am\nid -un > /who\necho \"a\" > /a\nEOF\n")
        self.assertEqual((built["who"], built["a"]), ("root\n", "a\n"))

    def test_a_script_for_a_shell_of_ones_own(self):
        built = self.files('FROM busybox\nSHELL ["/usr/bin/awk"]\nRUN <<EOF\nBEGIN { print "awk" > "/out" }\nEOF\n'
                           'RUN <<-EOF\n\tBEGIN {\n\t\tprint "chomped" > "/out2"\n\t}\n\tEOF\n'
                           'SHELL ["/bin/busybox", "sh", "-c"]\nRUN <<EOF\necho sh > /out3\nEOF\n')
        self.assertEqual([built[name] for name in ("out", "out2", "out3")], ["awk\n", "chomped\n", "sh\n"])

    def test_a_script_with_an_interpreter(self):
        built = self.files('FROM busybox\nRUN <<EOF\n#!/usr/bin/awk -f\nBEGIN { print "awk" > "/out" }\nEOF\n')
        self.assertEqual(built["out"], "awk\n")

    def test_several_documents_pipes_and_descriptors(self):
        built = self.files("FROM busybox\nWORKDIR /d\nRUN cat <<A - <<B | tr a-z A-Z > up\nfirst\nA\nsecond\nB\n"
                           "RUN <<A cat > one && cat <<B > two\n1\nA\n2\nB\nRUN cat /dev/fd/3 3<<E > three\n3\nE\n"
                           "RUN <<EOF sh\necho piped > four\nEOF\n")
        self.assertIn(built["d/up"], ("SECOND\n", "FIRST\nSECOND\n"))
        self.assertEqual([built[f"d/{name}"] for name in ("one", "two", "three", "four")],
                         ["1\n", "2\n", "3\n", "piped\n"])

    def test_tabs_before_lines(self):
        body = "\tone\n\t\ttwo\n  three\n"
        built = self.files(f"FROM busybox\nCOPY <<E /kept\n{body}E\nCOPY <<-E /cut\n{body}\tE\nRUN cat <<E > /kept2\n"
                           f"{body}E\n"
                           f"RUN cat <<-E > /cut2\n{body}\tE\nRUN <<-E\n\tcat > /in <<-X\n\t\tx\n\tX\n"
                           f"\techo y >> /in\n\tE\n")
        self.assertEqual({built["kept"], built["kept2"]}, {body})
        self.assertEqual({built["cut"], built["cut2"]}, {"one\ntwo\n  three\n"})
        self.assertEqual(built["in"], "x\ny\n")

    def test_variables_in_copy_and_in_run(self):
        built = self.files("FROM busybox\nARG name=world\nENV other=env\nCOPY <<EOF /a\n"
                           "$name ${other} ${none:-d} \"$name\" '$name'\nEOF\n"
                           "COPY <<'EOF' /b\n$name\nEOF\nRUN <<EOF\nname=shell\necho \"$name\" > /c\nEOF\n"
                           "RUN <<'EOF'\necho \"$name\" > /d\nEOF\nRUN cat <<EOF > /e\n$name\nEOF\n"
                           "RUN cat <<'EOF' > /f\n$name\nEOF\n")
        self.assertEqual([built[name] for name in "abcdef"],
                         ["world env d \"world\" 'world'\n", "$name\n", "shell\n", "world\n", "world\n", "$name\n"])

    def test_a_document_of_a_trigger(self):
        self.build("-t", "base:1", self.source("FROM busybox\nONBUILD RUN <<EOF\necho \"hello\" > /out\nEOF\n"
                                               "ONBUILD COPY <<EOF /copied\nx\nEOF\n"))
        built = self.files("FROM base:1\n")
        self.assertEqual((built["out"], built["copied"]), ("hello\n", "x\n"))


class Mounts(Language):
    """11.16"""

    def test_the_context_is_the_source_where_none_is_named(self):
        built = self.files("FROM busybox\nRUN --mount=target=/context cat /context/f > /out\n", {"f": "x\n"})
        self.assertEqual(built["out"], "x\n")
        self.assertEqual(built.names("context") if "context" in built else set(), set())

    def test_files_of_a_memory_file_system_do_not_stay(self):
        built = self.files("FROM busybox\nRUN --mount=target=/m,type=tmpfs touch /m/f && test -f /m/f && touch /out\n")
        self.assertIn("out", built)
        self.assertNotIn("m/f", built)

    def test_a_part_of_a_writable_mount_keeps_its_step(self):
        text = ("FROM busybox AS b\nCOPY . /\nRUN mkdir -p /d && cp /f /d/\nFROM busybox\n"
                f"RUN --mount=from=b,source=/d,target=/m,rw {UUID} > /id && touch /m/g\n")
        first = self.files(text, {"f": "same\n", "other": "1\n"})["id"]
        self.assertEqual(self.files(text, {"f": "same\n", "other": "2\n"})["id"], first)
        self.assertNotEqual(self.files(text, {"f": "changed\n", "other": "2\n"})["id"], first)

    def test_owner_and_mode_of_a_new_cache(self):
        built = self.files("FROM busybox\n"
                           "RUN --mount=type=cache,target=/c,mode=0751,uid=1001,gid=1002 stat -c '%a %u %g' /c > /out\n")
        self.assertEqual(built["out"], "751 1001 1002\n")

    def test_the_target_is_the_name_of_a_cache(self):
        built = self.files("FROM busybox\nRUN --mount=type=cache,target=/mnt/c touch /mnt/c/f\n"
                           "RUN --mount=type=cache,id=/mnt/c,target=/other ls /other > /out\n")
        self.assertEqual(built["out"], "f\n")

    def test_variables_in_target_type_and_name_also_in_the_stage_above(self):
        built = self.files(
            "ARG META=/meta\nFROM busybox AS base\nENV SOME_PATH=/env T=tmpfs ID=shared\nARG KIND=cache\nARG META\n"
            "RUN --mount=type=cache,target=$SOME_PATH touch /env/f && test -n \"$(grep /env /proc/mounts)\"\n"
            "RUN --mount=type=$KIND,target=/arg,id=${ID} touch /arg/f\n"
            "RUN --mount=type=${T},target=${META} touch ${META}/f\n"
            "FROM base\n"
            "RUN --mount=type=cache,id=$SOME_PATH,target=/1 --mount=type=$KIND,id=$ID,target=/2 ls /1 /2 > /out\n")
        self.assertEqual(built["out"], "/1:\nf\n\n/2:\nf\n")
        self.assertNotIn("meta/f", built)

    def test_the_size_of_a_memory_file_system(self):
        built = self.files("FROM busybox\nRUN --mount=type=tmpfs,target=/m,size=128m grep /m /proc/mounts > /out\n")
        self.assertIn("size=131072k", built["out"])

    def test_the_same_source_mounted_twice(self):
        text = f"FROM busybox\nRUN --mount=source=.,target=/a --mount=source=.,target=/b cat /a/f /b/f > /out && {UUID} >> /out\n"
        first = self.files(text, {"f": "x\n"})["out"]
        self.assertTrue(first.startswith("x\nx\n"))
        self.assertEqual(self.files(text, {"f": "x\n"})["out"], first)
        self.assertTrue(self.files(text, {"f": "y\n"})["out"].startswith("y\ny\n"))

    def test_caches_within_caches_of_stages_side_by_side_end(self):
        stage = ("FROM busybox AS s{0}\n"
                 "RUN --mount=type=cache,target=/o,sharing=locked --mount=type=cache,target=/o/{1},sharing=locked "
                 "touch /o/{1}/f{0} && touch /f{0}\n")
        files = self.source("".join(stage.format(i, "ab"[i % 2]) for i in range(4)) + "FROM scratch\n" +
                            "".join(f"COPY --from=s{i} /f{i} /\n" for i in range(4)))
        for _ in range(3):
            self.assertEqual(self.files_of("--no-cache", "--jobs", "4", files).names(), {"f0", "f1", "f2", "f3"})

    def test_a_link_in_a_cache_leads_nowhere_outside_it(self):
        secret = self.path("secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("of the host\n")
        text = ("FROM busybox\nRUN --mount=type=cache,id=c,target=/c ln -s / /c/root && ln -s ../../../../../.. /c/up\n"
                "RUN --mount=type=cache,id=c,target=/m,source={} cat /m{} \n")
        for source in ("root", "up"):
            said = self.build(self.source(text.format(source, secret)), status=None)
            self.assertNotEqual(said.status, 0)
            self.assertNotIn("of the host", said.stderr + said.stdout)


class Resources(Language):
    """11.24"""

    def test_the_size_of_shared_memory(self):
        built = self.files("FROM busybox\nRUN mount | grep /dev/shm > /out\n", None, "--shm-size", "134217728")
        self.assertIn("size=131072k", built["out"])

    def test_a_limit_of_files(self):
        built = self.files("FROM busybox\nRUN ulimit -n > /first\n", None,
                           "--ulimit", "nofile=1062:1062")
        self.assertEqual(built["first"], "1062\n")

    def test_networks(self):
        links = "ls /sys/class/net | tr '\\n' ' '"
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            threading.Thread(target=lambda: server.accept()[0].sendall(b"host\n"), daemon=True).start()
            built = self.files(f"FROM busybox\nRUN --network=none {links} > /none\n"
                               f"RUN --network=default {links} > /default\n"
                               f"RUN --network=host nc 127.0.0.1 {port} > /host\n", None, "--allow", "network.host")
        self.assertEqual(built["none"].split(), ["lo"])
        self.assertIn("lo", built["default"].split())
        self.assertEqual(built["host"], "host\n")
        self.refused("FROM busybox\nRUN --network=host true\n", "entitlement network.host is not allowed")

    def test_the_network_of_the_whole_build_and_of_one_command(self):
        links = "ls /sys/class/net | tr '\\n' ' '"
        text = f"FROM busybox\nRUN {links} > /all\nRUN --network=none {links} > /one\n"
        built = self.files(text, None, "--network=host", "--allow", "network.host")
        self.assertEqual(set(built["all"].split()), set(os.listdir("/sys/class/net")) - {"bonding_masters"})
        self.assertEqual(built["one"].split(), ["lo"])
        self.assertEqual(self.files(text, None, "--network=none")["all"].split(), ["lo"])

    def test_full_privileges_only_where_asked_for_and_allowed(self):
        need_root()
        show = "grep CapEff /proc/self/status | cut -f2"
        text = (f"FROM busybox\nRUN --security=insecure {show} > /insecure\nRUN --security=sandbox {show} > /sandbox\n"
                f"RUN {show} > /default\n")
        built = self.files(text, None, "--allow", "security.insecure")
        self.assertEqual({built["sandbox"], built["default"]}, {"00000000a80425fb\n"})
        self.assertEqual(int(built["insecure"], 16) & 0xa80425fb, 0xa80425fb)
        self.assertGreater(int(built["insecure"], 16), 0xa80425fb)
        self.refused("FROM busybox\nRUN --security=insecure true\n", "entitlement security.insecure is not allowed")


    def test_device_nodes_open_only_with_full_privileges(self):
        need_root()
        make = "mknod /tmp/null c 1 3 && echo x > /tmp/null"
        self.files(f"FROM busybox\nRUN --security=insecure {make} && rm /tmp/null\n", None, "--allow",
                   "security.insecure")
        self.assertIn("/tmp/null", self.build(self.source(f"FROM busybox\nRUN {make}\n"), status=1).stderr)


class Secrets(Language):
    """11.25"""

    def setUp(self):
        super().setUp()
        with open(self.path("s"), "w", encoding="ascii") as file:
            file.write("hush")
        self.given = ["--secret", f"id=s,src={self.path('s')}"]

    def test_mode_and_owner_of_the_file_and_nothing_is_left(self):
        built = self.files("FROM busybox\nRUN --mount=type=secret,id=s,mode=741,uid=100,gid=102,target=/m/secret "
                           "stat -c '%a %u %g' /m/secret > /out\nRUN ls /m 2>/dev/null | wc -l > /left\n", None,
                           *self.given)
        self.assertEqual((built["out"], built["left"]), ("741 100 102\n", "0\n"))

    def test_a_required_secret_that_nobody_gave(self):
        self.refused("FROM busybox\nRUN --mount=type=secret,required,id=mysecret true\n", ["mysecret", "--secret"],
                     status=None)
        self.files("FROM busybox\nRUN --mount=type=secret,id=mysecret test ! -e /run/secrets/mysecret\n")

    def test_a_secret_as_variable_and_as_file(self):
        built = self.files("FROM busybox\nENV S=of-the-image\n"
                           "RUN --mount=type=secret,id=s,env=S echo $S > /as-variable; "
                           "ls /run/secrets 2>/dev/null | wc -l > /count\nRUN --mount=type=secret,id=s,env=S,target=/f "
                           "test \"$S\" = \"$(cat /f)\" && echo both > /both\n", None, *self.given)
        self.assertEqual([built[name] for name in ("as-variable", "count", "both")], ["hush\n", "0\n", "both\n"])

    def test_an_agent_used_often_leaves_no_descriptors(self):
        path = self.path("agent")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(path)
            agent.listen(64)
            lines = "".join(f"RUN --mount=type=ssh ls /proc/self/fd | wc -l > /n{i}\n" for i in range(5))
            built = self.files(f"FROM busybox\nRUN ls /proc/self/fd | wc -l > /n\n{lines}", None, "--ssh",
                               f"default={path}")
        self.assertEqual({built[f"n{i}"] for i in range(5)}, {built["n"]})
