/* missing-symbol: a shared library that is no plugin. */
int whyglass_plugin_v0(void);

int whyglass_plugin_v0(void) { return 0; }
