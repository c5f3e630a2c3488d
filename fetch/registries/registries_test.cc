// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "fetch/registries/certificate_folders.h"
#include "fetch/registries/daemon_json.h"
#include "fetch/registries/hosts_toml.h"
#include "fetch/registries/registries_conf.h"
#include "fetch/registries/route.h"
#include "fetch/registries/short_names.h"
#include "fetch/registries/toml_file.h"
#include "fetch/test_home.h"

using namespace imgbuild;
using namespace imgbuild::fetch;
using layerstore::Reference;
using test::Home;

namespace {

template <class Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.full_message();
    }
    return "no error";
}

// "https://mirror.example/v2 team/app" of each endpoint.
std::vector<std::string> places_of(const Home& home, const std::string& name, Purpose purpose = Purpose::resolve) {
    std::vector<std::string> places;
    for (const Endpoint& one : find_route(home.surroundings(), Reference::parse(name), purpose).endpoints)
        places.push_back(one.base.text + " " + one.reference.repository +
                         (one.name_space.empty() ? "" : " for " + one.name_space) +
                         (one.may_be_plain ? " or http" : "") + (one.tls.is_unverified ? " unverified" : ""));
    return places;
}

Endpoint first_of(const Home& home, const std::string& name, Purpose purpose = Purpose::resolve) {
    return find_route(home.surroundings(), Reference::parse(name), purpose).endpoints.front();
}

using Places = std::vector<std::string>;

constexpr const char* user_conf = ".config/containers/registries.conf";

}  // namespace

TEST_CASE("TOML keeps the order of its text, and errors name line and column") {
    const Json document =
        parse_toml("z = 1\na = [\"x\", 2.5, true]\n[t.\"b.c\"]\nk = \"v\"\n[t.a]\nd = 1979-05-27\n", "f");
    CHECK(document.dump() == R"({"z":1,"a":["x",2.5,true],"t":{"b.c":{"k":"v"},"a":{"d":"1979-05-27"}}})");
    CHECK(error_of([] { parse_toml("a = 1\nb = ]\n", "f.toml"); }).starts_with("f.toml:2:5: "));
    CHECK(error_of([] { parse_toml("a = 1\na = 2\n", "f.toml"); }).starts_with("f.toml:2:"));
}

TEST_CASE("without configuration a registry is reached at its own name") {
    const Home home;
    CHECK(places_of(home, "alpine") == Places{"https://registry-1.docker.io/v2 library/alpine"});
    CHECK(places_of(home, "localhost:5000/a") == Places{"http://localhost:5000/v2 a"});
    CHECK(places_of(home, "registry.example:5000/team/app") == Places{"https://registry.example:5000/v2 team/app"});
}

TEST_CASE("a prefix matches whole parts of a name, and a wildcard whole parts of a host") {
    CHECK(matched_length("a.io/team/app:1", "a.io/team") == 9);
    CHECK(matched_length("a.io/team/app:1", "a.io/team/app:1") == 15);
    CHECK_FALSE(matched_length("a.io/team/app:1", "a.io/tea"));
    CHECK_FALSE(matched_length("a.io:5000/app:1", "a.io/app"));
    CHECK(matched_length("a.io:5000/app:1", "a.io") == 4);
    CHECK(matched_length("x.y.example.com:5000/app", "*.example.com") == 15);
    CHECK(matched_length("x.example.com.example.com/app", "*.example.com") == 25);
    CHECK_FALSE(matched_length("example.com/app", "*.example.com"));
    CHECK_FALSE(matched_length("badexample.com/app", "*.example.com"));
    CHECK_FALSE(matched_length("a.io/x.example.com/app", "*.example.com"));
}

TEST_CASE("registries.conf: the longest prefix decides, and the location takes its place") {
    Home home;
    home.write(user_conf, R"(
[[registry]]
prefix = "a.io"
location = "short.example/x"
[[registry]]
prefix = "a.io/team"
location = "long.example:5000/y"
[[registry]]
prefix = "*.many.io"
location = "one.example/all"
[[registry]]
prefix = "*.stay.io"
insecure = true
)");
    CHECK(places_of(home, "a.io/other/app") == Places{"https://short.example/v2 x/other/app"});
    CHECK(places_of(home, "a.io/team/app") == Places{"https://long.example:5000/v2 y/app"});
    CHECK(places_of(home, "b.many.io/app") == Places{"https://one.example/v2 all/app"});
    CHECK(places_of(home, "b.stay.io/app") == Places{"https://b.stay.io/v2 app or http unverified"});
    CHECK(places_of(home, "a.io/team/app", Purpose::push) == Places{"https://a.io/v2 team/app"});
}

TEST_CASE("registries.conf: mirrors come first, each for the names that it is for") {
    Home home;
    home.write(user_conf, R"(
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "all.example/hub"
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.example/"
pull-from-mirror = "tag-only"
insecure = true
[[registry]]
location = "b.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
)");
    const std::string hub = "https://registry-1.docker.io/v2 library/alpine";
    CHECK(places_of(home, "alpine") == Places{"https://all.example/v2 hub/library/alpine",
                                              "https://tags.example/v2 library/alpine or http unverified", hub});
    CHECK(places_of(home, "alpine", Purpose::blob).size() == 4);
    const std::string digest = "@sha256:" + std::string(64, 'a');
    CHECK(places_of(home, "alpine" + digest, Purpose::pull) ==
          Places{"https://all.example/v2 hub/library/alpine", "https://digests.example/v2 library/alpine", hub});
    CHECK(places_of(home, "b.io/app") == Places{"https://b.io/v2 app"});
    CHECK(places_of(home, "b.io/app" + digest, Purpose::pull).front() == "https://m.example/v2 app");
    CHECK(places_of(home, "alpine", Purpose::push) == Places{hub});
}

TEST_CASE("registries.conf: what is blocked is neither pulled nor pushed") {
    Home home;
    home.write(user_conf, "[[registry]]\nprefix = \"a.io/bad\"\nblocked = true\n");
    const std::string expected =
        "registry a.io: bad/app is blocked by " + home.path(user_conf) + " (prefix \"a.io/bad\")";
    CHECK(error_of([&] { places_of(home, "a.io/bad/app"); }) == expected);
    CHECK(error_of([&] { places_of(home, "a.io/bad/app", Purpose::push); }) == expected);
    CHECK(places_of(home, "a.io/good/app").size() == 1);
}

TEST_CASE("registries.conf: the user's file hides that of the system, drop-ins add to both") {
    Home home;
    home.write("etc/containers/registries.conf",
               "[[registry]]\nlocation = \"s.io\"\n[[registry.mirror]]\nlocation=\"m0.example\"\n");
    home.write("etc/containers/registries.conf.d/b.conf",
               "[[registry]]\nlocation = \"s.io\"\n[[registry.mirror]]\nlocation=\"m2.example\"\n");
    home.write("etc/containers/registries.conf.d/a.conf",
               "[[registry]]\nlocation = \"s.io\"\n[[registry.mirror]]\nlocation=\"m1.example\"\n");
    home.write("etc/containers/registries.conf.d/c.txt", "no TOML");
    CHECK(places_of(home, "s.io/a").front() == "https://m2.example/v2 a");
    home.write(".config/containers/registries.conf.d/a.conf",
               "[[registry]]\nlocation = \"s.io\"\n[[registry.mirror]]\nlocation=\"m3.example\"\n");
    CHECK(places_of(home, "s.io/a").front() == "https://m3.example/v2 a");
    home.write(user_conf, "");
    CHECK(places_of(home, "s.io/a").front() == "https://m3.example/v2 a");
    std::filesystem::remove(home.path(".config/containers/registries.conf.d/a.conf"));
    CHECK(places_of(home, "s.io/a") == Places{"https://s.io/v2 a"});
    home.variables["CONTAINERS_REGISTRIES_CONF"] = home.path("etc/containers/registries.conf");
    CHECK(places_of(home, "s.io/a").front() == "https://m2.example/v2 a");
}

TEST_CASE("registries.conf: what it cannot mean is an error that names the place") {
    const auto says = [](const std::string& text) { return error_of([&] { RegistriesConf().add(text, "f"); }); };
    CHECK(says("[[registry]]\ninsecure = true\n") == "f: registry[0]: has neither a prefix nor a location");
    CHECK(says("[[registry]]\nlocation = \"https://a.io\"\n") ==
          "f: registry[0].location: expected a registry without a scheme, like \"registry.example:5000/team\"");
    CHECK(says("[[registry]]\nlocation = \"a.io\"\ninsecure = \"yes\"\n") ==
          "f: registry[0].insecure: expected true or false");
    CHECK(says("[[registry]]\nprefix = \"a.*.io\"\n").find("a wildcard stands at the front only") != std::string::npos);
    CHECK(says("[[registry]]\nprefix = \"*.a.io/x\"\n").find("a wildcard") != std::string::npos);
    CHECK(says("[[registry]]\nlocation = \"a.io\"\n[[registry]]\nlocation = \"a.io\"\n") ==
          "f: registry[1]: \"a.io\" stands above already");
    CHECK(says("[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\ninsecure = true\n") ==
          "f: registry[0].mirror[0]: has no location");
    CHECK(says("[[registry]]\nlocation = \"a.io\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "
               "\"m\"\npull-from-mirror = \"all\"\n") ==
          "f: registry[0].mirror[0].pull-from-mirror: cannot be set beside mirror-by-digest-only");
    CHECK(says("short-name-mode = \"maybe\"\n") ==
          "f: short-name-mode: expected \"enforcing\", \"permissive\" or \"disabled\"");
    CHECK(says("[registries.insecure]\nregistries = [\"a.io\"]\n[[registry]]\nlocation = \"b.io\"\n") ==
          "f: registries: mixes the two versions of the format");
    CHECK(says("[[registry]]\nlocation = \"a.io\"\nunknown = 1\n") == "no error");
}

TEST_CASE("registries.conf: a location without a registry at its front is none") {
    Home home;
    home.write(user_conf, "[[registry]]\nprefix = \"a.io\"\nlocation = \"mirror\"\n");
    CHECK(error_of([&] {
              places_of(home, "a.io/app");
          }).ends_with("location \"mirror\": expected a registry at the front"));
}

TEST_CASE("registries.conf: the lists of version 1 are understood") {
    Home home;
    home.write(user_conf,
               "[registries.search]\nregistries = [\"s.io\"]\n[registries.insecure]\nregistries = [\"i.io\"]\n"
               "[registries.block]\nregistries = [\"b.io\"]\n");
    CHECK(places_of(home, "i.io/a") == Places{"https://i.io/v2 a or http unverified"});
    CHECK(error_of([&] { places_of(home, "b.io/a"); }).find("is blocked by") != std::string::npos);
}

TEST_CASE("hosts.toml: hosts are asked in the order of the file for what they are good for, the server last") {
    Home home;
    home.write("etc/containerd/certs.d/docker.io/hosts.toml", R"(
server = "https://registry-1.docker.io"
[host."https://z.example"]
  capabilities = ["pull", "resolve"]
[host."http://a.example:5000/proxy"]
  capabilities = ["Pull"]
[host."https://odd.example/api"]
  capabilities = ["pull", "resolve"]
  override_path = true
  skip_verify = true
)");
    const std::string server = "https://registry-1.docker.io/v2 library/alpine";
    CHECK(places_of(home, "alpine") == Places{"https://z.example/v2 library/alpine for docker.io",
                                              "https://odd.example/api library/alpine for docker.io unverified",
                                              server});
    CHECK(places_of(home, "alpine", Purpose::blob)[1] == "http://a.example:5000/proxy/v2 library/alpine for docker.io");
    CHECK(places_of(home, "alpine", Purpose::push) == Places{server});
}

TEST_CASE("hosts.toml: pushes go to the first host that says so in so many words") {
    Home home;
    home.write(".config/containerd/certs.d/r.io_5000_/hosts.toml",
               "[host.\"https://any.example\"]\n[host.\"https://push.example\"]\ncapabilities = [\"push\"]\n");
    CHECK(places_of(home, "r.io:5000/a", Purpose::push) == Places{"https://push.example/v2 a for r.io:5000"});
    CHECK(places_of(home, "r.io:5000/a") == Places{"https://any.example/v2 a for r.io:5000", "https://r.io:5000/v2 a"});
    home.write(".config/containerd/certs.d/_default/hosts.toml",
               "server = \"https://all.example\"\ncapabilities = [\"pull\"]\n");
    CHECK(places_of(home, "other.io/a", Purpose::blob) == Places{"https://all.example/v2 a for other.io"});
    CHECK(error_of([&] { places_of(home, "other.io/a"); }).ends_with("names no host that may be asked"));
}

TEST_CASE("hosts.toml: authorities, a client's certificate and headers, relative to the file") {
    Home home;
    const std::string folder = ".config/containerd/certs.d/r.io/";
    home.write(folder + "hosts.toml",
               "server = \"https://r.io\"\nca = \"ca.pem\"\nclient = [[\"c.pem\", \"/keys/k.pem\"]]\n[header]\n"
               "x-token = [\"a\", \"b\"]\n");
    const Endpoint end = first_of(home, "r.io/a");
    CHECK(end.tls.authorities == Places{home.path(folder + "ca.pem")});
    CHECK(end.tls.certificate == home.path(folder + "c.pem"));
    CHECK(end.tls.key == "/keys/k.pem");
    CHECK(end.headers == Places{"x-token: a", "x-token: b"});
}

TEST_CASE("hosts.toml: what it cannot mean is an error that names the place") {
    const auto says = [](const std::string& text) { return error_of([&] { parse_hosts_toml(text, "f"); }); };
    CHECK(says("capabilities = [\"fetch\"]\n") ==
          "f.capabilities: \"fetch\" is none of \"pull\", \"resolve\" and \"push\"");
    CHECK(says("[host.\"https://a.io\"]\nca = 1\n") ==
          "f: host.\"https://a.io\".ca: expected a string or a list of strings");
    CHECK(says("client = [[\"a\", \"b\", \"c\"]]\n") ==
          "f.client: expected a certificate, or a certificate and its key");
    CHECK(says("[header]\n\"a b\" = \"c\"\n") == "f.header: holds what is no header");
    CHECK(says("[header]\na = \"c\\nEvil: 1\"\n") == "f.header: holds what is no header");
    CHECK(says("[host.\"ftp://a.io\"]\n") == "f: host.\"ftp://a.io\": expected an address of http or https");
    CHECK(says("server = \"https://joe:secret@a.io\"\n").find("secret") == std::string::npos);
}

TEST_CASE("daemon.json: mirrors are those of Docker Hub, and for reading") {
    Home home;
    home.write("etc/docker/daemon.json", R"({"registry-mirrors": ["https://m.example/", "http://p.example:5000"]})");
    const std::string hub = "https://registry-1.docker.io/v2 library/alpine";
    CHECK(places_of(home, "alpine") ==
          Places{"https://m.example/v2 library/alpine", "http://p.example:5000/v2 library/alpine", hub});
    CHECK(places_of(home, "alpine", Purpose::push) == Places{hub});
    CHECK(places_of(home, "quay.io/a/b") == Places{"https://quay.io/v2 a/b"});
}

TEST_CASE("daemon.json: a registry is insecure by its name and port or by a range of addresses") {
    Home home;
    home.write(".config/docker/daemon.json", R"({"insecure-registries": ["r.io:5000", "10.0.0.0/8"]})");
    CHECK(places_of(home, "r.io:5000/a") == Places{"https://r.io:5000/v2 a or http unverified"});
    CHECK(places_of(home, "10.1.2.3:80/a") == Places{"https://10.1.2.3:80/v2 a or http unverified"});
    CHECK(places_of(home, "11.1.2.3:80/a") == Places{"https://11.1.2.3:80/v2 a"});
    CHECK(is_in_range("fd00::1", "fd00::/8"));
    CHECK_FALSE(is_in_range("fe00::1", "fd00::/8"));
    CHECK_FALSE(is_in_range("10.0.0.1", "10.0.0.0/33"));
    CHECK(error_of([] { DaemonJson().add(R"({"insecure-registries": ["r.io/x"]})", "f"); }) ==
          "f: insecure-registries: \"r.io/x\" is neither a registry nor a range of addresses");
    CHECK(error_of([] { DaemonJson().add(R"({"registry-mirrors": "m"})", "f"); }) ==
          "f: registry-mirrors: expected an array");
}

TEST_CASE("where several files name mirrors, registries.conf comes before hosts.toml, and that before daemon.json") {
    Home home;
    home.write("etc/docker/daemon.json", R"({"registry-mirrors": ["https://d.example"]})");
    CHECK(places_of(home, "alpine").front() == "https://d.example/v2 library/alpine");
    home.write("etc/containerd/certs.d/docker.io/hosts.toml", "[host.\"https://h.example\"]\n");
    CHECK(places_of(home, "alpine").front() == "https://h.example/v2 library/alpine for docker.io");
    CHECK(places_of(home, "alpine").size() == 2);
    home.write(user_conf, "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"c.example\"\n");
    CHECK(places_of(home, "alpine").front() == "https://c.example/v2 library/alpine");
    CHECK(places_of(home, "alpine").size() == 2);
}

TEST_CASE("certificates of all folders of a registry add up, its port being part of the name") {
    Home home;
    home.write(".config/containers/certs.d/r.io:5000/own.crt", "");
    home.write("etc/docker/certs.d/r.io:5000/ca.crt", "");
    home.write("etc/docker/certs.d/r.io:5000/me.cert", "");
    home.write("etc/docker/certs.d/r.io:5000/me.key", "");
    home.write("etc/containerd/certs.d/r.io_5000_/ca.crt", "");
    const TlsSettings tls = first_of(home, "r.io:5000/a").tls;
    CHECK(tls.authorities == Places{home.path(".config/containers/certs.d/r.io:5000/own.crt"),
                                    home.path("etc/docker/certs.d/r.io:5000/ca.crt"),
                                    home.path("etc/containerd/certs.d/r.io_5000_/ca.crt")});
    CHECK(tls.certificate == home.path("etc/docker/certs.d/r.io:5000/me.cert"));
    CHECK(tls.key == home.path("etc/docker/certs.d/r.io:5000/me.key"));
    CHECK(first_of(home, "r.io/a").tls.is_empty());
    CHECK_FALSE(tls.is_unverified);
}

TEST_CASE("a certificate without its key is an error, and so is a key without its certificate") {
    Home home;
    home.write("etc/docker/certs.d/r.io/me.cert", "");
    CHECK(error_of([&] { places_of(home, "r.io/a"); }).find("me.key is missing beside it") != std::string::npos);
    std::filesystem::rename(home.path("etc/docker/certs.d/r.io/me.cert"), home.path("etc/docker/certs.d/r.io/me.key"));
    CHECK(error_of([&] { places_of(home, "r.io/a"); }).find("me.cert is missing beside it") != std::string::npos);
}

TEST_CASE("a registry on loopback speaks TLS where somebody gave certificates for it") {
    Home home;
    home.write(".config/docker/certs.d/localhost:5000/ca.crt", "");
    CHECK(places_of(home, "localhost:5000/a") == Places{"https://localhost:5000/v2 a"});
    CHECK(places_of(home, "localhost:5001/a") == Places{"http://localhost:5001/v2 a"});
}

TEST_CASE("who we are is told to the registry alone, and no other host does without verification") {
    Endpoint end;
    end.base = Url::parse("https://r.io:5000/v2");
    end.tls = {.authorities = {"ca"}, .certificate = "c", .key = "k", .is_unverified = true};
    CHECK(end.tls_for(Url::parse("https://r.io:5000/token")).certificate == "c");
    const TlsSettings same_host = end.tls_for(Url::parse("https://r.io/token"));
    CHECK(same_host.certificate.empty());
    CHECK(same_host.is_unverified);
    const TlsSettings other = end.tls_for(Url::parse("https://cdn.example/b"));
    CHECK(other.authorities == Places{"ca"});
    CHECK(other.certificate.empty());
    CHECK_FALSE(other.is_unverified);
}

TEST_CASE("every file that was looked at is told, with what came of it") {
    Home home;
    home.write(user_conf, "[[registry]]\nlocation = \"r.io\"\n[[registry.mirror]]\nlocation = \"m.example\"\n");
    home.write(".config/containers/registries.conf.d/x.conf", "");
    home.write("etc/docker/daemon.json", "{}");
    Places said;
    for (const ConfigurationStep& step :
         find_route(home.surroundings(), Reference::parse("r.io/a"), Purpose::resolve).steps)
        said.push_back(step.place.substr(home.folder.path().size() + 1) + ": " + step.outcome);
    CHECK(said == Places{".config/containers/registries.conf: decides for r.io",
                         ".config/containers/registries.conf.d/x.conf: nothing for this name",
                         ".config/docker/daemon.json: not there", "etc/docker/daemon.json: nothing for this name"});
}

TEST_CASE(
    "a short name stands for its alias, else is looked for in the registries for such names, else in Docker Hub") {
    Home home;
    const auto names = [&](const std::string& name) { return expand_short_name(home.surroundings(), name).names; };
    CHECK(names("alpine:3") == Places{"docker.io/alpine:3"});
    home.write("etc/containers/registries.conf.d/a.conf",
               "[aliases]\n\"tool\" = \"a.io/x/tool\"\n\"team/app\" = \"b.io/app\"\n");
    CHECK(names("tool:1") == Places{"a.io/x/tool:1"});
    CHECK(names("team/app@sha256:00") == Places{"b.io/app@sha256:00"});
    CHECK(expand_short_name(home.surroundings(), "tool").reason ==
          "an alias in " + home.path("etc/containers/registries.conf.d/a.conf"));
    home.write("etc/containers/registries.conf.d/b.conf",
               "unqualified-search-registries = [\"c.io:5000\", \"docker.io\"]\n[aliases]\ntool = \"\"\n");
    CHECK(names("tool:1") == Places{"c.io:5000/tool:1", "docker.io/tool:1"});
    home.write("etc/containers/registries.conf.d/c.conf", "short-name-mode = \"enforcing\"\n");
    CHECK(error_of([&] { names("tool:1"); }) == "tool:1: may stand for c.io:5000/tool:1 or docker.io/tool:1");
    CHECK(names("team/app") == Places{"b.io/app"});
}
