# SPDX-License-Identifier: Apache-2.0
"""What the machine takes for the least that has to be done: plain tools and the same bytes. Each gives one sample."""

import os
import shutil
import subprocess


class Limits:
    """Part of harness.Bench, which has path(), must() and the tar of the base."""

    def empty_program(self):
        """A static program that does nothing: the least that a process costs."""
        program = self.path("empty")
        if not os.path.exists(program):
            source = self.path("empty.c")
            with open(source, "w", encoding="ascii") as file:
                file.write("int main(void) { return 0; }\n")
            subprocess.run(["cc", "-O2", "-static", "-o", program, source], check=True)
        return self.must(program)

    def bare_run(self):
        """One command in fresh namespaces and another root, without an image builder. Needs root."""
        return self.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "chroot", self.bare_root(), "/bin/busybox",
                         "true")

    def bare_root(self):
        root = self.path("root")
        if not os.path.exists(root):
            os.makedirs(root)
            subprocess.run(["tar", "-xf", self.tar, "-C", root], check=True)
        return root

    def bare_unpack(self, context):
        """The command of workloads.unpacked_tar() in the root of bare_run()."""
        root = self.bare_root()
        shutil.rmtree(os.path.join(root, "out"), ignore_errors=True)
        os.makedirs(os.path.join(root, "out"))
        shutil.copy(os.path.join(context, "data.tar"), os.path.join(root, "data.tar"))
        return self.must("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "chroot", root, "/bin/busybox", "tar", "-xf",
                         "/data.tar", "-C", "/out")

    def unpacking(self, layout):
        """Verifying and unpacking every layer of a layout with plain tools, as many at once as there are processors."""
        layers = os.path.join(layout, "blobs", "sha256")
        script = ('rm -rf "$2"; mkdir "$2"; unpack() { mkdir "$1"; gzip -dc "$2" 2>/dev/null | '
                  'tee >(openssl dgst -sha256 >"$1.sum") | tar -xf - -C "$1" 2>/dev/null; }; export -f unpack; '
                  'find "$1" -size +64k -printf "%f\\n" | xargs -P "$3" -I{} bash -c \'unpack "$0/{}" "$1/{}"\' "$2" "$1"; true')
        return self.must("bash", "-c", script, "bash", layers, self.path("unpacked"), str(os.cpu_count()))

    def pipe(self, folder):
        """Reading, hashing and compressing the same bytes with plain tools; leaves the result as pipe.zst."""
        script = 'tar -cf - -C "$1" . | tee >(openssl dgst -sha256 >"$2.sum") | zstd -q -3 -T2 -f -o "$2"'
        return self.must("bash", "-c", script, "bash", folder, self.path("pipe.zst"))

    def copying(self, *files):
        """Reading, hashing and writing the same bytes once with plain tools, one file after the other."""
        script = 'for file; do tee >(openssl dgst -sha256 >/dev/null) <"$file" >"$0"; done'
        return self.must("bash", "-c", script, self.path("copied"), *files)

    def walk(self, folder):
        """One stat for each file, on all processors."""
        program = self.path("stat_all")
        if not os.path.exists(program):
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stat_all.c")
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", program, source], check=True)
        return self.must(program, folder, str(os.cpu_count()))

    def hashing(self, *files):
        """Hashing files, each by a process of its own, all at once."""
        return self.must("bash", "-c", 'for file; do openssl dgst -sha256 "$file" & done; wait', "bash", *files)

    def hashing_below(self, folder):
        """Reading and hashing every file below a folder once, on all processors."""
        return self.must("bash", "-c", 'find "$1" -type f -print0 | xargs -0 -P "$2" -n 500 openssl dgst -sha256', "bash", folder,
                         str(os.cpu_count()))
