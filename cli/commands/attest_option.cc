// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/attest_option.h"

#include "base/error.h"
#include "base/image_path.h"
#include "base/text.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {
namespace {

using Mode = builder::ProvenanceOptions::Mode;
using Version = builder::ProvenanceOptions::Version;

constexpr std::string_view attest_flag = "--attest";
constexpr std::string_view usual_scanner = "docker/buildkit-syft-scanner:stable-1";

const std::vector<std::string_view>& provenance_keys() {
    static const std::vector<std::string_view> keys{"mode",         "version",     "builder-id", "filename",
                                                    "reproducible", "inline-only", "times",      "disabled"};
    return keys;
}

Mode read_mode(const std::string& word, std::string_view flag) {
    if (word == "min") return Mode::min;
    if (word == "max") return Mode::max;
    refuse_value(flag, "mode=" + word, "no such mode", "there are min and max");
}

Version read_version(const std::string& word, std::string_view flag) {
    if (word == "v1") return Version::v1;
    if (word == "v0.2") return Version::v0_2;
    refuse_value(flag, "version=" + word, "no such version", "there are v1 and v0.2");
}

std::string read_file_name(const std::string& name, std::string_view flag) {
    if (!is_path_component(name)) refuse_value(flag, "filename=" + name, "no file name", "a name without '/'");
    return name;
}

ProvenanceRequest read_provenance(CsvFields& fields, std::string_view flag) {
    ProvenanceRequest request;
    if (const auto word = take(fields, "mode")) request.options.mode = read_mode(*word, flag);
    if (const auto word = take(fields, "version")) request.options.version = read_version(*word, flag);
    if (const auto name = take(fields, "filename")) request.file_name = read_file_name(*name, flag);
    request.options.builder_id = take(fields, "builder-id").value_or("");
    request.options.reproducible = take_bool(fields, "reproducible", flag).value_or(false);
    request.inline_only = take_bool(fields, "inline-only", flag).value_or(false);
    request.times = take_bool(fields, "times", flag).value_or(false);
    refuse_others(fields, provenance_keys(), flag);
    return request;
}

// "--sbom=true" is "--sbom" without attributes, "--sbom=false" is "disabled=true".
CsvFields fields_of(const std::string& value, std::string_view flag) {
    CsvFields fields = parse_csv_fields(value, flag);
    const bool is_word = fields.values.empty() && fields.bare.size() == 1;
    if (is_word && (value == "true" || value == "1" || value == "false" || value == "0")) {
        fields.bare.clear();
        if (value == "false" || value == "0") fields.values["disabled"] = "true";
    }
    return fields;
}

/// What the flags say so far: false where a type was asked for not to be.
class Reader {
  public:
    AttestRequest request;

    void read(const std::string& type, CsvFields fields, std::string_view flag) {
        if (type != "provenance" && type != "sbom")
            refuse_value(flag, "type=" + type, "no such attestation", "there are provenance and sbom");
        bool& is_known = type == "sbom" ? has_sbom_ : has_provenance_;
        if (std::exchange(is_known, true)) refuse_value(flag, type, "asked for twice");
        if (take_bool(fields, "disabled", flag).value_or(false)) return;
        if (type == "sbom") {
            request.scanner = take(fields, "generator").value_or(std::string(usual_scanner));
            refuse_others(fields, {"generator", "disabled"}, flag);
        } else {
            request.provenance = read_provenance(fields, flag);
        }
    }

  private:
    bool has_provenance_ = false, has_sbom_ = false;
};

}  // namespace

AttestRequest read_attest_options(const std::optional<std::string>& provenance, const std::optional<std::string>& sbom,
                                  const std::vector<std::string>& attests) {
    Reader reader;
    for (const std::string& text : attests) {
        CsvFields fields = parse_csv_fields(text, attest_flag);
        const std::optional<std::string> type = take(fields, "type");
        if (!type) refuse_value(attest_flag, text, "type is missing", "as in type=provenance,mode=min");
        reader.read(*type, std::move(fields), attest_flag);
    }
    if (provenance) reader.read("provenance", fields_of(*provenance, "--provenance"), "--provenance");
    if (sbom) reader.read("sbom", fields_of(*sbom, "--sbom"), "--sbom");
    return std::move(reader.request);
}

}  // namespace imgbuild::cli
