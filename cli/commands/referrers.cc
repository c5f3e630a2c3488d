// SPDX-License-Identifier: Apache-2.0
#include "builder/push/referrers.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/fetch/documents.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"
#include "layerstore/image/image.h"

namespace imgbuild::cli {
namespace {

using layerstore::Descriptor;
using layerstore::Reference;

// What may be referred to: what a name stands for, and of an index each image.
std::vector<Descriptor> subjects_at(const Reference& reference, const std::optional<std::string>& platform) {
    const std::string what = "image " + reference.familiar();
    return builder::ask_registry(what, [&] {
        const builder::FetchedDocument document = builder::fetch_manifest(reference);
        std::vector<Descriptor> subjects{
            {.media_type = builder::document_type(document), .digest = document.digest, .size = document.bytes.size()}};
        if (!layerstore::is_index(subjects.front().media_type)) return subjects;
        const auto index = layerstore::Index::parse(document.bytes, what);
        if (platform) {
            const auto wanted = layerstore::Platform::parse(*platform);
            const Descriptor* found = index.find(wanted);
            if (!found) throw Error(ErrorKind::not_found, fmt::format("no image for {}", wanted.text()));
            return std::vector{*found};
        }
        for (const Descriptor& inner : index.manifests)
            if (inner.platform && !inner.platform->is_unknown()) subjects.push_back(inner);
        return subjects;
    });
}

std::string subject_name(const Descriptor& subject) {
    return subject.platform ? subject.platform->text() : subject.digest.short_hex();
}

}  // namespace

int run_referrers(Arguments arguments) {
    OptionSet options("referrers [flags] NAME",
                      "Lists what refers to an image at its registry (signatures, statements, other artifacts); of an "
                      "index also what refers to its images");
    CommonOptions common;
    std::optional<std::string> name, type, platform;
    bool json = false;
    options.positional("NAME", name);
    options.value("--artifact-type", type, "TYPE", "only artifacts of this type");
    options.value("--platform", platform, "PLATFORM", "of an index only what refers to this image");
    options.flag("--json", json, "a JSON array of descriptors");
    add_common(options, common, CommonScope::nothing);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const Reference reference = Reference::parse(*name);
    Json list = Json::array();
    Table table({"SUBJECT", "TYPE", "DIGEST", "SIZE"});
    for (const Descriptor& subject : subjects_at(reference, platform)) {
        for (const Descriptor& referrer : builder::list_referrers(reference, subject.digest, type.value_or(""))) {
            Json object = referrer.to_json();
            object["subject"] = subject.digest.text();
            list.push_back(std::move(object));
            table.add({subject_name(subject), builder::artifact_type_of(referrer), referrer.digest.text(),
                       human_size(referrer.size)});
        }
    }
    print(json ? write_json_indented(list) + "\n" : table.text());
    return exit_status::ok;
}

}  // namespace imgbuild::cli
