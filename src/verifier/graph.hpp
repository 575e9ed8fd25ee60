// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verifier/verify.hpp"

namespace skep::verifier {

/// The program's control flow for Graphviz: basic blocks with their instructions, functions as
/// clusters. With Facts::registers, what registers hold at the start of each block; what no path
/// reaches is grey; the refused instruction and the path to it are red.
///
///     dot -Tsvg <(skep check filter.bpf.o --cfg) > filter.svg
std::string control_flow_graph(const object::ObjectSpec& object, const object::ProgSpec& prog,
                               const Verdict& verdict);

}  // namespace skep::verifier
