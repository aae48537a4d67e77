/*
 * request_id.h - names for requests: 128 bits that no other worker, process or guess meets.
 *
 * Knows SipHash-2-4 under a secret key, of a counter. Pure: the key comes as an argument, so that
 * two workers are told apart by theirs. A generator belongs to one worker.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

enum {
	REQUEST_ID_DIGITS = 32, /* of an id that we made */
	REQUEST_ID_MAX = 64,    /* of one that we take */
};

struct request_ids {
	uint64_t key[2];
	uint64_t next;
};

void request_ids_init(struct request_ids *ids, const uint64_t key[2]);
/* Lower-case hex, without a NUL. */
void request_ids_make(struct request_ids *ids, char out_id[REQUEST_ID_DIGITS]);
/* Visible ASCII without quotes and backslashes, short enough: fit for logs, headers and searches.
 */
bool request_id_may_be_taken(struct span id);
