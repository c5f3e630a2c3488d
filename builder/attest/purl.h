// SPDX-License-Identifier: Apache-2.0
#pragma once

// How attestations name things: package URLs of images, addresses without passwords.

#include <string>
#include <string_view>

#include "layerstore/image/descriptor.h"

namespace imgbuild::builder {

/// "pkg:docker/app@1?platform=linux%2Famd64": an image by the name that people type. With a digest in the reference
/// that stands among the qualifiers. Error{usage} for what is no reference.
std::string image_purl(std::string_view reference, const layerstore::Platform& platform);

/// "pkg:oci/NAME?platform=…": an image of a layout, which has no name of its own.
std::string layout_purl(std::string_view name, const layerstore::Platform& platform);

/// An URL without user and password.
std::string public_url(std::string_view url);

}  // namespace imgbuild::builder
