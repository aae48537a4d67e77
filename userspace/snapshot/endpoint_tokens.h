/*
 * endpoint_tokens.h - names of an upstream's endpoints for clients to bring back.
 *
 * A keyed hash of address, port and vpc: whoever has not the key learns nothing of the endpoint and
 * can make no name; every node with the key makes the same ones, whatever stands in which order.
 * Immutable. Any thread.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/span.h"
#include "userspace/model/model.h"
#include "userspace/snapshot/token_keys.h"

enum { ENDPOINT_TOKEN_BYTES = 22, ENDPOINT_TOKEN_NOBODY = UINT32_MAX };

struct endpoint_tokens;

struct endpoint_tokens *endpoint_tokens_create(const struct upstream *upstream,
					       const struct token_keys *keys);
void endpoint_tokens_destroy(struct endpoint_tokens *tokens); /* accepts NULL */
/* By the present key; of ENDPOINT_TOKEN_BYTES letters, digits, "-" and "_". */
const char *endpoint_tokens_of(const struct endpoint_tokens *tokens, uint32_t place);
/* By any key: its place, or nobody's. How long it takes tells nothing of how near a guess was. */
uint32_t endpoint_tokens_find(const struct endpoint_tokens *tokens, struct span token);
