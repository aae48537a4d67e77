/*
 * admin_request.h - the head of a request to the admin socket. Pure.
 *
 * Only what that socket serves: GET without a body. What is odd is refused, never guessed at.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/span.h"

enum { ADMIN_HEAD_MAX = 4096 };

enum admin_result { ADMIN_NEED_MORE, ADMIN_REQUEST, ADMIN_REFUSED };

struct admin_request {
	struct span path; /* without the query; borrowed from the input */
};

/* ADMIN_REFUSED: *out_status is the reply's. */
enum admin_result admin_request_parse(struct span in, struct admin_request *out_request,
				      uint32_t *out_status);
