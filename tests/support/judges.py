# SPDX-License-Identifier: Apache-2.0
"""Other tools that read what imgbuild writes, each called so that it leaves nothing outside the case's folder."""

import json
import os

from support.case import need_root, need_tool

# crun refuses a machine whose version 2 hierarchy stands beside version 1 controllers: hide it from crun alone.
RUN_BUNDLE = """
if grep -q ' /sys/fs/cgroup/unified ' /proc/self/mounts; then umount /sys/fs/cgroup/unified; fi
exec crun --root "$1" --cgroup-manager=disabled run --bundle "$2" "$3"
"""


def unpack_with_umoci(case, layout, name, bundle="bundle"):
    """Unpacks an image into a runtime bundle and gives its path."""
    need_tool("umoci")
    need_root()
    path = case.path(bundle)
    case.command("umoci", "unpack", "--image", f"{layout}:{name}", path)
    return path


def run_with_crun(case, bundle, *arguments):
    """Runs the bundle's process, or `arguments` instead; gives what it did."""
    need_tool("crun")
    need_root()
    path = os.path.join(bundle, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    if arguments:
        config["process"]["args"] = list(arguments)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    name = f"imgbuild-e2e-{os.getpid()}"
    return case.command("unshare", "--mount", "sh", "-c", RUN_BUNDLE, "sh", case.make_folder("crun"), bundle, name,
                        status=None)


def containers(case, tool, *arguments, status=0):
    """podman or buildah over a storage of the case's own."""
    need_tool(tool)
    need_root()
    options = ["--root", case.make_folder("containers", "root"), "--runroot", case.make_folder("containers", "run"),
               "--storage-driver", "vfs"]
    return case.command(tool, *options, *arguments, status=status)


def base_for_buildah(case, tar, name):
    """Imports a root filesystem into buildah's storage as an image."""
    container = containers(case, "buildah", "from", "scratch").stdout.strip()
    containers(case, "buildah", "add", "--quiet", container, tar, "/")
    containers(case, "buildah", "commit", "--quiet", container, name)
    containers(case, "buildah", "rm", container)


def build_with_buildah(case, context, *arguments, name="localhost/peer", out="peer"):
    """Builds a context with buildah and gives the path of an OCI layout that holds it as "peer"."""
    containers(case, "buildah", "bud", "--quiet", "--isolation", "chroot", "--pull-never", "--format", "oci", "--tag", name,
               "--file", os.path.join(context, "Buildfile"), *arguments, context)
    layout = case.path(out)
    containers(case, "buildah", "push", "--quiet", name, f"oci:{layout}:peer")
    return layout
