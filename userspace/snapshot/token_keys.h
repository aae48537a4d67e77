/*
 * token_keys.h - the secret with which endpoints get the names that clients see.
 *
 * From a file that nodes share; or made once and kept in the state directory; or of this process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"

enum { TOKEN_KEY_BYTES = 32, TOKEN_KEYS_MAX = 4 };

struct token_keys {
	uint8_t keys[TOKEN_KEYS_MAX][TOKEN_KEY_BYTES]; /* the first one names, all are understood */
	uint32_t count;
};

/* path, or else a file in the folder `state`, which is made where it is missing, or else (both
 * NULL) the same for as long as this process lives. False: *out_keys is as it was. */
bool token_keys_load(const char *path, const char *state, struct token_keys *out_keys,
		     struct err *err);
