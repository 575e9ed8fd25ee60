#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the library into a directory of its own, builds examples/embed against it in the two ways
# that docs/embedding.md shows, and runs what comes out.
set -euo pipefail
source=${SKEP_SOURCE_DIR:?} build=${SKEP_BINARY_DIR:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" --component library >/dev/null
# Public headers stand alone: each can be the first and only one.
for header in "$work"/prefix/include/skep/*.hpp; do
    ! grep -nE '#include ("(base|isa|btf|object|engine|maps|hooks|kernel|runtime|platform)/|<(fmt|bpf)/)' "$header" ||
        { echo "$header: it includes what is not installed"; exit 1; }
done

cp -r "$source/examples/embed" "$work/embed"   # nothing of the source tree is needed
cmake -S "$work/embed" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1 &&
    cmake --build "$work/cmake" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
echo "by find_package(skep):"
"$work/cmake/gate" "$work/cmake/gate.bpf.o"

pkgconfig=$(dirname "$(find "$work/prefix" -name skep.pc)")
flags=$(PKG_CONFIG_PATH=$pkgconfig pkg-config --cflags --libs skep)
library=$(PKG_CONFIG_PATH=$pkgconfig pkg-config --variable=libdir skep)
# shellcheck disable=SC2086
g++ -std=c++23 -Wall -Wextra -Werror "$work/embed/gate.cpp" -o "$work/gate" $flags -Wl,-rpath,"$library"
echo "by pkg-config:"
"$work/gate" "$work/cmake/gate.bpf.o"
