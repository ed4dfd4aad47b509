/* null-plugin: refuses every host. */
#include "whyglass.h"

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return NULL;
}
