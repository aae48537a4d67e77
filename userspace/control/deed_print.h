/*
 * deed_print.h - what became of a request that has ended, as JSON.
 */
#pragma once
#include "userspace/control/crew.h"

/* Asks all workers; NULL and *out_status 400 with a sentence, malloc'ed all. Control thread. */
char *deed_ask(struct crew *crew, const struct snapshot *snapshot, struct span id,
	       uint32_t *out_status);
