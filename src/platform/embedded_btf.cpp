// SPDX-License-Identifier: Apache-2.0
#include "platform/embedded.hpp"

// The assembler copies the file that the build has made into read-only data.
asm(".pushsection .rodata\n"
    ".balign 8\n"
    ".local skep_embedded_btf_begin\n"
    "skep_embedded_btf_begin:\n"
    ".incbin \"" SKEP_EMBEDDED_BTF_FILE
    "\"\n"
    ".local skep_embedded_btf_end\n"
    "skep_embedded_btf_end:\n"
    ".popsection\n");

extern "C" {
extern const uint8_t skep_embedded_btf_begin[];
extern const uint8_t skep_embedded_btf_end[];
}

namespace skep::platform {

ByteView embedded_btf() {
    return {skep_embedded_btf_begin, skep_embedded_btf_end};
}

}  // namespace skep::platform
