// SPDX-License-Identifier: Apache-2.0
// Kernel functions of modules: the running kernel's verdict, and ours by the types of its modules.
#include "kernel/module_types.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include "btf/writer.hpp"
#include "kernel/running.hpp"
#include "kernel_runtime/sandbox.hpp"
#include "object/read.hpp"
#include "object/settle.hpp"
#include "verifier/verify.hpp"

namespace skep::kernel_test {
namespace {

object::ObjectSpec alone(const std::string& prog) {
    const object::ObjectSpec object =
        must(object::read_object(object_bytes("conntrack"), "conntrack.bpf.o"));
    size_t index = 0;
    while (object.progs[index].name != prog) index++;
    return object::only(object, index);
}

verifier::Verdict judge(const object::ObjectSpec& object) {
    const kernel::Types types = kernel::types_of_running(object);
    const platform::Platform& rules = *kernel::running_kernel().platform;
    const auto settled = must(kernel::settle(object, rules, types.get(), kernel::running_config()));
    return must(verifier::verify(settled, settled.progs[0], rules, {.kernel_btf = types.get()}));
}

TEST(KernelModules, FunctionsAreJudgedAsTheKernelDoes) {
    NEEDS_KERNEL();
    const kernel::Types types = kernel::types_of_running(alone("known"));
    if (!types || !types->find("bpf_xdp_ct_lookup", btf::Kind::Func))
        SKEP_SKIP("this kernel has no bpf_xdp_ct_lookup(): its module nf_conntrack is not loaded");
    RecordProperty("from_module", types != kernel::running_types());

    EXPECT_TRUE(judge(alone("known")).accepted);
    const auto accepted =
        kernel::Object::load(object_bytes("conntrack"), "conntrack.bpf.o", {.progs = {"known"}});
    EXPECT_TRUE(accepted) << accepted.error().to_string();

    const verifier::Verdict leaks = judge(alone("keeps_it"));
    EXPECT_FALSE(leaks.accepted);
    EXPECT_THAT(leaks.reason, ::testing::HasSubstr("Unreleased reference"));
    const auto refused =
        kernel::Object::load(object_bytes("conntrack"), "conntrack.bpf.o", {.progs = {"keeps_it"}});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr("is refused by the kernel"));
    EXPECT_THAT(refused.error().to_string(), ::testing::HasSubstr("not released on this path"));
}

TEST(KernelModules, TypesOfTheKernelDoForWhatItHasItself) {
    if (!kernel::running_types()) SKEP_SKIP("this kernel does not tell its types");
    const object::ObjectSpec plain = must(object::read_object(object_bytes("net"), "net.bpf.o"));
    EXPECT_EQ(kernel::types_of_running(plain), kernel::running_types());
}

TEST(KernelModules, AreLookedThroughForWhatIsMissing) {
    const auto with = [](std::string_view function) {
        btf::Writer writer;
        const uint32_t proto = writer.add_func_proto(0, {});
        writer.add_func(function, proto, btf::Linkage::Static);
        return must(btf::Btf::parse(writer.finish()));
    };
    const kernel::Types kernel = with("bpf_ct_release");
    const kernel::Types other = with("unrelated");
    const kernel::Types conntrack = with("bpf_xdp_ct_lookup");
    const std::vector<kernel::Types> modules = {other, conntrack};
    EXPECT_EQ(kernel::types_for(alone("known"), kernel, modules), conntrack);
    EXPECT_EQ(kernel::types_for(alone("known"), kernel, {&other, 1}), kernel);
    EXPECT_EQ(kernel::types_for(alone("known"), nullptr, modules), nullptr);
}

}  // namespace
}  // namespace skep::kernel_test
