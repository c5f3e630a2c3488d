// SPDX-License-Identifier: Apache-2.0
#include "builder/scrub/scrub.h"

#include <algorithm>
#include <array>

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::LinkGroup;
using layerstore::TreeDelta;

constexpr std::array scrub_table{
    ScrubRule{"/var/log/", "", "log", "says when a package was installed, a certificate made, a program run"},
    ScrubRule{"/var/cache/ldconfig/aux-cache", "", "linker-cache",
              "holds inodes and times of libraries, and serves the next run of ldconfig alone"},
    ScrubRule{"/var/cache/apt/", ".bin", "package-cache", "holds times of the package lists; apt makes it anew"},
    ScrubRule{"/etc/machine-id", "", "machine-id", "is random, and each machine makes its own when it starts"},
    ScrubRule{"/var/lib/dbus/machine-id", "", "machine-id", "is a copy of the one in /etc"},
    ScrubRule{"/etc/ssh/ssh_host_", "_key", "generated-key",
              "is random, and a key that all have proves nothing; ssh-keygen -A makes one"},
    ScrubRule{"/etc/ssh/ssh_host_", "_key.pub", "generated-key", "is the other half of the key"},
    ScrubRule{"/etc/ssl/private/ssl-cert-snakeoil.key", "", "generated-key",
              "is random, and a key that all have proves nothing; make-ssl-cert generate-default-snakeoil makes one"},
    ScrubRule{"/etc/ssl/certs/ssl-cert-snakeoil.pem", "", "generated-key", "is the certificate of that key"},
};

bool fits(const ScrubRule& rule, std::string_view path) noexcept {
    const bool is_whole = rule.ends.empty() && !rule.begins.ends_with('/');
    return is_whole ? path == rule.begins : path.starts_with(rule.begins) && path.ends_with(rule.ends);
}

}  // namespace

std::span<const ScrubRule> scrub_rules() noexcept { return scrub_table; }

const ScrubRule* scrub_rule_for(const ImagePath& path) noexcept {
    const auto found =
        std::ranges::find_if(scrub_table, [&](const ScrubRule& rule) { return fits(rule, path.bytes()); });
    return found == scrub_table.end() ? nullptr : found;
}

Scrubbed scrub(const TreeDelta& changes) {
    Scrubbed scrubbed;
    std::vector<Change> kept;
    for (const Change& change : changes.changes()) {
        // An empty log has no times in it, and a link from there to a device is how containers log.
        const bool holds_something = change.kind == ChangeKind::put && change.entry.is_file() && change.entry.size > 0;
        if (holds_something && scrub_rule_for(change.path))
            ++scrubbed.files;
        else
            kept.push_back(change);
    }
    std::vector<LinkGroup> links;
    for (LinkGroup group : changes.links()) {
        if (changes.find(group.front())->entry.size > 0)
            std::erase_if(group, [](const ImagePath& path) { return scrub_rule_for(path) != nullptr; });
        if (group.size() > 1) links.push_back(std::move(group));
    }
    scrubbed.delta = TreeDelta::build(std::move(kept), std::move(links));
    return scrubbed;
}

}  // namespace imgbuild::builder
