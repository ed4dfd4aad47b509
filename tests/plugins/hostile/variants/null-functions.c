/* null-functions: a technique without explain and a back end without load and unload. */
#include "whyglass.h"

static const WgExplainer explainer = {.struct_size = sizeof explainer, .id = {"empty", 5}, .descriptor = {"{}", 2}};
static const WgBackend backend = {.struct_size = sizeof backend, .id = {"empty", 5}, .descriptor = {"{}", 2}};
static const WgExplainer *const explainers[] = {&explainer};
static const WgBackend *const backends[] = {&backend};
static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = WG_ABI_MAJOR, .id = {"null-functions", 14},
                                .version = {"0.1.0", 5}, .backends = backends, .n_backends = 1,
                                .explainers = explainers, .n_explainers = 1};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
