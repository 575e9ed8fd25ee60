// SPDX-License-Identifier: Apache-2.0
#include "kernel/doctor.hpp"

#include <cerrno>

#include "base/testing.hpp"
#include "kernel/bpf.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/features.hpp"

namespace skep::kernel {
namespace {

const std::vector<Section> kSections = {
    {"hooks",
     {{.name = "xdp.generic", .answer = Answer::No},
      {.name = "xdp.native (veth)", .answer = Answer::Yes},
      {.name = "kprobe", .answer = Answer::No},
      {.name = "kprobe.multi", .answer = Answer::No},
      {.name = "cgroup_device", .answer = Answer::Unknown}}},
    {"program types", {{.name = "xdp", .answer = Answer::Yes}, {.name = "kprobe"}}},
    {"helpers", {{.name = "bpf_loop", .answer = Answer::Yes}}},
};

std::string names(std::string_view feature) {
    std::string out;
    for (const Section& section : findings_of(kSections, feature))
        for (const Finding& finding : section.findings)
            out += section.name + "/" + finding.name + " ";
    return out;
}

TEST(Doctor, AFeatureIsAllThatItsNameBegins) {
    EXPECT_EQ(names("xdp"), "hooks/xdp.generic hooks/xdp.native (veth) program types/xdp ");
    EXPECT_EQ(names("kprobe.multi"), "hooks/kprobe.multi ");
    EXPECT_EQ(names("cgroup"), "hooks/cgroup_device ");
    EXPECT_EQ(names("loop"), "helpers/bpf_loop ");
    EXPECT_EQ(names("xd"), "");
    EXPECT_EQ(names("xdp.generic.more"), "");
}

TEST(Doctor, AFeatureIsThereWhereEachSectionHasOne) {
    EXPECT_TRUE(is_there(findings_of(kSections, "xdp")));
    EXPECT_FALSE(is_there(findings_of(kSections, "kprobe")));
    EXPECT_FALSE(is_there(findings_of(kSections, "cgroup")));  // unknown is not yes
}

TEST(Doctor, ARefusalKeepsTheKernelsWords) {
    const Error error = bpf_error("a map", EINVAL);
    const Finding finding = judge("hash", "created", &error);
    EXPECT_EQ(finding.answer, Answer::No);
    EXPECT_EQ(finding.detail, "a map: Invalid argument");
    EXPECT_EQ(judge("hash", "created", nullptr).answer, Answer::Yes);
}

TEST(Doctor, WhatIsForbiddenHereIsNotUnknownToRoot) {
    const Error error = bpf_error("a map", EPERM);
    EXPECT_EQ(judge("hash", "created", &error).answer,
              missing_capabilities().empty() ? Answer::No : Answer::Unknown);
}

TEST(DoctorKernel, ProbesAgreeWithWhatEveryKernelHas) {
    if (!missing_capabilities().empty()) SKEP_SKIP("needs " + missing_capabilities());
    for (const auto& [section, name] :
         {std::pair{probe_prog_types(), "socket_filter"}, std::pair{probe_map_types(), "hash"}}) {
        const auto found = findings_of({section}, name);
        ASSERT_FALSE(found.empty());
        EXPECT_TRUE(is_there(found)) << name << ": " << found[0].findings[0].detail;
    }
}

TEST(DoctorKernel, ProbingLeavesNothingBehind) {
    if (!missing_capabilities().empty()) SKEP_SKIP("needs " + missing_capabilities());
    probe_net_hooks();
    probe_cgroup_hooks();
    const auto links = all_ids(ObjectKind::Link);
    if (!links) SKEP_SKIP(links.error().message);
    for (const uint32_t id : *links) {
        const auto link = fd_by_id(ObjectKind::Link, id);
        const auto info = link ? link_info(link->get()) : std::unexpected(link.error());
        if (!info) continue;
        const auto prog = fd_by_id(ObjectKind::Prog, info->prog_id);
        if (!prog) continue;
        EXPECT_STRNE(prog_info(prog->get())->name, "skep_doctor") << "link " << id;
    }
}

}  // namespace
}  // namespace skep::kernel
