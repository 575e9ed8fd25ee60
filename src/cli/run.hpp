// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/run_output.hpp"
#include "engine/object.hpp"

// The parts of `skep run`, which is a program, events for it, and output. run.cpp reads the options
// and chooses the kind of events; run_packets.cpp and run_tasks.cpp raise them.

namespace skep::cli {

struct RunOptions {
    std::string file;
    std::vector<std::string> progs;
    std::optional<std::string> pcap;
    std::optional<std::string> interface;
    uint64_t count = 0;  ///< 0: all
    std::string write;
    std::vector<std::string> show_maps;
    std::optional<std::string> output;
    bool json = false;
    bool verbose = false;
    std::string in = "auto";
    std::optional<std::string> cgroup;
    std::optional<std::string> netfilter;
    std::optional<std::string> route;
    std::string via;
    std::optional<std::string> perf;
    std::optional<std::string> sockmap;
    std::optional<std::string> walk;
    std::optional<uint64_t> pid;
    std::string xdp_mode;   ///< empty: the driver's where it has one
    uint64_t duration = 0;  ///< seconds; 0: until COMMAND ends, or Ctrl-C
    bool checked = false;
    std::string jit = "auto";
};

/// What both kinds of runs need.
struct Run {
    const RunOptions& options;
    Context& context;
    const Bytes& elf;
    const object::ObjectSpec& spec;
    RunOutput& output;
    std::vector<size_t> maps;  ///< to show: indices into spec.maps
};

/// Loads these programs and says which of them run checked, and why.
Result<std::unique_ptr<engine::Object>> load_to_run(Run& run, const engine::Env& env,
                                                    std::vector<std::string> progs);

/// On the packets of a capture or an interface.
Result<int> run_on_packets(Run& run);

/// On the system calls and the life of a command's processes. Returns the command's exit code.
Result<int> run_on_tasks(Run& run);

/// On the kernel's hooks.
Result<int> run_in_kernel(Run& run);

}  // namespace skep::cli
