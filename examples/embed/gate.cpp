// SPDX-License-Identifier: Apache-2.0
// A server with an extension point: each request is judged by a verified BPF program, which is
// replaced by another while the workers are at it. Nothing waits, and no request goes unjudged.
//
//     ./gate gate.bpf.o            # in this process
//     ./gate gate.bpf.o kernel     # the same, run by the kernel (as root)

#include <atomic>
#include <chrono>
#include <iostream>
#include <skep/skep.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "request.h"

namespace {

struct Totals {
    std::atomic<uint64_t> requests = 0;
    std::atomic<uint64_t> by_judge[3] = {};
    std::atomic<uint64_t> wrong = 0;
};

/// One worker: asks about requests of 500 and of 5,000 bytes. Both policies allow the first, only
/// the lenient one allows the second.
void serve(uint32_t client, const skep::Hook<request>& gate, const std::atomic<bool>& stop,
           Totals& totals) {
    for (uint32_t i = 0; !stop; i++) {
        request one{.client = client, .size = i % 2 ? 5000u : 500u, .judge = 0};
        const auto answer = gate.run(one);
        const bool lenient = one.judge == 2;
        const bool expected = one.size == 500 || lenient;
        if (!answer || one.judge < 1 || one.judge > 2 || (*answer == ALLOW) != expected)
            totals.wrong++;
        else
            totals.by_judge[one.judge]++;
        totals.requests++;
    }
}

skep::Result<int> run(const std::string& path, skep::Place place) {
    const skep::Runtime runtime = SKEP_TRY(skep::Runtime::open(place));
    const skep::Object object = SKEP_TRY(runtime.load_file(path));
    skep::Program strict = SKEP_TRY(object.program("strict"));
    const skep::Program lenient = SKEP_TRY(object.program("lenient"));

    auto gate = SKEP_TRY(skep::Hook<request>::create(runtime, "gate"));
    skep::Link link = SKEP_TRY(strict.attach({.hook = &gate}));

    Totals totals;
    std::atomic<bool> stop = false;
    std::vector<std::thread> workers;
    constexpr uint32_t kWorkers = 4;
    for (uint32_t i = 0; i < kWorkers; i++)
        workers.emplace_back([&, i] { serve(i, gate, stop, totals); });

    skep::Result<void> updated;
    int updates = 0;
    for (; updated && updates < 200; updates++) {
        updated = link.update(updates % 2 ? strict : lenient);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    stop = true;
    for (std::thread& worker : workers) worker.join();
    if (!updated) return std::unexpected(updated.error());

    const skep::Map judged = SKEP_TRY(object.map("judged"));
    uint64_t counted = 0;
    for (uint32_t client = 0; client < kWorkers; client++)
        counted += SKEP_TRY(judged.get<uint64_t>(client))
    .value_or(0);

    std::cout << updates << " updates, " << totals.requests << " requests: " << totals.by_judge[1]
              << " judged by strict, " << totals.by_judge[2] << " by lenient, " << totals.wrong
              << " wrongly; the programs counted " << counted << "\n";
    const bool fine = totals.wrong == 0 && counted == totals.requests;
    return fine ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: gate gate.bpf.o [kernel]\n";
        return 2;
    }
    const bool kernel = argc > 2 && std::string_view(argv[2]) == "kernel";
    const auto code = run(argv[1], kernel ? skep::Place::Kernel : skep::Place::Embedded);
    if (code) return *code;
    std::cerr << code.error().to_string() << "\n";
    return code.error().exit_code();
}
