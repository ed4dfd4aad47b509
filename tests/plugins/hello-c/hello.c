/* hello-c: a whole technique in C. The map is the picture's mean brightness in 7x7 cells.
 *
 *   cc -std=c11 -Wall -Wextra -O2 -shared -fPIC -I../../../core/abi/include hello.c -o libhello.so
 *
 * Then the folder with plugin.toml and libhello.so is a plugin: whyglass plugin check . */
#include "whyglass.h"
#include <stdio.h>

#define STR(literal) {literal, sizeof(literal) - 1}
#define CELLS 7

static const char descriptor[] =
    "{\"title\": \"Hello from C\", \"family\": \"example\", \"deterministic\": true,"
    " \"description\": \"Mean brightness of the picture in 7x7 cells.\","
    " \"artifacts\": [{\"id\": \"map\", \"title\": \"Brightness\", \"kind\": \"map\"}],"
    " \"params\": {\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false}}";

static WgStatus fail(const WgCall *call, WgStatus status, WgStr message) {
  call->fail(call, status, (WgStr)STR("BAD_PICTURE"), (WgStr)STR("image"), message);
  return status;
}

static WgStatus explain(const WgCall *call, const WgModel *model, const WgRequest *request, WgStr params) {
  (void)model, (void)params;
  WgOwned picture = {0}; /* ours once get has returned WG_OK: released on every way out */
  WgStatus status = request->images->get(request->images, call, 0, &picture);
  if (status != WG_OK) return status;
  const int64_t *shape = picture.tensor.shape;
  int64_t h = picture.tensor.rank == 4 ? shape[2] : 0, w = picture.tensor.rank == 4 ? shape[3] : 0;
  if (h < CELLS || w < CELLS || shape[1] != 3) {
    picture.release(&picture);
    return fail(call, WG_FAILED_PRECONDITION, (WgStr)STR("the picture must be RGB and at least 7 pixels wide and high"));
  }
  float map[CELLS * CELLS] = {0}, count[CELLS * CELLS] = {0};
  const float *pixels = picture.tensor.data;
  for (int64_t i = 0; i < 3 * h * w; i++) {
    int64_t cell = i / w % h * CELLS / h * CELLS + i % w * CELLS / w;
    map[cell] += pixels[i];
    count[cell] += 1;
  }
  picture.release(&picture);
  for (int cell = 0; cell < CELLS * CELLS; cell++) map[cell] /= count[cell];

  char meta[96];
  int length = snprintf(meta, sizeof meta, "{\"cell\": [%.9g, %.9g]}", (double)h / CELLS, (double)w / CELLS);
  const int64_t cells[] = {CELLS, CELLS};
  const WgTensor tensor = {map, cells, 2, WG_F32};
  const WgEvent event = {.struct_size = sizeof event, .kind = WG_EVENT_KEYFRAME, .artifact_kind = WG_ARTIFACT_MAP,
                         .artifact = STR("map"), .tensor = &tensor, .meta = {meta, (size_t)length}};
  return call->emit(call, &event); /* WG_CANCELLED after a stop: pass it on */
}

static const WgExplainer hello = {.struct_size = sizeof hello, .id = STR("hello-c"),
                                  .descriptor = STR(descriptor), .explain = explain};
static const WgExplainer *const explainers[] = {&hello};
static const WgPlugin plugin = {.struct_size = sizeof plugin, .abi_major = WG_ABI_MAJOR, .abi_minor = WG_ABI_MINOR,
                                .id = STR("hello-c"), .version = STR("0.1.0"), .explainers = explainers,
                                .n_explainers = 1};

const WgPlugin *whyglass_plugin_v1(const WgHost *host) {
  return host && host->struct_size >= sizeof *host && host->abi_major == WG_ABI_MAJOR ? &plugin : NULL;
}
