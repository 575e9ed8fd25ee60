// SPDX-License-Identifier: Apache-2.0
// verifier_agreement [OPTION...] FILE|DIRECTORY...
// Judges every program of compiled objects by its annotation, by the running kernel and by skep,
// and prints who agrees with whom.
//     --all          programs without an annotation too
//     --no-kernel    do not ask the running kernel
//     --no-skep      do not ask skep
//     --unpriv       the unprivileged side too
//     --prog NAME    only programs with NAME in their name
//     --kernel NAME  by whose rules skep judges (6.1, ...); as without: those of the running kernel
//     --by-type      rows by program type
//     --quiet        the table only
//     --verbose      every program's answers
#include <fmt/core.h>

#include <cstring>
#include <string_view>

#include "verifier/agreement.hpp"

int main(int argc, char** argv) {
    using namespace skep;
    using namespace skep::verifier_test;
    AgreementOptions options;
    std::vector<std::string> paths;
    bool by_type = false, quiet = false, verbose = false;
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        if (argument == "--all")
            options.annotated_only = false;
        else if (argument == "--no-kernel")
            options.ask_kernel = false;
        else if (argument == "--no-skep")
            options.ask_skep = false;
        else if (argument == "--unpriv")
            options.unprivileged = true;
        else if (argument == "--by-type")
            by_type = true;
        else if (argument == "--quiet")
            quiet = true;
        else if (argument == "--verbose")
            verbose = true;
        else if (argument == "--prog" && i + 1 < argc)
            options.only_prog = argv[++i];
        else if (argument == "--kernel" && i + 1 < argc)
            options.platform = platform::find_platform(argv[++i]);
        else if (argument.ends_with(".o"))
            paths.emplace_back(argument);
        else
            for (std::string& path : objects_below(argv[i])) paths.push_back(std::move(path));
    }
    if (paths.empty()) {
        fmt::print(stderr, "usage: verifier_agreement [OPTION...] FILE|DIRECTORY...\n");
        return 2;
    }
    auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) {
        fmt::print(stderr, "{}\n", kernel.error().to_string());
        return 3;
    }
    Agreement agreement(*kernel, options);
    for (const std::string& path : paths)
        if (const auto added = agreement.add(path); !added)
            fmt::print(stderr, "{}\n", added.error().to_string());
    if (verbose)
        for (const Case& item : agreement.cases())
            fmt::print("{}\n    kernel {} {} us {}\n    skep   {} {} us {}\n", item.name(),
                       item.kernel.accepted() ? "accepts" : "does not accept",
                       item.kernel.nanoseconds / 1000, item.kernel.reason,
                       item.skep.accepted() ? "accepts" : "does not accept",
                       item.skep.nanoseconds / 1000, item.skep.reason);
    if (!quiet) fmt::print("{}{}", agreement.outdated(), agreement.disagreements());
    fmt::print("{}", agreement.table(by_type));
    return 0;
}
