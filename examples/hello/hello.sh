#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Greets whoever is named, with every greeting that the image holds.
set -eu
cat "$(dirname "$0")/about.txt"
while read -r greeting; do
    echo "$greeting, $*!"
done < "$GREETINGS"
