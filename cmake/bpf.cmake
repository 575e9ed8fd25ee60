# SPDX-License-Identifier: Apache-2.0

find_program(SKEP_BPF_CLANG NAMES clang-19 clang-18 clang-17 clang-16 clang-15 clang REQUIRED)

# skep_bpf_object(TARGET SOURCE OUTPUT [-D...]): compiles BPF C. DWARF is dropped (-g makes clang emit
# BTF; llvm-strip then removes what only a debugger reads), as libbpf-based projects do.
find_program(SKEP_LLVM_STRIP NAMES llvm-strip-19 llvm-strip-18 llvm-strip-17 llvm-strip-16 llvm-strip REQUIRED)
set(SKEP_BPF_CFLAGS -O2 -g -target bpf -mcpu=v3 -Wall -Werror
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=  # objects do not depend on where they are built
  -I${PROJECT_SOURCE_DIR}/bpf/include -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})

function(skep_bpf_object TARGET SOURCE OUTPUT)
  get_filename_component(directory ${OUTPUT} DIRECTORY)
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(OUTPUT ${OUTPUT}
    COMMAND ${SKEP_BPF_CLANG} ${SKEP_BPF_CFLAGS} ${ARGN} -MD -MF ${OUTPUT}.d -c ${SOURCE} -o ${OUTPUT}
    COMMAND ${SKEP_LLVM_STRIP} -g ${OUTPUT}
    # Where clang looks for the source lines that it puts into BTF, after the prefix is mapped away.
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    DEPENDS ${SOURCE} DEPFILE ${OUTPUT}.d VERBATIM
    COMMENT "BPF ${OUTPUT}")
  add_custom_target(${TARGET} ALL DEPENDS ${OUTPUT})
endfunction()
