/*
 * admin_request.h - the head of a request to the admin socket. Pure.
 *
 * Only what that socket serves: GET, and POST with a small body. What is odd is refused, never
 * guessed at.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

enum { ADMIN_HEAD_MAX = 4096, ADMIN_BODY_MAX = 256 << 10 };

enum admin_result { ADMIN_NEED_MORE, ADMIN_REQUEST, ADMIN_REFUSED };

struct admin_request {
	bool is_post;
	struct span path;  /* without the query; borrowed from the input, as all */
	struct span query; /* of POST; as written, without the "?" */
	struct span body;  /* of POST */
	uint32_t uid, pid; /* who asks, as the kernel says; not the parser's business */
};

/* ADMIN_REFUSED: *out_status is the reply's. */
enum admin_result admin_request_parse(struct span in, struct admin_request *out_request,
				      uint32_t *out_status);
