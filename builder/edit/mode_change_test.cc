// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/mode_change.h"

#include <doctest/doctest.h>

#include <string>

#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;

TEST_CASE("modes change as chmod(1) changes them where nothing is masked") {
    struct Row {
        const char* text;
        std::uint16_t before;
        std::uint16_t file;
        std::uint16_t directory;
    };
    const Row rows[] = {
        {"0", 07777, 0, 0},
        {"644", 0755, 0644, 0644},
        {"04711", 0644, 04711, 04711},
        {"+x", 0644, 0755, 0755},
        {"a+rwx", 0, 0777, 0777},
        {"u+x", 0644, 0744, 0744},
        {"go-r", 0644, 0600, 0600},
        {"ug+w", 0444, 0664, 0664},
        {"u=rw,go=r", 0777, 0644, 0644},
        {"=r", 06777, 0444, 0444},
        {"o=", 0777, 0770, 0770},
        {"a+X", 0644, 0644, 0755},
        {"a+X", 0744, 0755, 0755},
        // The mode before the first clause counts.
        {"a-x,a+X", 0744, 0755, 0755},
        {"u+x,go+X", 0644, 0744, 0755},
        {"u=rwX,go=rX", 0600, 0644, 0755},
        {"-X", 0755, 0644, 0644},
        {"g=u", 0640, 0660, 0660},
        {"go+u", 0700, 0777, 0777},
        {"o=ug", 0640, 0646, 0646},
        {"g=u-w", 0640, 0640, 0640},
        {"u+r-w+x", 0200, 0500, 0500},
        {"u+s", 0755, 04755, 04755},
        {"g+s", 0755, 02755, 02755},
        {"+s", 0755, 06755, 06755},
        {"o+s", 0755, 0755, 0755},
        {"+t", 0777, 01777, 01777},
        {"o+t", 0777, 0777, 0777},
        {"=t", 06777, 01000, 01000},
        {"u=rwx", 04600, 0700, 0700},
        {"a=rx", 01777, 01555, 01555},
        {"u+", 0644, 0644, 0644},
    };
    for (const Row& row : rows) {
        ModeChange change = ModeChange::parse(row.text);
        CAPTURE(row.text);
        CHECK(change.apply(row.before, false) == row.file);
        CHECK(change.apply(row.before, true) == row.directory);
    }
}

TEST_CASE("only a number says what everything gets") {
    CHECK(ModeChange::parse("0755").octal() == 0755);
    CHECK_FALSE(ModeChange::parse("u=rwx,go=rx").octal());
}

TEST_CASE("what is no mode is refused") {
    for (const char* text : {"", "64a", "8", "17777", "u", "u+q", "u+x,", ",", "z+x"})
        CHECK_MESSAGE(refusal([&] { ModeChange::parse(text); }).starts_with("usage: invalid chmod parameter"), text);
}
