/* unresolved-symbol: needs a function that nobody has; with lazy binding it would end the process at its first call. */
#include "whyglass.h"

const WgPlugin *whyglass_nobody_has_this(void);

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return whyglass_nobody_has_this();
}
