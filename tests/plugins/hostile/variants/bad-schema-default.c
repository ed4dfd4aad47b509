/* bad-schema-default: a technique whose schema of parameters refuses its own default. */
#include "whyglass.h"

#define STR(literal) {literal, sizeof(literal) - 1}

static WgStatus explain(const WgCall *call, const WgModel *model, const WgRequest *request, WgStr params) {
  (void)call, (void)model, (void)request, (void)params;
  return WG_OK;
}

static const WgExplainer explainer = {
    .struct_size = sizeof explainer, .id = STR("bad-schema-default"), .explain = explain,
    .descriptor = STR("{\"artifacts\": [{\"id\": \"map\", \"kind\": \"map\"}],"
                      " \"params\": {\"type\": \"object\", \"additionalProperties\": false, \"properties\":"
                      " {\"size\": {\"type\": \"number\", \"maximum\": 1, \"default\": \"large\"}}}}")};
static const WgExplainer *const explainers[] = {&explainer};
static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = WG_ABI_MAJOR, .id = STR("bad-schema-default"),
                                .version = STR("0.1.0"), .explainers = explainers, .n_explainers = 1};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  (void)host;
  return &plugin;
}
