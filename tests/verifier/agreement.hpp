// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "btf/btf.hpp"
#include "object/spec.hpp"
#include "platform/platform.hpp"
#include "verifier/annotations.hpp"

// How far skep's verifier and the kernel's agree: each program of an object is judged by its
// annotation (where it has one), by the running kernel (where it can be asked) and by skep.
//
//     Agreement agreement(kernel_btf, {.ask_kernel = true});
//     agreement.add("verifier_and.bpf.o");
//     fmt::print("{}", agreement.table());

namespace skep::verifier_test {

/// One judge's answer about one program.
struct Answer {
    enum class Kind : uint8_t {
        None,  ///< not asked, or it could not look (no such attach target here, ...)
        Accepted,
        Refused,
    };
    Kind kind = Kind::None;
    std::string reason = {};   ///< of a refusal, or why there is no answer
    std::string log = {};      ///< of a refusal
    uint64_t nanoseconds = 0;  ///< what it took
    uint64_t insns_visited = 0;
    uint64_t peak_bytes = 0;  ///< skep's only

    bool accepted() const { return kind == Kind::Accepted; }
    bool refused() const { return kind == Kind::Refused; }
    bool given() const { return kind != Kind::None; }
};

struct Case {
    std::string file;  ///< without ".bpf.o"
    std::string prog;
    std::string path, section;  ///< where it stands
    ProgType type;
    bool privileged = true;
    std::optional<Expectation> expected;
    Answer kernel;
    Answer skep;

    std::string name() const;  ///< "file/prog", with "@unpriv" where it is
    /// What is right: the kernel's answer, else the annotation.
    std::optional<bool> truth() const;
    bool annotated_otherwise() const;  ///< the kernel's answer differs from the annotation
    bool unsafe() const;               ///< skep accepts what is wrong
    bool too_strict() const;           ///< skep refuses what is right
};

struct AgreementOptions {
    bool ask_kernel = true;
    bool ask_skep = true;
    bool unprivileged = false;  ///< also the programs' unprivileged side
    bool annotated_only = true;
    std::string only_prog = {};  ///< a part of its name
    int rounds = 1;              ///< judge as often, and keep the shortest time
    /// Whose rules skep goes by; null: the running kernel's.
    const platform::Platform* platform = nullptr;
};

/// The release that runs here, or the next older one that skep knows.
const platform::Platform& running_platform();

class Agreement {
  public:
    explicit Agreement(std::shared_ptr<const btf::Btf> kernel, AgreementOptions options = {})
        : kernel_(std::move(kernel)), options_(std::move(options)) {
        if (!options_.platform) options_.platform = &running_platform();
    }

    /// Judges all programs of the object. An object that cannot be read is an error.
    Result<void> add(const std::string& path);

    const std::vector<Case>& cases() const { return cases_; }

    /// Rows by file (or by program type): programs, and who agrees with whom.
    std::string table(bool by_type = false) const;
    /// Each case in which skep is wrong, with both messages.
    std::string disagreements() const;
    /// Each case in which the kernel's answer is not what the annotation says.
    std::string outdated() const;
    /// "1325 of 1353 (97.9%)"
    static std::string share(size_t part, size_t whole);

  private:
    std::shared_ptr<const btf::Btf> kernel_;
    AgreementOptions options_;
    std::vector<Case> cases_;
};

/// The last line of a log that says why: what comes before the counts.
std::string reason_in(std::string_view log);

/// All "*.o" of a directory and below it, sorted.
std::vector<std::string> objects_below(const std::string& directory);

}  // namespace skep::verifier_test
