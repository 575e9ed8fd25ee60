// SPDX-License-Identifier: Apache-2.0
// pin, unpin, detach: what stays when nobody holds it, and what must go.
#include "kernel/pin.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/kernel_objects.hpp"
#include "kernel/facts.hpp"
#include "kernel/listing.hpp"
#include "kernel/netlink.hpp"
#include "kernel/tc_filter.hpp"

namespace skep::cli {

namespace {

using kernel::Attachment;
using kernel::ObjectKind;

/// A name without '/' is one below the first bpf file system.
Result<std::string> pin_path(const std::string& name) {
    if (name.contains('/')) return name;
    const std::vector<std::string> roots = kernel::mounted("bpf");
    if (roots.empty())
        return std::unexpected(Error{ErrorCode::Unsupported, "no bpf file system is mounted",
                                     "mount -t bpf bpf /sys/fs/bpf (as root)", 0});
    return roots.front() + '/' + name;
}

struct PinOptions {
    std::string object;
    std::string path;
};

Result<int> pin(const PinOptions& options, Context&) {
    const KernelObject object = SKEP_TRY(find_kernel_object(options.object));
    SKEP_TRY(kernel::pin_at(object.fd.get(), SKEP_TRY(pin_path(options.path))));
    return kDone;
}

Result<int> unpin(const std::vector<std::string>& paths, Context&) {
    for (const std::string& path : paths) SKEP_TRY(kernel::unpin(SKEP_TRY(pin_path(path))));
    return kDone;
}

// Detaching.

/// Links of tracing programs cannot be detached by others: who would have to let go?
Error cannot_detach(uint32_t id, Error error) {
    constexpr int kNotSupported = 524;
    if (error.sys_errno != EOPNOTSUPP && error.sys_errno != kNotSupported &&
        error.sys_errno != EINVAL)
        return error;
    error.code = ErrorCode::Unsupported;
    error.message = fmt::format("link {} is of a kind that ends only with its last holder", id);
    std::vector<std::string> holders;
    const kernel::Holders found = kernel::find_holders();
    if (const auto held = found.links.find(id); held != found.links.end())
        for (const kernel::Holder& holder : held->second)
            holders.push_back(fmt::format("process {} ({})", holder.pid, holder.comm));
    const kernel::Pins pins = kernel::find_pins();
    if (const auto pinned = pins.links.find(id); pinned != pins.links.end())
        for (const std::string& path : pinned->second)
            holders.push_back(fmt::format("the pin {} (skep unpin)", path));
    if (!holders.empty()) error.hint = fmt::format("it is held by {}", fmt::join(holders, ", "));
    return error;
}

Result<void> detach_link(uint32_t id, int fd) {
    auto done = kernel::link_detach(fd);
    if (!done) return std::unexpected(cannot_detach(id, std::move(done).error()));
    return {};
}

Result<void> detach_xdp(const std::string& interface, uint32_t flags) {
    ifinfomsg which{};
    which.ifi_index = static_cast<int>(if_nametoindex(interface.c_str()));
    kernel::NetlinkMessage message(RTM_SETLINK, NLM_F_ACK);
    message.header(which);
    const size_t xdp = message.begin(NLA_F_NESTED | IFLA_XDP);
    message.attribute(IFLA_XDP_FD, bytes_of(int32_t{-1}));
    message.attribute(IFLA_XDP_FLAGS, bytes_of(flags));
    message.end(xdp);
    return kernel::netlink_request(message);
}

Result<void> detach_filters(const std::string& interface, uint32_t prog_id) {
    for (const kernel::TcFilter& filter :
         SKEP_TRY(kernel::tc_filters(if_nametoindex(interface.c_str()))))
        if (filter.prog_id == prog_id) SKEP_TRY(kernel::remove_tc_filter(filter));
    return {};
}

std::optional<AttachType> attach_type(std::string_view name) {
#define ATTACH_TYPE(enumerator, value, text) \
    if (name == text) return AttachType::enumerator;
#include "platform/attach_types.def"
#undef ATTACH_TYPE
    return std::nullopt;
}

/// A program at one of its hooks, by whatever holds it there.
Result<void> detach_from(const KernelObject& prog, const Attachment& at) {
    if (at.link_id != 0) {
        const KernelObject link =
            SKEP_TRY(find_kernel_object(fmt::to_string(at.link_id), ObjectKind::Link));
        return detach_link(at.link_id, link.fd.get());
    }
    if (at.hook == "xdp") return detach_xdp(at.target, XDP_FLAGS_DRV_MODE);
    if (at.hook == "xdp (generic)") return detach_xdp(at.target, XDP_FLAGS_SKB_MODE);
    if (at.hook.contains("clsact")) return detach_filters(at.target, prog.id);
    const auto type = attach_type(at.hook);
    kernel::ProgAttach attach{.prog_fd = static_cast<uint32_t>(prog.fd.get())};
    if (type && at.map_id != 0) {
        const UniqueFd map = SKEP_TRY(kernel::fd_by_id(ObjectKind::Map, at.map_id));
        attach.target = static_cast<uint32_t>(map.get());
        attach.type = *type;
        return kernel::prog_detach(attach);
    }
    if (type == AttachType::FlowDissector) {
        attach.type = *type;  // of the network namespace in which this runs
        return kernel::prog_detach(attach);
    }
    if (type && at.target.starts_with('/')) {
        const UniqueFd group(::open(at.target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!group) return std::unexpected(sys_error(at.target));
        attach.target = static_cast<uint32_t>(group.get());
        attach.type = *type;
        return kernel::prog_detach(attach);
    }
    if (type && if_nametoindex(at.target.c_str()) != 0) {
        attach.target = if_nametoindex(at.target.c_str());
        attach.type = *type;
        return kernel::prog_detach(attach);
    }
    return std::unexpected(Error{
        ErrorCode::Unsupported,
        fmt::format("program {} at {} {} is not skep's to detach", prog.id, at.hook, at.target),
        "it ends with the process that holds it (skep ps)", 0});
}

Result<int> detach_prog(const KernelObject& prog, Context& context) {
    const kernel::Listing listing = SKEP_TRY(kernel::list_objects());
    const auto row = std::ranges::find(listing.progs, prog.id, &kernel::ProgRow::id);
    if (row == listing.progs.end() || row->attached.empty()) {
        context.terminal.note(fmt::format("program {} is attached to nothing", prog.id));
        return kNo;
    }
    for (const Attachment& at : row->attached) SKEP_TRY(detach_from(prog, at));
    return kDone;
}

Result<int> detach(const std::vector<std::string>& names, Context& context) {
    int code = kDone;
    for (const std::string& name : names) {
        // A bare id is a link's.
        const bool bare = parse_uint(name).has_value();
        const KernelObject object =
            SKEP_TRY(bare ? find_kernel_object(name, ObjectKind::Link) : find_kernel_object(name));
        switch (object.kind) {
            case ObjectKind::Link: SKEP_TRY(detach_link(object.id, object.fd.get())); break;
            case ObjectKind::Prog:
                code = std::max(code, SKEP_TRY(detach_prog(object, context)));
                break;
            case ObjectKind::Map:
            case ObjectKind::Btf:
                return fail(ErrorCode::Usage, "'{}' is a map, which is attached to nothing",
                            printable(name));
        }
    }
    return code;
}

}  // namespace

const Command kPin = {
    .name = "pin",
    .summary = "keep a program, map or link by a path in a bpf file system",
    .description = "What is pinned stays when the last process that holds it has gone.",
    .examples =
        "sudo skep pin map:packets packets          # /sys/fs/bpf/packets\n"
        "sudo skep pin prog:12 /sys/fs/bpf/filter\n"
        "sudo skep pin link:3 /sys/fs/bpf/filter_link\n",
    .declare = [](Arguments& args) -> Action {
        auto options = std::make_shared<PinOptions>();
        args.operand("OBJECT", options->object,
                     "prog:ID, map:ID, link:ID; a name; a path where it is pinned already");
        args.operand("PATH", options->path,
                     "where; a name without / is one below the first bpf file system");
        return [options](Context& context) { return pin(*options, context); };
    },
};

const Command kUnpin = {
    .name = "unpin",
    .summary = "remove a pin",
    .description = "What it held goes if nothing else holds it: a link then detaches.",
    .examples = "sudo skep unpin packets /sys/fs/bpf/filter\n",
    .declare = [](Arguments& args) -> Action {
        auto paths = std::make_shared<std::vector<std::string>>();
        args.operand("PATH", *paths, "the pin; a name is one below the first bpf file system")
            .required = true;
        return [paths](Context& context) { return unpin(*paths, context); };
    },
};

const Command kDetach = {
    .name = "detach",
    .summary = "take programs from their hooks",
    .description =
        "A link, by its id or pin; or a program from all its hooks, by links or not.\n"
        "Links of XDP, tcx, netkit, control groups, namespaces and socket maps can be\n"
        "detached by anybody who may see them; those of tracing programs end with their\n"
        "holders, and skep says who these are.",
    .examples =
        "sudo skep detach 3                    # link 3\n"
        "sudo skep detach /sys/fs/bpf/filter_link\n"
        "sudo skep detach prog:12\n",
    .declare = [](Arguments& args) -> Action {
        auto names = std::make_shared<std::vector<std::string>>();
        args.operand("LINK", *names, "a link's id, link:ID, prog:ID, a program's name, or a pin")
            .required = true;
        return [names](Context& context) { return detach(*names, context); };
    },
};

}  // namespace skep::cli
