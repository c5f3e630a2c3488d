// SPDX-License-Identifier: Apache-2.0
#pragma once

// For the tests of this folder: a store with everything that bringing files takes.

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>

#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/remote/access.h"

namespace imgbuild::builder::remote_test {

struct Place {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::unique_ptr<layerstore::Store> store = layerstore::Store::open(scratch.path() + "/store");
    std::unique_ptr<layerstore::Store::Lease> lease = store->lease();
    Memos memos{store->records()};
    TaskPool workers{1};
    std::map<std::string, std::string> secrets;
    RemoteAccess access{*store, *lease, memos, workers, false, false, find_secret(), {}};

    FindSecret find_secret() {
        return [this](const std::string& id) -> std::optional<std::string> {
            const auto found = secrets.find(id);
            return found == secrets.end() ? std::nullopt : std::optional(found->second);
        };
    }
    std::string path(const std::string& name) const { return scratch.path() + "/" + name; }
};

/// Every path of a tree, "/" behind directories.
inline std::string paths_of(const layerstore::Tree& tree) {
    std::string text;
    tree.walk([&](const ImagePath& path, const layerstore::Child& child) {
        text += (text.empty() ? "" : " ") + std::string(path.relative());
        if (child.entry.is_directory()) text += "/";
        return true;
    });
    return text;
}

}  // namespace imgbuild::builder::remote_test
