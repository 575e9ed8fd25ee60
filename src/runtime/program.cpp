// SPDX-License-Identifier: Apache-2.0
#include "skep/program.hpp"

#include "base/text.hpp"
#include "platform/types.hpp"
#include "runtime/backend.hpp"
#include "runtime/hook_state.hpp"

namespace skep {

const std::string& Program::name() const {
    return backend_->spec().name;
}
const std::string& Program::section() const {
    return backend_->spec().section;
}
ProgType Program::type() const {
    return backend_->spec().type;
}
uint32_t Program::id() const {
    return backend_->id();
}
bool Program::native() const {
    return backend_->native();
}

bool Program::verified() const {
    return backend_->verified();
}
Result<TestResult> Program::test_run(const TestRun& run) {
    return backend_->test_run(run);
}
Result<ProgramStats> Program::stats() const {
    return backend_->stats();
}

Result<Link> Program::attach(const AttachOptions& options) {
    if (options.hook) return Link(SKEP_TRY(attach_to_hook(options.hook->state(), backend_)));
    if (options.source) return Link(SKEP_TRY(options.source->backend().attach(backend_)));
    return Link(SKEP_TRY(backend_->attach(options)));
}

Link::Link(std::unique_ptr<runtime::LinkBackend> backend) : backend_(std::move(backend)) {}
Link::Link(Link&&) noexcept = default;
Link& Link::operator=(Link&&) noexcept = default;
Link::~Link() = default;

Result<void> Link::update(const Program& prog) {
    return backend_->update(prog.backend());
}
Result<void> Link::detach() {
    return backend_->detach();
}
Result<void> Link::pin(const std::string& path) {
    return backend_->pin(path);
}
Result<void> Link::unpin() {
    return backend_->unpin();
}
Result<std::string> Link::read() const {
    return backend_->read();
}
bool Link::attached() const {
    return backend_->attached();
}
std::string Link::describe() const {
    return backend_->describe();
}
uint32_t Link::id() const {
    return backend_->id();
}

}  // namespace skep
