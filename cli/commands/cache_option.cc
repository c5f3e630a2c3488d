// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/cache_option.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "base/text.h"
#include "builder/exchange/cache_export.h"
#include "builder/exchange/imported_cache.h"
#include "cli/common/option_values.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

using CacheKind = CacheOption::Kind;

constexpr std::string_view from_flag = "--cache-from";
constexpr std::string_view to_flag = "--cache-to";

// What one text says, as far as both flags say it alike.
struct CacheText {
    std::string text;  ///< as errors show it
    std::string_view flag;
    bool offline;
    const EnvironmentLookup& environment;
    CsvFields fields;
    std::string type;
};

std::string require(CacheText& text, const std::string& key) {
    const std::optional<std::string> value = take(text.fields, key);
    if (!value || value->empty()) refuse_value(text.flag, text.text, key + "= is missing");
    return *value;
}

bool read_mode(CacheText& text) {
    const std::string mode = take(text.fields, "mode").value_or("min");
    if (mode != "min" && mode != "max") refuse_value(text.flag, mode, "no such mode", "there are min and max");
    return mode == "max";
}

bool read_accepted(CacheText& text) {
    const std::string trust = take(text.fields, "trust").value_or("verify");
    if (trust != "verify" && trust != "accept")
        refuse_value(text.flag, trust, "no such trust", "there are verify and accept");
    return trust == "accept";
}

std::string read_reference(CacheText& text) {
    const std::string reference = require(text, "ref");
    return with_context(text.flag, [&] { return layerstore::Reference::parse(reference).full(); });
}

// An index that names layers, as buildx can write one, is what registries refuse or clean away.
void require_form(CacheText& text, const std::string& key) {
    if (!take_bool(text.fields, key, text.flag).value_or(true))
        refuse_value(text.flag, key + "=false", "a cache is an OCI image manifest, whatever reads it",
                     "leave " + key + "= out");
}

// How layers are packed says the output: those of the cache are the same blobs.
void read_forms(CacheText& text, CacheOptions& options) {
    require_form(text, "image-manifest");
    require_form(text, "oci-mediatypes");
    bool is_asked = take_bool(text.fields, "force-compression", text.flag).value_or(false);
    for (const char* key : {"compression", "compression-level"}) is_asked |= take(text.fields, key).has_value();
    if (is_asked)
        options.warnings.push_back(
            fmt::format("{} {}: layers of a cache are packed as those of the image: -o …,compression= says how",
                        text.flag, printable(text.text)));
}

void pass_over(CacheOptions& options, const CacheText& text, std::string_view why) {
    options.warnings.push_back(fmt::format("{} {}: {}: it is passed over", text.flag, printable(text.text), why));
}

std::optional<CacheOption> read_actions(CacheText& text, CacheOptions& options) {
    ActionsCacheOption actions = read_actions_cache(text.fields, text.flag, text.environment);
    if (!actions.place || !(text.flag == from_flag ? actions.may_read : actions.may_write)) {
        pass_over(options, text, actions.why_not);
        return std::nullopt;
    }
    CacheOption option;
    option.kind = CacheKind::actions;
    option.actions = std::move(*actions.place);
    return option;
}

// The place; empty for a kind that is not here.
std::optional<CacheOption> read_place(CacheText& text, const std::string& path_key, CacheOptions& options) {
    CacheOption option;
    if (text.type == "registry") {
        option.kind = CacheKind::registry;
        option.place = read_reference(text);
        take(text.fields, "registry.insecure");
    } else if (text.type == "local") {
        option.kind = CacheKind::layout;
        option.place = require(text, path_key);
        option.tag = take(text.fields, "tag").value_or("latest");
    } else if (text.type == "gha") {
        return read_actions(text, options);
    } else if (text.type == "s3" || text.type == "azblob") {
        pass_over(options, text, "imgbuild keeps no cache there");
        return std::nullopt;
    } else {
        static const std::vector<std::string_view> types{"registry", "local", "gha", "inline"};
        const auto near = nearest(text.type, types);
        refuse_value(text.flag, text.type, "no such type",
                     near ? fmt::format("did you mean {}?", *near) : "there are registry, local, gha and inline");
    }
    return option;
}

CacheText read_text(const std::string& text, std::string_view flag, bool offline,
                    const EnvironmentLookup& environment) {
    CacheText read{without_tokens(text), flag, offline, environment, {}, {}};
    try {
        read.fields = parse_csv_fields(text, flag);
    } catch (const Error&) {
        if (read.text == text) throw;
        refuse_value(flag, read.text, "not written as key=value,…, each key once");
    }
    read.type = take(read.fields, "type").value_or(read.fields.bare.empty() ? "" : "registry");
    if (read.type.empty()) refuse_value(flag, read.text, "type= is missing");
    return read;
}

void add_place(CacheOptions& options, CacheOption option, const CacheText& text) {
    if (text.offline && option.kind != CacheKind::layout)
        pass_over(options, text, "--offline asks for it");
    else
        (text.flag == from_flag ? options.from : options.to).push_back(std::move(option));
}

void read_from(CacheText read, CacheOptions& options) {
    if (!read.fields.bare.empty()) {  // REF[,REF]
        for (const std::string& reference : read.fields.bare) {
            CacheOption option;
            option.place = with_context(from_flag, [&] { return layerstore::Reference::parse(reference).full(); });
            add_place(options, std::move(option), read);
        }
        read.fields.bare.clear();
        return refuse_others(read.fields, {"type"}, from_flag);
    }
    if (read.type == "inline")
        refuse_value(from_flag, read.text, "such a cache is in an image", "name the image with type=registry,ref=");
    std::optional<CacheOption> option = read_place(read, "src", options);
    if (!option) return;
    option->is_accepted = read_accepted(read);
    refuse_others(read.fields, {"type", "ref", "src", "tag", "trust"}, from_flag);
    add_place(options, std::move(*option), read);
}

void read_to(CacheText read, CacheOptions& options) {
    if (!read.fields.bare.empty()) {  // REF
        if (read.fields.bare.size() > 1) refuse_value(to_flag, read.text, "one place for a flag");
        read.fields.values["ref"] = read.fields.bare.front();
        read.fields.bare.clear();
    }
    const bool every_layer = read_mode(read);
    const bool may_fail = take_bool(read.fields, "ignore-error", to_flag).value_or(true);
    read_forms(read, options);
    if (read.type == "inline") {
        options.inline_cache = true;
        return refuse_others(read.fields, {"type", "mode", "ignore-error"}, to_flag);
    }
    std::optional<CacheOption> option = read_place(read, "dest", options);
    if (!option) return;
    if (option->kind == CacheKind::registry && layerstore::Reference::parse(option->place).digest)
        refuse_value(to_flag, read.text, "a digest names what is there already", "name a tag for the cache");
    option->every_layer = every_layer;
    option->must_succeed = !may_fail;
    if (option->kind == CacheKind::layout)
        option->begins_afresh = take_bool(read.fields, "reset", to_flag).value_or(false);
    refuse_others(read.fields, {"type", "ref", "dest", "tag", "mode", "reset", "ignore-error"}, to_flag);
    add_place(options, std::move(*option), read);
}

// A cache of GitHub Actions is one for each branch that the job may read.
std::vector<std::shared_ptr<builder::CachePlace>> open_sources(const CacheOption& option) {
    switch (option.kind) {
        case CacheKind::layout: return {builder::layout_cache_place(option.place, option.tag)};
        case CacheKind::registry:
            return {
                builder::registry_cache_place(layerstore::Reference::parse(option.place), builder::CacheAccess::read)};
        case CacheKind::actions: return builder::actions_cache_sources(option.actions);
    }
    throw Error(ErrorKind::internal, "a cache of no kind");
}

std::shared_ptr<builder::CachePlace> open_target(const CacheOption& option) {
    switch (option.kind) {
        case CacheKind::layout: return builder::layout_cache_place(option.place, option.tag);
        case CacheKind::registry:
            return builder::registry_cache_place(layerstore::Reference::parse(option.place),
                                                 builder::CacheAccess::write);
        case CacheKind::actions: return builder::actions_cache_target(option.actions);
    }
    throw Error(ErrorKind::internal, "a cache of no kind");
}

}  // namespace

CacheOptions read_cache_options(const std::vector<std::string>& from, const std::vector<std::string>& to, bool offline,
                                const EnvironmentLookup& environment) {
    CacheOptions options;
    for (const std::string& text : from) read_from(read_text(text, from_flag, offline, environment), options);
    for (const std::string& text : to) read_to(read_text(text, to_flag, offline, environment), options);
    return options;
}

std::vector<std::shared_ptr<builder::ImportedCache>> open_imports(const CacheOptions& options,
                                                                  layerstore::Store& store) {
    std::vector<std::shared_ptr<builder::ImportedCache>> imports;
    for (const CacheOption& option : options.from) {
        const auto trust = option.is_accepted ? builder::CacheTrust::accept : builder::CacheTrust::verify;
        const auto places = open_sources(option);
        // A new branch has no cache of its own yet, and that of the branch that it comes from stands behind it.
        for (const auto& place : places)
            imports.push_back(std::make_shared<builder::ImportedCache>(
                builder::CacheSource{place, trust, place != places.back()}, store));
    }
    return imports;
}

std::vector<std::shared_ptr<builder::CacheExport>> open_exports(const CacheOptions& options, layerstore::Store& store) {
    std::vector<std::shared_ptr<builder::CacheExport>> exports;
    for (const CacheOption& option : options.to)
        exports.push_back(std::make_shared<builder::CacheExport>(
            builder::CacheTarget{open_target(option), option.every_layer, option.must_succeed, option.begins_afresh},
            store));
    return exports;
}

std::vector<std::string> finish_exports(const std::vector<std::shared_ptr<builder::CacheExport>>& exports,
                                        bool succeeded) {
    std::vector<std::string> warnings;
    std::exception_ptr failure;
    for (const auto& cache : exports) {
        try {
            cache->finish(succeeded);
        } catch (Error& error) {
            warnings.push_back(fmt::format("the cache is not exported: {}", error.full_message()));
            if (!cache->target().must_succeed) continue;
            error.add_frame(std::string(to_flag));
            failure = std::current_exception();
        }
    }
    if (failure && succeeded) std::rethrow_exception(failure);
    return warnings;
}

}  // namespace imgbuild::cli
