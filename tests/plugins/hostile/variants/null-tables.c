/* null-tables: two techniques and a back end by the count, null pointers by the list. */
#include "whyglass.h"

static const WgExplainer *const explainers[] = {NULL, NULL};
static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = WG_ABI_MAJOR, .id = {"null-tables", 11},
                                .version = {"0.1.0", 5}, .backends = NULL, .n_backends = 1,
                                .explainers = explainers, .n_explainers = 2};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
