/* wrong-major: a plugin table of another major version behind the symbol of this one. */
#include "whyglass.h"

static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = 2, .id = {"wrong-major", 11}, .version = {"0.1.0", 5}};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
