// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/process.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/engine/detail/podman.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder::detail {
namespace {

using layerstore::Reference;

// A layout of one image, whose blobs are those of the store.
void write_view(const Directory& folder, layerstore::Store& store, const layerstore::Image& image) {
    if (::symlinkat((store.path() + "/blobs").c_str(), folder.fd(), "blobs") < 0) throw_errno("link", folder.name());
    layerstore::Index index{.media_type = std::string(layerstore::media_type::oci_index)};
    index.manifests = {image.descriptor};
    index.manifests.front().annotations.clear();
    write_file_atomically(folder, "index.json", index.encode(), Durability::none);
    write_file_atomically(folder, "oci-layout", layerstore::layout_marker, Durability::none);
}

// podman makes a name of the path, which may then hold no capital, and no colon as any layout for it.
TemporaryDirectory make_view() {
    TemporaryDirectory view = TemporaryDirectory::create();
    const bool is_fine = std::ranges::none_of(view.path(), [](char c) { return (c >= 'A' && c <= 'Z') || c == ':'; });
    return is_fine ? std::move(view) : TemporaryDirectory::create_in(Directory::open_host("/tmp"));
}

std::string run_podman(const std::string& program, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    ProcessOptions options;
    options.arguments = std::move(arguments);
    const CapturedOutput output = run_and_capture(options);
    if (output.status.ok()) return output.standard_output;
    const std::string_view words = trim(output.standard_error);
    throw Error(ErrorKind::unavailable,
                fmt::format("podman {}: ended with status {}", options.arguments[1], output.status.code),
                words.empty() ? std::string() : "it says: " + printable(words.substr(words.rfind('\n') + 1)));
}

// The name that podman made of the path, if it is a version that does.
void take_off_path_names(const std::string& program, const std::string& id, const std::string& view) {
    const std::string names =
        run_podman(program, {"image", "inspect", "--format", "{{range .RepoTags}}{{.}} {{end}}", id});
    for (const std::string_view name : split(names, ' '))
        if (name.find(view.substr(view.rfind('/') + 1)) != std::string_view::npos)
            run_podman(program, {"untag", id, std::string(name)});
}

}  // namespace

std::optional<std::string> find_podman() { return find_program("podman"); }

void load_by_podman(layerstore::Store& store, const layerstore::Image& image, const std::vector<std::string>& names) {
    const std::string program = find_podman().value();
    const TemporaryDirectory view = make_view();
    write_view(view.directory(), store, image);
    const std::string said = run_podman(program, {"pull", "--quiet", "oci:" + view.path()});
    const std::string id(trim(said));
    std::vector<std::string> tagging{"tag", id};
    for (const std::string& name : names) tagging.push_back(Reference::parse(name).full());
    if (!names.empty()) run_podman(program, std::move(tagging));
    take_off_path_names(program, id, view.path());
}

}  // namespace imgbuild::builder::detail
