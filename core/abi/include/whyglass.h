/* The plugin ABI of Whyglass: the same tables as the Rust crate whyglass-abi, kept equal by its tests.
 * C11 and later, C++11 and later. docs/plugins.md tells how to use it; tests/plugins/hello-c is a whole plugin.
 *
 * Rules
 *  1. Append only. Test struct_size before touching a field that is not in 1.0. Unknown enum values are passed on or
 *     ignored, never fatal.
 *  2. No tail padding, so that struct_size == sizeof. Who allocates a table sets struct_size.
 *  3. Inputs are borrowed for the call: whoever wants to keep one copies it. Outputs are WgOwned and released by who
 *     received them. Nobody frees what another allocated. On any status but WG_OK every out entry is empty
 *     (release NULL).
 *  4. Tensors are in host memory, row-major and contiguous, float32 (int64 for labels and indices), naturally aligned,
 *     of at most WG_MAX_RANK dimensions.
 *  5. Nothing unwinds over this line: catch every exception and every panic, and return a status instead.
 *  6. emit must not be called after the function that received the WgCall has returned; a plugin joins its threads
 *     before that.
 *  7. WG_PANIC disables the technique or the model that panicked, nothing else.
 *  8. The library is never unloaded; shutdown runs once before exit.
 *  9. Reserved fields are 0.
 *
 * Thread tags: [any thread]: several threads at once. [concurrent]: likewise, but no more at once than the
 * descriptor's "concurrency" says (0: any number). [once]: one call, with nothing else running in the plugin.
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
#define WG_ABI_MINOR 0 /* grows with each appended field */

/* UTF-8, borrowed, not NUL-terminated. ptr may be NULL where len is 0. */
typedef struct WgStr {
  const char *ptr;
  size_t len;
} WgStr;

/* gRPC's numbers, so that the server maps them one to one. Any other number counts as WG_UNKNOWN. */
typedef int32_t WgStatus;
enum {
  WG_OK = 0,
  WG_CANCELLED = 1, /* the caller wanted no more: not a failure */
  WG_UNKNOWN = 2,
  WG_INVALID_ARGUMENT = 3, /* fail() names the field */
  WG_DEADLINE_EXCEEDED = 4,
  WG_NOT_FOUND = 5,
  WG_PERMISSION_DENIED = 7,
  WG_RESOURCE_EXHAUSTED = 8,
  WG_FAILED_PRECONDITION = 9, /* the model is not of the kind that this needs */
  WG_ABORTED = 10,
  WG_OUT_OF_RANGE = 11,
  WG_UNIMPLEMENTED = 12,
  WG_INTERNAL = 13,
  WG_UNAVAILABLE = 14,
  WG_DATA_LOSS = 15,
  WG_PANIC = 100 /* it panicked or threw; rule 7 */
};

enum { WG_F32 = 1, WG_I64 = 2 }; /* WgTensor.dtype */
enum { WG_MAX_RANK = 8 };        /* WgTensor.rank */

/* Borrowed. Where there are no elements data may be NULL, at rank 0 shape may be NULL. Read only, unless it is inside a
 * WgOwned that you own. */
typedef struct WgTensor {
  void *data;
  const int64_t *shape;
  uint32_t rank;
  uint32_t dtype;
} WgTensor;

/* A tensor with its owner. Whoever receives it may write its data, may pass it on, and calls release exactly once. */
typedef struct WgOwned {
  WgTensor tensor;
  void *owner; /* the maker's, nobody else's */
  /* [any thread] Frees what the maker allocated: data, shape, owner. The entry is dead afterwards. NULL: the entry is
   * empty, and there is nothing to release. */
  void (*release)(struct WgOwned *);
} WgOwned;

typedef struct WgNamedTensor {
  WgStr name; /* a node's id, or an artifact's */
  WgTensor tensor;
} WgNamedTensor;

/* WgEvent.kind */
enum {
  WG_EVENT_PROGRESS = 1, /* step of total; meta may name the stage */
  WG_EVENT_KEYFRAME = 2, /* the whole artifact as it stands: the first event of an artifact is one */
  WG_EVENT_TILE = 3,     /* the tensor replaces the cells from (y, x) on */
  WG_EVENT_METRICS = 4,  /* meta: name to number */
  WG_EVENT_NOTICE = 5    /* meta: reason and message */
};
/* WgEvent.artifact_kind */
enum {
  WG_ARTIFACT_MAP = 1,    /* H,W at the artifact's own grid; NaN where it is not computed yet */
  WG_ARTIFACT_IMAGE = 2,  /* 3,H,W: RGB in 0..1 */
  WG_ARTIFACT_POINTS = 3, /* n,2 or n,3 */
  WG_ARTIFACT_MATRIX = 4, /* C,C */
  WG_ARTIFACT_SERIES = 5, /* n,k */
  WG_ARTIFACT_TABLE = 6   /* n,k */
};

/* What flows to the client while an explanation is computed. The result of a run is the host's accumulated state of
 * each artifact when explain returns, so a stop keeps the best so far without the plugin's help. Made by the plugin;
 * everything in it is borrowed until emit returns: the host copies. */
typedef struct WgEvent {
  size_t struct_size;
  uint32_t kind;
  uint32_t artifact_kind;         /* PROGRESS, METRICS, NOTICE: 0 */
  WgStr artifact;                 /* one that the descriptor declares: [a-z0-9][a-z0-9._-]*; empty where there is none */
  uint64_t step, total;           /* total 0: not known */
  uint32_t y, x;                  /* TILE: where the tensor goes, in cells */
  const WgTensor *tensor;         /* KEYFRAME, TILE; else NULL */
  const WgTensor *standard_error; /* of the same shape, or NULL */
  WgStr meta;                     /* JSON: the keys that docs/plugins.md lists for this kind, and no others; or empty */
} WgEvent;

/* WgCall.log, WgHost.log: severity. Unknown numbers count as WG_LOG_INFO. */
enum { WG_LOG_ERROR = 1, WG_LOG_WARN = 2, WG_LOG_INFO = 3, WG_LOG_DEBUG = 4, WG_LOG_TRACE = 5 };

/* One running call: its sink, its cancellation, its last error, its log. Never a thread's. Made by the host, borrowed by
 * the plugin until the function that received it returns; pass it on to every call that you make underneath. */
typedef struct WgCall {
  size_t struct_size;
  void *ctx; /* the host's */
  /* [any thread] Sends one event, which stays the caller's. Blocks while the run is paused. WG_CANCELLED: return soon,
   * with WG_OK or WG_CANCELLED. Any other status: the event was refused, and the host has kept why as if by fail. */
  WgStatus (*emit)(const struct WgCall *, const WgEvent *);
  /* [any thread] Whether the caller wants no more. Costs one load: ask often. */
  bool (*is_cancelled)(const struct WgCall *);
  /* [any thread] What the status about to be returned means: the reason in UPPER_SNAKE, the offending field or nothing,
   * a sentence. The strings stay the caller's. The last one wins. */
  void (*fail)(const struct WgCall *, WgStatus, WgStr reason, WgStr field, WgStr message);
  /* [any thread] A line for the log of the run. The string stays the caller's. */
  void (*log)(const struct WgCall *, uint32_t level, WgStr message);
  /* [any thread] Parameters marked x-live may change under way: true where they have since the last asking, and all of
   * them as JSON, the host's, valid until the next asking from any thread. False: *params is left alone. */
  bool (*live_params)(const struct WgCall *, WgStr *params);
  uint32_t threads; /* the share of the machine that this call may use, the calling thread included */
  uint32_t reserved;
} WgCall;

/* What Relu, Clip from 0, LeakyRelu and PRelu do on the way back. Unknown: standard. */
enum {
  WG_RULE_STANDARD = 0, /* their derivative */
  WG_RULE_GUIDED = 1,   /* passes where the forward value and the cotangent are positive */
  WG_RULE_DECONVNET = 2 /* passes where the cotangent is positive */
};

/* A vector-Jacobian product: what a model is asked. Made by the asker; everything in it is borrowed for the call. */
typedef struct WgVjp {
  size_t struct_size;
  const WgNamedTensor *feeds; /* values of nodes for the forward pass */
  size_t n_feeds;
  /* Where the way back begins: a tensor of the node's shape, or (data NULL) the node's own value, which is the gradient
   * of half its squared norm. */
  const WgNamedTensor *cotangents;
  size_t n_cotangents;
  const WgStr *wrt; /* the nodes whose gradients are wanted */
  size_t n_wrt;
  const WgStr *fetches; /* nodes whose values of the same forward pass are wanted */
  size_t n_fetches;
  uint32_t rule; /* WG_RULE_* */
  uint32_t reserved;
} WgVjp;

/* A loaded model: filled by a back end, wrapped by the host, used by techniques.
 * Node ids: "input" (N,3,H,W, RGB in 0..1: normalisation is inside), "logits" (N,C), "probabilities" (N,C) and
 * "features" (what feeds the global pooling or the flatten, where there is one) always mean these; any other id is a
 * value's name in the file. N is free: a back end that cannot batch loops. A needed input that is not fed:
 * WG_INVALID_ARGUMENT, named. A wrt that is not upstream of any cotangent: zeros. */
typedef struct WgModel {
  size_t struct_size; /* set by who allocates it; the filler writes no further */
  void *self;         /* the filler's: the first argument of each function */
  WgStr descriptor;   /* JSON: input size, classes, layers, capabilities, concurrency, device; lives until unload */
  /* [concurrent] Feeds values, writes n_fetches tensors to out, which the caller then owns. Feeds and names stay the
   * caller's. A back end splits a batch over its own workers, within call->threads. */
  WgStatus (*run)(void *self, const WgCall *, const WgNamedTensor *feeds, size_t n_feeds, const WgStr *fetches,
                  size_t n_fetches, WgOwned *out);
  /* [concurrent] Writes the n_wrt gradients and then the n_fetches values to out, which the caller then owns. The query
   * stays the caller's. NULL: the model has no gradients. */
  WgStatus (*vjp)(void *self, const WgCall *, const WgVjp *, WgOwned *out);
  /* [any thread] A table whose functions take the self of this model ("whyglass.model.occlude/1"), the model's, valid
   * until unload; NULL where it has none of that id. The host forwards only those that it wraps. NULL: no extensions. */
  const void *(*extension)(void *self, WgStr id);
} WgModel;

/* Rows top..bottom and columns left..right of a picture; an empty one hides nothing. */
typedef struct WgRect {
  uint32_t top, left, bottom, right;
} WgRect;

/* One picture, and what is to be hidden of it: one evaluation per rectangle. Made by the asker; everything in it is
 * borrowed for the call. */
typedef struct WgOcclusion {
  size_t struct_size;
  WgTensor picture; /* 1,3,H,W as "input" */
  WgTensor fill;    /* of the same shape: what shows where the picture is hidden */
  const WgRect *rects;
  size_t n_rects;
  WgStr fetch; /* the node whose values are wanted */
} WgOcclusion;

/* The extension "whyglass.model.occlude/1" of a model: the same answers as run for each picture with a rectangle filled,
 * up to rounding, for less work. */
typedef struct WgOcclude {
  size_t struct_size;
  /* [concurrent] Calls put from the calling thread, in order, with the values of some rectangles from number first on
   * (n,C for n rectangles), which stay the model's; another status than WG_OK from it ends the call with that status.
   * WG_UNIMPLEMENTED before anything was put: nothing would be gained for this query, use run. */
  WgStatus (*occlude)(void *self, const WgCall *, const WgOcclusion *, void *ctx,
                      WgStatus (*put)(void *ctx, size_t first, const WgTensor *rows));
  /* [concurrent] NULL: it does not say. Calls put from the calling thread with one line after the other, for people: how
   * occlude would answer this query; computes nothing. WG_UNIMPLEMENTED, with the reason as its message: nothing would
   * be gained. */
  WgStatus (*plan)(void *self, const WgCall *, const WgOcclusion *, void *ctx, void (*put)(void *ctx, WgStr line));
} WgOcclude;

/* Loads model files. The table lives as long as the process. */
typedef struct WgBackend {
  size_t struct_size;
  WgStr id, descriptor; /* JSON: file formats, devices, runtime */
  /* [any thread] Loads the file at path. The host allocates out and sets its struct_size; the back end fills it, and
   * owns what it points to until unload. path and options (JSON) stay the host's. */
  WgStatus (*load)(const WgCall *, WgStr path, WgStr options, WgModel *out);
  /* [any thread] Frees what load made, after the model's last call has returned; the WgModel itself stays the host's. */
  void (*unload)(WgModel *);
} WgBackend;

/* Pictures on demand: a dataset is never held in memory whole. A single picture is a set of one. The host's, borrowed by
 * the plugin until explain returns. */
typedef struct WgImages {
  size_t struct_size;
  void *ctx; /* the host's */
  size_t count;
  WgStr descriptor; /* JSON: class names; item ids; or empty */
  /* [any thread] Writes picture index to out (1,3,H,W at the model's input size, RGB in 0..1), which the caller then
   * owns. Blocks while the run is paused. */
  WgStatus (*get)(const struct WgImages *, const WgCall *, size_t index, WgOwned *out);
  /* [any thread] The class index of a picture; -1: not known. */
  int64_t (*label)(const struct WgImages *, size_t index);
} WgImages;

/* What is to be explained. The host's, borrowed by the plugin until explain returns. */
typedef struct WgRequest {
  size_t struct_size;
  const WgImages *images;
  int64_t target;              /* class index, resolved by the host; -1: none */
  uint64_t seed;               /* of all randomness, resolved by the host, < 2^53 */
  const WgNamedTensor *inputs; /* artifacts of other techniques that the descriptor asks for */
  size_t n_inputs;
} WgRequest;

/* One technique. The table lives as long as the process. */
typedef struct WgExplainer {
  size_t struct_size;
  WgStr id, descriptor; /* JSON: title, family, paper, needs, inputs, params as JSON Schema 2020-12, artifacts */
  /* [any thread] Fills in what depends on the model (the default layer, 20 % of the input in pixels): calls put once,
   * with all parameters as JSON, which stay the plugin's. params and model stay the host's. NULL: nothing depends on the
   * model. */
  WgStatus (*resolve)(const WgCall *, const WgModel *, WgStr params, void *ctx,
                      void (*put)(void *ctx, WgStr resolved));
  /* [concurrent] Explains: emits through the call, and returns when done or soon after a stop. Parameters are resolved
   * and valid. Every argument stays the host's. */
  WgStatus (*explain)(const WgCall *, const WgModel *, const WgRequest *, WgStr params);
} WgExplainer;

/* The host as a plugin sees it. Lives as long as the process. */
typedef struct WgHost {
  size_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t reserved;
  WgStr name, version;
  void *ctx; /* the host's: the first argument of each function */
  /* [any thread] A line for the host's log, outside of any run. The strings stay the caller's. NULL: nobody listens. */
  void (*log)(void *ctx, uint32_t level, WgStr target, WgStr message);
  /* [any thread] A table by name, the host's, for ever; NULL where it has none of that id. NULL: no extensions. */
  const void *(*extension)(void *ctx, WgStr id);
} WgHost;

/* What a plugin offers: the plugin's, for ever. */
typedef struct WgPlugin {
  size_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t reserved;
  WgStr id, version;
  const WgBackend *const *backends;
  size_t n_backends;
  const WgExplainer *const *explainers;
  size_t n_explainers;
  /* [once] Before the process exits, after the last call has returned. NULL: nothing to do. */
  void (*shutdown)(void);
} WgPlugin;

/* [any thread] The only exported symbol. May be called more than once and returns the same pointer, which stays the
 * plugin's. host lives as long as the process. NULL: this host is refused (test its abi_major and struct_size). */
const WgPlugin *whyglass_plugin_v1(const WgHost *host);

#ifdef __cplusplus
}
#endif
#endif
