// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who may vouch for a server: the authorities of the system or of the environment, and more for a registry. libcurl
// takes one file, and folders only with names made of hashes; whatever else there is becomes one text.

#include <string>
#include <vector>

namespace imgbuild::fetch {

class Authorities {
  public:
    /// $CURL_CA_BUNDLE or $SSL_CERT_FILE, else the file of the system.
    static std::string file();
    /// The folders of $SSL_CERT_DIR whose files have names made of hashes, joined by ":"; empty where there are none.
    static std::string hashed_folders();

    /// All certificates in PEM: of file(), of the other folders of $SSL_CERT_DIR, and of the files `more`. Empty where
    /// file() alone says it all. Error{usage} for one of `more` that holds no certificate.
    std::string bundle(const std::vector<std::string>& more);

  private:
    std::string base_;  ///< once it was read
};

}  // namespace imgbuild::fetch
