/*
 * history.h - the texts of the configurations that were in effect last, for who asks about them.
 *
 * Bounded by number and by bytes; the oldest go first. In memory: a restart forgets. Control
 * thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

struct history;

enum { HISTORY_MAX = 16, HISTORY_BYTES_MAX = 16 << 20 };

struct history *history_create(void);
void history_destroy(struct history *history); /* accepts NULL */
/* What path holds is in effect as that revision. Where it cannot be read or is too much, nothing
 * is kept of it. */
void history_add(struct history *history, const char *path, uint64_t revision);
/* That revision has the last text too: by other orders, or other addresses of names. */
void history_extend(struct history *history, uint64_t revision);
/* Both revisions have the same text, which is kept. */
bool history_is_same(const struct history *history, uint64_t one, uint64_t other);
/*
 * JSON, malloc'ed: asked is empty: {"revisions": [{"revision", "since", "bytes"}]}; or a number, 0
 * for the last: {"revision", "since", "files": [{"name", "text"}]}. *out_status 400: not kept.
 */
char *history_print(const struct history *history, struct span asked, uint32_t *out_status);
