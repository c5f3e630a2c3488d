# SPDX-License-Identifier: Apache-2.0
"""Buildfiles whose image has to be the same on every rung: name → (text, more of the context, options).

What a kernel makes impossible on a rung stands in DIFFERENCES with its reason, has to differ there, and is listed in
docs/security.md.
"""

from support.case import File, Folder, HardLink, Link

SECRET = "open-sesame-4711"


def run(*lines):
    return "FROM busybox\n" + "".join(f"RUN {line}\n" for line in lines)


BUILDFILES = {
    # what a command makes
    "a file": (run("echo one > /file"), {}, []),
    "modes": (run("touch /a /b && chmod 4755 /a && chmod 2710 /b && mkdir -m 1777 /d && mkdir -m 0 /none"), {}, []),
    "owners": (run("touch /a /b && chown 33:8 /a && chown -h 65534:65534 /b && mkdir /d && chown 1:2 /d"), {}, []),
    "a set-uid bit after a change of owner": (run("cp /bin/busybox /s && chmod 6755 /s && chown 5:6 /s"), {}, []),
    "symbolic links": (run("ln -s /etc/passwd /l && ln -s ../nowhere /tmp/m && ln -s / /root/r && chown -h 7:7 /l"), {}, []),
    "hard links": (run("echo x > /a && ln /a /b && ln /a /tmp/c && chown 9:9 /b"), {}, []),
    "pipes": (run("mkfifo -m 640 /pipe && chown 3:4 /pipe"), {}, []),
    "names": (run("mkdir '/ü ö' && touch '/ü ö/*' \"/a'b\" '/-n' '/.wh' /$(printf '\\001\\177')"), {}, []),
    "a long name and a deep one": (run("touch /$(printf %0255d 0); d=; for i in $(seq 60); do d=$d/level-$i; done; mkdir -p $d"),
                                   {}, []),
    "a file with holes": (run("truncate -s 3M /holes && printf x | dd of=/holes bs=1 seek=1000000 conv=notrunc 2>/dev/null"),
                          {}, []),
    "many files": (run("mkdir /many; for i in $(seq 400); do echo $i > /many/$i; done"), {}, []),
    "times that were set": (run("touch -d '2001-01-01 00:00' /old && mkdir /d && touch -d '2030-01-01 00:00' /d"), {}, []),
    # what it changes of the layers below
    "a removed file": (run("rm /etc/profile"), {}, []),
    "a removed directory": (run("rm -r /home"), {}, []),
    "a directory begun anew": (run("mkdir /d && touch /d/a /d/b", "rm -r /d && mkdir /d && touch /d/c"), {}, []),
    "a directory in the place of a file": (run("echo x > /x", "rm /x && mkdir /x && touch /x/y"), {}, []),
    "a file in the place of a directory": (run("mkdir /x && touch /x/y", "rm -r /x && echo x > /x"), {}, []),
    "a link in the place of a directory": (run("mkdir -p /x/y /z", "rm -r /x && ln -s z /x && touch /x/w"), {}, []),
    "a renamed directory": (run("mkdir -p /d/e && touch /d/e/f", "mv /d /g && touch /g/e/h"), {}, []),
    "a directory moved away and back": (run("mkdir /d && touch /d/f", "mv /d /e && mv /e /d"), {}, []),
    "a mode of the base": (run("chmod 700 /home && chmod 600 /etc/passwd && chmod 755 /"), {}, []),
    "an owner of the base": (run("chown 4:5 /home /etc/profile && chown -R 8:8 /root"), {}, []),
    "appended": (run("echo more >> /etc/passwd", "echo more >> /etc/passwd"), {}, []),
    "written again as it was": (run("cp /etc/passwd /p && cat /p > /etc/passwd && rm /p"), {}, []),
    "one name of two": (run("echo x > /a && ln /a /b", "rm /a && echo y > /a"), {}, []),
    "nothing": (run("true", "touch /tmp/x && rm /tmp/x"), {}, []),
    # who it is
    "another user": ("FROM busybox\nRUN mkdir -m 777 /w\nUSER nobody\nRUN id > /w/id && mkdir /w/d && touch /w/d/f\n", {}, []),
    "a user by number": ("FROM busybox\nRUN mkdir -m 777 /w\nUSER 1234:4321\nRUN id -u > /w/u; id -g > /w/g; touch /w/f\n", {}, []),
    "set-gid directories": (run("mkdir /s && chown 0:8 /s && chmod 2775 /s && touch /s/f && mkdir /s/d"), {}, []),
    "the end of another user": (run("su -s /bin/sh nobody -c 'touch /tmp/n && id -u > /tmp/u'; ls -ln /tmp/n | cut -c1-30 > /o"),
                                {}, []),
    "what root may": (run("mkdir -m 700 /d && chown 1000:1000 /d && touch /d/f && chmod 0 /d/f && cat /d/f > /e"), {}, []),
    "a working directory": ("FROM busybox\nUSER 1000:1000\nWORKDIR /made/here\nRUN pwd > /tmp/pwd\n", {}, []),
    "the environment": ("FROM busybox\nARG A=1\nENV B=$A-2\nRUN env | sort > /env; umask > /umask; hostname > /host\n", {}, []),
    # instructions around it
    "a script": ("FROM busybox\nRUN <<EOF\nset -e\necho $0 > /zero\nmkdir /from-script\nEOF\nRUN <<EOF\n#!/bin/sh\necho own > /own\nEOF\n",
                 {}, []),
    "another shell": ('FROM busybox\nSHELL ["/bin/busybox", "ash", "-ec"]\nRUN echo $0 > /o\nRUN ["touch", "/exec"]\n', {}, []),
    "copies": ("FROM busybox\nCOPY --chown=3:4 --chmod=750 tree /t/\nRUN cat /t/a /t/l >> /t/b && rm -r /t/d\nCOPY tree/d /t/d\n",
               {"tree/a": "a\n", "tree/b": HardLink("tree/a"), "tree/l": Link("a"), "tree/d/e": File(b"e", 0o4755),
                "tree/empty": Folder(0o755)}, []),
    "stages": ("FROM busybox AS one\nRUN mkdir /out && echo 1 > /out/f && chown -R 5:5 /out\nFROM scratch\nCOPY --from=one /out /\n",
               {}, []),
    "no base": ("FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /busybox\n"
                "RUN [\"/busybox\", \"sh\", \"-c\", \"/busybox mkdir /d; /busybox ls / > /l\"]\n",
                {}, []),
    "system directories that are links": ("FROM busybox\nRUN rm -r /tmp && mkdir /var/t && chmod 1777 /var/t && ln -s var/t /tmp\n"
                                          "RUN --mount=type=cache,target=/tmp/c date > /tmp/c/d; echo x > /tmp/x\n", {}, []),
    # mounts leave nothing
    "a cache": ("FROM busybox\nRUN --mount=type=cache,target=/c,uid=3,gid=4,mode=0710 stat -c '%u %g %a' /c > /s; date > /c/d\n"
                "RUN --mount=type=cache,target=/c,sharing=locked test -f /c/d\n", {}, []),
    "memory": ("FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m date > /t/x; date > /dev/shm/y; ls / > /ls\n", {}, []),
    "a secret": ("FROM busybox\nRUN --mount=type=secret,id=key --mount=type=secret,id=key,target=/a/b/key,mode=0440,uid=3,gid=4 "
                 "stat -c '%u %g %a' /a/b/key > /s && cmp /run/secrets/key /a/b/key\n"
                 "RUN --mount=type=secret,id=key,env=KEY echo ${#KEY} > /n\n", {}, ["--secret", "id=key,env=KEY"]),
    "the context": ("FROM busybox\nRUN --mount=target=/m,rw cp /m/f /f && echo changed > /m/f && rm -r /m/d\n"
                    "RUN --mount=target=/m,ro cat /m/f /m/d/g > /g\n", {"f": "f\n", "d/g": "g\n"}, []),
    "another stage": ("FROM busybox AS one\nRUN mkdir /o && echo x > /o/x && chown 6:6 /o/x\nFROM busybox\n"
                      "RUN --mount=from=one,source=/o,target=/o/p cp -a /o/p/x /x && ls -n /o/p | cut -c1-40 > /ls\n", {}, []),
    "no network": ("FROM busybox\nRUN --network=none echo x > /x; cat /etc/resolv.conf > /r\n", {}, []),
    "mount points and files of the system": (run("cat /etc/hosts > /h; date > /dev/shm/x; mkdir /dev/d; true",
                                                 "ls /dev /proc/self/fd > /dev/null; cat /etc/hosts >> /h; rm -f /dev/fd"), {}, []),
    "a resolver of its own": (run("rm -f /etc/resolv.conf && echo nameserver 192.0.2.53 > /etc/resolv.conf",
                                  "rm -f /etc/hosts && ln -s ../run/hosts /etc/hosts"), {}, []),
    "what it leaves running": (run("(sleep 1000 &) ; (setsid sh -c 'trap \"\" TERM; sleep 1000; touch /late' &) ; echo x > /x", "ls / > /l"),
                               {}, []),
    # what a kernel does not let everybody do
    "a device": (run("mknod /n c 1 3 && chmod 600 /n"), {}, []),
}

DIFFERENCES = {
    "a device": {"userns": "the kernel lets nobody make device nodes in a user namespace",
                 "userns, as root": "the kernel lets nobody make device nodes in a user namespace"},
}
