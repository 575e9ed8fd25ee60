// SPDX-License-Identifier: Apache-2.0
#include "apps/test/mock_task.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skep::test {

namespace {

void set_comm(char (&to)[16], const std::string& comm) {
    std::copy_n(comm.data(), std::min<size_t>(comm.size(), 15), to);
}

}  // namespace

MockTask::MockTask(const TaskSpec& spec) : spec_(spec), tid_(spec.tid.value_or(spec.pid)) {
    for (const auto& [address, bytes] : spec.memory) memory_[address] = bytes;
    kernel_.cred.uid.val = kernel_.cred.euid.val = kernel_.cred.suid.val = kernel_.cred.fsuid.val =
        spec.uid;
    kernel_.cred.gid.val = kernel_.cred.egid.val = kernel_.cred.sgid.val = kernel_.cred.fsgid.val =
        spec.gid;
    kernel_.parent.pid = kernel_.parent.tgid = int(spec.parent.pid);
    set_comm(kernel_.parent.comm, spec.parent.comm);
    kernel_.leader.pid = kernel_.leader.tgid = int(spec.pid);
    for (auto* task : {&kernel_.task, &kernel_.leader}) {
        task->tgid = int(spec.pid);
        task->real_parent = task->parent = &kernel_.parent;
        task->group_leader = tid_ == spec.pid ? task : &kernel_.leader;
        task->cred = task->real_cred = &kernel_.cred;
        set_comm(task->comm, spec.comm);
    }
    kernel_.leader.group_leader = &kernel_.leader;
    kernel_.parent.group_leader = &kernel_.parent;
    kernel_.task.pid = int(tid_);
}

uint64_t MockTask::place(ByteView bytes) {
    const uint64_t address = next_address_;
    memory_[address] = Bytes(bytes.begin(), bytes.end());
    next_address_ += align_up(bytes.size() + 1, 16);
    return address;
}

std::array<char, 16> MockTask::comm() {
    std::array<char, 16> comm{};
    std::ranges::copy(kernel_.task.comm, comm.begin());
    return comm;
}

std::span<uint8_t> MockTask::memory_at(uint64_t address) {
    auto after = memory_.upper_bound(address);
    if (after == memory_.begin()) return {};
    auto& [begin, bytes] = *std::prev(after);
    return address - begin < bytes.size() ? std::span(bytes).subspan(address - begin)
                                          : std::span<uint8_t>();
}

int MockTask::read_user(void* to, size_t size, uint64_t address) {
    const std::span<uint8_t> bytes = memory_at(address);
    if (bytes.size() < size) return -EFAULT;
    if (size > 0) std::memcpy(to, bytes.data(), size);
    return 0;
}

int64_t MockTask::read_user_string(char* to, size_t size, uint64_t address) {
    if (size == 0) return 0;
    const std::span<uint8_t> bytes = memory_at(address);
    const size_t length = size_t(std::ranges::find(bytes, uint8_t{0}) - bytes.begin());
    if (length >= size) {  // cut
        std::memcpy(to, bytes.data(), size - 1);
        to[size - 1] = 0;
        return int64_t(size);
    }
    if (length == bytes.size()) return -EFAULT;  // it has no end
    std::memcpy(to, bytes.data(), length + 1);
    return int64_t(length) + 1;
}

int MockTask::write_user(uint64_t address, const void* from, size_t size) {
    const std::span<uint8_t> bytes = memory_at(address);
    if (bytes.size() < size) return -EFAULT;
    if (size > 0) std::memcpy(bytes.data(), from, size);
    return 0;
}

bool MockTask::kernel_readable(uint64_t address, size_t size) {
    const auto inside = [&](const void* begin, size_t length) {
        const uint64_t offset = address - reinterpret_cast<uint64_t>(begin);
        return offset <= length && size <= length - offset;
    };
    return inside(&kernel_, sizeof(kernel_)) || inside(&registers, sizeof(registers));
}

}  // namespace skep::test
