# SPDX-License-Identifier: Apache-2.0
"""RUN in a user namespace with one id: the owners, devices and ids that are answered for are those of all ids."""

import unittest

from support.bases import debian_tar
from support.case import EndToEnd
from support.oci import open_layout
from support.tree import tree_of_image
from support.user import become_lonely_user

NOTE = "commands run as one id"

OWNERS = r"""FROM busybox
RUN mkdir -p /data/dir && cd /data && for n in file moved linked capable copied; do echo $n > $n; done && \
    chown 33:8 file && chown 1000:1000 moved && mv moved renamed && chown 7 linked && ln linked dir/hard && \
    ln -s file link && chown -h 12:13 link && mkfifo -m 620 pipe && chown 1:2 pipe && chown -R 5:6 dir && \
    chmod 6755 file && chown 34 file && mknod null c 1 3 && mknod -m 600 disk b 8 1 && chown 0:6 disk && \
    cp -a /data /copy && mkdir /unpacked && tar -C / -c -f - data | tar -x -f - -C /unpacked
RUN cd /data && mv renamed again && mv link other && ln -s x link && rm linked && chmod 600 dir/hard && \
    touch -h other && chown :9 again && stat -c '%n %u:%g %a %F %t:%T' * /copy/* > /stat && \
    mkdir /shared && chown 0:50 /shared && chmod 2775 /shared && echo x > /shared/x && mkdir /shared/below && \
    cp /bin/busybox /shared/copy
RUN echo app:x:1234:1234::/home/app:/bin/sh >> /etc/passwd && echo app:x:1234: >> /etc/group && \
    mkdir -p /home/app /tmp && chown 1234:1234 /home/app && chmod 1777 /tmp && su -s /bin/sh app -c 'id > /tmp/id; mkdir /tmp/made; ln -s x /tmp/made/link; \
    umask 077; echo y > /tmp/made/file; mkfifo /tmp/made/pipe; (sleep 0; id -u > /tmp/made/child); \
    chown 0 /tmp/id || echo refused > /tmp/refused; mknod /tmp/null c 1 3 || echo refused > /tmp/nodes'
COPY --chown=77:88 file /given/
RUN stat -c '%u:%g' /given/file /tmp/made/* > /seen && mv /given/file /taken
USER app
WORKDIR /home/app
RUN id > id && echo z > /tmp/by-user && test "$(stat -c %U:%G /tmp/made/file)" = app:app
"""

DEBIAN = r"""FROM debian:bookworm
RUN groupadd -g 990 web && useradd -u 990 -g web -m web && cp /usr/bin/id /usr/local/bin/whose && \
    chown web:mail /usr/local/bin/whose && chmod 6755 /usr/local/bin/whose
RUN su -s /bin/sh nobody -c 'whose > /tmp/whose' && su web -c 'id; touch ~/x' > /id && \
    setpriv --reuid=990 --regid=990 --clear-groups touch /tmp/setpriv && chroot --userspec=web:web / touch /tmp/chroot
RUN perl -e 'print "$< $> $( $)\n"; ($), $>) = (990, 990); open(F, ">", "/tmp/perl"); print "$< $>\n"' > /ids && \
    perl -MPOSIX -e 'fork or do { POSIX::setuid(12); fork or do { sleep 1; open(F, ">", "/tmp/orphan"); exit }; exit }; \
                     wait; sleep 2'
RUN stat -c '%n %U:%G %a' /* /var/mail /etc/shadow > /list && find / -xdev ! -user root -o -xdev ! -group root | sort > /foreign
"""

INSTALL = r"""FROM debian:bookworm
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends openssh-client man-db cron && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log /var/cache/ldconfig /var/cache/man /var/cache/debconf/*-old
"""


class OneId(EndToEnd):
    """What the classes below share."""

    def built(self, name, text, prepare=None, user=None):
        """The image of the Buildfile on the best rung, and on the one with one id, by root or by another user."""
        context = self.context({"Buildfile": text, "file": "given\n"}, name)
        expected = open_layout(self.export(name + "-all", context))
        self.store = self.path("store-one")
        if user:
            user(self)
        if prepare:
            prepare()
        layout = self.path(name + "-one")
        ran = self.build("--root-mode=single", "-o", f"type=oci,tar=false,dest={layout}", context)
        return expected, open_layout(layout), ran

    def assert_same(self, expected, found):
        if expected.digest == found.digest:
            return
        before, after = tree_of_image(expected), tree_of_image(found)
        self.assertEqual({path: str(node) for path, node in before.items()},
                         {path: str(node) for path, node in after.items()})
        self.assertEqual(expected.digest, found.digest)


class OneIdOnBusybox(OneId):
    def test_owners_devices_and_ids_are_those_of_all_ids(self):
        expected, found, ran = self.built("owners", OWNERS)
        self.assertIn(NOTE, ran.stderr)
        self.assert_same(expected, found)
        self.imgbuild("fsck")

    def test_a_user_without_subordinate_ids_builds_the_same(self):
        expected, found, _ = self.built("lonely", OWNERS, user=become_lonely_user)
        self.assert_same(expected, found)
        said = self.imgbuild("doctor").stdout
        self.assertRegex(said, r"\nuserns +no: no subordinate ids for imgbuild-e2e-one")
        self.assertRegex(said, r"\nsingle +yes")
        self.assertRegex(said, r"\nemulated +no: ")


class OneIdOnDebian(OneId):
    def setUp(self):
        super().setUp()
        self.base = debian_tar()
        self.import_base()

    def import_base(self):
        self.imgbuild("import", self.base, "debian:bookworm")

    def test_programs_that_change_ids_find_them_changed(self):
        self.assert_same(*self.built("debian", DEBIAN, self.import_base)[:2])

    def test_packages_are_installed_with_their_owners(self):
        expected, found, _ = self.built("install", INSTALL, self.import_base)
        self.assertNotEqual(tree_of_image(found)["usr/bin/ssh-agent"].gid, 0)
        self.assert_same(expected, found)


if __name__ == "__main__":
    unittest.main()
