/* declares-path: a technique whose descriptor declares an artifact that would leave the folder of results. */
#include "whyglass.h"

#define STR(literal) {literal, sizeof(literal) - 1}

static WgStatus explain(const WgCall *call, const WgModel *model, const WgRequest *request, WgStr params) {
  (void)call, (void)model, (void)request, (void)params;
  return WG_OK;
}

static const WgExplainer explainer = {
    .struct_size = sizeof explainer, .id = STR("declares-path"), .explain = explain,
    .descriptor = STR("{\"artifacts\": [{\"id\": \"../../x\", \"kind\": \"map\"}], \"params\": {\"type\": \"object\"}}")};
static const WgExplainer *const explainers[] = {&explainer};
static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = WG_ABI_MAJOR, .id = STR("declares-path"),
                                .version = STR("0.1.0"), .explainers = explainers, .n_explainers = 1};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
