/* small-tables: a plugin table that says it ends before its list of techniques. */
#include "whyglass.h"

static const WgPlugin plugin = {.struct_size = offsetof(WgPlugin, explainers), .abi_major = WG_ABI_MAJOR,
                                .id = {"small-tables", 12}, .version = {"0.1.0", 5}};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
