// SPDX-License-Identifier: Apache-2.0
// verifier_soundness [--seconds N] [--seed N]
// Generates programs and holds what the verifier believes of those that it accepts against what
// happens when they run (soundness.hpp). Prints the smallest form of the first that disagrees.
#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "verifier/program_case.hpp"
#include "verifier/program_generator.hpp"
#include "verifier/soundness.hpp"

int main(int argc, char** argv) {
    using namespace skep::verifier_test;
    uint64_t seed = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
    int seconds = 10;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::string_view(argv[i]) == "--seconds") seconds = std::atoi(argv[i + 1]);
        if (std::string_view(argv[i]) == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 0);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    uint64_t programs = 0, accepted = 0, compared = 0, instructions = 0, unsound = 0;
    for (; std::chrono::steady_clock::now() < end; seed++) {
        const auto object = generate_program(seed);
        const Soundness found = check_soundness(object, seed);
        programs++;
        accepted += found.accepted;
        compared += found.compared;
        instructions += found.instructions;
        if (found.complaint.empty()) continue;
        if (unsound++ >= 5) continue;
        const auto small = minimise_unsound(object, seed);
        fmt::print("{}\n", case_text(small, fmt::format("seed {}\n{}", seed,
                                                        check_soundness(small, seed).complaint)));
    }
    fmt::print(
        "{} programs, {} accepted, {} compared with their states in {} instructions, {} "
        "unsound; next seed {}\n",
        programs, accepted, compared, instructions, unsound, seed);
    return unsound != 0;
}
