// SPDX-License-Identifier: Apache-2.0
// Fields of the UAPI's socket structs (bpf_sock, bpf_tcp_sock, bpf_xdp_sock) behind socket
// pointers.
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

bool is_narrow(int size, int field_size) {
    return size <= field_size && (size & (size - 1)) == 0;
}

bool valid_sock(int off, int size) {
    constexpr int sock_size = 80, src_ip4 = 24, src_port = 44, dst_port = 48, dst_ip4 = 52,
                  state = 72;
    if (off < 0 || off >= sock_size || off % size != 0) return false;
    if (off >= dst_port && off < dst_port + 2) return is_narrow(size, size == 4 ? 4 : 2);
    if (off >= dst_port + 2 && off < dst_ip4) return false;
    const bool address = (off >= src_ip4 && off < src_port) || (off >= dst_ip4 && off < state);
    const bool narrow =
        off == 4 || off == 8 || off == 12 || off == src_port || off == state || off == state + 4;
    if (address || narrow) return is_narrow(size, 4);
    return size == 4;
}

bool valid_sock_common(int off, int size) {
    constexpr int type = 8, src_ip4 = 24;
    return (off < type || off >= src_ip4) && valid_sock(off, size);
}

bool valid_tcp_sock(int off, int size) {
    constexpr int end = 112, bytes_received = 80, bytes_acked = 88;
    if (off < 0 || off >= end || off % size != 0) return false;
    return size == (off == bytes_received || off == bytes_acked ? 8 : 4);
}

bool valid_xdp_sock(int off, int size) {
    return off == 0 && size == 4;
}

}  // namespace

bool check_sock_access(Analysis& a, int regno, int off, int size, AccessType type) {
    const RegState& reg = a.reg(regno);
    if (type == AccessType::Write)
        return a.refuse(Rule::ReadOnly, "R{} cannot write into {}", regno, a.type_name(reg.type));
    if (reg.value.smin < 0)
        return a.refuse(Rule::NegativeOffset,
                        "R{} min value is negative, either use unsigned index or do a if (index "
                        ">=0) check.",
                        regno);
    bool valid = false;
    switch (reg.type) {
        case kPtrToSockCommon: valid = valid_sock_common(off, size); break;
        case kPtrToSocket: valid = valid_sock(off, size); break;
        case kPtrToTcpSock: valid = valid_tcp_sock(off, size); break;
        case kPtrToXdpSock: valid = valid_xdp_sock(off, size); break;
        default: break;
    }
    return valid || a.refuse(Rule::BtfAccess, "R{} invalid {} access off={} size={}", regno,
                             a.type_name(reg.type), off, size);
}

}  // namespace skep::verifier
