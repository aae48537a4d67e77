/*
 * deed_ask.h - what became of a request, or how far it has got, by its name: asks all workers.
 */
#pragma once
#include <jansson.h>

#include "userspace/control/crew.h"
#include "userspace/control/history.h"
#include "userspace/proxy/deed_ring.h"

/*
 * JSON, malloc'ed; *out_status 400 with a sentence where no worker knows it. Of another
 * configuration than the present it has the deed itself as "raw", for who can get at that one.
 * Control thread.
 */
char *deed_ask(struct crew *crew, const struct snapshot *snapshot, const struct history *history,
	       struct span id, uint32_t *out_status);
/* Whole, as "raw", for a shuntctl of the same build. */
void deed_to_raw(json_t *answer, const struct deed *deed);
/* From "raw", which is taken out. False: there is none, or it is of another shuntd than this. */
bool deed_from_raw(json_t *answer, struct deed *out);
