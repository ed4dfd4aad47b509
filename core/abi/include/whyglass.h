/* The plugin ABI of Whyglass: the same tables as the Rust crate whyglass-abi, kept equal by its tests.
 *
 * Rules
 *  1. Append only. Test struct_size before touching a field that is not in 1.0. Unknown enum values are
 *     passed on or ignored, never fatal.
 *  2. No tail padding, so that struct_size == sizeof: assert it for every struct.
 *  3. Inputs are borrowed for the call. Outputs are WgOwned, released by who received them. Nobody frees
 *     what another allocated. On any status but WG_OK every out entry is empty (release NULL).
 *  4. Tensors are in host memory, row-major and contiguous, float32 (int64 for labels and indices).
 *     An owned tensor may be written by its owner.
 *  5. Nothing unwinds over this line.
 *  6. emit must not be called after the function has returned; a plugin joins its threads before that.
 *  7. WG_PANIC disables the technique or the model that panicked, nothing else.
 *  8. The library is never unloaded; shutdown runs once before exit.
 *  9. Thread tags: [any thread] · [concurrent: the descriptor says how many at once].
 */
#ifndef WHYGLASS_H
#define WHYGLASS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WG_ABI_MAJOR 1 /* in the entry symbol's name: a break is a new symbol */
#define WG_ABI_MINOR 0

typedef struct WgStr { const char *ptr; size_t len; } WgStr; /* UTF-8, borrowed, no NUL */

typedef int32_t WgStatus; /* gRPC's numbers, so that the server maps them one to one */
enum {
  WG_OK = 0, WG_CANCELLED = 1, WG_UNKNOWN = 2, WG_INVALID_ARGUMENT = 3, WG_DEADLINE_EXCEEDED = 4, WG_NOT_FOUND = 5,
  WG_PERMISSION_DENIED = 7, WG_RESOURCE_EXHAUSTED = 8, WG_FAILED_PRECONDITION = 9, WG_ABORTED = 10, WG_OUT_OF_RANGE = 11,
  WG_UNIMPLEMENTED = 12, WG_INTERNAL = 13, WG_UNAVAILABLE = 14, WG_DATA_LOSS = 15,
  WG_PANIC = 100
};

enum { WG_F32 = 1, WG_I64 = 2, WG_MAX_RANK = 8 };
typedef struct WgTensor {
  void *data;
  const int64_t *shape;
  uint32_t rank;
  uint32_t dtype;
} WgTensor;

typedef struct WgOwned {
  WgTensor tensor;
  void *owner;
  void (*release)(struct WgOwned *); /* NULL: empty */
} WgOwned;

typedef struct WgNamedTensor { WgStr name; WgTensor tensor; } WgNamedTensor;

/* What flows to the client while an explanation is computed. The result of a run is the engine's accumulated state of
 * each artifact when explain returns, so a stop keeps the best so far without the plugin's help. */
enum { WG_EVENT_PROGRESS = 1, WG_EVENT_KEYFRAME = 2, WG_EVENT_TILE = 3, WG_EVENT_METRICS = 4, WG_EVENT_NOTICE = 5 };
enum { WG_ARTIFACT_MAP = 1, WG_ARTIFACT_IMAGE = 2, WG_ARTIFACT_POINTS = 3, WG_ARTIFACT_MATRIX = 4, WG_ARTIFACT_SERIES = 5, WG_ARTIFACT_TABLE = 6 };
typedef struct WgEvent {
  size_t struct_size;
  uint32_t kind;
  uint32_t artifact_kind;          /* PROGRESS, METRICS, NOTICE: 0 */
  WgStr artifact;                  /* one that the descriptor declares: [a-z0-9][a-z0-9._-]* */
  uint64_t step, total;            /* total 0: not known */
  uint32_t y, x;                   /* TILE: where the tensor replaces the artifact's cells */
  const WgTensor *tensor;          /* live until emit returns, the engine copies */
  const WgTensor *standard_error;  /* of the same shape, or NULL */
  WgStr meta;                      /* JSON: the keys that docs/plugins.md lists for this kind, and no others */
} WgEvent;

/* One running call: its sink, its cancellation, its last error, its log. Never a thread's. */
typedef struct WgCall {
  size_t struct_size;
  void *ctx;
  /* [any thread, until the call returns] WG_CANCELLED: return soon, with WG_OK or WG_CANCELLED. Blocks while paused. */
  WgStatus (*emit)(const struct WgCall *, const WgEvent *);
  bool (*is_cancelled)(const struct WgCall *);                            /* [any thread] one relaxed load */
  /* [any thread] what the status about to be returned means: reason in UPPER_SNAKE, the offending field or nothing, a sentence. The last one wins. */
  void (*fail)(const struct WgCall *, WgStatus, WgStr reason, WgStr field, WgStr message);
  void (*log)(const struct WgCall *, uint32_t level, WgStr message);      /* [any thread] */
  /* [any thread] Parameters marked live may change under way: true and the new ones (valid until the next call) when they have, since the last asking. */
  bool (*live_params)(const struct WgCall *, WgStr *params);
  uint32_t threads;                /* the share of the machine that this call may use */
  uint32_t reserved;
} WgCall;

enum { WG_RULE_STANDARD = 0, WG_RULE_GUIDED = 1, WG_RULE_DECONVNET = 2 }; /* what Relu, Clip from 0, LeakyRelu and PRelu do backwards */

/* A cotangent: a tensor, or (data NULL) the node's own value, which is the gradient of half its squared norm. */
typedef struct WgVjp {
  size_t struct_size;
  const WgNamedTensor *feeds;       size_t n_feeds;
  const WgNamedTensor *cotangents;  size_t n_cotangents;
  const WgStr *wrt;                 size_t n_wrt;
  const WgStr *fetches;             size_t n_fetches; /* values from the same forward pass */
  uint32_t rule;
  uint32_t reserved;
} WgVjp;

/* A loaded model: filled by a back end, wrapped by the engine, used by explainers.
 * Node ids: "input" (RGB in 0..1, N,3,H,W: normalisation is inside), "logits" (N,C), "probabilities" (N,C) and "features"
 * (what feeds the global pooling or the flatten, where there is one) always mean these; any other id is a value's name in the file.
 * N is free: a back end that cannot batch loops. A needed input that is not fed: WG_INVALID_ARGUMENT, named.
 * A wrt that is not upstream of any cotangent: zeros. */
typedef struct WgModel {
  size_t struct_size;      /* set by who allocates it; the filler writes no further */
  void *self;
  WgStr descriptor;        /* JSON: input size, labels, nodes (id, op, shape, receptive field), capabilities
                              (gradients, guided-rules, inner-feeds, free-size), concurrency, device */
  /* [concurrent] out: n_fetches tensors. A back end splits a batch's rows over its own workers, within call->threads. */
  WgStatus (*run)(void *self, const WgCall *, const WgNamedTensor *feeds, size_t n_feeds,
                  const WgStr *fetches, size_t n_fetches, WgOwned *out);
  /* [concurrent] NULL: no gradients. out: first the n_wrt gradients, then the n_fetches values. */
  WgStatus (*vjp)(void *self, const WgCall *, const WgVjp *, WgOwned *out);
  /* A table whose functions take the self of this model: "whyglass.model.occlude/1". The engine forwards only those it wraps. */
  const void *(*extension)(void *self, WgStr id);
} WgModel;

typedef struct WgBackend {
  size_t struct_size;
  WgStr id, descriptor;    /* JSON: file formats, devices, options as JSON Schema */
  WgStatus (*load)(const WgCall *, WgStr path, WgStr options, WgModel *out); /* [any thread] */
  void (*unload)(WgModel *);                                                 /* after its last call returned */
} WgBackend;

/* Pictures on demand: a dataset is never held in memory whole. A single picture is a set of one. */
typedef struct WgImages {
  size_t struct_size;
  void *ctx;
  size_t count;
  WgStr descriptor;        /* JSON: class names; item ids */
  /* [any thread] 1,3,H,W at the model's input size. Blocks while paused. */
  WgStatus (*get)(const struct WgImages *, const WgCall *, size_t index, WgOwned *out);
  int64_t (*label)(const struct WgImages *, size_t index);  /* class index; -1: not known */
} WgImages;

typedef struct WgRequest {
  size_t struct_size;
  const WgImages *images;
  int64_t target;                            /* class index, resolved by the engine */
  uint64_t seed;                             /* resolved by the engine, < 2^53 */
  const WgNamedTensor *inputs; size_t n_inputs; /* artifacts of other techniques that the descriptor asks for */
} WgRequest;

typedef struct WgExplainer {
  size_t struct_size;
  WgStr id, descriptor;    /* JSON: title, family, paper, needs (gradients, guided-rules, inner-feeds, free-size, dataset),
                              inputs (another technique's artifact), params as JSON Schema, artifacts */
  /* [any thread] Fill what depends on the model (the default layer, 20 % of the input in pixels): calls put once. NULL: nothing does. */
  WgStatus (*resolve)(const WgCall *, const WgModel *, WgStr params, void *ctx, void (*put)(void *ctx, WgStr resolved));
  /* [concurrent] Parameters are resolved and valid. */
  WgStatus (*explain)(const WgCall *, const WgModel *, const WgRequest *, WgStr params);
} WgExplainer;

typedef struct WgHost {
  size_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t reserved;
  WgStr name, version;
  void *ctx;
  void (*log)(void *ctx, uint32_t level, WgStr target, WgStr message);   /* [any thread] */
  const void *(*extension)(void *ctx, WgStr id);
} WgHost;

typedef struct WgPlugin {
  size_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t reserved;
  WgStr id, version;
  const WgBackend *const *backends;     size_t n_backends;
  const WgExplainer *const *explainers; size_t n_explainers;
  void (*shutdown)(void);
} WgPlugin;

/* The only exported symbol. `host` lives as long as the process. NULL: this host is refused. */
const WgPlugin *whyglass_plugin_v1(const WgHost *host);

#ifdef __cplusplus
}
#endif
#endif
