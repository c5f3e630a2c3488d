// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/kinds.h"

#include <array>
#include <cstddef>

namespace imgbuild::builder {
namespace {

constexpr std::array kind_table{
    KindInfo{DifferenceKind::presence, "presence", "one build alone has it",
             "look for a step that depends on time, network, or what a cache mount holds"},
    KindInfo{DifferenceKind::type, "type", "a file in one build, something else in the other",
             "look for a step that links or copies depending on its surroundings"},
    KindInfo{DifferenceKind::mode, "mode", "permission bits",
             "set them: chmod, install -m, COPY --chmod, or umask in the step"},
    KindInfo{DifferenceKind::owner, "owner", "user or group by number",
             "create users with fixed ids: useradd -u, groupadd -g"},
    KindInfo{DifferenceKind::file_time, "file-time", "the time of the entry in the layer",
             "leave --timestamps=fixed on"},
    KindInfo{DifferenceKind::link_target, "link-target", "where a symbolic link leads", "link to a fixed name"},
    KindInfo{DifferenceKind::device, "device", "device numbers", "do not make device nodes in a step"},
    KindInfo{DifferenceKind::attributes, "attributes", "extended attributes",
             "set them in the step, or take them away there"},
    KindInfo{DifferenceKind::hard_links, "hard-links", "which names are one file",
             "link, or copy, but do not leave it to chance"},

    KindInfo{DifferenceKind::time, "time", "a date or a time in the content",
             "let the tool take SOURCE_DATE_EPOCH, or leave the time out"},
    KindInfo{DifferenceKind::order, "order", "the same lines or entries in another order",
             "sort: find … | LC_ALL=C sort"},
    KindInfo{DifferenceKind::word_order, "word-order", "the same words of a line in another order",
             "sort keys; hashes iterate at random: PERL_HASH_SEED=0, PYTHONHASHSEED=0"},
    KindInfo{DifferenceKind::path, "path", "a path of the place where it was made",
             "build in a fixed directory; -ffile-prefix-map=OLD=NEW"},
    KindInfo{DifferenceKind::random, "random", "a random name, id or value",
             "give a fixed seed or name; mktemp leaves traces"},
    KindInfo{DifferenceKind::number, "number", "a number: process id, counter, $RANDOM", "leave it out, or fix it"},
    KindInfo{DifferenceKind::host_name, "host-name", "the name of the machine",
             "leave it out; some tools take HOSTNAME"},
    KindInfo{DifferenceKind::processors, "processors", "the number of processors",
             "give it as a number: make -j4, not -j$(nproc)"},
    KindInfo{DifferenceKind::size, "size", "one is the beginning of the other",
             "look for what appends, or for a step cut short"},
    KindInfo{DifferenceKind::content, "content", "something else", "compare the two files"},

    KindInfo{DifferenceKind::elf_build_id, "elf-build-id", "the build id of a program",
             "it follows from the rest of the file; -Wl,--build-id=none where nothing else differs"},
    KindInfo{DifferenceKind::elf_comment, "elf-comment", "the compiler that a program names",
             "install one version of the compiler"},
    KindInfo{DifferenceKind::elf_debug, "elf-debug", "debugging information of a program",
             "-ffile-prefix-map=OLD=NEW, a fixed directory, or strip"},
    KindInfo{DifferenceKind::gzip_time, "gzip-time", "the time in the header of gzip", "gzip -n"},
    KindInfo{DifferenceKind::gzip_name, "gzip-name", "the file name in the header of gzip", "gzip -n"},
    KindInfo{DifferenceKind::compression, "compression", "the same content, compressed otherwise",
             "one version of the compressor, one level, one thread"},
    KindInfo{DifferenceKind::zip_time, "zip-time", "times of the entries of a zip archive",
             "touch -d @$SOURCE_DATE_EPOCH before, zip -X; jar --date"},
    KindInfo{DifferenceKind::zip_order, "zip-order", "the order of the entries of a zip archive",
             "sort names: … | sort | zip -X -@"},
    KindInfo{DifferenceKind::zip_attributes, "zip-attributes", "modes or extra fields of a zip archive",
             "zip -X, and set modes before"},
    KindInfo{DifferenceKind::ar_time, "ar-time", "times of the members of an ar archive", "ar -D, ranlib -D"},
    KindInfo{DifferenceKind::ar_owner, "ar-owner", "owners or modes of the members of an ar archive",
             "ar -D, ranlib -D"},
    KindInfo{DifferenceKind::ar_order, "ar-order", "the order of the members of an ar archive",
             "name the members sorted"},
    KindInfo{DifferenceKind::tar_time, "tar-time", "times of the entries of a tar archive",
             "tar --mtime=@$SOURCE_DATE_EPOCH"},
    KindInfo{DifferenceKind::tar_owner, "tar-owner", "owners or modes of the entries of a tar archive",
             "tar --owner=0 --group=0 --numeric-owner --mode=…"},
    KindInfo{DifferenceKind::tar_order, "tar-order", "the order of the entries of a tar archive", "tar --sort=name"},
    KindInfo{DifferenceKind::pyc_time, "pyc-time", "the time of the source in compiled Python",
             "python -m compileall --invalidation-mode unchecked-hash; PYTHONDONTWRITEBYTECODE=1"},
    KindInfo{DifferenceKind::json_order, "json-order", "the order of members in JSON",
             "sort keys: jq -S, sort_keys=True"},
    KindInfo{DifferenceKind::json_value, "json-value", "a value in JSON", "see what wrote it"},
    KindInfo{DifferenceKind::png_time, "png-time", "the time in a PNG image",
             "strip it: -define png:exclude-chunk=time,date"},
    KindInfo{DifferenceKind::pdf_date, "pdf-date", "the dates in a PDF document",
             "SOURCE_DATE_EPOCH, where the tool takes it"},
    KindInfo{DifferenceKind::pdf_id, "pdf-id", "the file id of a PDF document",
             "it follows from time and path: fix these, or the id"},
    KindInfo{DifferenceKind::iso_time, "iso-time", "dates in an ISO 9660 image",
             "xorriso and mkisofs take SOURCE_DATE_EPOCH"},

    KindInfo{DifferenceKind::log, "log", "a log with times of the build",
             "remove it in the same step; --repro=strict does"},
    KindInfo{DifferenceKind::linker_cache, "linker-cache", "ldconfig's notes on inodes and times",
             "rm -f /var/cache/ldconfig/aux-cache; --repro=strict does"},
    KindInfo{DifferenceKind::machine_id, "machine-id", "the random id of a machine",
             "empty it: every machine makes its own"},
    KindInfo{DifferenceKind::shadow_day, "shadow-day", "the day of the last change of a password",
             "chage -d 0 USER in the same step; useradd takes SOURCE_DATE_EPOCH"},
    KindInfo{DifferenceKind::font_cache, "font-cache", "fontconfig's cache, with times",
             "remove it: it is made when needed"},
    KindInfo{DifferenceKind::generated_key, "generated-key", "a key made at random",
             "make keys when the container starts"},
    KindInfo{DifferenceKind::random_seed, "random-seed", "a seed for random numbers", "remove it in the same step"},
    KindInfo{DifferenceKind::package_cache, "package-cache", "a cache of the package manager",
             "remove it in the same step"},
};
static_assert(kind_table.size() == static_cast<std::size_t>(DifferenceKind::package_cache) + 1);
static_assert([] {
    for (std::size_t i = 0; i < kind_table.size(); ++i)
        if (static_cast<std::size_t>(kind_table[i].kind) != i) return false;
    return true;
}());

struct KnownPath {
    std::string_view begins;
    std::string_view ends;
    DifferenceKind kind;
};

// The first that fits counts.
constexpr std::array known_paths{
    KnownPath{"/var/cache/ldconfig/aux-cache", "", DifferenceKind::linker_cache},
    KnownPath{"/etc/machine-id", "", DifferenceKind::machine_id},
    KnownPath{"/var/lib/dbus/machine-id", "", DifferenceKind::machine_id},
    KnownPath{"/etc/shadow", "", DifferenceKind::shadow_day},
    KnownPath{"/var/cache/fontconfig/", "", DifferenceKind::font_cache},
    KnownPath{"/etc/ssh/ssh_host_", "_key", DifferenceKind::generated_key},
    KnownPath{"/etc/ssh/ssh_host_", ".pub", DifferenceKind::generated_key},
    KnownPath{"/etc/ssl/private/", ".key", DifferenceKind::generated_key},
    KnownPath{"/etc/ssl/certs/ssl-cert-snakeoil.pem", "", DifferenceKind::generated_key},
    KnownPath{"/var/lib/systemd/random-seed", "", DifferenceKind::random_seed},
    KnownPath{"/var/lib/urandom/", "", DifferenceKind::random_seed},
    KnownPath{"/var/cache/apt/", ".bin", DifferenceKind::package_cache},
    KnownPath{"/var/lib/apt/lists/", "", DifferenceKind::package_cache},
    KnownPath{"/var/cache/debconf/", "", DifferenceKind::package_cache},
    KnownPath{"/var/cache/apk/", "", DifferenceKind::package_cache},
    KnownPath{"/var/cache/man/", "", DifferenceKind::package_cache},
    KnownPath{"/var/log/", "", DifferenceKind::log},
};

}  // namespace

std::span<const KindInfo> all_kinds() noexcept { return kind_table; }

const KindInfo& about(DifferenceKind kind) noexcept { return kind_table[static_cast<std::size_t>(kind)]; }

std::optional<DifferenceKind> kind_of_path(std::string_view path) noexcept {
    for (const KnownPath& known : known_paths)
        if (path.starts_with(known.begins) && path.ends_with(known.ends)) return known.kind;
    return std::nullopt;
}

}  // namespace imgbuild::builder
