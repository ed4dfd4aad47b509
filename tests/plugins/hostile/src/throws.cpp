// throws-cpp: a C++ exception. It is caught at the line, as rule 5 demands: what is tested is that the host and the
// unwinder of another language live in one process.
#include "whyglass.h"
#include <stdexcept>
#include <string>

static WgStr str(const char *text, size_t length) { return WgStr{text, length}; }

extern "C" WgStatus whyglass_hostile_throws(const WgCall *call, const WgModel *, const WgRequest *, WgStr) {
  try {
    throw std::runtime_error("thrown on purpose");
  } catch (const std::exception &error) {
    std::string what = error.what();
    call->fail(call, WG_INTERNAL, str("CPP_EXCEPTION", 13), str(nullptr, 0), str(what.data(), what.size()));
    return WG_INTERNAL;
  } catch (...) {
    return WG_PANIC;
  }
}
