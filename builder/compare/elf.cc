// SPDX-License-Identifier: Apache-2.0
// ELF, 32 and 64 bits, either byte order: section by section, by their names.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/text.h"
#include "builder/compare/detail/findings.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::size_t max_sections = 65'536;
constexpr std::uint64_t no_bits = 8;  // SHT_NOBITS: takes no room in the file

struct ElfSection {
    std::string name;
    std::string_view data;
};

// Offsets of the fields, in files of 32 and of 64 bits.
struct ElfLayout {
    std::size_t word, header, table_offset, entry_size, count, names, section_offset, section_size;
};
constexpr ElfLayout elf32{4, 52, 32, 46, 48, 50, 16, 20};
constexpr ElfLayout elf64{8, 64, 40, 58, 60, 62, 24, 32};

class ElfFile {
  public:
    explicit ElfFile(std::string_view bytes)
        : bytes_(bytes),
          layout_(bytes.size() > 4 && bytes[4] == 1 ? elf32 : elf64),
          read_(bytes.size() > 5 && bytes[5] == 2 ? read_big : read_little) {}

    std::optional<std::vector<ElfSection>> sections() const {
        constexpr std::size_t half = 2;
        if (bytes_.size() < layout_.header) return std::nullopt;
        const std::uint64_t table = read_(bytes_, layout_.table_offset, layout_.word);
        const std::uint64_t entry = read_(bytes_, layout_.entry_size, half);
        const std::uint64_t count = read_(bytes_, layout_.count, half);
        const std::uint64_t names = read_(bytes_, layout_.names, half);
        if (count == 0 || count > max_sections || names >= count || entry < layout_.section_size + layout_.word ||
            !holds(bytes_, table, entry * count))
            return std::nullopt;
        const std::string_view texts = data_of(table + names * entry);
        std::vector<ElfSection> sections;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t name = read_(bytes_, table + i * entry, 4);
            const std::string_view rest = name < texts.size() ? texts.substr(name) : std::string_view();
            sections.push_back(
                {std::string(rest.substr(0, std::min<std::size_t>(rest.find('\0'), 64))), data_of(table + i * entry)});
        }
        return sections;
    }

  private:
    std::string_view data_of(std::uint64_t header) const {
        if (read_(bytes_, header + 4, 4) == no_bits) return {};
        const std::uint64_t offset = read_(bytes_, header + layout_.section_offset, layout_.word);
        const std::uint64_t size = read_(bytes_, header + layout_.section_size, layout_.word);
        return holds(bytes_, offset, size) ? bytes_.substr(offset, size) : std::string_view();
    }

    std::string_view bytes_;
    const ElfLayout& layout_;
    std::uint64_t (*read_)(std::string_view, std::size_t, std::size_t) noexcept;
};

// A note: sizes of name and description, type, name, description. The id is what is described.
std::string build_id_of(std::string_view note) {
    constexpr std::size_t begin = 16;  // behind "GNU\0"
    return note.size() > begin ? hex_of(note.substr(begin)) : hex_of(note);
}

std::string as_line(std::string_view data) {
    std::string text(data.substr(0, max_value_bytes));
    std::ranges::replace(text, '\0', ' ');
    return std::string(trim(text));
}

void compare_section(const ElfSection& before, const ElfSection& after, Findings& findings) {
    const std::string place = "section " + printable(after.name);
    if (after.name == ".note.gnu.build-id")
        return findings.add(DifferenceKind::elf_build_id, place, build_id_of(before.data), build_id_of(after.data));
    if (after.name == ".comment")
        return findings.add(DifferenceKind::elf_comment, place, as_line(before.data), as_line(after.data));
    if (after.name == ".gnu_debuglink")
        return findings.add(DifferenceKind::elf_debug, place, as_line(before.data), as_line(after.data));
    if (!after.name.starts_with(".debug")) {
        const Findings::Scope scope(findings, place);
        return compare_inside({before.data, after.data}, findings);
    }
    // What of debugging information differs, is told by its first difference.
    Findings inside(findings.surroundings());
    compare_binary({before.data, after.data}, inside);
    const FileFindings found = inside.take();
    if (!found.list.empty())
        findings.add(DifferenceKind::elf_debug, place, found.list.front().before, found.list.front().after);
}

}  // namespace

bool compare_elf(const Pair& pair, Findings& findings) {
    const auto before = ElfFile(pair.before).sections();
    const auto after = ElfFile(pair.after).sections();
    if (!before || !after) return false;
    std::map<std::string_view, const ElfSection*> others;
    for (const ElfSection& section : *before) others.try_emplace(section.name, &section);
    for (const ElfSection& section : *after) {
        // Sections of a hostile file may all be the whole file.
        if (!findings.spend(section.data.size())) return true;
        const auto other = others.find(section.name);
        if (other == others.end()) {
            findings.add(DifferenceKind::content, "section " + printable(section.name), "", "there");
            continue;
        }
        if (other->second->data != section.data) compare_section(*other->second, section, findings);
        others.erase(other);
    }
    for (const auto& [name, section] : others)
        findings.add(DifferenceKind::content, "section " + printable(name), "there", "");
    return true;
}

}  // namespace imgbuild::builder::detail
