// SPDX-License-Identifier: Apache-2.0
#include "cli/compile.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/file.hpp"

namespace skep::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::array kCompilers = {"clang-19", "clang-18", "clang-17",
                                   "clang-16", "clang-15", "clang"};

/// A directory that goes away with what is in it.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::error_code error;
        const fs::path base = fs::temp_directory_path(error);
        std::string pattern = ((error ? fs::path("/tmp") : base) / "skep-XXXXXX").string();
        if (mkdtemp(pattern.data())) path_ = pattern;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

/// The exit status of a program found in PATH, or nothing where it cannot be started.
Result<int> run_program(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    // Its stdout is our stderr: stdout is for what we run.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return std::unexpected(sys_error(words[0], error));
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return std::unexpected(sys_error(words[0]));
    return status;
}

/// Where <asm/types.h> is: Debian keeps it per architecture, which the BPF target is not.
std::string system_includes() {
    for (const char* directory :
         {"/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"})
        if (fs::exists(fs::path(directory) / "asm/types.h")) return fmt::format("-I{}", directory);
    return "-I/usr/include";
}

}  // namespace

bool is_source(const std::string& path) {
    return path.ends_with(".bpf.c");
}

Result<Bytes> compile(const std::string& path) {
    if (access(path.c_str(), R_OK) != 0) return std::unexpected(sys_error(path));
    const TemporaryDirectory directory;
    if (directory.path().empty()) return std::unexpected(sys_error("a temporary directory"));
    const std::string object = directory.path() / "prog.bpf.o";
    std::vector<std::string> command = {"",
                                        "-O2",
                                        "-g",
                                        "-target",
                                        "bpf",
                                        "-mcpu=v3",
                                        "-Wall",
                                        "-I",
                                        SKEP_BPF_INCLUDE,
                                        system_includes(),
                                        "-c",
                                        path,
                                        "-o",
                                        object};
    for (const char* compiler : kCompilers) {
        command[0] = compiler;
        const auto status = run_program(command);
        if (!status && status.error().sys_errno == ENOENT) continue;
        if (!status) return std::unexpected(status.error());
        if (*status != 0) return malformed("{} does not compile ({})", path, compiler);
        return read_file(object);
    }
    return std::unexpected(
        Error{ErrorCode::Unsupported, fmt::format("{}: there is no clang to compile it", path),
              "install clang (apt-get install clang-19), or compile it elsewhere "
              "and give the object",
              0});
}

}  // namespace skep::cli
